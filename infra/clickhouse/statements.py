"""As much of SQL's grammar as the server needs: which statements it has to treat in its own way."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, pairwise

from infra.clickhouse.errors import Code, server_error

# What is opened and never closed goes to the end: tried again behind each of its signs, a long text would take hours.
_TOKEN = re.compile(
    r"""
      (?P<space>\s+|--[^\n]*|\#[! ][^\n]*|/\*.*?(?:\*/|\Z))
    | (?P<quoted>`(?:[^`\\]|\\.|``)*+(?:`|\\?\Z)|"(?:[^"\\]|\\.|"")*+(?:"|\\?\Z))
    | (?P<literal>'(?:[^'\\]|\\.|'')*+(?:'|\\?\Z))
    | (?P<word>\w+)
    | (?P<sign>.)
    """,
    re.VERBOSE | re.DOTALL,
)

_FORMAT = re.compile(r"\s+format\s+[A-Za-z]\w*\s*;?\s*\Z|\s*;\s*\Z", re.IGNORECASE)
_FORMAT_ROOM = 200

_ESCAPED = re.compile(r"\\(.)|(``)|(\"\")", re.DOTALL)

_DATA_FROM_ELSEWHERE = frozenset({"SELECT", "WITH", "FROM", "WATCH", "EXECUTE", "("})


@dataclass(frozen=True, slots=True)
class Token:
    """A word, a quoted name, a text or a sign, and where it stands."""

    kind: str
    text: str
    start: int
    end: int

    @property
    def word(self) -> str:
        """The word or sign in capitals; empty for names in quotes and for texts."""
        return "" if self.kind in ("quoted", "literal") else self.text.upper()


@dataclass(frozen=True, slots=True)
class Insert:
    """An INSERT whose rows the client sends.

    Attributes:
        target: The table, as written.
        columns: What stands between the brackets, as written; None without brackets.
        settings: The SETTINGS clause, as written; empty without one.
    """

    target: str
    columns: str | None
    settings: str


def tokens(sql: str) -> Iterator[Token]:
    """The tokens of a text, without spaces and comments."""
    for match in _TOKEN.finditer(sql):
        kind = match.lastgroup or ""
        if kind != "space":
            yield Token(kind, match[0], match.start(), match.end())


def first_word(sql: str) -> str:
    """The word that a statement begins with, in capitals, behind comments and opening brackets.

    >>> first_word("-- all\\n (select 1)")
    'SELECT'
    """
    return next((token.word for token in tokens(sql) if token.text != "("), "")


def is_select(sql: str) -> bool:
    """Whether a statement's answer can be streamed block by block."""
    return first_word(sql) in ("SELECT", "WITH", "FROM")


def without_format(sql: str) -> str:
    """The statement without semicolon and FORMAT clause: a server always answers in Native, the form is the
    client's affair.

    >>> without_format("SELECT 1 FORMAT JSON;")
    'SELECT 1'
    """
    cut = max(0, len(sql) - _FORMAT_ROOM)
    tail = _FORMAT.sub("", _FORMAT.sub("", sql[cut:]))
    return sql[:cut] + tail


def cut_format(sql: str) -> tuple[str, str]:
    """The statement without semicolon and FORMAT clause, and the format's name, empty if there is none.

    >>> cut_format("SELECT 1 FORMAT JSON;")
    ('SELECT 1', 'JSON')

    Raises:
        ServerError: FORMAT stands elsewhere than at the end.
    """
    bare = without_format(sql)
    following = [token for token in tokens(sql[len(bare) :]) if token.word not in ("FORMAT", ";")]
    if any(one.word == "FORMAT" and other.kind in ("word", "quoted") for one, other in pairwise(tokens(bare))):
        raise server_error(Code.SYNTAX_ERROR, "FORMAT is to stand at the end of the statement")
    return bare, following[0].text if following else ""


def parse_insert(sql: str) -> Insert | None:
    """An INSERT whose rows are to come from the client; None for every other statement.

    Raises:
        ServerError: Rows from the client for something that is not a table.
    """
    stream = tokens(sql)
    if [token.word for token in islice(stream, 2)] != ["INSERT", "INTO"]:
        return None
    return _InsertParser(sql, stream).parse()


class _InsertParser:
    """One pass over the tokens that follow INSERT INTO; it stops where the rows begin."""

    def __init__(self, sql: str, stream: Iterator[Token]) -> None:
        self._sql = sql
        self._stream = stream
        self._token = next(stream, None)

    def parse(self) -> Insert | None:
        if self._word() == "TABLE":
            self._step()
        function = self._word() == "FUNCTION"
        if function:
            self._step()
        target = self._target()
        columns = self._columns()
        start = self._token.start if self._token else len(self._sql)
        stop = self._rows_expected_at()
        if stop is None:
            return None
        if function:
            raise server_error(Code.NOT_IMPLEMENTED, "Rows from a client go into tables only")
        return Insert(target, columns, self._sql[start:stop].strip())

    def _word(self) -> str:
        return self._token.word if self._token else ""

    def _step(self) -> None:
        self._token = next(self._stream, None)

    def _target(self) -> str:
        names = []
        while self._token and self._token.kind in ("word", "quoted"):
            names.append(self._token.text)
            self._step()
            if self._word() != ".":
                break
            self._step()
        return ".".join(names)

    def _columns(self) -> str | None:
        if self._token is None or self._token.text != "(":
            return None
        start, depth = self._token.end, 0
        while self._token:
            depth += {"(": 1, ")": -1}.get(self._token.word, 0)
            stop = self._token.start
            self._step()
            if depth == 0:
                return self._sql[start:stop]
        return None

    def _rows_expected_at(self) -> int | None:
        """Where VALUES or FORMAT stands with nothing behind it; None if the rows come from elsewhere."""
        while self._token and self._word() not in _DATA_FROM_ELSEWHERE:
            word, start = self._word(), self._token.start
            self._step()
            if word in ("VALUES", "FORMAT"):
                if word == "FORMAT":
                    self._step()
                return start if self._token is None or self._token.text == ";" else None
        return None


def quote_name(name: str) -> str:
    """A name in backticks.

    >>> quote_name("a`b")
    '`a\\\\`b`'
    """
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def unquote_name(name: str) -> str:
    """What a name as written means.

    >>> unquote_name("`a b`")
    'a b'
    """
    if name[:1] not in ("`", '"'):
        return name
    return _ESCAPED.sub(lambda match: match[1] or match[0][:1], name[1:-1])


def quote_text(text: str) -> str:
    """A text as a literal.

    >>> quote_text("it's")
    "'it\\\\'s'"
    """
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
