"""The audit passes on what the real core and the real sink wrote, and finds every kind of damage to it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import pytest
from clickhouse_driver import Client

from analytics.audit import Check, audit
from tests.integration.clickhouse_places import own_database
from tests.ledger_history import History, lines_of
from tests.model.generator import generate

SEEDS = range(40)
"""Scenarios dense in coincidences: replacements, rollovers, held, late and unpriced readings, reversals, closings."""

SEEDS_IN_PARTS = range(40, 50)

KEYS: Final[Mapping[str, str]] = {
    "readings": "posting_offset, partition, source, offset, line",
    "pieces": "posting_offset, partition, source, offset, line, start, tier",
    "entries": "posting_offset, partition, source, offset, line, nth",
    "postings": "posting_offset, partition",
}
"""Columns that tell a row from all others, in the order in which one is chosen."""


@dataclass(frozen=True, slots=True)
class World:
    """A database with the histories, and ways to damage it for a while."""

    client: Any
    history: History

    def audit(self) -> dict[str, Check]:
        return {check.name: check for check in audit(self.client)}

    def wrong(self) -> set[str]:
        """The names of the checks that do not hold."""
        return {name for name, check in self.audit().items() if check.wrong}

    def row(self, table: str, condition: str) -> str:
        """A condition that holds for the first of the rows that a condition holds for."""
        columns = KEYS[table]
        rows = self.client.execute(f"SELECT {columns} FROM {table} WHERE {condition} ORDER BY {columns} LIMIT 1")
        assert rows, f"no row of {table} where {condition}"
        texts = [
            f"fromUnixTimestamp64Milli({round(value.timestamp() * 1000)}, 'UTC')" if name == "start" else str(value)
            for name, value in zip(columns.split(", "), rows[0], strict=True)
        ]
        return f"({columns}) = ({', '.join(texts)})"

    @contextmanager
    def instead(self, table: str, select: str) -> Iterator[None]:
        """While inside, a table is what a query over it gives; `{kept}` in it is the table as it was."""
        kept = f"{table}_kept"
        self.client.execute(f"RENAME TABLE {table} TO {kept}")
        try:
            self.client.execute(f"CREATE VIEW {table} AS {select.format(kept=kept)}")
            yield
        finally:
            self.client.execute(f"DROP VIEW IF EXISTS {table}")
            self.client.execute(f"RENAME TABLE {kept} TO {table}")


@pytest.fixture(scope="module")
def world(clickhouse: str) -> Iterator[World]:
    history = History()
    for seed in SEEDS:
        history.take(seed % 3, lines_of(generate(seed), prefix=f"{seed}-"), size=7)
    with pytest.MonkeyPatch.context() as patch:
        # Batches in many parts, where an entry may lie behind readings that the ledger took after it.
        patch.setattr("streams.postings.PART_READINGS", 2)
        patch.setattr("streams.postings.FEW_ITEMS", 0)
        patch.setattr("streams.postings.LIST_BYTES", 1)
        for seed in SEEDS_IN_PARTS:
            history.take(3, lines_of(generate(seed), prefix=f"{seed}-"), size=40)
    with own_database(clickhouse, "audit") as url:
        history.write(url, block=400)
        client = Client.from_url(url)
        yield World(client, history)
        client.disconnect()


def test_what_the_core_and_the_sink_wrote_holds(world: World) -> None:
    checks = world.audit()
    assert {name: check.faults for name, check in checks.items() if check.wrong} == {}
    outcomes = [each.postings.outcome for each in world.history.posted]
    readings = sum(len(outcome.readings) for outcome in outcomes)
    pieces = sum(len(outcome.pieces) for outcome in outcomes)
    entries = sum(len(outcome.entries) for outcome in outcomes)
    registry = sum(len(outcome.accounts) + len(outcome.meters) + len(outcome.versions) for outcome in outcomes)
    assert {name: checks[name].rows for name in ("batches", "parts", "rows", "balances", "registers", "registry")} == {
        "batches": len(outcomes),
        "parts": len(outcomes),
        "rows": readings + pieces + entries,
        "balances": readings + entries,
        "registers": readings,
        "registry": registry,
    }
    flags = 0
    for outcome in outcomes:
        for noted in outcome.readings["flags"].tolist():
            flags |= noted
    assert flags == 511, "a flag that no reading has is a rule that is not tried"


SPLIT = "version = 65535 AND amount_nano > 0 AND bitAnd(flags, 128) = 0"
WHOLE = "version != 65535 AND amount_nano > 0 AND consumption_milli > 0"
NOT_LAST = (
    "(site, meter, read_at) NOT IN (SELECT site, meter, max(read_at) FROM accepted_readings GROUP BY site, meter)"
)
PRICED_WHOLLY = (
    "(partition, source, offset, line) IN (SELECT partition, source, offset, line FROM readings"
    " WHERE version = 65535 AND consumption_milli > 0 AND bitAnd(flags, 64 + 128) = 0)"
)
REVERSED = "kind = 'recharge' AND (site, order_id) IN (SELECT site, of FROM entries WHERE kind = 'reversal')"
OTHER_KIND = "kind = 'water' ? 'electricity' : 'water'"
GONE: Final = ""


@pytest.mark.parametrize(
    ("table", "row", "change", "found"),
    [
        pytest.param("readings", f"{WHOLE} AND {NOT_LAST}", GONE, {"rows", "balances", "registers"}, id="reading-gone"),
        pytest.param("readings", "bitAnd(flags, 1) != 0", GONE, {"rows"}, id="duplicate-reading-gone"),
        pytest.param("readings", WHOLE, "amount_nano + 1 AS amount_nano", {"balances", "prices"}, id="a-nano-more"),
        pytest.param("readings", SPLIT, "amount_nano - 1 AS amount_nano", {"balances", "pieces"}, id="a-nano-less"),
        pytest.param("readings", WHOLE, "balance_nano + 1 AS balance_nano", {"balances"}, id="balance"),
        pytest.param(
            "readings",
            WHOLE,
            "consumption_milli + 1 AS consumption_milli",
            {"registers", "prices"},
            id="consumption",
        ),
        pytest.param("readings", WHOLE, "register_milli + 1 AS register_milli", {"registers"}, id="register"),
        pytest.param("readings", WHOLE, "'A99' AS account", {"balances", "registers"}, id="account"),
        pytest.param("readings", WHOLE, "tier + 1 AS tier", {"prices"}, id="tier"),
        pytest.param("readings", WHOLE, "'X' AS tariff", {"prices"}, id="tariff"),
        pytest.param("readings", WHOLE, f"{OTHER_KIND} AS kind", {"registers"}, id="kind"),
        pytest.param("readings", WHOLE, "at + toIntervalMonth(1) AS at", {"balances"}, id="a-month-later"),
        pytest.param("readings", WHOLE, "at - toIntervalMonth(1) AS at", {"balances"}, id="a-month-earlier"),
        pytest.param("readings", WHOLE, "read_at + toIntervalMonth(1) AS read_at", {"registers"}, id="read-later"),
        pytest.param("pieces", "amount_nano > 0", GONE, {"rows", "pieces"}, id="piece-gone"),
        pytest.param(
            "pieces", "amount_nano > 0", "amount_nano + 1 AS amount_nano", {"pieces", "prices"}, id="piece-a-nano-more"
        ),
        pytest.param(
            "pieces", PRICED_WHOLLY, "quantity_milli + 1 AS quantity_milli", {"pieces", "prices"}, id="piece-Wh"
        ),
        pytest.param("pieces", "amount_nano > 0", "'X' AS meter", {"pieces"}, id="piece-of-another-meter"),
        pytest.param("pieces", "amount_nano > 0", "'X' AS account", {"pieces"}, id="piece-of-another-account"),
        pytest.param("pieces", "amount_nano > 0", f"{OTHER_KIND} AS kind", {"pieces"}, id="piece-of-another-kind"),
        pytest.param(
            "pieces", "amount_nano > 0", "read_at + toIntervalMonth(1) AS read_at", {"pieces"}, id="piece-read-later"
        ),
        pytest.param("pieces", "amount_nano > 0", "'X' AS tariff", {"prices"}, id="piece-of-another-tariff"),
        pytest.param("entries", REVERSED, GONE, {"rows", "balances", "orders"}, id="recharge-gone"),
        pytest.param("entries", "kind = 'fee'", "amount_nano - 1 AS amount_nano", {"balances"}, id="fee"),
        pytest.param("entries", "kind = 'share'", "amount_nano - 1 AS amount_nano", {"balances", "orders"}, id="share"),
        pytest.param("entries", "kind = 'share'", GONE, {"rows", "orders"}, id="share-gone"),
        pytest.param("entries", "kind = 'service_fee'", "'nothing' AS of", {"orders"}, id="service-fee-of-nothing"),
        pytest.param(
            "entries", "kind = 'service_fee'", "-amount_nano AS amount_nano", {"balances", "orders"}, id="service-fee"
        ),
        pytest.param("entries", "kind = 'adjustment'", "amount_nano + 1 AS amount_nano", {"balances"}, id="adjustment"),
        pytest.param("entries", "kind = 'recharge'", "'refund' AS kind", {"orders"}, id="recharge-as-refund"),
        pytest.param("entries", "kind = 'refund'", "'recharge' AS kind", {"orders"}, id="refund-as-recharge"),
        pytest.param("entries", "kind = 'recharge'", "'deduction' AS kind", {"orders"}, id="recharge-as-deduction"),
        pytest.param("entries", "kind = 'recharge'", "'' AS order_id", {"orders"}, id="recharge-of-no-order"),
        pytest.param("entries", "kind = 'reversal'", "'adjustment' AS kind", {"orders"}, id="reversal-as-adjustment"),
        pytest.param(
            "entries", "kind = 'recharge'", "at - toIntervalMonth(1) AS at", {"balances"}, id="before-its-account"
        ),
        pytest.param("entries", "kind = 'reversal'", "'nothing' AS of", {"orders"}, id="reversal-of-nothing"),
        pytest.param("entries", "kind = 'reversal'", "amount_nano - 1 AS amount_nano", {"orders"}, id="reversal-more"),
        pytest.param("postings", "sequence = 9 AND readings > 0", GONE, {"batches", "rows"}, id="posting-gone"),
        pytest.param(
            "postings", "sequence = 9 AND readings > 0", "'X' AS site", {"rows"}, id="posting-of-another-site"
        ),
        pytest.param(
            "postings", "sequence = 9", "frames_next + 1 AS frames_next", {"batches"}, id="posting-of-other-inputs"
        ),
    ],
)
def test_damage_to_one_row_is_found(world: World, table: str, row: str, change: str, found: set[str]) -> None:
    where = world.row(table, row)
    others = f"SELECT * FROM {{kept}} WHERE NOT ({where})"
    changed = f" UNION ALL SELECT * REPLACE ({change}) FROM {{kept}} WHERE {where}" if change else ""
    with world.instead(table, others + changed):
        assert world.wrong() >= found


@pytest.mark.parametrize(
    ("table", "row", "found"),
    [
        ("readings", WHOLE, {"rows", "balances", "registers"}),
        ("readings", "bitAnd(flags, 1) != 0", {"rows"}),
        ("entries", "kind = 'recharge'", {"rows", "balances", "orders"}),
        ("pieces", "amount_nano > 0", {"rows", "pieces"}),
        ("postings", "readings > 0", {"parts", "rows"}),
    ],
    ids=["reading", "duplicate-reading", "recharge", "piece", "posting"],
)
def test_a_doubled_row_is_found(world: World, table: str, row: str, found: set[str]) -> None:
    again = f"SELECT * FROM {{kept}} UNION ALL SELECT * FROM {{kept}} WHERE {world.row(table, row)}"
    with world.instead(table, again):
        assert world.wrong() >= found


def test_a_posting_that_is_missing_with_all_its_rows_is_found(world: World) -> None:
    """As if the sink had never read it."""
    where = world.row("postings", "sequence = 9 AND readings > 0")
    rest = f"SELECT * FROM {{kept}} WHERE NOT ({where})"
    with (
        world.instead("postings", rest),
        world.instead("readings", rest),
        world.instead("pieces", rest),
        world.instead("entries", rest),
    ):
        checks = world.audit()
        assert not checks["rows"].wrong
        assert checks["batches"].wrong == 1
        assert "follows batch 8" in checks["batches"].faults[0].detail


def test_a_recharge_credited_twice_is_found(world: World) -> None:
    """Even if everything else agrees with it: then the ledger itself was wrong."""
    several = "(SELECT site FROM entries WHERE order_id != '' AND kind != 'reversal' GROUP BY site HAVING count() > 1)"
    first = world.row("entries", f"kind = 'recharge' AND site IN {several}")
    ((site, order_id),) = world.client.execute(f"SELECT site, order_id FROM entries WHERE {first}")
    where = world.row("entries", f"site = '{site}' AND kind != 'reversal' AND order_id NOT IN ('', '{order_id}')")
    changed = f"SELECT * REPLACE (if({where}, '{order_id}', order_id) AS order_id) FROM {{kept}}"
    with world.instead("entries", changed):
        checks = world.audit()
        assert checks["orders"].wrong
        assert f"site {site}, order {order_id}" in [fault.key for fault in checks["orders"].faults]


def test_a_missing_name_and_another_price_are_found(world: World) -> None:
    """In tables that are read with FINAL, which no view can stand for."""
    read = "SELECT site FROM readings GROUP BY site HAVING uniqExact(meter) > 1 ORDER BY site LIMIT 1"
    ((site,),) = world.client.execute(read)
    ((used, version),) = world.client.execute("SELECT site, version FROM pieces ORDER BY site, version LIMIT 1")
    dearer = "arrayMap(c -> arrayMap(b -> arrayMap(t -> t + 1, b), c), prices)"
    for table in ("meters", "tariff_versions", "accounts"):
        world.client.execute(f"CREATE TABLE {table}_kept AS {table}")
        world.client.execute(f"INSERT INTO {table}_kept SELECT * FROM {table}")
        world.client.execute(f"EXCHANGE TABLES {table} AND {table}_kept")
    try:
        change = {"mutations_sync": 2}
        world.client.execute(f"ALTER TABLE meters DELETE WHERE site = '{site}' AND number = 0", settings=change)
        assert world.wrong() == {"registry", "registers"}
        world.client.execute("EXCHANGE TABLES meters AND meters_kept")
        world.client.execute("CREATE TABLE meters_bad AS meters")
        world.client.execute(
            "INSERT INTO meters_bad SELECT * REPLACE (replaces = '' ? '' : 'X' AS replaces) FROM meters"
        )
        world.client.execute("EXCHANGE TABLES meters AND meters_bad")
        replaced = world.wrong()
        world.client.execute("EXCHANGE TABLES meters AND meters_bad")
        world.client.execute("DROP TABLE meters_bad")
        assert replaced == {"registry"}
        several = (
            "SELECT site, max(account) FROM accounts GROUP BY site HAVING uniqExact(number) > 1 ORDER BY site LIMIT 1"
        )
        ((of, name),) = world.client.execute(several)
        world.client.execute(f"ALTER TABLE accounts UPDATE account = '{name}' WHERE site = '{of}'", settings=change)
        assert "registry" in world.wrong()
        world.client.execute("EXCHANGE TABLES accounts AND accounts_kept")
        where = f"site = '{used}' AND number = {version}"
        world.client.execute(f"ALTER TABLE tariff_versions UPDATE prices = {dearer} WHERE {where}", settings=change)
        assert world.wrong() == {"prices"}
    finally:
        world.client.execute("EXCHANGE TABLES tariff_versions AND tariff_versions_kept")
        world.client.execute("DROP TABLE meters_kept")
        world.client.execute("DROP TABLE accounts_kept")
        world.client.execute("DROP TABLE tariff_versions_kept")


def test_what_the_sink_has_not_finished_is_left_out(world: World) -> None:
    """Of a block that is being written some rows are there; that is no fault."""
    where = world.row("postings", "sequence = 9")
    ((partition, offset),) = world.client.execute(f"SELECT partition, posting_offset FROM postings WHERE {where}")
    some = f"SELECT * FROM {{kept}} WHERE partition != {partition} OR posting_offset < {offset}"
    with world.instead("postings", some), world.instead("entries", some):
        assert world.wrong()
        end = f"if(partition = {partition}, {offset}, next_offset) AS next_offset"
        with world.instead("sink_positions", f"SELECT * REPLACE ({end}) FROM {{kept}}"):
            assert world.wrong() == set()


def test_a_batch_is_left_out_until_its_last_part_is_there(clickhouse: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block of the sink may end between two parts of a batch."""
    history = History()
    with monkeypatch.context() as patch:
        patch.setattr("streams.postings.PART_READINGS", 2)
        patch.setattr("streams.postings.FEW_ITEMS", 0)
        patch.setattr("streams.postings.LIST_BYTES", 1)
        history.take(0, lines_of(generate(40), prefix="40-")[:60], size=12)
    begun = [each.postings.part + 1 < each.postings.parts for each in history.posted]
    assert 8 < sum(begun) < len(begun) < 40
    with own_database(clickhouse, "begun") as url, Client.from_url(url) as client:
        for count in range(1, len(begun) + 1):
            history.write(url, count=count)
            assert {check.name: check.faults for check in audit(client) if check.wrong} == {}, count
        # A part that is missing is none that is still to come.
        last = max(number for number, each in enumerate(history.posted) if each.postings.part)
        lost = f"posting_offset = {history.posted[last].offset}"
        for table in ("postings", "readings", "pieces", "entries"):
            client.execute(f"ALTER TABLE {table} DELETE WHERE {lost} SETTINGS mutations_sync = 2")
        assert "parts" in {check.name for check in audit(client) if check.wrong}


@pytest.mark.parametrize("left", ["partition != 1", "0"], ids=["of-a-partition", "of-all"])
def test_a_lost_record_of_the_sink_is_found(world: World, left: str) -> None:
    """By it the audit would look at none of the rows, and pass."""
    with world.instead("sink_positions", f"SELECT * FROM {{kept}} WHERE {left}"):
        check = world.audit()["batches"]
        assert "partition 1" in [fault.key for fault in check.faults]
        assert check.wrong == (1 if left != "0" else 4)


def test_all_is_as_it_was(world: World) -> None:
    """So each of the faults above was of the damage."""
    assert world.wrong() == set()


def test_an_empty_database_holds(clickhouse: str) -> None:
    with own_database(clickhouse, "empty") as url:
        client = Client.from_url(url)
        assert [(check.rows, check.wrong) for check in audit(client)] == [(0, 0)] * 9
        client.disconnect()
