"""A batch of a partition: what it reads, what it sets aside, what it writes."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from collectors.wire.signature import is_signed
from infra.gateway_keys import NO_KEYS, GatewayKeys
from infra.topics import (
    FRAMES_REJECTED,
    GATEWAY_COMMANDS,
    LEDGER_POSTINGS,
    LEDGER_STATE,
    OFFICE_NOTICES,
    partition_of,
)
from streams.core.site import SiteLedger
from streams.errors import GapError
from streams.log import Output
from streams.partition import Batch, Partition
from streams.postings import Inputs, Postings, Span, decode_postings
from streams.records import NEXT_KEY, NextOffsets, decode_next
from tests.ledger_inputs import BEGIN_MS, energy_round, never_ahead, opening_orders, order

PARTITIONS = 4
SITE = "S1"
PARTITION = partition_of(SITE.encode(), PARTITIONS)
OTHER_SITE = next(
    name for n in range(100) if partition_of((name := f"X{n}").encode(), PARTITIONS) not in (PARTITION, 99)
)
NEIGHBOUR = next(name for n in range(100) if partition_of((name := f"N{n}").encode(), PARTITIONS) == PARTITION)
HOUR_MS = 3_600_000


@dataclass
class Record:
    offset: int
    value: bytes | None
    key: bytes | None = SITE.encode()
    timestamp: int = 0
    """0 stands for a broker whose clock nobody asks."""


def partition(*, frames: int = 0, orders: int = 0, keys: GatewayKeys = NO_KEYS) -> Partition:
    return Partition(
        PARTITION,
        partitions=PARTITIONS,
        start=NextOffsets(frames=frames, orders=orders, sequence=0),
        pages={},
        open_site=SiteLedger.load,
        is_ahead=lambda at, arrived: at > arrived > 0,
        keys=keys,
    )


def records(values: Sequence[bytes], first: int = 0, *, site: str = SITE) -> list[Record]:
    return [Record(first + n, value, site.encode()) for n, value in enumerate(values)]


def opened(site: str = SITE, *, recharge: str = "1000") -> list[bytes]:
    return list(opening_orders(site, ["G1"], [1, 2], recharge=recharge))


def reading(at: int, *registers: int, site: str = SITE) -> bytes:
    return energy_round(site, "G1", at=BEGIN_MS + at, addresses=list(range(1, len(registers) + 1)), registers=registers)


def written(batch: Batch, topic: str) -> list[Output]:
    return [output for output in batch.outputs if output.topic == topic]


def postings(batch: Batch) -> list[Postings]:
    return [decode_postings(output.value) for output in written(batch, LEDGER_POSTINGS)]


def rejected(batch: Batch) -> list[dict[str, object]]:
    return [json.loads(output.value) for output in written(batch, FRAMES_REJECTED)]


def test_a_batch_writes_state_next_offsets_and_postings() -> None:
    ledger = partition(frames=5, orders=7)
    batch = ledger.take(records(opened(), 7), records([reading(HOUR_MS, 100, 200)], 5))
    orders = len(opened())

    (made,) = postings(batch)
    assert (made.site, made.partition, made.sequence) == (SITE, PARTITION, 0)
    assert made.inputs == Inputs(frames=Span(5, 6), orders=Span(7, 7 + orders))
    assert made.outcome.readings["consumption"].tolist() == [1000, 2000]
    assert [meter.meter for meter in made.outcome.meters] == ["S1-M0", "S1-M1"]

    state = {output.key: output.value for output in written(batch, LEDGER_STATE)}
    assert decode_next(state.pop(NEXT_KEY)) == NextOffsets(frames=6, orders=7 + orders, sequence=1) == batch.next
    assert all(key.startswith(b"S1/") for key in state)
    assert {output.partition for output in written(batch, LEDGER_STATE)} == {PARTITION}
    assert batch.readings == 2


def test_pages_give_the_same_ledger_again() -> None:
    first = partition()
    pages: dict[bytes, bytes] = {}
    stored = NextOffsets(0, 0, 0)
    rounds = records([reading(HOUR_MS, 100, 200), reading(2 * HOUR_MS, 150, 200)])
    for orders, frames in ((records(opened()), rounds[:0]), ([], rounds)):
        batch = first.take(orders, frames)
        pages |= {output.key: output.value for output in written(batch, LEDGER_STATE)}
        stored = batch.next
    del pages[NEXT_KEY]
    again = Partition(
        PARTITION, partitions=PARTITIONS, start=stored, pages=pages, open_site=SiteLedger.load, is_ahead=never_ahead
    )
    more = records([reading(3 * HOUR_MS, 400, 500)], stored.frames)
    assert again.take([], more).outputs == first.take([], more).outputs


def test_orders_go_before_frames() -> None:
    batch = partition().take(records(opened()), records([reading(HOUR_MS, 100, 200)]))
    assert postings(batch)[0].outcome.refusals == ()


def test_sites_of_a_partition_are_kept_apart() -> None:
    orders = [*records(opened()), *records(opened(NEIGHBOUR), len(opened()), site=NEIGHBOUR)]
    frames = [
        *records([reading(HOUR_MS, 100, 100)]),
        *records([reading(HOUR_MS, 300, 300, site=NEIGHBOUR)], 1, site=NEIGHBOUR),
    ]
    made = postings(partition().take(orders, frames))
    assert [(one.site, one.outcome.readings["consumption"].tolist()) for one in made] == [
        (SITE, [1000, 1000]),
        (NEIGHBOUR, [3000, 3000]),
    ]
    assert len({one.sequence for one in made}) == 1


@pytest.mark.parametrize(
    ("value", "key", "detail"),
    [
        pytest.param(b"{", SITE.encode(), "is not JSON", id="no JSON"),
        pytest.param(order(SITE, "dance"), SITE.encode(), "'order'", id="an unknown order"),
        pytest.param(order(SITE, "tick", more=1), SITE.encode(), "'more'", id="an unknown field"),
        pytest.param(order("S2", "tick"), SITE.encode(), "'site'", id="another site than its key"),
        pytest.param(order(SITE, "tick"), None, "'key'", id="no key"),
        pytest.param(order(SITE, "tick", operator="\ud800"), SITE.encode(), "surrogate", id="no character"),
        pytest.param(order(SITE, "\ud800"), SITE.encode(), "surrogate", id="no character in the order's name"),
        pytest.param(order(SITE, "tick", **{"\ud800": 1}), SITE.encode(), "not a field", id="nor in a field's"),
        pytest.param(order(SITE, "tick", operator="x" * 1001), SITE.encode(), "'operator'", id="a long text"),
        pytest.param(order(SITE, "tick", operator="x" * (1 << 18)), SITE.encode(), "longer", id="a long order"),
        pytest.param(order(OTHER_SITE, "tick"), OTHER_SITE.encode(), "belongs in partition", id="another partition's"),
    ],
)
def test_a_malformed_order_is_set_aside_and_the_rest_goes_on(value: bytes, key: bytes | None, detail: str) -> None:
    orders = [Record(0, value, key), *records(opened(), 1)]
    batch = partition().take(orders, [])
    (aside,) = rejected(batch)
    assert (aside["reason"], aside["input"], aside["offset"]) == ("malformed", "orders", 0)
    assert detail in str(aside["detail"])
    assert bytes.fromhex(str(aside["bytes"])) == value
    assert len(postings(batch)[0].outcome.meters) == 2
    assert batch.next.orders == len(orders)


@pytest.mark.parametrize(
    ("value", "key"),
    [
        pytest.param(b"SR", SITE.encode(), id="cut"),
        pytest.param(None, SITE.encode(), id="no value"),
        pytest.param(reading(0, 1, site="S2"), SITE.encode(), id="another site than its key"),
        pytest.param(reading(0, 1, site=OTHER_SITE), OTHER_SITE.encode(), id="another partition's"),
    ],
)
def test_a_malformed_round_is_set_aside_and_the_rest_goes_on(value: bytes | None, key: bytes | None) -> None:
    frames = [Record(0, value, key), *records([reading(HOUR_MS, 100, 200)], 1)]
    batch = partition().take(records(opened()), frames)
    (aside,) = rejected(batch)
    assert (aside["reason"], aside["input"], aside["offset"]) == ("malformed", "frames", 0)
    assert bytes.fromhex(str(aside["bytes"])) == (value or b"")
    made = {one.site: one for one in postings(batch)}[SITE]
    assert made.outcome.readings["offset"].tolist() == [1, 1]


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"order": "recharge", "account": "S1-A0", "order_id": "R", "amount": "1" * 5_000}, id="amount"),
        pytest.param(
            {"order": "adjust", "account": "S1-A0", "order_id": "R", "amount": "0." + "1" * 5_000, "reason": "r"},
            id="fraction",
        ),
        pytest.param({"order": "install_meter", "address": "1" * 900}, id="address"),
        pytest.param({"order": "install_meter", "address": "9" * 19}, id="address beyond 63 bits"),
        pytest.param({"order": "install_meter", "gateway": "G9"}, id="gateway without address"),
        pytest.param({"order": "replace_meter", "gateway": "G9", "address": ""}, id="replaced at no address"),
    ],
)
def test_numbers_and_places_that_nothing_can_have_are_refused(changed: dict[str, str]) -> None:
    fields = {
        "recharge": {},
        "adjust": {},
        "install_meter": {"meter": "M9", "account": "S1-A0", "kind": "electricity", "register": "0"},
        "replace_meter": {"meter": "S1-M0", "final": "0", "new_meter": "M9", "register": "0"},
    }[changed["order"]]
    if "address" in changed and changed["order"] == "install_meter":
        fields = {**fields, "gateway": "G9"}
    name = changed.pop("order")
    ledger = partition()
    ledger.take(records(opened()), [])
    batch = ledger.take(records([order(SITE, name, **{**fields, **changed})], len(opened())), [])
    if changed.get("address") == "":
        assert "must not be empty" in str(rejected(batch)[0]["detail"])
        return
    assert [refusal.reason for refusal in postings(batch)[0].outcome.refusals] == ["invalid"]
    # Rounds are still taken, after a restart too.
    ledger.take([], records([reading(HOUR_MS, 100, 200)]))


def test_a_second_meter_at_an_address_in_use_is_refused() -> None:
    ledger = partition()
    ledger.take(records(opened()), [])
    install = {"account": "S1-A0", "kind": "electricity", "register": "0", "gateway": "G1"}
    orders = [
        order(SITE, "install_meter", meter="M8", address="01", **install),
        order(SITE, "replace_meter", meter="S1-M0", final="0", new_meter="M7", register="0", address="2"),
        order(SITE, "replace_meter", meter="S1-M0", final="0", new_meter="M7", register="0"),
        order(SITE, "install_meter", meter="M8", address="1", **install),
        order(SITE, "install_meter", meter="M8", address="3", **install),
    ]
    batch = ledger.take(records(orders, len(opened())), [])
    refusals = postings(batch)[0].outcome.refusals
    assert [(refusal.reason, refusal.position.offset - len(opened())) for refusal in refusals] == [
        ("conflict", 0),
        ("conflict", 1),
        ("conflict", 3),
    ]
    batch = ledger.take([], records([reading(HOUR_MS, 100, 200, 300)]))
    (made,) = postings(batch)
    assert made.outcome.readings["meter"].tolist() == [2, 1, 3]


def test_what_is_ahead_of_its_arrival_is_set_aside() -> None:
    ledger = partition()
    ahead = Record(0, reading(HOUR_MS, 100, 200), timestamp=BEGIN_MS)
    late = Record(len(opened()), order(SITE, "tick", at="2100-01-01T00:00:00Z"), timestamp=BEGIN_MS)
    batch = ledger.take([*records(opened()), late], [ahead, *records([reading(HOUR_MS, 100, 200)], 1)])
    assert sorted((str(aside["reason"]), str(aside["input"])) for aside in rejected(batch)) == [
        ("future", "frames"),
        ("malformed", "orders"),
    ]
    assert postings(batch)[0].outcome.readings["at"].max() == BEGIN_MS + HOUR_MS + 500


def test_of_very_long_junk_only_the_beginning_is_set_aside() -> None:
    batch = partition().take([], [Record(0, b"SR" + bytes(5 << 20))])
    (aside,) = rejected(batch)
    assert aside["length"] == (5 << 20) + 2
    assert len(str(aside["bytes"])) == 2 << 20


def test_a_batch_of_nothing_readable_is_in_the_journal_all_the_same() -> None:
    batch = partition().take([], [Record(0, b"", b"")])
    (made,) = postings(batch)
    assert (made.site, made.inputs.frames) == ("", Span(0, 1))
    assert len(made.outcome.readings) == 0


def test_an_unknown_meters_reading_is_refused_by_its_line_and_kept() -> None:
    batch = partition().take(records(opened()), records([reading(HOUR_MS, 100, 200, 300)]))
    (refusal,) = postings(batch)[0].outcome.refusals
    assert (refusal.reason, refusal.subject, refusal.position.line) == ("unknown", "G1/3", 2)
    (aside,) = rejected(batch)
    assert (aside["reason"], aside["line"]) == ("unknown", 2)


def test_a_command_goes_to_its_gateway_and_a_notice_to_the_office() -> None:
    ledger = partition()
    ledger.take(records(opened(recharge="1")), [])
    batch = ledger.take([], records([reading(HOUR_MS, 10_000, 10_000)]))
    commands = written(batch, GATEWAY_COMMANDS)
    assert {(one.key, one.partition) for one in commands} == {(b"G1", partition_of(b"G1", PARTITIONS))}
    assert [(json.loads(one.value)["address"], json.loads(one.value)["action"]) for one in commands] == [
        ("1", "cut"),
        ("2", "cut"),
    ]
    notices = [json.loads(one.value) for one in written(batch, OFFICE_NOTICES)]
    assert {(one["account"], one["kind"]) for one in notices} >= {("S1-A0", "arrears"), ("S1-A0", "cut")}


@pytest.mark.parametrize("gateway", ["G1", "G2"], ids=["its key", "another gateway's key"])
def test_commands_are_signed_with_the_key_of_their_gateway_and_change_nothing_else(gateway: str) -> None:
    key = bytes(range(32))
    batches = []
    for keys in (NO_KEYS, {gateway: key}):
        ledger = partition(keys=keys)
        ledger.take(records(opened(recharge="1")), [])
        batches.append(ledger.take([], records([reading(HOUR_MS, 10_000, 10_000)])))
    plain, signed = ([json.loads(one.value) for one in written(batch, GATEWAY_COMMANDS)] for batch in batches)
    assert [is_signed(key, command) for command in signed] == [gateway == "G1"] * 2
    assert [{name: command[name] for name in command if name != "signature"} for command in signed] == plain
    assert written(batches[0], LEDGER_STATE) == written(batches[1], LEDGER_STATE)


def test_a_meter_without_a_line_to_it_gets_no_command_record() -> None:
    ledger = partition()
    values = [
        order(SITE, "open_account", account="A"),
        order(SITE, "recharge", account="A", order_id="R", amount="1"),
        order(SITE, "install_meter", meter="M", account="A", kind="water", register="0"),
        order(SITE, "adjust", account="A", order_id="J", amount="-5", reason="r"),
    ]
    batch = ledger.take(records(values), [])
    assert [command.action for command in postings(batch)[0].outcome.commands] == ["cut"]
    assert written(batch, GATEWAY_COMMANDS) == []


@pytest.mark.parametrize("first", [pytest.param(4, id="taken before"), pytest.param(6, id="too far on")])
def test_records_that_do_not_continue_are_a_gap(first: int) -> None:
    with pytest.raises(GapError):
        partition(frames=5).take([], records([reading(0, 1)], first))
