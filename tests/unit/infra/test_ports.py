"""Free ports: those of before where nobody took them."""

import socket

from infra.ports import HOST, free_ports


def test_ports_are_free_and_different() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
    for port in ports:
        with socket.create_server((HOST, port)):
            pass


def test_preferred_ones_are_kept_in_their_places() -> None:
    before = free_ports(2)
    assert free_ports(3, preferred=before)[:2] == before


def test_a_preferred_one_that_is_taken_is_replaced() -> None:
    first, second = free_ports(2)
    with socket.create_server((HOST, first)):
        kept = free_ports(2, preferred=(first, second))
    assert kept[0] != first
    assert kept[1] == second


def test_more_preferences_than_ports_do_no_harm() -> None:
    assert len(free_ports(1, preferred=free_ports(3))) == 1
