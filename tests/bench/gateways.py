"""What one collector process holds on one core: 5,000 gateways that dial in, 20 DL/T645 meters each, read every minute.

The real collector and the real Kafka. The collector has the first core for itself; Kafka and the gateways, which are a
process of sockets (`tests.bench.crowd`), share the others. In two storms behind the steady time all gateways hang up
together: in the first they call again at once, in the second each at a moment of its own within an interval.

A reading is expected of each meter in each interval of its gateway, from the moment at which the gateway is due to the
next, also in a storm. One that is missed costs no consumption, since registers are running totals, but is counted.
Figures are yielded by phase; `cpu_s` is what the collector used of its core in an interval, `late_s` how long behind
the due moment the first answer of a gateway's round came.
"""

import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import psutil
from kafka import KafkaConsumer, TopicPartition
from numpy.typing import NDArray

from collectors.gateways.pace import place_in_interval
from collectors.wire.arrays import decode_registers
from collectors.wire.round import decode_round
from collectors.wire.templates import TEMPLATES
from infra.endpoints import kafka_bootstrap, read_record
from infra.settings import Settings
from infra.topics import METER_FRAMES
from tests.bench.crowd import Call, Called, gateway_name, live
from tests.conftest import lend_jars, start_part, stop_part

GATEWAYS = 5_000
METERS = 20
INTERVAL_S = 60
STEADY_INTERVALS = 3
_ANSWER_S = 0.1
"""From a request to its answer; a bus of 9,600 baud takes about that long."""
_CUT_S = 10
"""A round that was due so shortly before a storm may be cut short by it, and counts with it."""
_TEMPLATE = "dlt645-2007"
_ADDRESSES = 100
"""Addresses that a gateway has for its meters."""

Numbers = NDArray[np.int64]


