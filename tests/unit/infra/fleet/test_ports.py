import socket
from pathlib import Path

import pytest

from infra.fleet.errors import FleetError
from infra.fleet.ports import PortBook


def test_ports_are_kept(tmp_path: Path) -> None:
    book = PortBook(tmp_path / "ports.json")
    ports = [book.port(name) for name in ("dial_in", "S1-G01", "S1-G02")]
    assert len(set(ports)) == 3
    book.save()
    again = PortBook(tmp_path / "ports.json")
    assert [again.port(name) for name in ("dial_in", "S1-G01", "S1-G02")] == ports


def test_a_chosen_port_can_be_had(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", PortBook(tmp_path / "ports.json").port("truth"))):
        pass


def test_another_port_can_be_chosen(tmp_path: Path) -> None:
    book = PortBook(tmp_path / "ports.json")
    first = book.port("S1-G01")
    second = book.choose("S1-G01")
    assert second != first
    assert book.port("S1-G01") == second


@pytest.mark.parametrize("content", ["nonsense", "[]", '{"dial_in": "x"}'])
def test_a_damaged_book_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "ports.json"
    path.write_text(content)
    with pytest.raises(FleetError, match="not a list of ports"):
        PortBook(path)
