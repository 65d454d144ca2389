"""The table of parts."""

import importlib.util
from graphlib import TopologicalSorter

from infra.parts import PARTS, is_external, members
from infra.settings import Settings


def test_each_part_comes_after_those_it_needs() -> None:
    order = list(PARTS)
    for part in PARTS.values():
        assert all(order.index(needed) < order.index(part.name) for needed in part.needs)
    tuple(TopologicalSorter({part.name: part.needs for part in PARTS.values()}).static_order())


def test_each_part_has_its_module() -> None:
    assert [part.name for part in PARTS.values() if importlib.util.find_spec(part.module) is None] == []


def test_there_are_as_many_ledgers_as_workers() -> None:
    names = [member.name for member in members(Settings(workers=3))]
    assert [name for name in names if name.startswith("ledger")] == ["ledger-0", "ledger-1", "ledger-2"]
    assert names.count("kafka") == 1


def test_what_others_run_is_only_prepared() -> None:
    settings = Settings(kafka="a:9092", clickhouse="")
    assert [name for name, part in PARTS.items() if is_external(part, settings)] == ["kafka"]


def test_without_the_virtual_group_everything_else_is_there() -> None:
    with_fleet, without = members(Settings()), members(Settings(fleet=False))
    assert [member.name for member in with_fleet if member not in without] == ["fleet"]
