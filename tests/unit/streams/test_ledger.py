"""A partition's ledger over a log in memory: written once, acknowledged after, and any failure ends the process."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

import pytest

from infra.topics import LEDGER_STATE, partition_of
from streams.core.outcome import Source
from streams.core.site import SiteLedger
from streams.errors import AssignmentError, GapError
from streams.intake import BatchLimits
from streams.ledger import InputBounds, PartitionLedger
from streams.ledgers import Ledgers
from streams.log import Output, Stored
from streams.partition import OpenSite
from streams.records import NEXT_KEY, NextOffsets, decode_next
from tests.ledger_inputs import BEGIN_MS, energy_round, never_ahead, opening_orders

FRAMES, ORDERS = Source.FRAMES, Source.ORDERS
PARTITIONS = 4
SITE = "S1"
PARTITION = partition_of(SITE.encode(), PARTITIONS)
OPENING = list(opening_orders(SITE, ["G1"], [1, 2]))


class ProcessEnded(BaseException):
    """Stands for the end of the process."""


class FencedError(Exception):
    """Somebody else has opened the log."""


@dataclass
class Cluster:
    """What all owners of a partition share: the stored records, and who opened them last."""

    records: list[Output] = field(default_factory=list)
    epoch: int = 0

    def stored(self) -> Stored:
        pages = {output.key: output.value for output in self.records if output.topic == LEDGER_STATE}
        following = pages.pop(NEXT_KEY, None)
        return Stored(None if following is None else decode_next(following), pages)


@dataclass
class MemoryLog:
    """A `PartitionLog` that keeps what is written, or fails as it is told."""

    cluster: Cluster
    before_write: Callable[[], Awaitable[None]] | None = None
    closed: bool = False
    _epoch: int = 0

    async def open(self) -> Stored:
        self.cluster.epoch += 1
        self._epoch = self.cluster.epoch
        return self.cluster.stored()

    async def write(self, outputs: Sequence[Output]) -> None:
        await asyncio.sleep(0)
        if self.before_write is not None:
            await self.before_write()
        if self._epoch != self.cluster.epoch:
            raise FencedError
        self.cluster.records += outputs

    async def close(self) -> None:
        self.closed = True


@dataclass
class Record:
    offset: int
    value: bytes | None
    key: bytes | None = SITE.encode()
    timestamp: int = 0


@dataclass
class Brought:
    value: Sequence[Record]
    acked: asyncio.Event = field(default_factory=asyncio.Event)

    def ack(self) -> bool:
        self.acked.set()
        return True


@dataclass
class Fate:
    """Notes what ended the process."""

    cause: BaseException | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def __call__(self, error: BaseException) -> NoReturn:
        if not isinstance(error, ProcessEnded):
            self.cause = error
            self.ended.set()
        raise ProcessEnded from error


def reading(register: int) -> bytes:
    return energy_round(SITE, "G1", at=BEGIN_MS + register * 1000, addresses=[1, 2], registers=[register] * 2)


def orders(first: int = 0) -> Brought:
    return Brought([Record(first + n, value) for n, value in enumerate(OPENING)])


def frames(*offsets: int) -> Brought:
    return Brought([Record(offset, reading(100 + offset)) for offset in offsets])


def bounds(*, frames: tuple[int, int] = (0, 1000), orders: tuple[int, int] = (0, 1000)) -> dict[Source, InputBounds]:
    return {FRAMES: InputBounds(*frames), ORDERS: InputBounds(*orders)}


def ledger(
    log: MemoryLog, *, fail: Fate | None = None, open_site: OpenSite = SiteLedger.load, commit_s: float = 30.0
) -> PartitionLedger:
    return PartitionLedger(
        PARTITION,
        partitions=PARTITIONS,
        log=log,
        open_site=open_site,
        is_ahead=never_ahead,
        limits=BatchLimits(wait_s=0.0, commit_s=commit_s),
        fail=fail or Fate(),
    )


def test_records_are_acknowledged_when_they_are_written() -> None:
    async def run() -> None:
        release = asyncio.Event()
        log = MemoryLog(Cluster(), before_write=_after(release))
        working = ledger(log)
        assert await working.work(bounds()) == {FRAMES: 0, ORDERS: 0}
        brought = orders()
        await working.put(ORDERS, brought)
        for _ in range(20):
            await asyncio.sleep(0)
        assert not brought.acked.is_set()
        release.set()
        await brought.acked.wait()
        assert log.cluster.stored().next == NextOffsets(frames=0, orders=len(OPENING), sequence=1)
        await working.close()
        assert log.closed

    asyncio.run(run())


def test_the_next_owner_goes_on_where_the_log_ends() -> None:
    async def run() -> None:
        cluster = Cluster()
        first = ledger(MemoryLog(cluster))
        await first.work(bounds())
        await first.put(ORDERS, orders())
        taken = frames(0, 1)
        await first.put(FRAMES, taken)
        await taken.acked.wait()
        await first.close()
        second = ledger(MemoryLog(cluster))
        assert await second.work(bounds()) == {FRAMES: 2, ORDERS: len(OPENING)}
        again = frames(0, 1, 2)
        await second.put(FRAMES, again)
        await again.acked.wait()
        await second.close()
        following = cluster.stored().next
        assert following is not None
        assert following.frames == 3

    asyncio.run(run())


def test_an_owner_whose_log_another_opened_ends_without_an_acknowledgement() -> None:
    async def run() -> None:
        cluster, fate = Cluster(), Fate()
        zombie = ledger(MemoryLog(cluster), fail=fate)
        await zombie.work(bounds())
        await ledger(MemoryLog(cluster)).work(bounds())
        brought = orders()
        await zombie.put(ORDERS, brought)
        await fate.ended.wait()
        assert isinstance(fate.cause, FencedError)
        assert not brought.acked.is_set()
        assert cluster.records == []

    asyncio.run(run())


def test_an_exception_in_the_fold_ends_the_process_and_nothing_is_written() -> None:
    class Broken(SiteLedger):
        def take_order(self, *_: object, **__: object) -> None:
            raise ZeroDivisionError

    async def run() -> None:
        fate, log = Fate(), MemoryLog(Cluster())
        working = ledger(log, fail=fate, open_site=Broken.load)
        await working.work(bounds())
        brought = orders()
        await working.put(ORDERS, brought)
        await fate.ended.wait()
        assert isinstance(fate.cause, ZeroDivisionError)
        assert not brought.acked.is_set()
        assert log.cluster.records == []

    asyncio.run(run())


def test_a_commit_that_takes_too_long_ends_the_process() -> None:
    async def run() -> None:
        fate = Fate()
        working = ledger(MemoryLog(Cluster(), before_write=_after(asyncio.Event())), fail=fate, commit_s=0.01)
        await working.work(bounds())
        await working.put(ORDERS, orders())
        await fate.ended.wait()
        assert isinstance(fate.cause, TimeoutError)

    asyncio.run(run())


def test_the_next_batch_is_folded_but_not_written_while_one_is_being_written() -> None:
    async def run() -> None:
        release = asyncio.Event()
        log = MemoryLog(Cluster(), before_write=_after(release))
        working = ledger(log)
        await working.work(bounds())
        await working.put(ORDERS, orders())
        first, second = frames(0), frames(*range(1, 1025))
        await working.put(FRAMES, first)
        await working.put(FRAMES, second)
        for _ in range(50):
            await asyncio.sleep(0)
        assert log.cluster.records == []
        release.set()
        await second.acked.wait()
        sequences = [decode_next(output.value).sequence for output in log.cluster.records if output.key == NEXT_KEY]
        assert sequences == list(range(1, len(sequences) + 1))
        await working.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    "held",
    [
        pytest.param(bounds(orders=(len(OPENING) + 1, 1000)), id="retention has removed the next record"),
        pytest.param(bounds(orders=(0, len(OPENING) - 1)), id="the topic ends before it"),
        pytest.param(bounds(frames=(1, 1000)), id="of the other input"),
    ],
)
def test_an_input_that_does_not_reach_from_the_stored_offset_stops_the_ledger(
    held: dict[Source, InputBounds],
) -> None:
    async def run() -> None:
        cluster = Cluster()
        first = ledger(MemoryLog(cluster))
        await first.work(bounds())
        brought = orders()
        await first.put(ORDERS, brought)
        await brought.acked.wait()
        await first.close()
        with pytest.raises(GapError, match="comes next"):
            await ledger(MemoryLog(cluster)).work(held)

    asyncio.run(run())


def test_a_ledger_without_a_stored_offset_begins_with_the_first_records() -> None:
    async def run() -> None:
        working = ledger(MemoryLog(Cluster()))
        assert await working.work(bounds(frames=(500, 1000), orders=(3, 3))) == {FRAMES: 500, ORDERS: 3}
        await working.close()

    asyncio.run(run())


def test_a_paused_ledger_goes_on_with_its_memory() -> None:
    async def run() -> None:
        cluster = Cluster()
        working = ledger(MemoryLog(cluster))
        await working.work(bounds())
        brought = orders()
        await working.put(ORDERS, brought)
        await brought.acked.wait()
        await working.pause()
        await working.put(FRAMES, frames(0))
        opened = cluster.epoch
        assert await working.work(bounds()) == {FRAMES: 0, ORDERS: len(OPENING)}
        assert await working.work(bounds()) == {FRAMES: 0, ORDERS: len(OPENING)}
        taken = frames(0)
        await working.put(FRAMES, taken)
        await taken.acked.wait()
        assert cluster.epoch == opened
        await working.close()

    asyncio.run(run())


def test_pausing_waits_for_what_is_being_written() -> None:
    async def run() -> None:
        release = asyncio.Event()
        log = MemoryLog(Cluster(), before_write=_after(release))
        working = ledger(log)
        await working.work(bounds())
        brought = orders()
        await working.put(ORDERS, brought)
        for _ in range(20):
            await asyncio.sleep(0)
        pausing = asyncio.create_task(working.pause())
        for _ in range(20):
            await asyncio.sleep(0)
        assert not pausing.done()
        release.set()
        await pausing
        assert brought.acked.is_set()

    asyncio.run(run())


def test_ledgers_work_for_their_assignment_and_no_longer() -> None:
    async def run() -> None:
        clusters = {number: Cluster() for number in range(3)}
        logs: dict[int, MemoryLog] = {}

        def make(number: int) -> PartitionLedger:
            logs[number] = MemoryLog(clusters[number])
            return ledger(logs[number])

        ledgers = Ledgers(make)
        assert await ledgers.work({0: bounds(), 1: bounds(frames=(7, 9))}) == {
            (FRAMES, 0): 0,
            (ORDERS, 0): 0,
            (FRAMES, 1): 7,
            (ORDERS, 1): 0,
        }
        kept = logs[1]
        await ledgers.pause()
        await ledgers.work({1: bounds(frames=(7, 9)), 2: bounds()})
        assert (logs[0].closed, logs[1] is kept, kept.closed) == (True, True, False)
        await ledgers.put(FRAMES, 0, frames(0))
        await ledgers.keep(set())
        assert kept.closed

    asyncio.run(run())


def test_a_partition_with_one_input_alone_is_refused() -> None:
    async def run() -> None:
        ledgers = Ledgers(lambda number: ledger(MemoryLog(Cluster())))
        with pytest.raises(AssignmentError, match="frames"):
            await ledgers.work({0: {FRAMES: InputBounds(0, 0)}})

    asyncio.run(run())


def _after(event: asyncio.Event) -> Callable[[], Awaitable[None]]:
    async def wait() -> None:
        await event.wait()

    return wait
