"""The demo as a newcomer runs it: a checked run whose parts are killed meanwhile, and a kept one that is stopped."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from infra.endpoints import kafka_bootstrap, running
from infra.parts import members
from infra.settings import Settings
from tests.conftest import ROOT, lend_jars, start_part, stop_part
from tests.ledger_replay import Replayed, Topics, replay

SIZE = ("--sites", "2", "--gateways", "4", "--meters", "40")
CHECKS = (
    "kill -9 of ledger-0, 1 of 2",
    "kill -9 of ledger-0, 2 of 2",
    "kill -9 of sink, 1 of 1",
    "readings are decoded from both protocols",
    "frames that could not be decoded",
    "every reading sent is in ClickHouse once",
    "only readings of meters not yet installed are refused",
    "every meter is read",
    "no register in ClickHouse is above the meter's own",
    "the last reading is what the meter showed",
    "the demo account runs out and its meter's relay opens",
    "it stops consuming",
    "a recharge restores it",
    "it consumes again",
    "every command sent is in ClickHouse once",
    "from frame to command in under one second",
    "the ledger and the sink have taken everything",
    "recharges ordered = recharges in ClickHouse",
    "recharges - refunds ± adjustments - deductions = the ledger's balance",
    "last balance in ClickHouse = the ledger's balance",
    "the demo account paid for what its meter shows",
)


@pytest.fixture
def own(tmp_path: Path) -> Settings:
    """A data directory of its own, and servers of its own in it."""
    lend_jars(tmp_path)
    return Settings(data_dir=tmp_path, kafka="", clickhouse="")


def start_demo(own: Settings, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "infra.cli", "demo", *SIZE, *arguments],
        cwd=ROOT,
        env={**os.environ, **own.to_environment()},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.timeout(900)
def test_every_sum_holds_though_parts_are_killed(own: Settings) -> None:
    with start_demo(own, "--once", "--faults") as demo:
        said, _ = demo.communicate()
    assert re.findall(r"^(?:holds|FAILS)  (.*?): ", said, re.MULTILINE) == list(CHECKS), said
    assert "FAILS" not in said, said
    assert f"all {len(CHECKS)} checks hold" in said
    assert demo.returncode == 0, said
    assert list(own.data_dir.glob("once-*")) == [], "removed when all held"


def run_until(own: Settings, shown: str) -> tuple[str, list[psutil.Process]]:
    """Run the demo until a line shows something, then press Ctrl-C; what it said, and its parts."""
    with start_demo(own) as demo:
        assert demo.stdout is not None
        said = ""
        while not re.search(shown, said):
            line = demo.stdout.readline()
            assert line, said
            said += line
        records = [running(own, member.name) for member in members(own)]
        parts = [psutil.Process(record.pid) for record in records if record is not None]
        demo.send_signal(signal.SIGINT)
        said += demo.stdout.read()
    assert demo.returncode == 0, said
    return said, parts


def replayed(own: Settings) -> list[Replayed]:
    """What the ledger is found to have done, partition by partition, after all parts have stopped."""
    kafka = start_part(own, "kafka")
    topics = Topics(kafka_bootstrap(own), own.partitions)
    try:
        # The ledger may have ended before the collector, which hands over what it has read when it ends.
        return [replay(topics, partition, own.partitions, to_the_end=False) for partition in range(own.partitions)]
    finally:
        topics.close()
        stop_part(kafka)


@pytest.mark.timeout(600)
def test_a_second_start_finds_its_data_and_both_runs_replay_to_the_same_bytes(own: Settings) -> None:
    said, parts = run_until(own, r"readings [1-9]\d* .* [1-9]\d* in credit")
    assert "119 orders: accounts, meters, first recharges" in said
    assert 'Client.from_url("clickhouse://' in said
    assert len(parts) == len(members(own))
    assert not any(part.is_running() and part.status() != psutil.STATUS_ZOMBIE for part in parts)
    said, parts = run_until(own, r"readings [1-9]\d* .* [1-9]\d* in credit")
    assert "the accounts are there" in said
    assert "orders: accounts" not in said
    assert not any(part.is_running() and part.status() != psutil.STATUS_ZOMBIE for part in parts)
    # Postings, pages, commands and notices, made anew from the inputs that the journal names.
    found = replayed(own)
    assert sum(partition.readings for partition in found) >= 40
    assert sum(len(accounts) for partition in found for accounts in partition.balances.values()) == 35
