"""A property group by every protocol, with every fault: the ledger ends with what its meters counted, to the unit."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from clickhouse_driver import Client

from analytics.audit import audit
from analytics.period import Period
from analytics.question import Question
from analytics.reports.energy_finance import energy_and_finance
from collectors.gateways.clock_care import TOLERATED_MS
from infra.fleet.fault import LINE_FAULTS, Fault
from infra.fleet.gateways.switchboard import Broker
from infra.fleet.property import Link, PropertySize
from infra.fleet.renting import tariff_of
from infra.fleet.tariffs import TARIFF_FLAT
from infra.ports import HOST
from streams.core.localtime import format_time
from streams.core.outcome import Flag
from tests.integration.clickhouse_places import own_database
from tests.integration.collector_lines import awaited
from tests.integration.fleet_run import FleetRun, fleet_run
from tests.integration.mosquitto import Mosquitto

HOURS = 36
EVER = Period(date(2000, 1, 1), date(2100, 1, 1))
STEP_MINUTES = 45
LAST_ROUNDS = 40
ROUNDS_A_RECHARGE = 8
NANO_A_FEN = 10_000_000
SECOND_MS = 1_000
DRIFT_A_DAY_MS = 18_000


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    mosquitto = Mosquitto(tmp_path_factory.mktemp("mosquitto") / "own", is_open=True)
    mosquitto.start()
    yield Broker(HOST, mosquitto.port)
    mosquitto.stop()


def size_of(seed: int) -> PropertySize:
    return PropertySize(
        sites=2, gateways=16, meters=64, seed=seed, links=tuple(Link), faults=frozenset(Fault), hours=HOURS
    )


@pytest.mark.parametrize("seed", [2, 3])
@awaited
async def test_the_ledger_ends_with_what_the_meters_counted(
    seed: int, tmp_path: Path, broker: Broker, clickhouse: str
) -> None:
    size = PropertySize(
        sites=2, gateways=14, meters=56, seed=seed, links=tuple(Link), faults=frozenset(Fault), hours=HOURS
    )
    async with fleet_run(size, tmp_path, broker=broker) as run:
        for number in range(HOURS * 60 // STEP_MINUTES):
            await pass_time(run)
            if number % ROUNDS_A_RECHARGE == 0:
                recharge(run, number)
        # Tenants draw nothing any more: what the meters have counted is to be paid, however often they are read.
        run.board.calm()
        # A unit on a bus of Modbus RTU that was silent is not asked for half a minute, real; a restart forgets that.
        await run.start_again()
        for _ in range(LAST_ROUNDS):
            if consumption(run) == counted(run) and unlike(run) == set():
                break
            await pass_time(run)
        assert consumption(run) == counted(run)
        assert unlike(run) == set()
        assert spent_nano(run) == {account: price(run, account) for account in spent_nano(run)}
        check_what_there_was(run)
        check_clocks(run)
        check_reports(run, clickhouse)


def check_reports(run: FleetRun, clickhouse: str) -> None:
    """What ClickHouse reports of it, after the sink's way there, is what the meters counted, to the nano-yuan."""
    with own_database(clickhouse, "fleet") as url:
        run.history.write(url, block=500)
        with Client.from_url(url) as client:
            assert {check.name: check.faults for check in audit(client) if check.wrong} == {}
            frame = energy_and_finance(Question(client, EVER))
    rows = {level: of_level.to_dict("records") for level, of_level in frame.groupby("level")}
    true = counted(run)
    units = {row["meter"]: row["electricity_milli"] or row["water_milli"] or 0 for row in rows["meter"]}
    assert units == true
    deducted = {row["account"]: row["deducted_nano"] for row in rows["account"]}
    assert {account: deducted[account] for account in spent_nano(run)} == {
        account: price(run, account) for account in spent_nano(run)
    }
    (group,) = rows["group"]
    assert group["electricity_milli"] + group["water_milli"] == sum(true.values())
    assert (
        group["deducted_nano"] == sum(deducted.values()) == sum(sum(site.spent.values()) for site in run.sites.values())
    )


