"""How long `sluice replay` takes for a million reading lines, start of the process included; beside it the slow model.

Quarter-hourly readings of 2,000 meters, and a fifth as many of 5 meters, whose readings lie close together.
"""

import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from streams.core.localtime import format_time, parse_time
from tests.conftest import ROOT
from tests.model.model import run

OPENED = "2026-01-05T00:00:00+08:00"
QUARTER_MS = 900_000
MODEL_LINES = 2_000


def results() -> Iterator[dict[str, object]]:
    """Lines a second of each case."""
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as folder:
        for readings, meters in ((1_000_000, 2_000), (200_000, 5)):
            file = Path(folder) / "lines.jsonl"
            with file.open("w") as lines:
                lines.writelines(f"{line}\n" for line in scenario(readings, meters))
            began = time.perf_counter()
            subprocess.run(
                [sys.executable, "-m", "infra.cli", "replay", str(file)],
                cwd=ROOT,
                stdout=subprocess.DEVNULL,
                check=True,
            )
            seconds = time.perf_counter() - began
            yield {
                "bench": "replay",
                "case": f"{meters} meters",
                "lines": readings,
                "seconds": round(seconds, 1),
                "readings_per_s": round(readings / seconds),
            }
    few = list(scenario(MODEL_LINES, 20))
    began = time.perf_counter()
    run(few)
    yield {
        "bench": "replay",
        "case": "slow model",
        "readings_per_s": round(MODEL_LINES / (time.perf_counter() - began)),
    }


def scenario(readings: int, meters: int) -> Iterator[str]:
    """Lines that open a site with time-of-use × tier prices, then readings meter by meter."""
    yield json.dumps(
        {
            "at": OPENED,
            "order": "set_tariff",
            "tariff": "E",
            "from": "2025-01-01T00:00:00+08:00",
            "unit": "kWh",
            "cycle": "month",
            "tiers": ["0", "200", "400"],
            "bands": {"peak": ["08:00-11:00", "18:00-21:00"], "valley": ["23:00-07:00"], "flat": []},
            "components": {
                "supply": {
                    "peak": ["1.2", "1.3", "1.5"],
                    "valley": ["0.35", "0.45", "0.65"],
                    "flat": ["0.7", "0.8", "1"],
                }
            },
        }
    )
    for number in range(meters):
        account = {"at": OPENED, "account": f"A{number}"}
        yield json.dumps({**account, "order": "open_account"})
        yield json.dumps({**account, "order": "recharge", "order_id": f"R{number}", "amount": "100000"})
        meter = {"order": "install_meter", "meter": f"M{number}", "kind": "electricity", "register": "0", "tariff": "E"}
        yield json.dumps({**account, **meter})
    chance = random.Random(1)
    registers = [0] * meters
    begun = parse_time(OPENED) or 0
    for place in range(readings):
        number = place % meters
        registers[number] += chance.randint(0, 300)
        at = format_time(begun + (place // meters + 1) * QUARTER_MS)
        register = f"{registers[number] // 1000}.{registers[number] % 1000:03d}"
        yield json.dumps(
            {"at": at, "reading": {"meter": f"M{number}", "register": register, "read_at": at, "supply": "on"}}
        )
