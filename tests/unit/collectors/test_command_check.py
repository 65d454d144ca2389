"""Which records of `gateway.commands` go on as commands, and what is reported of the others."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from collectors.command_check import CommandCheck
from collectors.command_reports import Report, ReportBook
from collectors.gateways.command import Command
from collectors.gateways.report import Outcome
from collectors.wire.signature import sign
from streams.core.localtime import format_time

NOON_MS = 1_772_424_000_000
KEY = bytes(range(32))
UNREADABLE = Command("", "G1", "", 0, "", "", False, "", "", 0)
REPORT_SCHEMA = json.loads((Path(__file__).parents[3] / "docs/schemas/gateway.reports.json").read_text("utf-8"))


def fields(**change: Any) -> dict[str, Any]:
    return {
        "v": 1,
        "site": "S1",
        "gateway": "G1",
        "meter": "M1",
        "address": "17",
        "template": "ddsy1352",
        "sequence": 3,
        "action": "cut",
        "reason": "arrears",
        "repeat": False,
        "issued_at": format_time(NOON_MS),
        "expires_at": format_time(NOON_MS + 900_000),
        **change,
    }


def signed(**change: Any) -> dict[str, Any]:
    found = fields(**change)
    return found | {"signature": sign(KEY, found)}


class Judged:
    """A check and what it reported."""

    def __init__(self, keys: dict[str, bytes]) -> None:
        self.reports: list[tuple[Outcome, str]] = []
        self.check = CommandCheck({"G1"}, keys=keys, report=self._report)

    def _report(self, command: Command, outcome: Outcome, detail: str, frame: bytes) -> None:
        self.reports.append((outcome, detail))
        value = json.loads(Report(command, outcome, detail, NOON_MS, frame).value())
        jsonschema.validate(value, REPORT_SCHEMA, cls=jsonschema.Draft202012Validator)

    def read(self, value: dict[str, Any] | bytes, key: bytes = b"G1") -> Command | None:
        return self.check.read(key, value if isinstance(value, bytes) else json.dumps(value).encode())


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        pytest.param({}, fields(), id="no key, no signature"),
        pytest.param({"G1": KEY}, signed(), id="signed"),
        pytest.param({"G2": KEY}, fields(), id="another gateway has a key"),
        pytest.param({"G1": KEY}, signed(action="recharge", amount="10.00", count=2), id="recharge"),
    ],
)
def test_true_commands_go_on(keys: dict[str, bytes], value: dict[str, Any]) -> None:
    judged = Judged(keys)
    command = judged.read(value)
    assert command is not None
    assert (command.meter, command.sequence, command.action) == ("M1", 3, value["action"])
    assert judged.reports == []


@pytest.mark.parametrize(
    ("keys", "value", "said"),
    [
        pytest.param({"G1": KEY}, fields(), "not signed", id="unsigned"),
        pytest.param({"G1": KEY}, signed() | {"action": "restore"}, "signature is wrong", id="changed"),
        pytest.param({"G1": bytes(32)}, signed(), "signature is wrong", id="another key"),
        pytest.param({}, signed(), "no key", id="no key to check with"),
    ],
)
def test_a_forged_command_is_reported_and_goes_no_further(
    keys: dict[str, bytes], value: dict[str, Any], said: str
) -> None:
    judged = Judged(keys)
    assert judged.read(value) is None
    ((outcome, detail),) = judged.reports
    assert outcome is Outcome.FORGED
    assert said in detail


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (b"", "is not JSON"),
        (b'{"v": 1, "v": 1}', "twice"),
        (fields(v=2), "version 2"),
        (fields(action="open"), "`action` 'open'"),
        (fields(sequence="1"), "sequence"),
        (fields(gateway="G2"), "its key is 'G1'"),
        (fields(sequence=1 << 63), "`sequence` is not one from 1"),
        (fields(sequence=0), "`sequence` is not one from 1"),
        (fields(count=-1), "`count` is not one from 0"),
        (fields(meter="\ud800"), "`meter` has over 1000 characters, or half"),
        (fields(address="1" * 5_000), "`address` has over 1000 characters"),
        (fields(prices={"peak": "\udfff"}), "`prices` has over"),
        (fields(prices={str(number): "1" for number in range(1_001)}), "`prices` has over 1000 entries"),
        (fields(action="x" * 900 + "y" * 100), "is not one of"),
    ],
    ids=[
        "nothing",
        "twice",
        "version",
        "action",
        "sequence",
        "gateway",
        "beyond 64 bits",
        "no sequence",
        "count",
        "half a pair",
        "long address",
        "half a pair within",
        "many prices",
        "long action",
    ],
)
def test_a_record_that_is_no_command_is_reported(value: dict[str, Any] | bytes, said: str) -> None:
    judged = Judged({})
    assert judged.read(value) is None
    ((outcome, detail),) = judged.reports
    assert outcome is Outcome.MALFORMED
    assert said in detail
    assert len(Report(UNREADABLE, outcome, detail * 10, NOON_MS, b"").value()) < 3_000


def test_commands_of_other_gateways_are_their_collectors_to_judge() -> None:
    judged = Judged({"G2": KEY})
    assert judged.read(fields(gateway="G2"), b"G2") is None
    assert judged.read(b"", b"G2") is None
    assert judged.reports == []


def test_a_command_is_reported_once_and_a_forged_one_does_not_hide_it(tmp_path: Path) -> None:
    def report(outcome: Outcome, **change: Any) -> Report:
        judged = Judged({})
        command = judged.read(fields(**change))
        assert command is not None
        return Report(command, outcome, "", NOON_MS, b"")

    path = tmp_path / "reports.sqlite"
    book = ReportBook(path)
    forged, accepted, later = report(Outcome.FORGED), report(Outcome.ACCEPTED), report(Outcome.EXPIRED, sequence=4)
    assert book.fresh([forged, accepted, report(Outcome.UNKNOWN), later]) == [forged, accepted, later]
    book.note([forged, accepted])
    book.close()
    book = ReportBook(path)
    assert book.fresh([report(Outcome.UNKNOWN), later, report(Outcome.FORGED)]) == [later]
    book.forget_before(NOON_MS + 1)
    assert book.fresh([accepted]) == [accepted]
    book.close()
