"""What `sluice report` is asked wrongly is told before any database is asked."""

import pytest
from typer.testing import CliRunner

from infra.cli.app import app

PERIOD = ("--from", "2026-03-01", "--to", "2026-04-01")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("nothing", *PERIOD), "'nothing' is none of energy-and-finance"),
        (("sales", "--from", "2026-02-29", "--to", "2026-04-01"), "'2026-02-29' is no day"),
        (("sales", *PERIOD, "--statement", "wechat.csv"), "is for collections, sales does not read it"),
        (("usage", *PERIOD, "--meters", "wiring.toml"), "is for losses and theft"),
        (("losses", *PERIOD, "--places", "places.csv"), "is for zones and ranking"),
        (("sales", *PERIOD, "--out", "march.xls"), ".xls is none of .csv, .json, .xlsx, .txt"),
        (("sales", *PERIOD, "--format", "xlsx"), "xlsx needs --out FILE"),
    ],
    ids=["name", "day", "statement", "meters", "places", "ending", "no-file"],
)
def test_what_is_wrong_is_told(arguments: tuple[str, ...], told: str) -> None:
    done = CliRunner().invoke(
        app, ["report", *arguments], env={"SLUICE_CLICKHOUSE": "clickhouse://u:p@127.0.0.1:1/d", "COLUMNS": "200"}
    )
    assert done.exit_code == 2
    assert told in done.output