async def pass_time(run: FleetRun) -> None:
    await run.turn_clock(STEP_MINUTES)
    await run.take_registry()
    await run.round()


def recharge(run: FleetRun, number: int) -> None:
    """Give those who owe something what lasts for a while."""
    for name, site in run.sites.items():
        for account, balance in site.ledger.balances().items():
            if balance <= 0:
                order = {"order": "recharge", "account": account, "order_id": f"R{number}-{account}", "amount": "40"}
                run.order({**order, "at": format_time(run.clock.now_ms()), "site": name})


def consumption(run: FleetRun) -> dict[str, int]:
    """What the ledger charged, Wh or litres by meter."""
    return {meter: site.consumption[meter] for site in run.sites.values() for meter in site.meters.values()}


def counted(run: FleetRun) -> dict[str, int]:
    """What went through the meters that were ever in use."""
    now_ms = run.clock.now_ms()
    return {meter: run.fleet.meters[meter].counted_wh(now_ms) for meter in consumption(run)}


def unlike(run: FleetRun) -> set[str]:
    """The meters whose supply is not as the ledger wants it, but for those that nobody can command."""
    left_alone = {spec.meter for plan in run.group.gateways if not plan.link.is_commanded for spec in plan.meters}
    there = run.fleet.there() - left_alone
    wanted = {meter: action == "cut" for site in run.sites.values() for meter, action in site.desired.items()}
    return {meter for meter in there if run.fleet.meters[meter].control.is_open != wanted.get(meter, False)}


def spent_nano(run: FleetRun) -> dict[str, int]:
    """What accounts spent that pay one price at all times, nano-yuan."""
    flat = {plan.account: plan.site for plan in run.group.accounts if plan.tariff is TARIFF_FLAT}
    return {account: run.sites[site].spent[account] for account, site in flat.items()}


def price(run: FleetRun, account: str) -> int:
    """What an account's meters counted, priced, nano-yuan."""
    now_ms, sum_nano = run.clock.now_ms(), 0
    for spec in run.group.meters:
        if spec.account == account:
            fen = tariff_of(spec, TARIFF_FLAT).typical_fen
            sum_nano += run.fleet.meters[spec.meter].counted_wh(now_ms) * fen * NANO_A_FEN // 1000
    return sum_nano


def check_what_there_was(run: FleetRun) -> None:
    """Every kind of fault came, and the ledger met what it has rules for."""
    assert LINE_FAULTS | {Fault.AWAY} <= run.board.seen()
    assert any(spec.faults.clock_ppm for spec in run.group.meters)
    assert {swap.meter for swap in run.group.swaps} <= set(run.fleet.meters) - run.fleet.there()
    assert {swap.successor for swap in run.group.swaps} <= run.fleet.there()
    flags = {flag for site in run.sites.values() for flag in site.flags}
    assert {Flag.ROLLOVER, Flag.BACKWARDS, Flag.DUPLICATE} <= flags
    assert {command.action for command in run.commands} == {"cut", "restore"}


def check_clocks(run: FleetRun) -> None:
    """Clocks on the buses of DL/T645 were minutes off, and are set; those of others are known."""
    now_ms = run.clock.now_ms()
    known = {clock.meter: clock for clock in run.clocks()}
    assert any(clock.set_ms is not None for clock in known.values())
    for plan in run.group.gateways:
        for spec in plan.meters:
            if plan.link is Link.DIAL_IN and spec.meter in run.fleet.there():
                off_ms = abs(run.fleet.meters[spec.meter].clock_ms(now_ms) - now_ms)
                assert off_ms <= TOLERATED_MS + DRIFT_A_DAY_MS, spec.meter
            elif plan.link is Link.WATER and spec.meter in run.fleet.there() and spec.meter in known:
                measured = known[spec.meter]
                true_ms = run.fleet.meters[spec.meter].clock_ms(measured.measured_ms) - measured.measured_ms
                assert measured.drift_ms is not None
                assert abs(measured.drift_ms - true_ms) <= SECOND_MS
