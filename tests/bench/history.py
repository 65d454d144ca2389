"""A year of a large group in the embedded ClickHouse: load, bytes, and what analysts ask, beside two other ways to ask.

`history` is 10,000 meters over 12 months at half hours (175 million readings); `history:1000,2` a smaller group over
fewer months. Rows are made by `tests/year_history.py` and go in as files that the engine reads, so `load` is the
engine's own rate. Every answer is compared with what the generator knows. A time is the best of several; `raw` asks the
rows themselves, without projections, and `pandas` Parquet files of the columns that the question needs.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from clickhouse_driver import Client

from analytics.period import Period
from analytics.question import Question
from analytics.reports.energy_finance import energy_and_finance
from infra.endpoints import clickhouse_url
from streams.core.localtime import OFFSET_MS
from tests.bench.database import database, sizes
from tests.year_history import BANDS, BEGIN_MS, PARTITIONS, PRICES, Chunk, Rows, YearHistory

TIMES: Final = 5
RAW: Final[dict[str, object]] = {"optimize_use_projections": 0}
STORED: Final[dict[str, object]] = {"force_optimize_projection": 1}

TYPES: Final = {"<u2": "UInt16", "<u4": "UInt32", "<u8": "UInt64", "<i8": "Int64", "|u1": "UInt8"}
TIME: Final = "fromUnixTimestamp64Milli({}, 'UTC')"
SITE: Final = "concat('S', toString(intDiv(meter, 1000) + 1))"
NAMES: Final = {
    "site": SITE,
    "gateway": f"concat({SITE}, '-G', leftPad(toString(intDiv(meter % 1000, 50)), 2, '0'))",
    "account": "concat('A', leftPad(toString(meter), 5, '0'))",
    "meter": "concat('M', leftPad(toString(meter), 5, '0'))",
    "kind": "'electricity'",
}
CELL: Final = {
    "tariff": "version = 65535 ? '' : 'E'",
    "band": f"band = 255 ? '' : {list(BANDS)}[band + 1]",
    "partition": f"intDiv(meter, 1000) % {PARTITIONS}",
}
HOURS: Final = (
    "SELECT toStartOfHour(read_at, 'Asia/Shanghai') AS hour, sum(toInt128(consumption_milli)) FROM readings"
    " WHERE kind = 'electricity' GROUP BY hour ORDER BY hour"
)
HOURS_BY_SITE: Final = (
    "SELECT site, toStartOfHour(read_at, 'Asia/Shanghai') AS hour, sum(toInt128(consumption_milli)) FROM readings"
    " GROUP BY site, hour"
)
YEAR: Final = (
    "SELECT day, consumption_milli, closing_milli FROM meter_day WHERE site = 'S1' AND meter = 'M00007' ORDER BY day"
)


def results(meters: str = "10000", months: str = "12") -> Iterator[dict[str, object]]:
    """Load rate, bytes a reading, and seconds of three questions."""
    history = YearHistory(int(meters), int(months))
    with database() as (settings, folder), Client.from_url(clickhouse_url(settings)) as client:
        yield from _load(client, history, folder)
        yield from sizes(client, "history")
        yield from _questions(client, history)
        yield from _pandas(client, history, folder)


def _load(client: Any, history: YearHistory, folder: Path) -> Iterator[dict[str, object]]:
    _register(client, history)
    rows, spent = 0, 0.0
    started = time.perf_counter()
    with ThreadPoolExecutor(max_workers=1) as ahead:
        chunks = history.chunks()
        waiting = ahead.submit(next, chunks, None)
        while (chunk := waiting.result()) is not None:
            waiting = ahead.submit(next, chunks, None)
            begun = time.perf_counter()
            rows += _insert(client, chunk, folder)
            spent += time.perf_counter() - begun
    yield {
        "bench": "history",
        "case": "load",
        "readings": rows,
        "rows_per_s": round(rows / spent),
        "seconds_with_making": round(time.perf_counter() - started, 1),
    }
    begun = time.perf_counter()
    # Month by month: the whole table would take longer than the driver waits for an answer.
    for (month,) in client.execute("SELECT DISTINCT _partition_id FROM readings ORDER BY 1"):
        client.execute(f"OPTIMIZE TABLE readings PARTITION ID '{month}' FINAL")
    yield {"bench": "history", "case": "merge", "seconds": round(time.perf_counter() - begun, 1)}


def _register(client: Any, history: YearHistory) -> None:
    sites = -(-history.meters // 1000)
    number = f"SELECT toUInt16(number) AS meter FROM numbers({history.meters})"
    at = TIME.format(BEGIN_MS)
    cause = f"{at}, 1, {CELL['partition']}, 0, 0, 0"
    client.execute(
        "INSERT INTO accounts (site, number, account, at, source, partition, offset, line, posting_offset)"
        f" SELECT {SITE}, meter % 1000, {NAMES['account']}, {cause} FROM ({number})"
    )
    client.execute(
        "INSERT INTO meters (site, number, meter, account, kind, register_milli, ratio, gateway, address, template,"
        " at, source, partition, offset, line, posting_offset)"
        f" SELECT {SITE}, meter % 1000, {NAMES['meter']}, {NAMES['account']}, 'electricity', 100000, 1,"
        f" {NAMES['gateway']}, toString(meter), 'made', {cause} FROM ({number})"
    )
    client.execute(
        "INSERT INTO tariff_versions (site, number, tariff, starts_at, unit, cycle, tiers, bands, components, prices,"
        " at, source, partition, offset, line, posting_offset)"
        f" SELECT concat('S', toString(number + 1)), 0, 'E', {at}, 'kWh', 'month', [0, 260000], {list(BANDS)},"
        f" ['supply'], [{PRICES.T.tolist()}], {at}, 1, number % {PARTITIONS}, 0, 0, 0 FROM numbers({sites})"
    )


def _insert(client: Any, chunk: Chunk, folder: Path) -> int:
    times = {"at": TIME.format("at"), "read_at": TIME.format("read_at")}
    common = {**NAMES, **times, **CELL, "source": "0"}
    _insert_rows(client, "readings", chunk.readings, {**common, "flags": "0", "supply": "1"}, folder)
    _insert_rows(client, "pieces", chunk.pieces, {**common, "start": times["read_at"]}, folder)
    _insert_rows(
        client,
        "entries",
        chunk.entries,
        {
            **{name: NAMES[name] for name in ("site", "account")},
            "at": times["at"],
            "kind": "'recharge'",
            "order_id": "concat('R-', toString(intDiv(meter, 1000)), '-', toString(offset))",
            "channel": "['wechat', 'alipay', 'counter'][meter % 3 + 1]",
            "source": "1",
            "partition": CELL["partition"],
        },
        folder,
    )
    return len(chunk.readings)


def _insert_rows(client: Any, table: str, rows: Rows, made: dict[str, str], folder: Path) -> None:
    if not len(rows):
        return
    path = folder / f"{table}.bin"
    path.write_bytes(rows.tobytes())
    names = rows.dtype.names or ()
    layout = ", ".join(f"{name} {TYPES[rows.dtype[name].str]}" for name in names)
    there = [row[0] for row in client.execute(f"DESCRIBE TABLE {table}")]
    columns = {name: made.get(name, name) for name in there if name in made or name in names}
    client.execute(
        f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(columns.values())}"
        f" FROM file('{path}', 'RowBinary', '{layout}')",
        settings={"min_insert_block_size_rows": 1 << 20, "max_insert_block_size": 1 << 20, "max_insert_threads": 2},
    )
    path.unlink()


def _questions(client: Any, history: YearHistory) -> Iterator[dict[str, object]]:
    # The last whole month, with all that was before it.
    month = history.months - 1
    period = Period(date(2025, month + 1, 1), date(2025 + (month + 1) // 12, (month + 1) % 12 + 1, 1))

    def report(settings: dict[str, object]) -> Any:
        client.settings = {**kept, **settings}
        try:
            return energy_and_finance(Question(client, period))
        finally:
            client.settings = kept

    kept = dict(client.settings)
    for name, settings in (("report", {}), ("report raw", RAW)):
        seconds, frame = _best(partial(report, settings), TIMES if settings is not RAW else 1)
        (group,) = frame[frame["level"] == "group"].to_dict("records")
        assert group["deducted_nano"] == history.deducted[month]
        assert group["electricity_milli"] == history.consumed[month]
        assert group["recharged_nano"] == history.recharged[month]
        yield {"bench": "history", "case": name, "seconds": seconds, "rows": len(frame)}
    for name, sql, settings in (
        ("meter's year", YEAR, {}),
        ("meter's year raw", YEAR, RAW),
        ("hours", HOURS, STORED),
        ("hours raw", HOURS, RAW),
        ("hours by site", HOURS_BY_SITE, STORED),
    ):
        seconds, rows = _best(partial(client.execute, sql, settings=settings), TIMES)
        total = sum(row[-1] for row in rows) if sql != YEAR else sum(row[1] for row in rows)
        assert total > 0 if sql == YEAR else total == sum(history.consumed.values())
        yield {"bench": "history", "case": name, "seconds": seconds, "rows": len(rows)}


def _pandas(client: Any, history: YearHistory, folder: Path) -> Iterator[dict[str, object]]:
    """The same group load by hour and a meter's year, of Parquet files by month with the columns for them."""
    months = [row[0] for row in client.execute("SELECT DISTINCT _partition_id FROM readings ORDER BY 1")]
    for month in months:
        client.execute(
            f"INSERT INTO FUNCTION file('{folder}/{month}.parquet', 'Parquet') SELECT toString(site) AS site,"
            " toString(meter) AS meter, toUnixTimestamp64Milli(read_at) AS read_at, register_milli, consumption_milli"
            f" FROM readings WHERE _partition_id = '{month}' ORDER BY site, meter, read_at"
        )
    files = sorted(folder.glob("*.parquet"))

    def hours() -> Any:
        sums = []
        for file in files:
            rows = pd.read_parquet(file, columns=["site", "read_at", "consumption_milli"])
            rows["hour"] = rows.pop("read_at") // 3_600_000
            sums.append(rows.groupby(["site", "hour"])["consumption_milli"].sum())
        return pd.concat(sums).groupby(level=[0, 1]).sum()

    def year() -> pd.DataFrame:
        chosen = [("site", "==", "S1"), ("meter", "==", "M00007")]
        rows = pd.concat([pd.read_parquet(file, filters=chosen) for file in files])
        rows["day"] = (rows["read_at"] + OFFSET_MS) // 86_400_000
        return rows.groupby("day").agg({"consumption_milli": "sum", "register_milli": "last"})

    size = sum(file.stat().st_size for file in files)
    ((rows,),) = client.execute("SELECT count() FROM readings")
    yield {"bench": "history", "case": "parquet of five columns", "bytes_per_reading": round(size / rows, 2)}
    for name, ask in (("hours pandas", hours), ("meter's year pandas", year)):
        seconds, found = _best(ask, 1)
        total = int(np.asarray(found if name.startswith("hours") else found["consumption_milli"]).sum())
        assert total > 0
        if name.startswith("hours"):
            assert total == sum(history.consumed.values())
        yield {"bench": "history", "case": name, "seconds": seconds, "rows": len(found)}


def _best(ask: Callable[[], Any], times: int) -> tuple[float, Any]:
    best, answer = float("inf"), None
    for _ in range(times):
        begun = time.perf_counter()
        answer = ask()
        best = min(best, time.perf_counter() - begun)
    return round(best, 4), answer
