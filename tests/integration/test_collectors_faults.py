"""Lines with dead meters, stale answers and damaged bytes: others are not held up, and nothing is lost in silence."""

import asyncio
from collections.abc import Iterable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from collectors.gateways.command import Command, read_command
from collectors.gateways.dial_in_line import DialInLine, DialInListener
from collectors.gateways.pace import Pace
from collectors.registry import GatewayPlan
from collectors.wire.answers import read_register
from collectors.wire.dlt645 import RELAY, Dlt645Frame
from infra.ports import HOST
from streams.core.localtime import format_time
from streams.core.outcome import Supply
from streams.decode import read_rounds
from tests.integration.collector_lines import (
    ENERGY,
    NOON_MS,
    SELDOM,
    STATUS_WORD_3,
    Dlt645Meter,
    Driven,
    ScriptedGateway,
    awaited,
    dialling,
    driven,
    frames_of,
)

LIFE_MS = 15 * 60_000


class Site:
    """A gateway that has dialled in, with meters of which some may be dead."""

    def __init__(self, plan: GatewayPlan, *, timeout_s: float = 0.05) -> None:
        self.plan = plan
        self.meters = {
            meter.address: Dlt645Meter(f"{meter.address:012d}", counts=meter.address) for meter in plan.meters
        }
        self.dead: set[int] = set()
        self.gateway = ScriptedGateway(self.answer)
        self.line = DialInLine(timeout_s=timeout_s)
        self._listener = DialInListener({plan.registration: self.line})

    def answer(self, request: Dlt645Frame) -> Iterable[bytes]:
        address = int(request.address)
        return [] if address in self.dead else [self.meters[address].answer(request)]

    def relay_orders(self) -> list[int]:
        """The addresses of the meters whose relay was ordered, in order."""
        return [int(request.address) for request in self.gateway.heard if request.control == RELAY]

    async def __aenter__(self) -> "Site":
        port = await self._listener.start(HOST, 0)
        await self.gateway.call(port, self.plan.registration.encode())
        await self.line.connected.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.gateway.hang_up()
        await self._listener.stop()


def cut(plan: GatewayPlan, meter: str, sequence: int = 1) -> Command:
    fields = {
        "v": 1,
        "site": plan.site,
        "gateway": plan.gateway,
        "meter": meter,
        "sequence": sequence,
        "action": "cut",
        "reason": "arrears",
        "repeat": False,
        "issued_at": format_time(NOON_MS),
        "expires_at": format_time(NOON_MS + LIFE_MS),
    }
    return read_command(msgspec.json.encode(fields))


async def read_in(run: Driven, rounds: int) -> list[list[int]]:
    """The addresses read in each of the next rounds."""
    return [sorted(frames_of(await run.next_round(), "energy")) for _ in range(rounds)]


@awaited
async def test_dead_neighbours_do_not_hide_the_meters_behind_them(tmp_path: Path) -> None:
    plan = dialling(*range(1, 9))
    async with Site(plan) as site:
        site.dead = {1, 2, 3, 4}
        async with driven(plan, site.line, tmp_path, pace=Pace(interval_s=0.01)) as run:
            first, *later = await read_in(run, 3)
            assert later == [[5, 6, 7, 8]] * 2
            site.dead.clear()
            while sorted(frames_of(await run.next_round(), "energy")) != list(range(1, 9)):
                pass
    assert first == [5, 6, 7, 8], "the round before it had given up at meter 3 and handed out nothing"


@awaited
async def test_an_answer_that_came_too_late_is_not_the_next_rounds(tmp_path: Path) -> None:
    """It has the right address and identifier, but the register of the round before."""
    plan = dialling(1)
    async with Site(plan) as site:
        meter = site.meters[1]
        late: list[bytes] = []

        def hold_back(request: Dlt645Frame) -> Iterable[bytes]:
            late.append(meter.answer(request))
            return []

        site.gateway.script = hold_back
        async with driven(plan, site.line, tmp_path) as run:
            assert await run.session.read(plan.meters) is None
            await site.gateway.send(late[0])
            site.gateway.script = site.answer
            meter.counts = 500
            taken = await run.session.read(plan.meters)
    assert taken is not None
    assert read_register(frames_of(taken, "energy")[1], plan.meters[0].template, 1) == 5_000


