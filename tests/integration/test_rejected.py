"""What the ledger set aside goes again once, and is counted once, with real Kafka and a real ledger."""

import json
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from collectors.wire.round import decode_round
from infra.cli.app import app
from infra.clock import start_clock
from infra.settings import Settings
from infra.topics import METER_FRAMES, partition_of
from streams.core.outcome import Flag
from tests.integration.own_ledger import PARTITIONS, OwnLedger, own_ledger
from tests.ledger_inputs import BEGIN_MS, energy_round, opening_orders, order

SITE = "S1"
HOUR_MS = 3_600_000
NONE = Flag(0)


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnLedger]:
    with own_ledger(tmp_path_factory.mktemp("rejected")) as own:
        yield own


def round_at(hour: int, *registers: int) -> bytes:
    """Registers in hundredths of a kWh of the meters from address 1 on."""
    addresses = list(range(1, len(registers) + 1))
    return energy_round(SITE, "G1", at=BEGIN_MS + hour * HOUR_MS, addresses=addresses, registers=registers)


def listed(ledger: OwnLedger, *filters: str) -> list[dict[str, Any]]:
    done = ledger.sluice("rejected", "list", "--json", *filters)
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.stdout.splitlines()]


def retried(ledger: OwnLedger, *arguments: str) -> str:
    done = ledger.sluice("rejected", "retry", *arguments)
    assert done.exit_code == 0, done.output
    return done.stdout.splitlines()[-1]


def test_a_meter_that_was_unknown_gets_its_readings_once_and_is_charged_from_its_installation_on(
    ledger: OwnLedger,
) -> None:
    known, late = list(opening_orders(SITE, ["G1"], [1])), list(opening_orders(SITE, ["G1"], [1, 2]))[-1]
    ledger.send_orders(SITE, known)
    ledger.settle()
    ledger.send_rounds(SITE, [round_at(1, 100, 200), round_at(2, 150, 260), b"no round"])
    assert ledger.settle() == [(0, 1000, 1000, NONE), (0, 1500, 500, NONE)]

    unknown = listed(ledger, "--site", SITE, "--reason", "unknown", "--gateway", "G1")
    assert [(each["gateway"], each["detail"]) for each in unknown] == [
        ("G1", "G1/2 dtsy1352 energy: no meter in use is at this address")
    ] * 2
    first = decode_round(round_at(1, 100, 200)).blocks[0].frames()[1]
    assert (unknown[0]["bytes"], unknown[0]["length"]) == (first.hex(), len(first))
    (malformed,) = listed(ledger, "--reason", "malformed")
    assert (malformed["bytes"], malformed["gateway"]) == (b"no round".hex(), "")
    assert listed(ledger, "--gateway", "G2") == listed(ledger, "--since", "2100-01-01T00:00:00Z") == []
    shown = ledger.sluice("rejected", "list", "--reason", "unknown").stdout.splitlines()
    assert shown[0].startswith(unknown[0]["place"])
    assert shown[0].endswith(first.hex(" "))

    ledger.send_orders(SITE, [late])
    assert retried(ledger, unknown[0]["place"]) == "1 sent again, 0 were before, 0 cannot be"
    # The meter is installed at the site's present time, with the register that it began with. What was read before is
    # late, and nothing is lost: the next reading brings all that was used since that register.
    assert ledger.settle() == [(1, 2000, 0, Flag.LATE)]
    # What the command did not hear of, because it was killed, it finds in the topic.
    with sqlite3.connect(ledger.settings.data_dir / "collector" / "retried.sqlite") as book:
        assert book.execute("UPDATE retried SET sent_offset = NULL").rowcount == 1
    book.close()
    assert retried(ledger, "--reason", "unknown") == "1 sent again, 1 were before, 0 cannot be"
    assert ledger.settle() == [(1, 2600, 0, Flag.LATE)]
    assert retried(ledger, "--reason", "unknown") == "0 sent again, 2 were before, 0 cannot be"
    assert ledger.settle() == []
    assert listed(ledger, "--reason", "unknown") == unknown, "nothing was set aside again"
    ledger.send_rounds(SITE, [round_at(3, 200, 300)])
    assert ledger.settle() == [(0, 2000, 500, NONE), (1, 3000, 3000, NONE)]


def test_readings_that_come_twice_or_late_change_no_money(ledger: OwnLedger) -> None:
    """Why a retry is harmless even if its memory was lost."""
    ledger.send_orders(SITE, [order(SITE, "tick")])
    ledger.send_rounds(SITE, [round_at(5, 300, 400)])
    assert [flags for *_, flags in ledger.settle()] == [NONE, NONE]
    before = dict(ledger.balances)
    ledger.send_rounds(SITE, [round_at(5, 300, 400), round_at(2, 250, 350), round_at(4, 900, 900)])
    again = ledger.settle()
    assert [consumption for _, _, consumption, _ in again] == [0] * 6
    assert [flags for *_, flags in again] == [Flag.DUPLICATE] * 2 + [Flag.LATE] * 4
    assert ledger.balances == before


def test_a_whole_record_goes_again_as_it_is(ledger: OwnLedger) -> None:
    (malformed,) = listed(ledger, "--reason", "malformed", "--site", SITE)
    partition = partition_of(SITE.encode(), PARTITIONS)
    assert retried(ledger, malformed["place"]) == "1 sent again, 0 were before, 0 cannot be"
    ledger.settle()
    assert ledger.topics.read(METER_FRAMES, partition)[-1].value == b"no round"
    places = [each["place"] for each in listed(ledger, "--reason", "malformed")]
    assert len(places) == 2, "it was set aside once more, under a place of its own"
    assert retried(ledger, *places) == "1 sent again, 1 were before, 0 cannot be"


def test_rounds_from_the_future_count_once_the_clock_is_right(ledger: OwnLedger) -> None:
    ahead_ms = time.time_ns() // 1_000_000 + 2 * HOUR_MS
    taken = energy_round(SITE, "G1", at=ahead_ms, addresses=[1, 2], registers=[1000, 1400])
    ledger.send_rounds(SITE, [taken])
    assert ledger.settle() == []
    (future,) = listed(ledger, "--reason", "future")
    assert (future["gateway"], future["bytes"]) == ("G1", taken.hex())
    start_clock(ledger.settings.data_dir, origin_virtual_ms=ahead_ms, speed=1)
    assert retried(ledger, "--reason", "future", "--gateway", "G1") == "1 sent again, 0 were before, 0 cannot be"
    assert ledger.settle() == [(0, 10_000, 7_000, NONE), (1, 14_000, 10_000, NONE)]
    assert retried(ledger, "--reason", "future") == "0 sent again, 1 were before, 0 cannot be"
    assert ledger.settle() == []


def test_orders_are_listed_and_not_sent_again(ledger: OwnLedger) -> None:
    ledger.send_orders(SITE, [order(SITE, "dance")])
    ledger.settle()
    (found,) = [each for each in listed(ledger, "--site", SITE) if each["place"].startswith("orders:")]
    done = ledger.sluice("rejected", "retry", found["place"])
    assert (done.exit_code, "given anew" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("retry",), "say which"), (("list", "--since", "yesterday"), "--since must be a time")],
    ids=["all", "since"],
)
def test_what_is_not_clear_is_not_done(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    settings = Settings(data_dir=tmp_path, kafka="127.0.0.1:1")
    done = CliRunner().invoke(app, ["rejected", *arguments], env=settings.to_environment())
    assert done.exit_code == 2
    assert said in done.stderr
