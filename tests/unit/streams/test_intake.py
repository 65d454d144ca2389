"""The queue in front of a partition's ledger: each record once, in order, nothing passed over."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from streams.core.outcome import Source
from streams.decode import InputRecord
from streams.errors import GapError
from streams.intake import BatchLimits, Intake

FRAMES, ORDERS = Source.FRAMES, Source.ORDERS
PATIENT = BatchLimits(records=4, bytes=100, wait_s=60.0)


@dataclass
class Record:
    offset: int
    key: bytes | None = b"S1"
    value: bytes | None = b"12345"
    timestamp: int = 0


@dataclass
class Brought:
    """A delivery that notes whether it was acknowledged."""

    value: Sequence[Record]
    acked: bool = field(default=False)

    def ack(self) -> bool:
        self.acked = True
        return True


def brought(*offsets: int, size: int = 5) -> Brought:
    return Brought([Record(offset, value=b"x" * size) for offset in offsets])


def intake(limits: BatchLimits = PATIENT, *, frames: int = 0, orders: int = 0) -> Intake:
    return Intake(3, start={FRAMES: frames, ORDERS: orders}, limits=limits)


def offsets(records: Sequence[InputRecord]) -> list[int]:
    return [record.offset for record in records]


async def written() -> None:
    """A write that is under way for ever."""
    await asyncio.Event().wait()


def test_records_come_out_once_and_in_order() -> None:
    async def run() -> None:
        waiting = intake(frames=5)
        await waiting.put(FRAMES, brought(5, 6))
        await waiting.put(FRAMES, brought(7))
        orders, frames = waiting.take()
        assert (offsets(orders), offsets(frames)) == ([], [5, 6, 7])
        assert waiting.take() == ([], [])
        assert waiting.expected == {FRAMES: 8, ORDERS: 0}

    asyncio.run(run())


def test_what_was_taken_before_is_dropped_and_acknowledged() -> None:
    async def run() -> None:
        waiting = intake(frames=5)
        old, overlapping = brought(3, 4), brought(4, 5)
        await waiting.put(FRAMES, old)
        await waiting.put(FRAMES, overlapping)
        assert (old.acked, overlapping.acked) == (True, False)
        assert offsets(waiting.take()[1]) == [5]

    asyncio.run(run())


@pytest.mark.parametrize(
    "delivered",
    [
        pytest.param((6,), id="the first is missing"),
        pytest.param((5, 7), id="one in between is missing"),
        pytest.param((4, 6), id="missing behind what was taken before"),
    ],
)
def test_a_gap_never_passes(delivered: tuple[int, ...]) -> None:
    with pytest.raises(GapError, match="frames from"):
        asyncio.run(intake(frames=5).put(FRAMES, brought(*delivered)))


def test_inputs_are_counted_apart() -> None:
    async def run() -> None:
        waiting = intake(frames=5, orders=100)
        await waiting.put(FRAMES, brought(5))
        await waiting.put(ORDERS, brought(100, 101))
        orders, frames = waiting.take()
        assert (offsets(orders), offsets(frames)) == ([100, 101], [5])

    asyncio.run(run())


def test_a_batch_takes_orders_first_and_keeps_to_its_limits() -> None:
    async def run() -> None:
        waiting = intake()
        await waiting.put(FRAMES, brought(0, 1, 2))
        await waiting.put(ORDERS, brought(0, 1))
        orders, frames = waiting.take()
        assert (offsets(orders), offsets(frames)) == ([0, 1], [0, 1])
        assert offsets(waiting.take()[1]) == [2]

    asyncio.run(run())


def test_the_record_that_passes_the_bytes_is_the_last() -> None:
    async def run() -> None:
        waiting = intake()
        await waiting.put(FRAMES, brought(0, 1, 2, size=60))
        assert offsets(waiting.take()[1]) == [0, 1]
        assert offsets(waiting.take()[1]) == [2]

    asyncio.run(run())


def test_a_delivery_is_acknowledged_when_its_last_record_is_written() -> None:
    async def run() -> None:
        waiting = intake()
        first, second = brought(0, 1), brought(2, 3)
        await waiting.put(FRAMES, first)
        await waiting.put(FRAMES, second)
        waiting.take()
        waiting.note_written({FRAMES: 3, ORDERS: 0})
        assert (first.acked, second.acked) == (True, False)
        waiting.note_written({FRAMES: 4, ORDERS: 0})
        assert second.acked

    asyncio.run(run())


def test_a_full_queue_makes_the_next_delivery_wait() -> None:
    async def run() -> None:
        waiting = intake()
        await waiting.put(FRAMES, brought(0, 1, 2, 3, 4))
        held = asyncio.create_task(waiting.put(FRAMES, brought(5)))
        await asyncio.sleep(0)
        assert waiting.expected[FRAMES] == 5
        waiting.take()
        await held
        assert waiting.expected[FRAMES] == 6

    asyncio.run(run())


def test_a_full_batch_does_not_wait() -> None:
    async def run() -> None:
        waiting = intake()
        await waiting.put(FRAMES, brought(0, 1, 2, 3))
        assert await waiting.gather(None)

    asyncio.run(run())


def test_a_short_batch_waits_for_the_one_that_is_being_written() -> None:
    async def run() -> None:
        waiting = intake()
        release = asyncio.Event()
        writing: asyncio.Task[None] = asyncio.create_task(_until(release))
        await waiting.put(FRAMES, brought(0))
        gathering = asyncio.create_task(waiting.gather(writing))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not gathering.done()
        release.set()
        assert await gathering

    asyncio.run(run())


def test_a_full_batch_is_folded_while_another_is_being_written() -> None:
    async def run() -> None:
        waiting = intake()
        writing = asyncio.create_task(written())
        gathering = asyncio.create_task(waiting.gather(writing))
        await waiting.put(FRAMES, brought(0, 1, 2, 3))
        assert await gathering
        writing.cancel()

    asyncio.run(run())


def test_a_lone_record_waits_no_longer_than_it_is_told_to() -> None:
    async def run() -> None:
        waiting = intake(BatchLimits(wait_s=0.001))
        await waiting.put(FRAMES, brought(0))
        assert await waiting.gather(None)

    asyncio.run(run())


def test_closing_lets_go_of_whoever_waits() -> None:
    async def run() -> None:
        waiting = intake()
        await waiting.put(FRAMES, brought(0, 1, 2, 3))
        late = brought(4)
        held = asyncio.create_task(waiting.put(FRAMES, late))
        await asyncio.sleep(0)
        waiting.close()
        await held
        assert not late.acked
        assert waiting.expected[FRAMES] == 4
        assert not await waiting.gather(None)

    asyncio.run(run())


async def _until(event: asyncio.Event) -> None:
    await event.wait()
