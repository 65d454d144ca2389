from dataclasses import dataclass
from pathlib import Path

import pytest

from infra.fleet.errors import FleetError
from infra.fleet.fleet import Fleet
from infra.fleet.journal import ControlJournal
from infra.fleet.layout import lay_out
from infra.fleet.meter import Control, ControlChange
from infra.fleet.property import DEMO, Property, PropertySize

from .samples import HOUR_MS, ORIGIN_MS

OPEN = Control(is_open=True, trip_ordered=True, forced=True)


@dataclass
class HandClock:
    """A clock that is set by hand."""

    at_ms: int = ORIGIN_MS

    def now_ms(self) -> int:
        return self.at_ms


@pytest.fixture
def group() -> Property:
    return lay_out(PropertySize(1, 2, 6), origin_ms=ORIGIN_MS)


def test_a_fleet_goes_on_from_its_journal(group: Property, tmp_path: Path) -> None:
    clock = HandClock()
    path = tmp_path / "controls.jsonl"
    with ControlJournal(path) as journal:
        fleet = Fleet(group, clock=clock, journal=journal)
        clock.at_ms += HOUR_MS
        fleet.set_control(fleet.meters[DEMO.meter], OPEN)
        clock.at_ms += HOUR_MS
        before = {meter: fleet.truth(meter) for meter in fleet.meters}
    with ControlJournal(path) as journal:
        restarted = Fleet(group, clock=clock, journal=journal)
        assert {meter: restarted.truth(meter) for meter in restarted.meters} == before


def test_the_truth_about_a_cut_meter(group: Property, tmp_path: Path) -> None:
    clock = HandClock()
    with ControlJournal(tmp_path / "controls.jsonl") as journal:
        fleet = Fleet(group, clock=clock, journal=journal)
        clock.at_ms = ORIGIN_MS + HOUR_MS
        fleet.set_control(fleet.meters[DEMO.meter], OPEN)
        clock.at_ms = ORIGIN_MS + 3 * HOUR_MS
        truth = fleet.truth(DEMO.meter)
        assert truth.relay == "open"
        assert truth.opened_at_ms == ORIGIN_MS + HOUR_MS
        assert truth.at_ms == clock.at_ms
        assert truth.power_w == 0
        assert truth.register_wh == group.meters[0].initial_wh + DEMO.power_w
        assert (truth.account, truth.site, truth.gateway) == (DEMO.account, DEMO.site, DEMO.gateway)
        earlier = fleet.truth(DEMO.meter, ORIGIN_MS)
        assert (earlier.relay, earlier.opened_at_ms, earlier.power_w) == ("closed", None, DEMO.power_w)


def test_a_repeated_control_is_not_journalled(group: Property, tmp_path: Path) -> None:
    path = tmp_path / "controls.jsonl"
    with ControlJournal(path) as journal:
        fleet = Fleet(group, clock=HandClock(), journal=journal)
        for _ in range(3):
            fleet.set_control(fleet.meters[DEMO.meter], OPEN)
    assert path.read_bytes().count(b"\n") == 1


def test_a_journal_of_another_group_is_refused(group: Property, tmp_path: Path) -> None:
    with ControlJournal(tmp_path / "controls.jsonl") as journal:
        journal.append("S9-M0001", ControlChange(ORIGIN_MS, OPEN))
        with pytest.raises(FleetError, match="S9-M0001"):
            Fleet(group, clock=HandClock(), journal=journal)
