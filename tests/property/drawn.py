"""Sites and batches drawn at random, for properties of the core: tariffs of every cycle, meters of every kind, readings
that are late, doubled, backwards, ahead, unknown or wrap."""

import random
from collections.abc import Iterator
from typing import Any

import numpy as np

from streams.core.conditions import EVENTS
from streams.core.localtime import parse_time
from streams.core.outcome import Outcome, Position, Source
from streams.core.site import ReadingBatch, SiteLedger
from streams.core.told import BANDS_MAX, UNTOLD

HOUR_MS = 3_600_000
BEGIN_MS = parse_time("2026-01-30T20:00:00+08:00") or 0
FEBRUARY_MS = parse_time("2026-02-01T00:00:00+08:00") or 0


def set_tariff(random_: random.Random, tariff: str, starts_at: str) -> dict[str, Any]:
    """A version with bands, tiers and a cycle drawn at random; some prices too wide for the compiled fold."""
    tiers = sorted(random_.sample(range(1, 60), random_.randint(0, 2)))
    wide = random_.random() < 0.05
    prices = [f"{random_.randint(0, 3_000_000 if wide else 2)}.{random_.randint(0, 999_999):06d}" for _ in range(9)]
    bands: dict[str, list[str]] = {"all": []}
    if random_.random() < 0.7:
        bands = {"peak": ["08:00-11:30", "23:00-01:00"], "flat": [], "valley": ["01:00-06:00"]}
    profiles: list[dict[str, Any]] = []
    if random_.random() < 0.4:
        profiles = [
            {"days": ["weekend"], "bands": {"low": []}},
            {"months": [2, 7], "days": ["workday", "holiday"], "bands": {"low": ["20:00-08:00"], "high": []}},
        ]
    names = [*bands, *(["low", "high"] if profiles else [])]
    return {
        "order": "set_tariff",
        "tariff": tariff,
        "from": starts_at,
        "unit": "kWh",
        "cycle": random_.choice(["month", "month", "year", "none"]),
        "tiers": ["0", *map(str, tiers)],
        "bands": bands,
        **({"profiles": profiles} if profiles else {}),
        "components": {"supply": {band: random_.sample(prices, len(tiers) + 1) for band in names}},
    }


def orders(random_: random.Random, meters: int) -> Iterator[dict[str, Any]]:
    """A site: two tariffs, one of them from later on, accounts with one to three meters, policies."""
    if random_.random() < 0.6:
        yield {"order": "set_calendar", "days": {"2026-01-31": "workday", "2026-02-02": "weekend"}}
    yield set_tariff(random_, "E1", "2025-12-31T16:00:00Z")
    yield set_tariff(random_, "E2", "2026-01-31T23:00:00+08:00")
    account, alone = -1, False
    for number in range(meters):
        was_alone, alone = alone, random_.random() < 0.15
        if number == 0 or alone or was_alone or random_.random() < 0.6:
            account += 1
            yield {"order": "open_account", "account": f"A{account}"}
            if not alone and random_.random() < 0.8:
                amount = random_.choice(["5", "40", "100", "100000"])
                yield {"order": "recharge", "account": f"A{account}", "order_id": f"R{account}", "amount": amount}
            if random_.random() < 0.3:
                yield {
                    "order": "set_policy",
                    "account": f"A{account}",
                    "protected": ["21:00-07:30"],
                    "overdraft": random_.choice(["0", "10"]),
                    **({"service_fee_percent": "1.5"} if random_.random() < 0.5 else {}),
                }
            if not alone and random_.random() < 0.6:
                yield set_fee(random_, f"A{account}")
        yield {
            "order": "install_meter",
            "meter": f"M{number}",
            "account": f"A{account}",
            "kind": "electricity",
            "register": str(random_.choice([0, 10, 999_990])),
            "ratio": random_.choice([1, 1, 1, 60]),
            **({"tariff": random_.choice(["E1", "E1", "E2"])} if random_.random() < 0.95 else {}),
            **({"digits": 6} if random_.random() < 0.7 else {}),
            **({"max_kw": "50"} if random_.random() < 0.2 else {}),
            **({"band_registers": {"peak": "0", "flat": "5"}} if random_.random() < 0.15 else {}),
            **({"credit": "meter", "remaining": random_.choice(["0", "40"]), "count": 1} if alone else {}),
        }


def set_fee(random_: random.Random, account: str) -> dict[str, Any]:
    """A fee that falls due while the history goes on, some of it at once."""
    return {
        "order": "set_fee",
        "fee": random_.choice(["rent", "property"]),
        "account": account,
        "amount": random_.choice(["0", "0.01", "3", "20"]),
        "period": random_.choice(["month", "day"]),
        "from": random_.choice(["2026-01-01T00:00:00+08:00", "2026-01-31T00:00:00+08:00", "2026-02-03T10:00:00+08:00"]),
    }