@awaited
async def test_a_gateway_that_hangs_up_while_nothing_is_asked_is_seen_to_be_away() -> None:
    plan = dialling(1)
    async with Site(plan) as site:
        await site.gateway.hang_up()
        async with asyncio.timeout(5):
            while site.line.connected.is_set():  # noqa: ASYNC110  # there is no event for "no longer"
                await asyncio.sleep(0.005)
        await site.line.close()


class Numbers:
    """A site's meters, numbered by their addresses."""

    def meter_numbers(self, gateway: str, addresses: NDArray[np.uint64]) -> NDArray[np.int32]:
        return addresses.astype(np.int32)


@pytest.mark.parametrize("identifier", [ENERGY, STATUS_WORD_3], ids=["register", "relay"])
@awaited
async def test_a_damaged_answer_is_kept_for_the_ledger_to_reject(tmp_path: Path, identifier: int) -> None:
    """And the good one that the second try brought is read all the same, register and supply."""
    plan = dialling(1, 2)
    damaged: list[bytes] = []

    async with Site(plan) as site:

        def answer(request: Dlt645Frame) -> Iterable[bytes]:
            (good,) = site.answer(request)
            if request.di != identifier or damaged:
                return [good]
            damaged.append(good[:14] + bytes([good[14] ^ 1]) + good[15:])
            return damaged

        site.gateway.script = answer
        async with driven(plan, site.line, tmp_path) as run:
            taken = await run.session.read(plan.meters)
    assert taken is not None
    found = read_rounds(Numbers(), [(0, taken)])
    assert [(frame.reason, frame.data) for frame in found.rejected] == [("damaged", damaged[0])]
    assert found.batch.meter.tolist() == [1, 2]
    assert found.batch.register.tolist() == [10, 20]
    assert found.batch.supply.tolist() == [Supply.ON, Supply.ON]


@awaited
async def test_a_command_does_not_wait_for_those_of_dead_meters(tmp_path: Path) -> None:
    plan = dialling(*range(1, 7))
    async with Site(plan) as site:
        site.dead = {1, 2, 3, 4, 5}
        async with driven(plan, site.line, tmp_path, pace=SELDOM) as run:
            for _ in range(2):
                await run.session.read_round()
            for meter in plan.meters:
                run.session.order(cut(plan, meter.meter))
            before = len(site.gateway.heard)
            taken = await run.next_round()
            site.dead.clear()
            others = [await run.next_round() for _ in range(5)]
    assert list(frames_of(taken, "energy")) == [6]
    assert int(site.gateway.heard[before].address) == 6
    assert sorted(address for after in others for address in frames_of(after, "energy")) == [1, 2, 3, 4, 5]
    assert sorted(site.relay_orders()) == list(range(1, 7))


@awaited
async def test_what_a_round_has_read_goes_out_before_the_read_after_a_command(tmp_path: Path) -> None:
    """Else the ledger would see the meter's earlier reading after the later one."""
    plan = dialling(*range(1, 41))
    async with Site(plan, timeout_s=5) as site, driven(plan, site.line, tmp_path, pace=SELDOM) as run:
        whole = asyncio.create_task(run.session.read_round())
        while len(site.gateway.heard) < 10:
            await site.gateway.spoken()
        run.clock.at_ms += 1_000
        run.session.order(cut(plan, "M1"))
        early, after = await run.next_round(), await run.next_round()
        rest = await whole
    assert 1 in frames_of(early, "energy")
    assert list(frames_of(after, "energy")) == [1]
    assert rest is not None
    assert not set(frames_of(rest, "energy")) & set(frames_of(early, "energy"))
    assert sorted([*frames_of(early, "energy"), *frames_of(rest, "energy")]) == list(range(1, 41))
    assert early.collected_at <= after.collected_at
