"""Imports point inwards, and the core stays pure: read off the code itself."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = {"analytics", "collectors", "console", "infra", "sinks", "streams", "tests"}
IMPURE = {"time", "random", "secrets", "uuid", "os", "socket", "threading", "asyncio", "subprocess", "pathlib", "io"}
"""Modules by which a clock, chance or the outside would come into the core."""


def parsed(path: Path) -> ast.Module:
    """A module's syntax tree."""
    return ast.parse(path.read_text("utf-8"))


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def sources(package: str) -> list[Path]:
    found = sorted((ROOT / package).rglob("*.py"))
    assert found, f"{package} has no sources"
    return found


@pytest.mark.parametrize("path", sources("streams/core"), ids=lambda path: path.stem)
def test_the_core_imports_itself_the_standard_library_and_numpy(path: Path) -> None:
    for name in imports(path):
        top = name.split(".")[0]
        ours = name.startswith("streams.core") or top in sys.stdlib_module_names
        assert ours or top == "numpy" or (path.stem, top) == ("compiled", "numba"), name
        assert top not in IMPURE, f"{name} brings a clock, chance or the outside into the core"


@pytest.mark.parametrize("path", sources("streams/core"), ids=lambda path: path.stem)
def test_the_core_knows_no_float(path: Path) -> None:
    for node in ast.walk(parsed(path)):
        is_float = isinstance(node, ast.Constant) and isinstance(node.value, float)
        named = isinstance(node, ast.Name) and node.id in ("float", "Decimal", "Fraction")
        divided = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)
        assert not any((is_float, named, divided)), f"line {getattr(node, 'lineno', 0)}"


@pytest.mark.parametrize("path", sources("collectors/wire"), ids=lambda path: path.stem)
def test_wire_code_knows_no_socket_and_nothing_of_ours_but_the_core(path: Path) -> None:
    for name in imports(path):
        if name.split(".")[0] in OURS:
            assert name.startswith(("collectors.wire", "streams.core")), name
        assert name.split(".")[0] not in ("socket", "asyncio", "kafka"), name


def test_nobody_imports_the_console() -> None:
    for package in sorted(OURS - {"console"}):
        for path in (ROOT / package).rglob("*.py"):
            assert not any(name.split(".")[0] == "console" for name in imports(path)), path
