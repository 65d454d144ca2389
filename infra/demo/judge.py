"""Reads what a run left behind and checks it; nothing moves any more by then."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from clickhouse_driver import Client

from collectors.gateways.command import read_command
from collectors.wire.templates import TEMPLATES
from infra.clock import ScaledClock, load_clock
from infra.demo.checks.check import Check
from infra.demo.checks.commands import Backlog, CommandKey, Place, Stamped, check_commands, check_latency
from infra.demo.checks.money import (
    AccountMoney,
    check_balances,
    check_last_balances,
    check_price,
    check_recharges,
)
from infra.demo.checks.readings import check_damaged, check_once, check_protocols, check_refused
from infra.demo.checks.registers import MeterShown, check_registers
from infra.demo.checks.runs import Kill, check_drained, check_kills
from infra.demo.checks.supply import check_supply
from infra.demo.evidence.books import Books, input_ends, read_books
from infra.demo.evidence.sent import decode_frames, ordered_recharges
from infra.demo.evidence.tables import Tables
from infra.demo.evidence.topics import TopicRecord, read_topic
from infra.demo.story import Played
from infra.endpoints import clickhouse_url, kafka_bootstrap
from infra.fleet.property import DEMO, FLEET_TEMPLATES
from infra.fleet.truth import TruthClient
from infra.settings import Settings
from infra.topics import GATEWAY_COMMANDS, LEDGER_STATE, METER_FRAMES, OFFICE_ORDERS
from streams.core.units import MILLI_PER_UNIT, NANO_PER_YUAN, parse_decimal

ANSWER_S: Final = 2
"""Real seconds between a meter's answer and the collector's stamp on it, at most."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run that is over.

    Attributes:
        backlogs: When the ledger had to catch up.
        wanted_kills: By part, how often it was to be killed.
        sink_is_done: Whether the sink has written the last posting.
    """

    played: Played
    sink_is_done: bool
    kills: Sequence[Kill] = ()
    backlogs: Sequence[Backlog] = ()
    wanted_kills: Mapping[str, int] = field(default_factory=dict)


def judge(settings: Settings, run: Run, truth: TruthClient) -> list[Check]:
    """All checks of a run, in the order in which a reading goes."""
    bootstrap = kafka_bootstrap(settings)
    frames, orders = read_topic(bootstrap, METER_FRAMES), read_topic(bootstrap, OFFICE_ORDERS)
    books = read_books(read_topic(bootstrap, LEDGER_STATE))
    with Client.from_url(clickhouse_url(settings)) as client:
        tables = Tables(client)
        return [
            *check_kills(run.kills, run.wanted_kills),
            *judge_readings(frames, books, tables),
            *_judge_meters(settings, tables, truth),
            *check_supply(run.played.story, tables.demo_account(DEMO)),
            *_judge_commands(settings, run, frames, read_topic(bootstrap, GATEWAY_COMMANDS), tables),
            check_drained(
                input_ends((METER_FRAMES, frames), (OFFICE_ORDERS, orders)), books.next, sink_is_done=run.sink_is_done
            ),
            *judge_money(orders, books, tables),
        ]


def judge_readings(frames: Sequence[TopicRecord], books: Books, tables: Tables) -> list[Check]:
    """Rounds in Kafka against rows in ClickHouse."""
    sent = decode_frames(frames, books.sites)
    refused = tables.refused_readings()
    return [
        check_protocols(tables.templates(), {name: TEMPLATES[name].protocol for name in FLEET_TEMPLATES}),
        check_damaged(sent.damaged),
        check_once(sent.readings, tables.readings(), refused),
        check_refused(refused, tables.installed()),
    ]


def _judge_meters(settings: Settings, tables: Tables, truth: TruthClient) -> list[Check]:
    """The fleet tells what each meter showed when it was last read."""
    found = tables.last_readings()
    before_ms = ANSWER_S * 1000 * settings.speed
    meters: dict[str, MeterShown | None] = dict.fromkeys(truth.all())
    for meter, last in found.items():
        meters[meter] = MeterShown(
            last=last.register,
            highest=last.highest,
            true_then=truth.meter(meter, last.read_at).shown_wh,
            true_before=truth.meter(meter, last.read_at - before_ms).shown_wh,
        )
    return check_registers(meters)


def _judge_commands(
    settings: Settings, run: Run, frames: Sequence[TopicRecord], commands: Sequence[TopicRecord], tables: Tables
) -> list[Check]:
    sent = [(_command_key(record), Stamped(_place(record), record.at_ms)) for record in commands]
    stored = tables.commands()
    caused = {key: cause for key, cause in stored.items() if cause is not None}
    arrived = {_place(record): record.at_ms for record in frames}
    opened_ms = None
    clock = load_clock(settings.data_dir)
    cut = next((arrived.get(cause) for key, cause in sorted(caused.items()) if key.meter == DEMO.meter), None)
    if cut is not None and run.played.opened_at_ms is not None and isinstance(clock, ScaledClock):
        opened_ms = _real_ms(clock, run.played.opened_at_ms) - cut
    return [
        check_commands([key for key, _ in sent], tables.command_keys()),
        check_latency(caused, arrived_ms=arrived, sent=dict(sent), backlogs=run.backlogs, opened_ms=opened_ms),
    ]


def judge_money(orders: Sequence[TopicRecord], books: Books, tables: Tables) -> list[Check]:
    """Orders, ClickHouse's rows and the ledger's pages against each other."""
    accounts: dict[str, AccountMoney] = {}
    for account, balance in books.balances().items():
        accounts.setdefault(account, AccountMoney()).ledger = balance
    for account, amount in ordered_recharges(orders).items():
        accounts.setdefault(account, AccountMoney()).ordered = amount
    for account, kinds in tables.entries().items():
        accounts.setdefault(account, AccountMoney()).entries = kinds
    for account, amount in tables.deductions().items():
        accounts.setdefault(account, AccountMoney()).deducted = amount
    for account, balance in tables.last_balances().items():
        accounts.setdefault(account, AccountMoney()).last = balance
    last = tables.last_readings().get(DEMO.meter)
    demo = accounts.get(f"{DEMO.site}/{DEMO.account}", AccountMoney())
    return [
        check_recharges(accounts),
        check_balances(accounts),
        check_last_balances(accounts),
        check_price(
            energy_wh=None if last is None else last.register - tables.registered_wh(DEMO),
            price_nano=_price_nano(DEMO.price),
            deducted=demo.deducted,
        ),
    ]


def _price_nano(price: str) -> int:
    """Nano-yuan for a Wh, of yuan for a kWh.

    >>> _price_nano("0.80")
    800000
    """
    decimal = parse_decimal(price)
    assert decimal is not None
    return int(decimal.mantissa * NANO_PER_YUAN // MILLI_PER_UNIT // 10**decimal.places)


def _place(record: TopicRecord) -> Place:
    return Place(record.partition, record.offset)


def _command_key(record: TopicRecord) -> CommandKey:
    command = read_command(record.value or b"")
    return CommandKey(command.site, command.meter, command.sequence)


def _real_ms(clock: ScaledClock, virtual_ms: int) -> int:
    """When the machine's clock showed what `clock` showed as `virtual_ms`."""
    return clock.origin_real_ms + (virtual_ms - clock.origin_virtual_ms) // clock.speed
