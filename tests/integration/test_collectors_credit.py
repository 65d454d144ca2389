"""What meters tell beside their register, from their lines into the ledger, over real sockets: credit and tariffs."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from collectors.gateways.dial_in_line import DialInLine, DialInListener
from collectors.gateways.line import Line
from collectors.gateways.modbus_line import ModbusLine
from collectors.registry import GatewayPlan
from collectors.wire.round import Round, encode_round
from infra.ports import HOST
from streams.core.outcome import Outcome, Position, Source
from streams.core.site import SiteLedger
from streams.decode import RoundReader
from tests.integration.collector_lines import (
    NOON_MS,
    Dlt645Meter,
    PymodbusGateway,
    Script,
    ScriptedGateway,
    awaited,
    dialling,
    driven,
    meter_at,
    polled,
)
from tests.ledger_inputs import never_ahead

YUAN = 1_000_000_000
ADDRESS = 161
DLT645 = "dtsy1352-dlt645"
MODBUS = "dtsy1352-credit"
REMAINING, OVERDRAFT, COUNT, BANDS = 0x0090_0200, 0x0090_0201, 0x0333_0201, 0x0001_FF00
PRICES = {"peak": ["1.00"], "flat": ["0.50"], "valley": ["0.25"]}


@dataclass
class Record:
    """A round as the ledger finds it in Kafka."""

    offset: int
    value: bytes
    key: bytes = b"S1"
    timestamp: int = NOON_MS


@dataclass
class Office:
    """The ledger of a site with one meter, and the way of orders and rounds into it."""

    ledger: SiteLedger = field(default_factory=lambda: SiteLedger("S1"))
    lines: int = 0

    def order(self, name: str, **fields: Any) -> Outcome:
        self.lines += 1
        position = Position(Source.ORDERS, self.lines)
        self.ledger.take_order({"order": name, **fields}, at=NOON_MS - 60_000, position=position)
        return self.ledger.settle()

    def install(self, template: str, **fields: Any) -> None:
        self.order(
            "set_tariff",
            tariff="E",
            **{"from": "2026-01-01T00:00:00+08:00"},
            unit="kWh",
            cycle="month",
            bands={"peak": ["08:00-22:00"], "valley": ["22:00-08:00"], "flat": []},
            components={"supply": PRICES},
        )
        self.order("open_account", account="A1")
        where = {"gateway": "S1-G02", "address": str(ADDRESS), "template": template}
        where |= {"gateway": "S1-G01", "address": "17"} if template == MODBUS else {}
        made = self.order(
            "install_meter",
            meter="M1",
            account="A1",
            kind="electricity",
            tariff="E",
            register="1000",
            **where,
            **fields,
        )
        assert not made.refusals

    def take(self, taken: Round | None) -> Outcome:
        assert taken is not None
        self.lines += 1
        read = RoundReader("S1", self.ledger, never_ahead).read([Record(self.lines, encode_round(taken))])
        assert not read.rejected
        self.ledger.take_readings(read.batch)
        return self.ledger.settle()

    @property
    def balance(self) -> int:
        return self.ledger.balances()["A1"]


@contextlib.asynccontextmanager
async def calling(meter: Dlt645Meter, script: Script | None = None, *, timeout_s: float = 5.0) -> AsyncIterator[Line]:
    """A line on which a gateway with one DL/T645 meter has called.

    Args:
        script: Answers in the meter's place.
    """
    line = DialInLine(timeout_s=timeout_s)
    listener = DialInListener({"SLUICE-S1-G02": line}, register_s=5.0, settle_s=0.05)
    gateway = ScriptedGateway(script) if script is not None else ScriptedGateway.of_meters(meter)
    await gateway.call(await listener.start(HOST, 0), b"SLUICE-S1-G02")
    try:
        await line.connected.wait()
        yield line
    finally:
        await gateway.hang_up()
        await listener.stop()


def dlt645_meter(counts: int, told: Mapping[int, str]) -> Dlt645Meter:
    return Dlt645Meter(f"{ADDRESS:012d}", counts=counts, told=dict(told))


PLAN: GatewayPlan = dialling(ADDRESS, template=DLT645)


@awaited
async def test_a_sale_to_a_meter_is_confirmed_by_its_next_round(tmp_path: Path) -> None:
    office = Office()
    office.install(DLT645, credit="meter", remaining="12.50", count=3)
    sold = office.order("sell", order_id="S1", meter="M1", amount="100.00", channel="counter")
    assert [(command.action, command.count) for command in sold.commands] == [("recharge", 4)]
    meter = dlt645_meter(100_000, {REMAINING: "00001250", OVERDRAFT: "00000000", COUNT: "0003"})
    async with calling(meter) as line, driven(PLAN, line, tmp_path) as run:
        before = office.take(await run.session.read_round())
        assert (before.entries, before.alarms, office.balance) == ((), (), 12_500_000_000)
        # The counter's card was put in: the meter has the money and counts it; 10 kWh were used since.
        meter.counts += 1_000
        meter.told |= {REMAINING: "00010250", COUNT: "0004"}
        run.clock.at_ms += 300_000
        after = office.take(await run.session.read_round())
    assert [(entry.kind, entry.order_id, entry.amount) for entry in after.entries] == [("sale", "S1", 100 * YUAN)]
    assert after.readings["amount"].tolist() == [10 * YUAN]
    assert (after.alarms, office.balance) == ((), 102_500_000_000)


@awaited
async def test_what_a_meter_is_overdrawn_is_its_credit_below_zero(tmp_path: Path) -> None:
    office = Office()
    office.install(DLT645, credit="meter", remaining="0", count=3)
    meter = dlt645_meter(100_500, {REMAINING: "00000000", OVERDRAFT: "00000500", COUNT: "0003"})
    async with calling(meter) as line, driven(PLAN, line, tmp_path) as run:
        outcome = office.take(await run.session.read_round())
    assert (office.balance, outcome.alarms) == (-5 * YUAN, ())
    assert office.ledger.books.credits[0].remaining == -5 * YUAN


@pytest.mark.parametrize("left_out", [REMAINING, OVERDRAFT, COUNT], ids=["remaining", "overdraft", "count"])
@awaited
async def test_a_meter_that_refuses_one_item_is_read_without_it(tmp_path: Path, left_out: int) -> None:
    """Its register counts; credit is not mirrored from half of what makes it, and nothing is confirmed."""
    office = Office()
    office.install(DLT645, credit="meter", remaining="12.50", count=3)
    office.order("sell", order_id="S1", meter="M1", amount="100.00")
    told = {REMAINING: "00000250", OVERDRAFT: "00000000", COUNT: "0003"}
    del told[left_out]
    async with calling(dlt645_meter(101_000, told)) as line, driven(PLAN, line, tmp_path) as run:
        outcome = office.take(await run.session.read_round())
    assert outcome.readings["consumption"].tolist() == [10_000]
    assert (outcome.entries, outcome.alarms) == ((), ())
    credit = office.ledger.books.credits[0]
    assert (credit.remaining, credit.count) == (2_500_000_000 if left_out == COUNT else 12_500_000_000, 3)


@awaited
async def test_a_meter_with_tariffs_is_charged_by_them(tmp_path: Path) -> None:
    office = Office()
    office.install(DLT645, band_registers={"peak": "400", "flat": "300", "valley": "300"})
    # Tariff 4, which the meter does not use here, has no band: nobody is charged by it.
    meter = dlt645_meter(101_000, {BANDS: "00000000" + "00030700" + "00030200" + "00040100" + "00101000"})
    async with calling(meter) as line, driven(PLAN, line, tmp_path) as run:
        outcome = office.take(await run.session.read_round())
    assert not outcome.refusals
    assert outcome.readings["consumption"].tolist() == [10_000]
    assert outcome.pieces["quantity"].tolist() == [1_000, 2_000, 7_000]
    # By time all of it were peak, 10.00.
    assert outcome.readings["amount"].tolist() == [1 * YUAN + 2 * YUAN // 2 + 7 * YUAN // 4]


@awaited
async def test_a_meter_that_does_not_tell_its_tariffs_is_refused_and_nothing_lost(tmp_path: Path) -> None:
    office = Office()
    office.install(DLT645, band_registers={"peak": "400", "flat": "300", "valley": "300"})
    meter = dlt645_meter(101_000, {})
    async with calling(meter) as line, driven(PLAN, line, tmp_path) as run:
        refused = office.take(await run.session.read_round())
        assert [refusal.reason for refusal in refused.refusals] == ["incomplete"]
        meter.told[BANDS] = "00000000" + "00030000" + "00031000" + "00040000" + "00101000"
        run.clock.at_ms += 300_000
        outcome = office.take(await run.session.read_round())
    assert outcome.readings["amount"].tolist() == [5 * YUAN]


@awaited
async def test_credit_and_tariffs_by_modbus(tmp_path: Path) -> None:
    office = Office()
    office.install(
        MODBUS,
        credit="meter",
        remaining="50",
        count=7,
        band_registers={"peak": "250", "flat": "250", "valley": "250", "night": "250"},
    )
    office.order("sell", order_id="S1", meter="M1", amount="25.00")
    gateway = PymodbusGateway({17: 100_400})
    gateway.more[17] = {0x4E: 8, 0x50: 7_225}
    for place, counts in enumerate((25_100, 25_100, 25_100, 25_100)):
        gateway.more[17][0x03 + 2 * place] = counts
    await gateway.start()
    line = ModbusLine(HOST, gateway.port, timeout_s=5.0)
    async with driven(polled(gateway.port, meter_at(17, MODBUS)), line, tmp_path) as run:
        outcome = office.take(await run.session.read_round())
    await gateway.stop()
    # Night is no band of the tariff's, so it is priced in the version's band with `[]`, flat.
    assert outcome.readings["amount"].tolist() == [2_250_000_000]
    assert [(entry.kind, entry.amount) for entry in outcome.entries] == [("sale", 25 * YUAN)]
    assert office.balance == 72_750_000_000
    assert (office.ledger.books.credits[0].remaining, outcome.alarms) == (72_250_000_000, ())
