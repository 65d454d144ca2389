"""`sluice order` and `sluice recharge` where nothing is taken in: what they say, and with which status."""

from pathlib import Path

import pytest
from kafka.errors import KafkaTimeoutError
from typer.testing import CliRunner, Result

from collectors import commands
from infra.cli.app import app


@pytest.fixture
def silent_kafka(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A Kafka that never acknowledges anything."""

    def unacknowledged(*_: object, **__: object) -> None:
        raise KafkaTimeoutError("nobody answers")

    monkeypatch.setattr(commands, "FrontDoor", unacknowledged)
    monkeypatch.setenv("SLUICE_KAFKA", "127.0.0.1:1")
    monkeypatch.setenv("SLUICE_DATA_DIR", str(tmp_path))


def sluice(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


@pytest.mark.usefixtures("silent_kafka")
def test_a_recharge_that_is_not_acknowledged_tells_its_identity() -> None:
    """Whoever sends it again does so under the same one, and it is booked once."""
    done = sluice("recharge", "A1", "1")
    assert done.exit_code == 1
    assert done.stdout.startswith("order_id cli-")
    assert "not acknowledged by Kafka" in done.stderr


@pytest.mark.usefixtures("silent_kafka")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(("recharge", "A1", "x"), "amount", id="an amount that is none"),
        pytest.param(("order", '{"order": "tick", "hour": 1}'), "hour", id="an unknown field"),
        pytest.param(("order", "--file", "none.jsonl"), "none.jsonl", id="a file that is not there"),
        pytest.param(("order",), "give an order", id="no order"),
    ],
)
def test_what_is_wrong_is_told_before_kafka_is_asked(arguments: tuple[str, ...], said: str) -> None:
    done = sluice(*arguments)
    assert done.exit_code == 2
    assert said in done.stderr
