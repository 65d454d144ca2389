"""Answers to statements that give rows: blocks go out as the engine makes them.

Two things that the engine's Native output leaves out are put back. An answer without rows has no block at all, so
its columns are asked for. And a column DateTime('Zone') is written as plain DateTime; then the types are asked
for too, which the session can do only when it is not streaming: the first blocks are held until then, and if
there are too many of them, the statement is run again with the types known.
"""

from collections.abc import Iterable

from infra.clickhouse.block import Column, block_shape, count_rows, retype, split_blocks
from infra.clickhouse.channel import Channel
from infra.clickhouse.engine import EngineSession, Progress, Result
from infra.clickhouse.errors import Code, ServerError, server_error
from infra.clickhouse.progress import ProgressReport
from infra.clickhouse.query import Running

_HELD_BYTES = 8 << 20

Columns = tuple[Column, ...]


class Answer:
    """Blocks on their way to a client, under one header."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._columns: Columns | None = None
        self._retype = False
        self._rows = self._blocks = self._bytes = 0
        self._progress = Progress()
        self.report = ProgressReport(channel)

    @property
    def begun(self) -> bool:
        """Whether the client knows the columns."""
        return self._columns is not None

    def begin(self, columns: Columns) -> None:
        """Tell the client the columns."""
        self._columns = columns
        self._retype = any(column.type.startswith("DateTime(") for column in columns)
        self._channel.send_header(columns)

    def send(self, result: Result) -> None:
        """Send what the engine made, block by block."""
        # The engine makes one block a chunk; the walk that splits is for when it does not.
        whole = count_rows(result.data) == result.rows
        for block in [result.data] if whole else split_blocks(result.data):
            self._channel.send_block(retype(block, self._columns or ()) if self._retype else block)
            self._blocks += 1
        self._rows += result.rows
        self._bytes += len(result.data)
        self._progress = result.progress

    def finish(self) -> None:
        """Tell the client what it was in all."""
        self._channel.send_profile(rows=self._rows, blocks=self._blocks, size=self._bytes)
        self.report.send(self._progress)
        self._channel.send_end()


def answer_select(channel: Channel, session: EngineSession, sql: str, running: Running) -> None:
    """Answer a SELECT block by block.

    Raises:
        ServerError: The engine refuses it or breaks off.
    """
    answer = Answer(channel)
    held: list[Result] = []
    with session.stream(running.marked(sql), answer.report.take) as results:
        for result in results:
            if not answer.begun and not held and (columns := _certain_columns(result.data)):
                answer.begin(columns)
            if answer.begun:
                answer.send(result)
            else:
                held.append(result)
            if running.cancelled.is_set() or _size(held) > _HELD_BYTES:
                break
    if not answer.begun and not running.cancelled.is_set():
        answer.begin(_columns_asked_for(session, sql))
        if _size(held) > _HELD_BYTES:
            with session.stream(running.marked(sql), answer.report.take) as results:
                _send_all(answer, results, running)
        else:
            _send_all(answer, held, running)
    if running.cancelled.is_set():
        channel.send_end()
    else:
        answer.finish()


def answer_other(channel: Channel, session: EngineSession, sql: str, running: Running, *, reads: bool) -> None:
    """Answer any other statement: run it to its end, then send what it gave.

    Args:
        reads: Whether it gives an answer even without rows, such as SHOW TABLES where there are none.
    """
    answer = Answer(channel)
    result = session.run(running.marked(sql), answer.report.take)
    if result.data:
        answer.begin(block_shape(result.data).columns)
        answer.send(result)
        answer.finish()
        return
    if reads:
        channel.send_header(session.columns_of_answer(sql))
    answer.report.send(result.progress)
    channel.send_end()


def _send_all(answer: Answer, results: Iterable[Result], running: Running) -> None:
    for result in results:
        answer.send(result)
        if running.cancelled.is_set():
            break


def _size(results: list[Result]) -> int:
    return sum(len(result.data) for result in results)


def _certain_columns(data: bytes) -> Columns | None:
    """The columns of a block, unless it does not tell them all."""
    try:
        columns = block_shape(data).columns
    except (ServerError, EOFError) as error:
        if isinstance(error, ServerError) and error.code == Code.UNKNOWN_TYPE:
            return None
        raise server_error(
            Code.NOT_IMPLEMENTED, "The answer is not in the Native format: leave the FORMAT clause out"
        ) from error
    return None if any(column.type == "DateTime" for column in columns) else columns


def _columns_asked_for(session: EngineSession, sql: str) -> Columns:
    try:
        return session.describe(sql)
    except ServerError:
        # Not every statement can stand in brackets; then it is run once more for the names and types.
        return session.columns_of_answer(sql)
