"""The usual way with Faust: a JSON event a reading, a table write a reading. Run as a process by `ledger.py`.

`python -m tests.bench.faust_table BOOTSTRAP READINGS FOLDER` fills a topic, drains it with one worker that keeps its
files below FOLDER, and prints a JSON line.
"""

import asyncio
import json
import os
import sys
import time

import faust
from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient

from tests.ledger_inputs import BEGIN_MS

TOPIC = "bench.readings"
APPLICATION = "bench-table"
METERS = 1_000
PARTITIONS = 4
HALF_HOUR_MS = 1_800_000
PRICES = {"peak": (1_200_000, 1_300_000, 1_500_000), "flat": (700_000, 800_000, 1_000_000)}
"""Nano-yuan per Wh, by tier."""
TIERS = (0, 200_000, 400_000)


def main(bootstrap: str, readings: int, folder: str) -> None:
    _fill(bootstrap, readings)
    app = faust.App(
        APPLICATION,
        broker=f"kafka://{bootstrap}",
        store="memory://",
        datadir=folder,
        topic_partitions=PARTITIONS,
        topic_disable_leader=True,
        web_enabled=False,
        consumer_auto_offset_reset="earliest",
        broker_commit_interval=1.0,
    )
    meters = app.Table("meters", partitions=PARTITIONS)
    done = asyncio.Event()
    began = ended = 0.0
    count = 0

    @app.agent(app.topic(TOPIC, key_type=bytes, value_serializer="json"))
    async def post(stream: faust.StreamT[dict[str, int]]) -> None:
        nonlocal began, ended, count
        async for reading in stream:
            began = began or time.perf_counter()
            meter = str(reading["meter"])
            meters[meter] = priced(meters.get(meter) or {"register": 0, "used": 0, "balance": 10**14}, reading)
            count += 1
            if count == readings:
                ended = time.perf_counter()
                done.set()

    async def run() -> None:
        await app.start()
        await done.wait()
        sys.stdout.write(json.dumps({"readings_per_s": round(readings / (ended - began))}) + "\n")
        sys.stdout.flush()
        # Left from within: asyncio's end cancels Faust's tasks, and some of them never give way.
        os._exit(0)

    asyncio.run(run())


def priced(meter: dict[str, int], reading: dict[str, int]) -> dict[str, int]:
    """The meter after a reading: register, units used this month, balance."""
    consumption = reading["register"] - meter["register"]
    hour = reading["read_at"] // 3_600_000 % 24
    prices = PRICES["peak" if 8 <= hour < 11 else "flat"]
    used, left, amount = meter["used"], consumption, 0
    for tier, price in enumerate(prices):
        end = TIERS[tier + 1] if tier + 1 < len(TIERS) else used + left
        part = max(0, min(used + left, end) - used)
        amount += part * price
        used += part
        left -= part
    return {"register": reading["register"], "used": used, "balance": meter["balance"] - amount}


def _fill(bootstrap: str, readings: int) -> None:
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    admin.create_topics({TOPIC: {"num_partitions": PARTITIONS, "replication_factor": 1}})
    admin.close()
    producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=20, batch_size=1 << 18)
    for number in range(readings):
        meter, turn = number % METERS, number // METERS + 1
        value = {"meter": meter, "register": turn * 700, "read_at": BEGIN_MS + turn * HALF_HOUR_MS}
        producer.send(TOPIC, key=str(meter).encode(), value=json.dumps(value).encode(), partition=meter % PARTITIONS)
    producer.flush()
    producer.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
