"""What the collectors' README shows to integrators is what the code reads and writes."""

import json
import re
from pathlib import Path

import jsonschema
import msgspec

from collectors.gateways.command import ACTIONS, read_command
from collectors.gateways.report import Outcome
from collectors.registry import read_registry
from collectors.wire import modbus
from collectors.wire.arrays import decode_registers, decode_supply
from collectors.wire.round import decode_round, encode_round
from collectors.wire.signature import is_signed
from collectors.wire.templates import TEMPLATES
from streams.core.localtime import parse_time
from streams.core.orders import KINDS
from streams.core.outcome import Supply

README = (Path(__file__).parents[3] / "collectors" / "README.md").read_text("utf-8")
DOCS = Path(__file__).parents[3] / "docs"
COMMANDS = (DOCS / "commands.md").read_text("utf-8")


def examples(section: str) -> list[str]:
    """The indented blocks of a section, in order."""
    text = README[README.index(f"\n## {section}") + 1 :].split("\n## ")[0]
    return [block.strip("\n") for block in re.findall(r"(?:^    .*\n?)+", text, re.MULTILINE)]


def test_the_example_of_a_round() -> None:
    shown = examples("`meter.frames`: a round")[1]
    record = bytes.fromhex("".join(re.match(r" *((?:[0-9a-f]{2} ?)+)", line)[1] for line in shown.splitlines()))  # type: ignore[index]
    taken = decode_round(record)
    assert encode_round(taken) == record
    assert (taken.site, taken.gateway) == ("S1", "S1-G01")
    energy, relay = taken.blocks
    assert relay.addresses is energy.addresses
    assert energy.addresses.tolist() == [17, 18]
    assert energy.read_at[0] == parse_time("2026-03-02T12:00:00+08:00")
    template = TEMPLATES[energy.template]
    registers, readable = decode_registers(energy, template)
    assert registers.tolist() == [1_000_000, 10_000]
    assert readable.all()
    assert decode_supply(relay, template)[0].tolist() == [Supply.ON, Supply.OFF]


def test_the_example_of_a_registry(tmp_path: Path) -> None:
    path = tmp_path / "registry.json"
    path.write_text(examples("The registry")[0])
    assert [len(plan.meters) for plan in read_registry(path).gateways] == [1, 1, 37, 1]


def test_the_examples_of_a_command_its_key_and_its_report() -> None:
    texts = [block.strip() for block in re.findall(r"(?:^    .*\n)+", COMMANDS, re.MULTILINE)]
    command, keys, report = (json.loads(text) for text in texts if text.startswith("{"))
    read = read_command(msgspec.json.encode(command))
    assert msgspec.json.decode(msgspec.json.encode(read)) == command
    assert read.expires_ms == parse_time("2026-03-02T12:15:00+08:00")
    assert is_signed(bytes.fromhex(keys[command["gateway"]]), command)
    for name, shown in (("gateway.commands", command), ("gateway.reports", report)):
        schema = json.loads((DOCS / "schemas" / f"{name}.json").read_text("utf-8"))
        jsonschema.validate(shown, schema, cls=jsonschema.Draft202012Validator)
    assert modbus.decode_frame(bytes.fromhex(report["frame"])).function == 0x10


def test_the_page_about_commands_names_all_actions_and_outcomes() -> None:
    cells = {
        name for row in re.findall(r"^\| (`.*?) \|", COMMANDS, re.MULTILINE) for name in re.findall("`(\\w+)`", row)
    }
    assert cells >= ACTIONS | set(Outcome)


def test_every_order_is_in_the_table() -> None:
    section = re.split("\n##+ ", README[README.index("\n## `office.orders`") :])[1]
    first_cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    assert {name for cell in first_cells for name in re.findall(r"`(\w+)`", cell)} == set(KINDS)
