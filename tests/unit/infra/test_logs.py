"""Logs: JSON lines on stderr, stdout untouched, libraries only from warnings on."""

import json
import subprocess
import sys

PROGRAM = """
import logging, structlog
from infra.logs import configure_logs
early = structlog.get_logger("made before")
configure_logs({level!r})
early.info("settled", readings=3)
structlog.get_logger("x").debug("detail")
logging.getLogger("aiokafka.consumer").info("chatter")
logging.getLogger("aiokafka.consumer").warning("lost %s", "broker")
try:
    1 / 0
except ZeroDivisionError:
    early.exception("failed")
"""


def lines(level: str) -> list[dict[str, object]]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(level=level)], capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_an_event_is_one_json_line() -> None:
    settled, lost, failed = lines("info")
    assert (settled["event"], settled["readings"], settled["level"]) == ("settled", 3, "info")
    assert (lost["event"], lost["level"], lost["logger"]) == ("lost broker", "warning", "aiokafka.consumer")
    assert failed["event"] == "failed"
    assert "ZeroDivisionError" in str(failed["exception"])


def test_the_level_is_the_settings() -> None:
    assert [line["event"] for line in lines("error")] == ["failed"]
    assert "detail" in [line["event"] for line in lines("debug")]
