"""What one collector process holds: 5,000 gateways that dial in, 20 DL/T645 meters each, read every minute.

The real collector and the real Kafka; the gateways are sockets of this process, which answer each request at once.
Behind two quiet rounds all gateways hang up and call again together. A reading is lost where a gateway's rounds are
more than one and a half intervals apart, or a round lacks a meter; one that was due while its gateway was away is
counted by itself. (No consumption is lost with it: the next reading brings it.)
"""

import asyncio
import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
from kafka import KafkaConsumer, TopicPartition

from collectors.wire import dlt645
from collectors.wire.arrays import decode_registers
from collectors.wire.round import decode_round
from collectors.wire.templates import TEMPLATES
from infra.endpoints import kafka_bootstrap, read_record
from infra.ports import HOST
from infra.settings import Settings
from infra.topics import METER_FRAMES
from tests.conftest import lend_jars, start_part, stop_part

GATEWAYS = 5_000
METERS = 20
INTERVAL_S = 60
QUIET_ROUNDS = 2
_DIALS_AT_ONCE = 500
_REQUEST_BYTES = 16
_STORM_MS = 5_000
"""A round that ends so shortly after the storm began was cut short by it."""
_TEMPLATE = "dlt645-2007"
_ENERGY, _STATUS = 0x0001_0000, 0x0400_0503


def results() -> Iterator[dict[str, object]]:
    """Readings, those that were lost, memory and CPU time."""
    yield measure(GATEWAYS, METERS, INTERVAL_S)


def measure(gateways: int, meters: int, interval_s: int) -> dict[str, object]:
    """Run collector and gateways, and count what is in Kafka."""
    with _running(gateways, meters, interval_s) as (settings, process, port):
        asked = asyncio.run(_live(gateways, port, interval_s))
        memory, cpu = process.memory_info().rss, process.cpu_times()
        taken = _taken(settings)
    span_s = asked.end_s - asked.begin_s
    lost, missed = _lost(taken, gateways, meters, interval_s, asked)
    return {
        "bench": "gateways",
        "gateways": gateways,
        "meters": gateways * meters,
        "interval_s": interval_s,
        "readings": sum(int(good.sum()) for _, good in taken.values()),
        "readings_lost": lost,
        "readings_missed_in_storm": missed,
        "dialled_s": round(asked.dialled_s, 1),
        "all_asked_again_s": round(asked.again_s, 1),
        "memory_mib": round(memory / (1 << 20)),
        "cpu_share": round((cpu.user + cpu.system) / span_s, 2),
    }


@dataclass(slots=True)
class Asked:
    """When things happened; seconds since 1970, but durations."""

    begin_s: float = 0
    dialled_s: float = 0
    storm_s: float = 0
    again_s: float = 0
    end_s: float = 0


class Gateway(asyncio.Protocol):
    """One gateway with its meters: says who it is, answers each request."""

    def __init__(self, name: str, asked: set[str], everyone: asyncio.Event, count: int) -> None:
        self._name, self._asked, self._everyone, self._count = name, asked, everyone, count
        self._buffer = b""
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self._name.encode())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= _REQUEST_BYTES:
            request = dlt645.decode_frame(self._buffer[:_REQUEST_BYTES])
            self._buffer = self._buffer[_REQUEST_BYTES:]
            assert self.transport is not None
            assert request.di is not None
            value = b"\x56\x34\x12\x00" if request.di == _ENERGY else b"\x00\x00"
            self.transport.write(dlt645.encode_read_answer(request.address, request.di, value))
            self._asked.add(self._name)
            if len(self._asked) == self._count:
                self._everyone.set()


@dataclass(slots=True)
class _Crowd:
    """All gateways, and which of them have been asked since they last called."""

    port: int
    count: int
    asked: set[str] = field(default_factory=set)
    everyone: asyncio.Event = field(default_factory=asyncio.Event)
    there: list[Gateway] = field(default_factory=list)

    async def call(self) -> None:
        """Have all of them call, so many at a time as a listener's queue takes."""
        self.asked.clear()
        self.everyone.clear()
        turn = asyncio.Semaphore(_DIALS_AT_ONCE)

        async def one(number: int) -> Gateway:
            async with turn:
                gateway = Gateway(_name(number), self.asked, self.everyone, self.count)
                await asyncio.get_running_loop().create_connection(lambda: gateway, HOST, self.port)
                return gateway

        self.there = list(await asyncio.gather(*(one(number) for number in range(self.count))))

    def hang_up(self) -> None:
        for gateway in self.there:
            assert gateway.transport is not None
            gateway.transport.abort()


