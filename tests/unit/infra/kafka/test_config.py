"""The embedded Kafka's configuration as text."""

from pathlib import Path

from infra.kafka.config import Ports, render, server_properties


def test_it_listens_on_the_loopback_alone() -> None:
    properties = server_properties(Ports(kafka=1111, controller=2222), Path("/data"))
    assert properties["listeners"] == "BROKER://127.0.0.1:1111,CONTROLLER://127.0.0.1:2222"
    assert properties["advertised.listeners"] == "BROKER://127.0.0.1:1111"
    assert properties["controller.quorum.voters"] == "1@127.0.0.1:2222"


def test_paths_of_any_letters_are_written_in_ascii() -> None:
    text = render({"log.dirs": "/数据/a b\\c 😀"})
    assert text == "log.dirs=/\\u6570\\u636e/a b\\\\c \\ud83d\\ude00\n"
    assert text.isascii()