def later_order(random_: random.Random, meters: int) -> dict[str, Any]:
    """Something the office does between batches."""
    number = random_.randrange(meters)
    return random_.choice(
        [
            {"order": "tick"},
            {
                "order": "set_calendar",
                "days": {"2026-02-02": "weekend", "2026-02-07": "holiday", "2026-02-08": "workday"},
            },
            set_fee(random_, "A0"),
            {
                "order": "share",
                "account": "A0",
                "order_id": f"S{random_.random()}",
                "amount": random_.choice(["10", "0.01", "33.33"]),
                "weights": {"A1": random_.choice(["0", "1", "2.5"]), "A2": "1"},
                "by": "area",
            },
            {"order": "recharge", "account": "A0", "order_id": f"X{random_.random()}", "amount": "30"},
            {"order": "sell", "order_id": f"S{random_.random()}", "meter": f"M{number}", "amount": "25"},
            {
                "order": "control",
                "meter": f"M{number}",
                "action": random_.choice(["cut", "retain", "release", "restore", "sync_time"]),
            },
            {"order": "assign_tariff", "meter": f"M{number}", "tariff": random_.choice(["E1", "E2"])},
            set_tariff(random_, "E1", "2026-02-01T00:00:00+08:00"),
            {
                "order": "replace_meter",
                "meter": f"M{number}",
                "final": "999999",
                "new_meter": f"N{random_.random()}",
                "register": "3",
            },
        ]
    )


def batch(random_: random.Random, registers: list[int], meters: int, now: int, offset: int) -> ReadingBatch:
    """Readings of random meters, mostly advancing; some late, doubled, running backwards, ahead, unknown, wrapping."""
    lines = []
    for _ in range(random_.choice([1, 5, 40, 120])):
        meter = random_.randrange(meters)
        kind = random_.random()
        now += random_.choice([0, 0, 60_000, 600_000])
        read_at = now - random_.choice([0, 0, 0, 1, 60_000])
        if kind < 0.03:
            read_at -= 5 * HOUR_MS
        elif kind < 0.05:
            read_at += random_.choice([HOUR_MS, 600_000, 600_000])
        register = registers[meter]
        if kind > 0.97:
            register -= random_.randint(1, 10_000)
        else:
            register += random_.choice([0, 0, random_.randint(0, 3_000), random_.randint(0, 90_000)])
            if register >= 10**9 and random_.random() < 0.9:
                register -= 10**9
            registers[meter] = register
        number = -1 if random_.random() < 0.01 else meter
        lines.append((number, register, read_at, now, random_.choice([0, 1, 1, 2])))
    columns = np.array(lines, np.int64).T
    remaining = count = None
    if random_.random() < 0.6:
        remaining = np.array([random_.choice([UNTOLD, 0, 10**10, 4 * 10**10]) for _ in lines], np.int64)
        count = np.array([random_.choice([UNTOLD, 1, 1, 2, 2, 3]) for _ in lines], np.int64)
    bands = None
    if random_.random() < 0.8:
        bands = np.full((len(lines), BANDS_MAX), UNTOLD, np.int64)
        for row, line in zip(bands, lines, strict=True):
            row[: random_.choice([1, 2, 2, 2])] = line[1] // random_.choice([2, 3])
    conditions = events = None
    if random_.random() < 0.5:
        conditions = np.array([random_.choice([UNTOLD, 0, 0, 0, 1, 3, 1 << 8]) for _ in lines], np.int64)
    if random_.random() < 0.3:
        events = np.array([random_.choices([UNTOLD, 0, 1, 2, 2], k=len(EVENTS)) for _ in lines], np.int64)
    return ReadingBatch(
        meter=columns[0].astype(np.int32),
        register=columns[1],
        read_at=columns[2],
        at=columns[3],
        supply=columns[4].astype(np.uint8),
        offset=np.full(len(lines), offset, np.int64),
        line=np.arange(len(lines), dtype=np.uint32),
        remaining=remaining,
        count=count,
        bands=bands,
        conditions=conditions,
        events=events,
    )


def shown(outcome: Outcome) -> dict[str, Any]:
    """An outcome as values that compare; pieces with the place of their reading."""
    return {
        "readings": outcome.readings.tolist(),
        "pieces": outcome.pieces.tolist(),
        "entries": outcome.entries,
        "commands": outcome.commands,
        "notices": outcome.notices,
        "alarms": outcome.alarms,
        "refusals": outcome.refusals,
    }


def opened(random_: random.Random, meters: int, *ledgers: SiteLedger) -> list[int]:
    """Open a drawn site on each ledger; the meters' registers."""
    registers = [0] * meters
    for offset, order in enumerate(orders(random_, meters)):
        if order["order"] == "install_meter":
            registers[int(order["meter"][1:])] = int(order["register"]) * 1_000
        for ledger in ledgers:
            ledger.take_order(order, at=BEGIN_MS, position=Position(Source.ORDERS, offset))
    return registers


Step = ReadingBatch | tuple[dict[str, Any], int, int]
"""Readings, or an order with its time and offset."""


def history(random_: random.Random, registers: list[int], batches: int = 30) -> Iterator[Step]:
    """Batches of readings with orders between some of them."""
    now, meters = BEGIN_MS, len(registers)
    for offset in range(batches):
        readings = batch(random_, registers, meters, now, offset)
        now = int(readings.at[-1]) + random_.choice([60_000, 600_000, HOUR_MS])
        yield readings
        if random_.random() < 0.3:
            yield later_order(random_, meters), now, 1_000 + offset


def take(ledger: SiteLedger, step: Step) -> None:
    """Take one step."""
    if isinstance(step, ReadingBatch):
        ledger.take_readings(step)
    else:
        order, at, offset = step
        ledger.take_order(order, at=at, position=Position(Source.ORDERS, offset))