async def _live(count: int, port: int, interval_s: int) -> Asked:
    """Dial in, two quiet rounds, the storm, and another round."""
    crowd, asked = _Crowd(port, count), Asked(begin_s=time.time())
    await crowd.call()
    asked.dialled_s = time.time() - asked.begin_s
    await crowd.everyone.wait()
    await asyncio.sleep(QUIET_ROUNDS * interval_s)
    crowd.hang_up()
    asked.storm_s = time.time()
    await crowd.call()
    await crowd.everyone.wait()
    asked.again_s = time.time() - asked.storm_s
    await asyncio.sleep(interval_s)
    asked.end_s = time.time()
    return asked


Taken = dict[str, tuple[list[int], "np.ndarray[tuple[int, ...], np.dtype[np.int64]]"]]
"""By gateway: when its rounds were complete, ms, and how many good registers each has."""


def _taken(settings: Settings) -> Taken:
    consumer = KafkaConsumer(bootstrap_servers=kafka_bootstrap(settings), enable_auto_commit=False)
    places = [TopicPartition(METER_FRAMES, number) for number in range(settings.partitions)]
    consumer.assign(places)
    consumer.seek_to_beginning(*places)
    left = {place: end for place, end in consumer.end_offsets(places).items() if end}
    times: dict[str, list[int]] = {}
    counts: dict[str, list[int]] = {}
    while left:
        for place, records in consumer.poll(1000).items():
            for record in records:
                taken = decode_round(record.value)
                good = [
                    int(decode_registers(block, TEMPLATES[_TEMPLATE])[1].sum())
                    for block in taken.blocks
                    if block.item == "energy"
                ]
                times.setdefault(taken.gateway, []).append(taken.collected_at)
                counts.setdefault(taken.gateway, []).append(sum(good))
            if place in left and consumer.position(place) >= left[place]:
                del left[place]
    consumer.close()
    return {gateway: (times[gateway], np.array(counts[gateway], np.int64)) for gateway in times}


def _lost(taken: Taken, gateways: int, meters: int, interval_s: int, asked: Asked) -> tuple[int, int]:
    """Readings that are missing between a gateway's first round and the end: in quiet times, and around the storm."""
    storm_ms, interval_ms = round(1000 * asked.storm_s), 1000 * interval_s
    lost, missed = (gateways - len(taken)) * meters, 0
    for times, good in taken.values():
        ends = [*times, round(1000 * asked.end_s)]
        for at, until, count in zip(times, ends[1:], good.tolist(), strict=True):
            gone = max(0, round((until - at) / interval_ms) - 1) * meters + meters - count
            if at <= storm_ms <= until or abs(at - storm_ms) < _STORM_MS:
                missed += gone
            else:
                lost += gone
    return lost, missed


@contextmanager
def _running(gateways: int, meters: int, interval_s: int) -> Iterator[tuple[Settings, psutil.Process, int]]:
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as folder:
        settings = Settings(
            data_dir=Path(folder),
            kafka="",
            clickhouse="",
            partitions=3,
            replication=1,
            fleet=False,
            poll_interval_s=interval_s,
        )
        (settings.data_dir / "registry.json").write_text(json.dumps(_registry(gateways, meters)))
        lend_jars(settings.data_dir)
        running = [start_part(settings, "kafka")]
        try:
            running.append(start_part(settings, "collector"))
            record = read_record(settings, "collector")
            assert record is not None
            _pin(running[-1].pid, running[0].pid)
            yield settings, psutil.Process(running[-1].pid), record.ports["dial_in"]
        finally:
            for process in reversed(running):
                stop_part(process)


def _pin(collector: int, kafka: int) -> None:
    """Give the collector a core of its own, and the gateways and Kafka the others, where there are several."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1:
        _set_affinity(collector, {cores[-1]})
        _set_affinity(kafka, set(cores[:-1]))
        _set_affinity(os.getpid(), set(cores[:-1]))


def _set_affinity(pid: int, cores: set[int]) -> None:
    """Of all threads of a process: each has its own."""
    for thread in psutil.Process(pid).threads():
        os.sched_setaffinity(thread.id, cores)


def _registry(gateways: int, meters: int) -> dict[str, object]:
    return {
        "sites": [
            {
                "site": f"S{site}",
                "gateways": [
                    {
                        "gateway": _name(number),
                        "link": "dial-in",
                        "registration": _name(number),
                        "meters": [
                            {
                                "meter": f"{_name(number)}-{meter:02d}",
                                "address": f"{number * 100 + meter:012d}",
                                "template": _TEMPLATE,
                            }
                            for meter in range(1, meters + 1)
                        ],
                    }
                    for number in range(site, gateways, 10)
                ],
            }
            for site in range(10)
        ]
    }


def _name(number: int) -> str:
    return f"G{number:05d}"
