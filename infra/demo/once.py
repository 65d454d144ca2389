"""`sluice demo --once`: a fixed short scenario on a pipeline of its own, and a table of what must hold after it."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from clickhouse_driver import Client
from rich.console import Console

from infra.clock import load_clock
from infra.demo.checks.check import Check
from infra.demo.checks.commands import Backlog
from infra.demo.emptiness import check_empty
from infra.demo.errors import DemoError
from infra.demo.evidence.tables import Tables
from infra.demo.evidence.topics import read_topic
from infra.demo.faults import WANTED, Faults, ReadyTimes
from infra.demo.judge import Run, judge
from infra.demo.move_in import initial_orders, send_orders
from infra.demo.once_place import once_place
from infra.demo.patience import Patience
from infra.demo.progress import Progress, reached
from infra.demo.show_checks import show_checks
from infra.demo.story import Played, Player
from infra.demo.told import Told
from infra.endpoints import clickhouse_url, kafka_bootstrap, running
from infra.fleet.property import DEMO
from infra.fleet.truth import TruthClient
from infra.settings import Settings
from infra.supervisor import Event, Supervisor
from infra.supervisor.signals import Stopped
from infra.topics import LEDGER_POSTINGS, METER_FRAMES

ROUNDS: Final = 6
"""How often each gateway is polled at least once the accounts are open."""

COLLECTOR: Final = "collector"
FLEET: Final = "fleet"
TRUTH: Final = "truth"


def run_once(settings: Settings, console: Console, *, with_faults: bool, keep: bool) -> bool:
    """Run the scenario and print the table; returns whether all checks hold.

    Args:
        with_faults: Kill the ledger twice and the sink once while it runs.
        keep: Keep the data directory of the run, which otherwise is removed if all checks hold.
    Raises:
        DemoError: Kafka or ClickHouse, where others run them, hold data of before.
        SupervisorError: A part does not start.
    """
    told = Told(console)
    check_empty(settings)
    with once_place(settings) as place:
        told.say(f"a checked run in {place.settings.data_dir}")
        try:
            checks = _run(place.settings, told, console, with_faults=with_faults)
            held = all(check.held for check in checks)
            place.kept = keep or not held
        except Stopped:
            place.kept = keep
            raise
        finally:
            if place.kept:
                told.say(f"kept: {place.settings.data_dir}")
    return held


@dataclass(slots=True)
class _Stage:
    """A running pipeline and what looks into it."""

    settings: Settings
    supervisor: Supervisor
    ready: ReadyTimes
    progress: Progress
    truth: TruthClient
    client: Client
    patience: Patience
    told: Told


def _run(settings: Settings, told: Told, console: Console, *, with_faults: bool) -> list[Check]:
    with _stage(settings, told) as stage:
        backlog = _move_in(stage)
        rounds_ms = load_clock(settings.data_dir).now_ms() + ROUNDS * settings.poll_interval_s * 1000
        faults = _faults(stage) if with_faults else None
        played = Player(settings, stage.truth, stage.patience, told, faults).play()
        _await_reading(stage, played)
        _await_rounds(stage, rounds_ms)
        sink_is_done = _drain(stage)
        run = Run(played, sink_is_done, backlogs=(backlog,))
        if faults is not None:
            run = Run(played, sink_is_done, tuple(faults.kills), (backlog, *faults.backlogs), WANTED)
        checks = judge(settings, run, stage.truth)
        show_checks(console, checks)
        failed = sum(not check.held for check in checks)
        told.say(f"{failed} of {len(checks)} checks fail" if failed else f"all {len(checks)} checks hold")
    return checks


@contextlib.contextmanager
def _stage(settings: Settings, told: Told) -> Iterator[_Stage]:
    ready = ReadyTimes()

    def take(event: Event) -> None:
        ready.take(event)
        told.take(event)

    with Supervisor(settings, on_event=take) as supervisor:
        supervisor.start()
        fleet = running(settings, FLEET)
        if fleet is None:
            raise DemoError("the fleet ended as soon as it was ready; see its log")
        with (
            Progress(settings) as progress,
            TruthClient(fleet.ports[TRUTH]) as truth,
            Client.from_url(clickhouse_url(settings)) as client,
        ):
            yield _Stage(settings, supervisor, ready, progress, truth, client, Patience.of(settings), told)
        told.say("stopping all parts")


def _move_in(stage: _Stage) -> Backlog:
    """Open all accounts, that of the demo when the others are there: its cut shall find the ledger at its usual pace.

    Returns:
        The time in which the others were opened.
    """
    orders = initial_orders(stage.settings)
    own = [order for order in orders if order.get("account") == DEMO.account]
    send_orders(stage.settings, [order for order in orders if order not in own])
    stage.told.say(f"{len(orders):,} orders: accounts, meters, first recharges")
    _catch_up(stage)
    backlog = Backlog({}, stage.progress.ends_of(METER_FRAMES))
    send_orders(stage.settings, own)
    stage.told.say(f"all accounts are open, {DEMO.account} with {DEMO.first_recharge} yuan")
    return backlog


def _catch_up(stage: _Stage) -> None:
    """Wait until the ledger has taken what is there now."""
    ends = stage.progress.ends()
    stage.patience.wait_for(lambda: reached(stage.progress.ledger(), ends) or None)


def _faults(stage: _Stage) -> Faults:
    return Faults(stage.supervisor, stage.ready, stage.progress, stage.patience, stage.told)


def _await_reading(stage: _Stage, played: Played) -> None:
    """Wait until ClickHouse has a reading of what the demo account consumed again."""
    restored = played.story.restored
    if restored is not None:
        tables = Tables(stage.client)
        stage.patience.wait_for(lambda: tables.demo_account(DEMO).read_after_ms > restored.at_ms or None)


def _await_rounds(stage: _Stage, rounds_ms: int) -> None:
    """Let the gateways be polled until a virtual time, and for two rounds after what was played and killed."""
    clock = load_clock(stage.settings.data_dir)
    until_ms = max(rounds_ms, clock.now_ms() + 2 * stage.settings.poll_interval_s * 1000)
    stage.patience.wait_for(lambda: clock.now_ms() >= until_ms or None)


def _drain(stage: _Stage) -> bool:
    """Stop polling and wait until all that came in is written; returns whether the sink has come to the end."""
    stage.supervisor.stop_member(COLLECTOR)
    _catch_up(stage)
    postings = read_topic(kafka_bootstrap(stage.settings), LEDGER_POSTINGS)
    written = {posting.partition: posting.offset + 1 for posting in postings}

    def done() -> bool | None:
        at = stage.progress.sink()
        return all(at.get(partition, 0) >= end for partition, end in written.items()) or None

    return stage.patience.wait_for(done) is not None
