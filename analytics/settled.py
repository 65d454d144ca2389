"""Answers that must tie, of a database that is written while it is asked."""

from collections.abc import Callable
from contextlib import suppress
from time import sleep
from typing import Final, TypeVar

from analytics.errors import TieError
from analytics.question import Question
from sinks.clickhouse.positions import SINK

_CLAIMED: Final = "SELECT max(number) FROM sink_blocks WHERE sink = %(sink)s"
_FINISHED: Final = "SELECT max(number) FROM sink_positions WHERE sink = %(sink)s"

ATTEMPTS: Final = 20
PAUSE_S: Final = 0.25
"""A block is written in less, unless the sink is away."""

Answer = TypeVar("Answer")


def settled(question: Question, ask: Callable[[Question], Answer]) -> Answer:
    """What is answered; asked again where it does not tie and the sink was amid a block, which is written table by
    table: then a recharge may be there that is in no balance yet.

    Raises:
        TieError: It does not tie, and no block explains it, or the sink does not get on with its block.
    """
    # Where all ties nobody waits to hear of blocks.
    with suppress(TieError):
        return ask(question)
    for _ in range(ATTEMPTS):
        before = _blocks(question)
        try:
            return ask(question)
        except TieError:
            claimed, finished = _blocks(question)
            if claimed == finished and (claimed, finished) == before:
                raise
        sleep(PAUSE_S)
    try:
        return ask(question)
    except TieError as error:
        claimed, finished = _blocks(question)
        if claimed == finished:
            raise
        raise TieError(f"{error}; the sink is amid block {claimed}, and does not get on") from error


def _blocks(question: Question) -> tuple[int, int]:
    """The last block that a sink claimed, and the last that it finished."""
    ((claimed,),) = question.ask(_CLAIMED, sink=SINK)
    ((finished,),) = question.ask(_FINISHED, sink=SINK)
    return int(claimed), int(finished)
