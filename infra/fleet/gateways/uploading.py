"""A gateway that reads its meters itself, stores the rounds, and uploads them: now, or days late.

It goes by a clock of its own. What was not acknowledged stays stored, as in a gateway's flash memory.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Final

import structlog

from collectors.wire.dlt645 import READ, encode_frame
from infra.fleet.dlt645_meter import answer
from infra.fleet.fault import Fault
from infra.fleet.fleet import Fleet
from infra.fleet.load import HOUR_MS, LOCAL_OFFSET_MS
from infra.fleet.meter import Meter
from infra.fleet.meter_faults import MeterFaults
from infra.fleet.seeded import Seeded

log = structlog.get_logger(__name__)

Send = Callable[[bytes], Awaitable[bool]]
"""Uploads a body; whether the other side has it."""
Entry = dict[str, str]

_ZONE = timezone(timedelta(milliseconds=LOCAL_OFFSET_MS))
_AWAY_HOURS: Final = (1, 60)
_SHARES: Final = {Fault.DROPPED: 10, Fault.DOUBLED: 10, Fault.REORDERED: 30, Fault.CORRUPTED: 10, Fault.AWAY: 8}
"""Of a hundred rounds so many have the fault; of `AWAY`, begin it."""
_ITEMS: Final = {"energy": 0x0001_0000, "relay": 0x0400_0503}


@dataclass(slots=True)
class _Stored:
    """A round in the gateway's memory; `upload` is its identity."""

    upload: str
    lists: dict[str, list[Entry]]

    def body(self) -> bytes:
        return json.dumps({"v": 1, "upload": self.upload, **self.lists}).encode()


class UploadingGateway:
    """One gateway and its meters.

    Args:
        frames: It uploads DL/T645 frames; else the registers as numbers.
        clock: Its own, which may drift.
        kinds: What goes wrong.
    """

    def __init__(
        self,
        gateway: str,
        fleet: Fleet,
        meters: Sequence[Meter],
        send: Send,
        *,
        frames: bool,
        clock: MeterFaults,
        seed: int,
        kinds: Collection[Fault],
    ) -> None:
        self.gateway = gateway
        self.is_calm = False
        self.seen: set[Fault] = set()
        self._fleet = fleet
        self._meters = meters
        self._send = send
        self._frames = frames
        self._clock = clock
        self._kinds = kinds
        self._draw = Seeded(seed, "uploads", gateway)
        self._stored: list[_Stored] = []
        self._away_until_ms = 0

    @property
    def stored(self) -> int:
        """Rounds that the other side does not have yet."""
        return len(self._stored)

    async def run(self, interval_s: float) -> None:
        """Read and upload once an interval (real), until cancelled."""
        while True:
            await self.turn()
            await asyncio.sleep(interval_s)

    async def turn(self) -> None:
        """Read all meters, store the round, and upload what is stored unless away."""
        self._store(self._round())
        now_ms = self._fleet.now_ms()
        if self._is(Fault.AWAY):
            self._away_until_ms = now_ms + self._draw.between(*_AWAY_HOURS) * HOUR_MS
        if now_ms < self._away_until_ms and not self.is_calm:
            return
        if self._is(Fault.REORDERED):
            self._stored = self._draw.shuffled(self._stored)
        left = []
        for stored in self._stored:
            if self._is(Fault.DROPPED) or not await self._send(stored.body()):
                left.append(stored)
            elif self._is(Fault.DOUBLED):
                await self._send(stored.body())
        self._stored = left

    def _is(self, fault: Fault) -> bool:
        """Draw whether a fault comes now."""
        if self.is_calm or fault not in self._kinds or self._draw.below(100) >= _SHARES[fault]:
            return False
        self.seen.add(fault)
        return True

    def _store(self, lists: dict[str, list[Entry]]) -> None:
        if not any(lists.values()):
            return
        upload = f"{self.gateway}-{self._fleet.now_ms()}"
        self._stored.append(_Stored(upload, lists))

    def _round(self) -> dict[str, list[Entry]]:
        """What the meters that are there answer, by the gateway's clock."""
        at_ms = self._fleet.now_ms()
        shown_ms = self._clock.clock_ms(
            at_ms, since_ms=self._fleet.group.origin_ms, wrong_ms=self._clock.clock_wrong_ms
        )
        read_at = datetime.fromtimestamp(shown_ms // 1000, _ZONE).isoformat()
        there = [meter for meter in self._meters if not meter.control.is_away]
        if self._frames:
            entries = [entry for meter in there for entry in _frames(meter, at_ms, read_at)]
            if entries and self._is(Fault.CORRUPTED):
                self._corrupt(entries)
            return {"frames": entries}
        return {"readings": [_reading(meter, at_ms, read_at) for meter in there]}

    def _corrupt(self, entries: list[Entry]) -> None:
        """Change a bit of one frame; the round that follows tells what was lost."""
        entry = self._draw.pick(entries)
        frame = bytearray.fromhex(entry["hex"])
        frame[self._draw.below(len(frame))] ^= 1 << self._draw.below(8)
        entry["hex"] = frame.hex()


def _reading(meter: Meter, at_ms: int, read_at: str) -> Entry:
    shown = meter.shown_wh(at_ms)
    return {
        "address": meter.spec.address,
        "register": f"{shown // 1000}.{shown % 1000:03d}",
        "read_at": read_at,
        "supply": "off" if meter.control.is_open else "on",
    }


def _frames(meter: Meter, at_ms: int, read_at: str) -> list[Entry]:
    """What a meter answers to the reads of its items."""
    entries = []
    for item, identifier in _ITEMS.items():
        found = answer(meter, at_ms, code=READ, data=identifier.to_bytes(4, "little"))
        assert found is not None
        entries.append(
            {
                "address": meter.spec.address,
                "template": meter.spec.template,
                "item": item,
                "read_at": read_at,
                "hex": encode_frame(meter.spec.address, found.code, found.data).hex(),
            }
        )
    return entries
