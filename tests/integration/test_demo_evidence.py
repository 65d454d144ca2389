"""The demo's checks over real rows in ClickHouse: they hold on what a run left, and each kind of damage fails them."""

import time
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from clickhouse_driver import Client

from infra.clickhouse.migrate import migrate
from infra.demo.checks.check import Check
from infra.demo.evidence.books import read_books
from infra.demo.evidence.tables import Tables
from infra.demo.judge import judge_money, judge_readings
from infra.fleet.property import DEMO
from sinks.clickhouse.blocks import Block, Blocks, Span
from sinks.clickhouse.columns import table_rows
from sinks.clickhouse.registry import Registry
from sinks.clickhouse.sink import posted
from sinks.clickhouse.writer import ClickHouseStore
from tests.demo_run import SmallRun, small_run

PROTOCOLS = "readings are decoded from both protocols"
ONCE = "every reading sent is in ClickHouse once"
REFUSED = "only readings of meters not yet installed are refused"
RECHARGES = "recharges ordered = recharges in ClickHouse"
BALANCES = "recharges - refunds ± adjustments - deductions = the ledger's balance"
LAST = "last balance in ClickHouse = the ledger's balance"
PRICE = "the demo account paid for what its meter shows"

WAIT = "SETTINGS mutations_sync = 2"
LAST_OF_DEMO = f"account = '{DEMO.account}' AND read_at = (SELECT max(read_at) FROM readings)"


@pytest.fixture(scope="module")
def run() -> SmallRun:
    return small_run()


@pytest.fixture
def client(clickhouse: str, run: SmallRun) -> Iterator[Any]:
    """A database of its own with the run's rows, written as the sink writes them."""
    name = f"demo_{uuid.uuid4().hex[:12]}"
    own = urlunsplit(urlsplit(clickhouse)._replace(path=f"/{name}"))
    migrate(own)
    store = ClickHouseStore(own, sink="clickhouse")
    rows = table_rows([posted(record) for record in run.postings], Registry())
    blocks = Blocks(store, sink="clickhouse", claimed_by="me", clock=time.monotonic)
    blocks.write(Block(1, (Span(0, 0, len(run.postings)),)), rows, begun_before=False)
    store.close()
    with Client.from_url(own) as client:
        yield client
        client.execute(f"DROP DATABASE {name}")


def judged(run: SmallRun, client: Any) -> dict[str, Check]:
    books, tables = read_books(run.state), Tables(client)
    checks = [*judge_readings(run.frames, books, tables), *judge_money(run.orders, books, tables)]
    return {check.name: check for check in checks}


def failed(run: SmallRun, client: Any) -> set[str]:
    return {check.name for check in judged(run, client).values() if not check.held}


def test_what_a_run_left_passes(run: SmallRun, client: Any) -> None:
    checks = judged(run, client)
    assert {name: check.found for name, check in checks.items() if not check.held} == {}
    assert checks[ONCE].found == "24 sent = 18 stored + 6 refused; none missing, none twice"
    assert checks[RECHARGES].found.startswith(f"{len(run.group.accounts)} accounts")


@pytest.mark.parametrize(
    ("damage", "noticed"),
    [
        pytest.param(
            f"ALTER TABLE readings DELETE WHERE {LAST_OF_DEMO} {WAIT}",
            {ONCE, BALANCES, LAST},
            id="a reading is gone",
        ),
        pytest.param(
            f"INSERT INTO readings SELECT * FROM readings WHERE {LAST_OF_DEMO}",
            {ONCE, BALANCES, PRICE},
            id="a reading is there twice",
        ),
        pytest.param(
            f"ALTER TABLE readings UPDATE register_milli = register_milli + 10 WHERE {LAST_OF_DEMO} {WAIT}",
            {ONCE, PRICE},
            id="a register is another",
        ),
        pytest.param(
            f"ALTER TABLE readings UPDATE amount_nano = amount_nano + 1 WHERE {LAST_OF_DEMO} {WAIT}",
            {BALANCES, PRICE},
            id="a deduction is a nano-yuan more",
        ),
        pytest.param(
            f"ALTER TABLE readings UPDATE balance_nano = balance_nano - 1 WHERE {LAST_OF_DEMO} {WAIT}",
            {LAST},
            id="a balance is a nano-yuan less",
        ),
        pytest.param(
            f"INSERT INTO readings SELECT * REPLACE (line + 100 AS line) FROM readings WHERE {LAST_OF_DEMO}",
            {ONCE, BALANCES, PRICE},
            id="a reading is there that nobody sent",
        ),
        pytest.param(
            f"ALTER TABLE entries DELETE WHERE account = '{DEMO.account}' {WAIT}",
            {RECHARGES, BALANCES},
            id="a recharge is gone",
        ),
        pytest.param(
            f"INSERT INTO entries SELECT * FROM entries WHERE account = '{DEMO.account}'",
            {RECHARGES, BALANCES},
            id="a recharge is there twice",
        ),
        pytest.param(
            f"ALTER TABLE refusals DELETE WHERE line = 0 {WAIT}",
            {ONCE},
            id="refusals are gone",
        ),
        pytest.param(
            f"ALTER TABLE refusals UPDATE reason = 'invalid' WHERE line = 0 {WAIT}",
            {REFUSED},
            id="readings are refused for another reason",
        ),
        pytest.param(
            f"ALTER TABLE refusals UPDATE posting_offset = 1000 WHERE line = 0 {WAIT}",
            {REFUSED},
            id="readings are refused after their meters were installed",
        ),
        pytest.param(
            f"ALTER TABLE readings DELETE WHERE gateway = '{DEMO.gateway}' {WAIT}",
            {PROTOCOLS, ONCE, BALANCES, LAST, PRICE},
            id="a protocol brought nothing",
        ),
    ],
)
def test_damage_is_noticed(run: SmallRun, client: Any, damage: str, noticed: set[str]) -> None:
    client.execute(damage)
    assert failed(run, client) == noticed


def test_a_frame_that_the_ledger_never_took_is_missing(run: SmallRun, client: Any) -> None:
    again = [*run.frames, run.frames[-1]]
    again[-1] = type(again[-1])(0, len(run.frames), 0, again[-1].key, again[-1].value)
    assert failed(SmallRun(run.group, again, run.orders, run.state, run.postings), client) == {ONCE}


def test_a_ledger_that_lost_its_last_batch_differs(run: SmallRun, client: Any) -> None:
    lost = SmallRun(run.group, run.frames, run.orders, run.state[: len(run.state) // 2], run.postings)
    assert {BALANCES, LAST} <= failed(lost, client)