def results(
    gateways: str = str(GATEWAYS), meters: str = str(METERS), interval_s: str = str(INTERVAL_S)
) -> Iterator[dict[str, object]]:
    """Readings expected and had, lateness, CPU time and memory, by phase."""
    yield from measure(int(gateways), int(meters), int(interval_s))


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of the run. Moments are those of the monotonic clock, s.

    Attributes:
        called: What became of the calls that it began with.
        begin_s: When it began; rounds due from then on count, or from `_CUT_S` before a storm.
        end_s: When the last round was due that counts.
        cpu_s: What the collector used meanwhile.
        memory: Of the collector at its end, bytes.
    """

    name: str
    called: Called
    begin_s: float
    end_s: float
    cpu_s: float
    memory: int


def measure(gateways: int, meters: int, interval_s: int) -> Iterator[dict[str, object]]:
    """Run collector and gateways, and count what is in Kafka."""
    with _running(gateways, meters, interval_s) as (settings, process, port):
        empty = process.memory_info().rss
        with _crowd(port, gateways) as orders:
            phases = _live(orders, process, interval_s)
        taken = _taken(settings)
    shared = {"bench": "gateways", "gateways": gateways, "meters": gateways * meters, "interval_s": interval_s}
    for phase in phases:
        grown = {
            "memory_mib": round(phase.memory / (1 << 20)),
            "memory_kib_a_gateway": round((phase.memory - empty) / 1024 / gateways, 1),
        }
        span = (phase.end_s - phase.begin_s) / interval_s
        used = {"cpu_s": round(phase.cpu_s / span, 1), "cpu_share": round(phase.cpu_s / span / interval_s, 2)}
        yield {**shared, "phase": phase.name, **_counted(taken, phase, gateways, meters, interval_s), **used, **grown}


def _live(orders: Connection, process: psutil.Process, interval_s: int) -> list[Phase]:
    """Dial in, steady time, both storms."""
    call(orders, interval_s / 2)
    phases = [_phase("steady", Called(0, 0), process, STEADY_INTERVALS * interval_s)]
    for name, spread_s in (("all call again at once", 0.0), ("all call again within an interval", interval_s)):
        # What was begun before the phase's end is done before the next storm.
        time.sleep(2 * _CUT_S)
        began, cpu_s = time.monotonic(), _cpu_s(process)
        called = call(orders, spread_s)
        rest = _phase(name, called, process, began + spread_s + interval_s - time.monotonic())
        phases.append(Phase(name, called, began, rest.end_s, _cpu_s(process) - cpu_s, rest.memory))
    time.sleep(interval_s)
    return phases


def call(orders: Connection, spread_s: float) -> Called:
    """Have all gateways call."""
    orders.send(Call(spread_s))
    called: Called = orders.recv()
    return called


def _phase(name: str, called: Called, process: psutil.Process, span_s: float) -> Phase:
    began, cpu_s = time.monotonic(), _cpu_s(process)
    time.sleep(max(0.0, span_s))
    return Phase(name, called, began, time.monotonic(), _cpu_s(process) - cpu_s, process.memory_info().rss)


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


@dataclass(frozen=True, slots=True)
class Taken:
    """Good readings of registers: gateway, meter and moment (ms of the monotonic clock) of each."""

    gateways: Numbers
    meters: Numbers
    at_ms: Numbers


def _counted(taken: Taken, phase: Phase, gateways: int, meters: int, interval_s: int) -> dict[str, object]:
    """Readings expected and had in the intervals that began in a phase."""
    interval_ms = 1000 * interval_s
    is_storm = phase.called.connected_s > 0
    first_ms, end_ms = (round(1000 * each) for each in (phase.begin_s - _CUT_S * is_storm, phase.end_s))
    places = np.array([place_in_interval(gateway_name(number)) for number in range(gateways)])
    offsets = (places * interval_ms).astype(np.int64)
    begun = -((offsets - first_ms) // interval_ms)
    """Of each gateway the number of its first interval that begins in the phase."""
    ended = -((offsets - end_ms) // interval_ms)
    numbers = (taken.at_ms - offsets[taken.gateways]) // interval_ms
    counts = (numbers >= begun[taken.gateways]) & (numbers < ended[taken.gateways])
    expected = int((ended - begun).sum()) * meters
    rounds = np.stack([taken.gateways, numbers], axis=1)[counts]
    had = len(np.unique(np.column_stack([rounds, taken.meters[counts]]), axis=0))
    _, inverse = np.unique(rounds, axis=0, return_inverse=True)
    first = np.full(inverse.max(initial=-1) + 1, interval_ms, np.int64)
    np.minimum.at(first, inverse.ravel(), ((taken.at_ms - offsets[taken.gateways]) % interval_ms)[counts])
    figures: dict[str, object] = {
        "readings_expected": expected,
        "readings": had,
        "missed": expected - had,
        "late_s_median": round(float(np.median(first)) / 1000, 3),
        "late_s_max": round(float(first.max()) / 1000, 3),
    }
    if is_storm:
        behind = taken.at_ms - round(1000 * phase.begin_s)
        again = np.full(gateways * _ADDRESSES, np.iinfo(np.int64).max)
        after = behind > 0
        np.minimum.at(again, (taken.gateways * _ADDRESSES + taken.meters)[after], behind[after])
        read = again.reshape(gateways, _ADDRESSES)[:, 1 : meters + 1]
        figures |= {
            "all_connected_s": round(phase.called.connected_s, 1),
            "failed_calls": phase.called.failures,
            "all_read_again_s": round(float(read.max()) / 1000, 1),
        }
    return figures


def _taken(settings: Settings) -> Taken:
    since_1970_ms = round(1000 * (time.time() - time.monotonic()))
    consumer = KafkaConsumer(bootstrap_servers=kafka_bootstrap(settings), enable_auto_commit=False)
    places = [TopicPartition(METER_FRAMES, number) for number in range(settings.partitions)]
    consumer.assign(places)
    consumer.seek_to_beginning(*places)
    left = {place: end for place, end in consumer.end_offsets(places).items() if end}
    addresses, moments = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    while left:
        for place, records in consumer.poll(1000).items():
            for record in records:
                for block in decode_round(record.value).blocks:
                    if block.item == "energy":
                        good = decode_registers(block, TEMPLATES[_TEMPLATE])[1]
                        addresses.append(block.addresses.astype(np.int64)[good])
                        moments.append(block.read_at[good])
            if place in left and consumer.position(place) >= left[place]:
                del left[place]
    consumer.close()
    address = np.concatenate(addresses)
    return Taken(address // _ADDRESSES, address % _ADDRESSES, np.concatenate(moments) - since_1970_ms)


@contextmanager
def _crowd(port: int, gateways: int) -> Iterator[Connection]:
    """Gateways in a process of their own, on the cores that are left."""
    orders, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=live, args=(theirs, port, gateways, _ANSWER_S))
    process.start()
    theirs.close()
    try:
        yield orders
    finally:
        orders.close()
        process.join()


@contextmanager
def _running(gateways: int, meters: int, interval_s: int) -> Iterator[tuple[Settings, psutil.Process, int]]:
    """Kafka and a collector: the collector on the first core, all else on the others."""
    cores = sorted(os.sched_getaffinity(0))
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
        os.sched_setaffinity(0, cores[1:] or cores)
        running = [start_part(settings, "kafka")]
        try:
            # A process has the cores of the one that starts it.
            os.sched_setaffinity(0, cores[:1])
            running.append(start_part(settings, "collector"))
            os.sched_setaffinity(0, cores[1:] or cores)
            record = read_record(settings, "collector")
            assert record is not None
            yield settings, psutil.Process(running[-1].pid), record.ports["dial_in"]
        finally:
            for process in reversed(running):
                stop_part(process)
            os.sched_setaffinity(0, cores)


def _registry(gateways: int, meters: int) -> dict[str, object]:
    return {
        "sites": [
            {
                "site": f"S{site}",
                "gateways": [
                    {
                        "gateway": gateway_name(number),
                        "link": "dial-in",
                        "registration": gateway_name(number),
                        "meters": [
                            {
                                "meter": f"{gateway_name(number)}-{meter:02d}",
                                "address": f"{number * _ADDRESSES + meter:012d}",
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
