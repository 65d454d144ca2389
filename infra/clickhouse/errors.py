"""What the server answers a client when something is wrong: an error with ClickHouse's own code."""

import re
from enum import IntEnum


class Code(IntEnum):
    """The codes of ClickHouse that this server gives itself; the engine gives many more."""

    NO_SUCH_COLUMN_IN_TABLE = 16
    CANNOT_READ_ALL_DATA = 33
    CHECKSUM_DOESNT_MATCH = 40
    NOT_IMPLEMENTED = 48
    UNKNOWN_TYPE = 50
    SYNTAX_ERROR = 62
    UNKNOWN_COMPRESSION_METHOD = 89
    UNEXPECTED_PACKET_FROM_CLIENT = 101
    UNKNOWN_SETTING = 115
    INCORRECT_DATA = 117
    TOO_LARGE_STRING_SIZE = 131
    READONLY = 164
    TOO_MANY_SIMULTANEOUS_QUERIES = 202
    NOT_ENOUGH_SPACE = 243
    CANNOT_DECOMPRESS = 271
    INTO_OUTFILE_NOT_ALLOWED = 358
    ACCESS_DENIED = 497
    AUTHENTICATION_FAILED = 516
    STD_EXCEPTION = 1001


class ServerError(Exception):
    """An error that the client is told; the connection goes on.

    Attributes:
        code: ClickHouse's number for it.
        message: Text for people, in ClickHouse's form.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message


class ProtocolError(ServerError):
    """The client's bytes make no sense here: it is told why, and its connection ends, since nobody can say
    where its next packet would start."""


def server_error(code: Code, text: str) -> ServerError:
    """An error of this server, worded as ClickHouse words its own."""
    return ServerError(code, f"DB::Exception: {text}. ({code.name})")


def protocol_error(code: Code, text: str) -> ProtocolError:
    """Like `server_error`, and the connection has to end."""
    return ProtocolError(code, f"DB::Exception: {text}. ({code.name})")


_ENGINE = re.compile(r"Code: (\d+)\. (DB::Exception: .*)", re.DOTALL)
_NESTED = re.compile(r"DB::Exception: Code: \d+\. (?=DB::Exception: )")
_VERSION = re.compile(r" \(version [\d.]+[^()]*\)(?:\. \([A-Z_]+\))?$")


def _text(error: BaseException) -> str:
    # A text that is not UTF-8, since it quotes a value or a statement that is not, fails on its way out of the engine.
    for one in (error, error.__cause__, error.__context__):
        if isinstance(one, UnicodeDecodeError):
            return one.object.decode("utf-8", "surrogateescape")
    return str(error)


def from_engine(error: Exception) -> ServerError:
    """The engine's exception, whose code stands only in its text.

    >>> from_engine(RuntimeError("Streaming query failed: Code: 60. DB::Exception: No. (UNKNOWN_TABLE)"))
    ServerError(60, 'DB::Exception: No. (UNKNOWN_TABLE)')
    """
    text = _text(error)
    match = _ENGINE.search(text)
    if match is None:
        return ServerError(Code.STD_EXCEPTION, f"std::exception: {text}")
    return ServerError(int(match[1]), _VERSION.sub("", _NESTED.sub("", match[2])))
