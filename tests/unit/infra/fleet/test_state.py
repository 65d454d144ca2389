import json
from pathlib import Path

import pytest

from infra.clock import start_clock
from infra.fleet.errors import FleetError
from infra.fleet.property import PropertySize
from infra.fleet.state import VIRTUAL_ORIGIN_MS, FleetState

SIZE = PropertySize(1, 2, 6)


def test_a_new_group_begins_at_the_virtual_origin(tmp_path: Path) -> None:
    group = FleetState(tmp_path).property_group(SIZE)
    assert group.origin_ms == VIRTUAL_ORIGIN_MS
    assert all(spec.installed_at_ms == VIRTUAL_ORIGIN_MS for spec in group.meters)


def test_a_new_group_begins_where_a_clock_was_started(tmp_path: Path) -> None:
    start_clock(tmp_path, origin_virtual_ms=1_800_000_000_000, speed=60)
    assert FleetState(tmp_path).property_group(SIZE).origin_ms == 1_800_000_000_000


def test_the_group_stays_when_the_clock_goes_another_speed(tmp_path: Path) -> None:
    first = FleetState(tmp_path).property_group(SIZE)
    start_clock(tmp_path, origin_virtual_ms=first.origin_ms, speed=60)
    start_clock(tmp_path, origin_virtual_ms=first.origin_ms, speed=600)
    assert FleetState(tmp_path).property_group(SIZE).origin_ms == first.origin_ms


def test_an_operators_registry_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "registry.json").write_text("{}")
    with pytest.raises(FleetError, match="SLUICE_FLEET=0"):
        FleetState(tmp_path).property_group(SIZE)


@pytest.mark.parametrize(
    "other", [PropertySize(1, 2, 7), PropertySize(1, 3, 6), PropertySize(1, 2, 6, seed=2), PropertySize(2, 2, 6)]
)
def test_another_group_cannot_move_in(tmp_path: Path, other: PropertySize) -> None:
    FleetState(tmp_path).property_group(SIZE)
    with pytest.raises(FleetError, match="holds 1 sites, 2 gateways, 6 meters of seed 1"):
        FleetState(tmp_path).property_group(other)


@pytest.mark.parametrize("content", ["nonsense", "{}", "[]", '{"origin_ms": 1, "storeys": 3}'])
def test_a_damaged_description_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "fleet" / "property.json"
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(FleetError, match="does not describe a property group"):
        FleetState(tmp_path).property_group(SIZE)


def test_orders_are_written_one_a_line(tmp_path: Path) -> None:
    state = FleetState(tmp_path)
    state.write_orders(state.property_group(SIZE))
    orders = [json.loads(line) for line in state.orders_path.read_text().splitlines()]
    assert {order["order"] for order in orders} == {
        "set_tariff",
        "set_policy",
        "open_account",
        "install_meter",
        "recharge",
    }
