"""Faults of meters and swaps: drawn from the seed, and never part of what is to be paid."""

import asyncio
from pathlib import Path

import pytest

from infra.fleet.errors import FleetError
from infra.fleet.fault import Fault
from infra.fleet.fitter import FITTING_MS, READING_OFF_MS, Fitter
from infra.fleet.fleet import Fleet
from infra.fleet.gateways.bus import Places
from infra.fleet.journal import ControlJournal
from infra.fleet.layout import lay_out
from infra.fleet.load import HOUR_MS
from infra.fleet.meter import AWAY, Control, ControlChange, Kind, Meter
from infra.fleet.names import parse_names
from infra.fleet.orders import Order
from infra.fleet.property import DEMO_LINKS, Link, Property, PropertySize
from infra.fleet.tie import Difference, tie

from .samples import MINUTE_MS, ORIGIN_MS
from .test_fleet import HandClock

HOURS = 48
STILL_MS = ORIGIN_MS + HOURS * HOUR_MS


def group_with(*faults: Fault, hours: int = HOURS, seed: int = 1) -> Property:
    size = PropertySize(2, 16, 160, seed=seed, links=tuple(Link), faults=frozenset(faults), hours=hours)
    return lay_out(size, origin_ms=ORIGIN_MS)


def drawn(group: Property) -> dict[str, int]:
    return {spec.meter: Meter(spec).counted_wh(STILL_MS) for spec in group.meters if not spec.is_spare}


def test_without_faults_there_are_none() -> None:
    group = group_with()
    assert group.swaps == ()
    assert all(spec.faults.zero_key is None and not spec.faults.clock_ppm for spec in group.meters)


def test_what_is_to_be_paid_does_not_hang_on_the_faults() -> None:
    # But for a swap, while which nothing is drawn.
    assert drawn(group_with(*Fault)) == drawn(group_with())


