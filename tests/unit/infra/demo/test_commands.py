"""`sluice demo` on the command line: options become settings, and a failed check the exit status."""

from typing import Any

import pytest
from rich.console import Console
from typer import Typer
from typer.testing import CliRunner, Result

from infra.demo import commands
from infra.settings import Settings
from infra.supervisor.signals import Stopped

Call = dict[str, Any]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    """What the command calls, in place of a run, of which one with 13 meters fails."""
    made: list[Call] = []

    def run_once(settings: Settings, console: Console, *, with_faults: bool, keep: bool) -> bool:
        made.append({"settings": settings, "with_faults": with_faults, "keep": keep})
        return settings.meters != 13

    def run_live(settings: Settings, console: Console) -> None:
        made.append({"settings": settings})
        raise Stopped("SIGINT")

    monkeypatch.setattr(commands, "run_once", run_once)
    monkeypatch.setattr(commands, "run_live", run_live)
    # They are the test process's own.
    monkeypatch.setattr(commands, "stop_on_signals", lambda: None)
    monkeypatch.setattr(commands, "configure_logs", lambda level: None)
    return made


def invoke(*arguments: str) -> Result:
    app = Typer()
    app.command()(commands.demo)
    return CliRunner().invoke(app, list(arguments))


@pytest.mark.parametrize(
    ("arguments", "with_faults", "keep"),
    [
        (("--once",), False, False),
        (("--once", "--keep"), False, True),
        (("--once", "--faults"), True, False),
        (("--faults",), True, False),
    ],
)
def test_a_checked_run_is_asked_for(
    calls: list[Call], arguments: tuple[str, ...], with_faults: bool, keep: bool
) -> None:
    assert invoke(*arguments).exit_code == 0
    assert [(call["with_faults"], call["keep"]) for call in calls] == [(with_faults, keep)]


def test_a_check_that_fails_is_the_exit_status(calls: list[Call]) -> None:
    assert invoke("--once", "--meters", "13").exit_code == 1


def test_options_are_settings_and_the_environment_is_the_rest(
    calls: list[Call], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLUICE_SEED", "7")
    monkeypatch.setenv("SLUICE_SPEED", "10")
    invoke("--once", "--speed", "30", "--sites", "2", "--gateways", "4", "--meters", "40")
    settings = calls[0]["settings"]
    sizes = (settings.speed, settings.sites, settings.gateways, settings.meters, settings.seed)
    assert sizes == (30, 2, 4, 40, 7)


def test_ctrl_c_is_how_a_live_demo_ends(calls: list[Call]) -> None:
    result = invoke()
    assert (result.exit_code, len(calls)) == (0, 1)
    assert "the next start finds its data" in result.output


def test_what_is_kept_anyway_cannot_be_asked_to_be_kept(calls: list[Call]) -> None:
    assert invoke("--keep").exit_code == 2
    assert calls == []
