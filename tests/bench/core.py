"""What the core's compiled fold does on one thread, with time-of-use × tier tariffs in force and no JSON around it.

Half-hourly readings of 20,000 meters; accounts have one to three meters each. Cases: one round of 256 at a time, 64
rounds of 16 folded together, and 16 at a time; beside them the same readings by the plain rules, one by one.
"""

import time
from collections.abc import Iterator

import numpy as np

from streams.core.localtime import parse_time
from streams.core.outcome import Position, Source
from streams.core.site import ReadingBatch, SiteLedger

METERS = 20_000
HALF_HOUR_MS = 1_800_000
BEGIN_MS = parse_time("2026-01-05T00:00:00+08:00") or 0


def opened_site(meters: int = METERS) -> SiteLedger:
    """A site with time-of-use × tier tariffs, its accounts charged, its meters installed."""
    ledger = SiteLedger("S1")
    orders: list[dict[str, object]] = []
    for tariff in range(4):
        prices = {
            "peak": ["1.20", "1.30", "1.50"],
            "flat": ["0.70", "0.80", "1.00"],
            "valley": ["0.35", "0.45", "0.65"],
        }
        orders.append(
            {
                "order": "set_tariff",
                "tariff": f"E{tariff}",
                "from": "2025-01-01T00:00:00+08:00",
                "unit": "kWh",
                "cycle": "month",
                "tiers": ["0", "200", "400"],
                "bands": {
                    "peak": [f"0{6 + tariff}:00-11:30", "18:00-21:00"],
                    "valley": ["23:00-05:00"],
                    "flat": [],
                },
                "components": {"supply": prices, "fund": {band: ["0.03"] * 3 for band in prices}},
            }
        )
    for number in range(meters):
        if number % 2 == 0:
            orders.append({"order": "open_account", "account": f"A{number}"})
            orders.append({"order": "recharge", "account": f"A{number}", "order_id": f"R{number}", "amount": "100000"})
        orders.append(
            {
                "order": "install_meter",
                "meter": f"M{number}",
                "account": f"A{number - number % 2}",
                "kind": "electricity",
                "tariff": f"E{number % 4}",
                "register": str(number),
            }
        )
    for offset, order in enumerate(orders):
        ledger.take_order(order, at=BEGIN_MS, position=Position(Source.ORDERS, offset))
    ledger.settle()
    ledger.dirty_pages()
    return ledger


def rounds(size: int, together: int, count: int, meters: int = METERS) -> Iterator[ReadingBatch]:
    """Batches of `together` rounds of `size` readings; each meter is read every half hour."""
    random = np.random.default_rng(1)
    register = np.arange(meters, dtype=np.int64) * 1_000
    order = random.permutation(meters).astype(np.int32)
    at, place, many = BEGIN_MS, 0, size * together
    supply = np.ones(many, np.uint8)
    for batch in range(count):
        if place == 0:
            at += HALF_HOUR_MS
            register += random.integers(0, 1_500, meters)
        meter = order[place : place + many]
        place = place + many if place + 2 * many <= meters else 0
        yield ReadingBatch(
            meter=meter,
            register=register[meter],
            read_at=np.full(many, at),
            at=np.full(many, at),
            supply=supply,
            offset=np.full(many, batch, np.int64),
            line=np.arange(many, dtype=np.uint32),
        )


def measure(size: int, together: int, readings: int, *, plain: bool = False) -> float:
    """Readings per second, settled every 64 batches."""
    ledger = opened_site()
    batches = list(rounds(size, together, readings // (size * together)))
    take = ledger.take_readings_plainly if plain else ledger.take_readings
    # The first call loads the compiled code; it is no part of the measurement.
    opened_site(meters=2).take_readings(next(rounds(2, 1, 1, meters=2)))
    started = time.perf_counter()
    for number, batch in enumerate(batches):
        take(batch)
        if number % 64 == 63:
            ledger.settle()
    ledger.settle()
    return sum(len(batch) for batch in batches) / (time.perf_counter() - started)


def results() -> Iterator[dict[str, object]]:
    """One figure a case, the median of three runs."""
    for case, size, together in (("256", 256, 1), ("16x64", 16, 64), ("16", 16, 1), ("256x64", 256, 64)):
        figures = sorted(measure(size, together, 1_000_000 if size * together > 16 else 100_000) for _ in range(3))
        yield {"bench": "core", "case": case, "readings_per_s": round(figures[1])}
    yield {"bench": "core", "case": "plain", "readings_per_s": round(measure(256, 1, 20_480, plain=True))}