def test_registers_begin_anew_behind_their_digits() -> None:
    over = 0
    for spec in group_with(Fault.ROLLOVER).meters:
        meter, digits = Meter(spec), spec.digits
        assert digits is not None
        wrap = 1000 * 10**digits
        assert meter.display_wh(STILL_MS) == (spec.initial_wh + meter.counted_wh(STILL_MS) // spec.ratio) % wrap
        over += meter.display_wh(STILL_MS) < spec.initial_wh
    assert over > 10


def test_zeros_come_for_minutes_and_end() -> None:
    zeros = 0
    for spec in group_with(Fault.ZERO, Fault.ROLLOVER).meters:
        meter = Meter(spec)
        shown = [meter.shown_wh(ORIGIN_MS + minute * MINUTE_MS) for minute in range(HOURS * 60)]
        zeros += 0 in shown
        assert meter.shown_wh(STILL_MS) == meter.display_wh(STILL_MS)
        if spec.faults.zero_key is not None:
            # A zero behind nearly the last digit would be a rollover.
            assert spec.digits is None or spec.initial_wh < 900 * 10**spec.digits
    assert zeros > 10


def test_clocks_gain_and_lose() -> None:
    clocks = {Meter(spec).clock_ms(STILL_MS) - STILL_MS for spec in group_with(Fault.DRIFT).meters}
    assert min(clocks) < -10_000 < 10_000 < max(clocks)
    assert {Meter(spec).clock_ms(STILL_MS) for spec in group_with().meters} == {STILL_MS}


def test_nothing_is_drawn_once_it_is_still() -> None:
    for spec in group_with().meters:
        meter = Meter(spec)
        assert meter.counted_wh(STILL_MS + 100 * HOUR_MS) == meter.counted_wh(STILL_MS)
        assert meter.power_mw(STILL_MS) == 0


def test_water_meters_are_among_them() -> None:
    kinds = {plan.link: {spec.kind for spec in plan.meters} for plan in group_with().gateways}
    water = (Link.WATER, Link.MBUS)
    assert kinds == {link: {Kind.WATER if link in water else Kind.ELECTRICITY} for link in Link}


@pytest.mark.parametrize("killed_after", range(4))
def test_a_meter_is_replaced_also_across_a_kill(tmp_path: Path, killed_after: int) -> None:
    group = group_with(Fault.SWAPPED)
    swap = group.swaps[0]
    clock = HandClock()
    booked: list[Order] = []

    async def book(order: Order) -> None:
        booked.append(order)

    async def replace(fleet: Fleet, sleeps: int) -> bool:
        """Whether it was done before the fitter was to wait once more."""

        class Killed(Exception):
            pass

        async def sleep_until(at_ms: int) -> None:
            nonlocal sleeps
            if not sleeps:
                raise Killed
            sleeps -= 1
            clock.at_ms = max(clock.at_ms, at_ms)

        try:
            await Fitter(fleet, book=book, announce=lambda: None).swap(swap, sleep_until)
        except Killed:
            return False
        return True

    for sleeps in (killed_after, 99):
        with ControlJournal(tmp_path / "controls.jsonl") as journal:
            fleet = Fleet(group, clock=clock, journal=journal)
            done = asyncio.run(replace(fleet, sleeps))
            there = fleet.there()
            if sleeps == 99:
                assert done
                old, new = fleet.meters[swap.meter], fleet.meters[swap.successor]
                assert (swap.meter in there, swap.successor in there) == (False, True)
                assert old.changed_at_ms == swap.at_ms
                assert new.changed_at_ms >= swap.at_ms + READING_OFF_MS + FITTING_MS
                later = new.changed_at_ms + HOUR_MS
                assert old.counted_wh(later) == old.counted_wh(swap.at_ms) > 0
                assert new.counted_wh(new.changed_at_ms) == 0 < new.counted_wh(later)
    # Sent twice if it was killed in between, the same both times.
    assert booked[0] == booked[-1]
    assert booked[0]["new_meter"] == swap.successor


def test_of_two_meters_at_one_address_the_one_that_is_there_answers() -> None:
    group = group_with(Fault.SWAPPED)
    specs = {spec.meter: spec for spec in group.meters}
    old, new = next(
        (Meter(specs[swap.meter]), Meter(specs[swap.successor]))
        for swap in group.swaps
        if specs[swap.meter].address == specs[swap.successor].address
    )
    places, address = Places([old, new]), int(old.spec.address)
    assert places.at(address) is old
    old.apply(ControlChange(ORIGIN_MS + HOUR_MS, AWAY))
    assert places.at(address) is None
    new.apply(ControlChange(ORIGIN_MS + 2 * HOUR_MS, Control()))
    assert places.at(address) is new


def test_a_tie_names_each_meter_that_differs(tmp_path: Path) -> None:
    group = group_with(Fault.SWAPPED)
    fleet = Fleet(group, clock=HandClock(), journal=ControlJournal(tmp_path / "controls.jsonl"))
    truth = {meter: fleet.truth(meter, STILL_MS) for meter in fleet.meters}
    charged = {meter: told.counted_wh for meter, told in truth.items() if told.counted_wh}
    assert tie(group, truth, charged).differing == ()
    charged["S1-M0003"] += 10
    lost = charged.pop("S2-M0002")
    found = tie(group, truth, charged)
    assert found.differing == (
        Difference("S1-M0003", charged["S1-M0003"] - 10, charged["S1-M0003"]),
        Difference("S2-M0002", lost, 0),
    )
    assert (found.meters, found.replaced) == (160, 0)


def test_names_are_read_in_their_own_order() -> None:
    assert parse_names("X", "dial-in, modbus-tcp", Link) == DEMO_LINKS
    assert parse_names("X", "all", Fault) == tuple(Fault)
    assert parse_names("X", "", Fault) == ()
    with pytest.raises(FleetError, match="X: 'lightning' is none of dropped"):
        parse_names("X", "dropped,lightning", Fault)
