"""The supervisor over real processes: order, restarts, failures, and what is left when it is killed."""

import contextlib
import os
import queue
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from infra.endpoints import running
from infra.parts import PARTS, Member
from infra.settings import Settings
from infra.supervisor import Event, Supervisor, SupervisorError, What, keeper
from infra.supervisor import supervisor as module
from infra.supervisor.supervisor import NAME
from tests.integration import supervised

WAIT_S = 60

SUPERVISE = """
import sys
from pathlib import Path
from infra.settings import Settings
from infra.supervisor import Supervisor
from infra.supervisor.signals import Stopped, stop_on_signals, wait_until_stopped
from tests.integration.test_supervisor import stand_ins

stop_on_signals()
try:
    with Supervisor(Settings(), command=stand_ins(Path(sys.argv[1]))) as supervisor:
        supervisor.start()
        print(*(event.pid for event in supervisor.states().values()), flush=True)
        wait_until_stopped()
except Stopped as stopped:
    print(stopped, flush=True)
"""


def stand_ins(folder: Path) -> Callable[[Member], list[str]]:
    """Commands that run a stand-in for each part."""
    return lambda member: [sys.executable, supervised.__file__, member.name, str(folder), str(os.getpid())]


@pytest.fixture
def own(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, kafka="", clickhouse="", workers=2)


@pytest.fixture
def events() -> "queue.SimpleQueue[Event]":
    return queue.SimpleQueue()


@pytest.fixture
def supervisor(own: Settings, events: "queue.SimpleQueue[Event]") -> Supervisor:
    return Supervisor(own, on_event=events.put, command=stand_ins(own.data_dir))


def await_event(events: "queue.SimpleQueue[Event]", member: str, what: What) -> Event:
    while True:
        event = events.get(timeout=WAIT_S)
        if (event.member, event.what) == (member, what):
            return event


def notes(own: Settings) -> list[list[str]]:
    return [line.split() for line in (own.data_dir / "notes").read_text().splitlines()]


def part_of(member: str) -> str:
    return member.partition("-")[0]


def test_parts_start_after_those_they_need_and_end_before_them(own: Settings, supervisor: Supervisor) -> None:
    with supervisor:
        supervisor.start()
        states = supervisor.states()
        assert {event.what for event in states.values()} == {What.READY}
        assert states["kafka"].ports == (("port", 7),)
        assert running(own, NAME) is not None
    noted = notes(own)
    started = [part_of(name) for what, name in noted if what == "start"]
    ended = [part_of(name) for what, name in noted if what == "end"]
    assert sorted(started) == sorted(ended) == sorted([*PARTS, "ledger"]), "two workers"
    for part in PARTS.values():
        for needed in part.needs:
            assert started.index(needed) < started.index(part.name)
            assert len(ended) - 1 - ended[::-1].index(part.name) < ended.index(needed)
    assert {event.what for event in supervisor.states().values()} == {What.STOPPED}


def test_what_a_part_says_is_in_its_log(own: Settings, supervisor: Supervisor) -> None:
    with supervisor:
        supervisor.start()
    assert (own.log_dir / "ledger-1.log").read_text() == "not the ready line\nlater\n"


def test_a_part_that_is_killed_comes_back(supervisor: Supervisor, events: "queue.SimpleQueue[Event]") -> None:
    with supervisor:
        supervisor.start()
        for member in ("ledger-1", "kafka"):
            before = supervisor.send_signal(member, signal.SIGKILL)
            assert "killed by SIGKILL" in await_event(events, member, What.ENDED).detail
            after = await_event(events, member, What.READY).pid
            assert after not in (None, before)
            assert supervisor.send_signal(member, signal.SIGCONT) == after
        assert supervisor.restarts() == {"ledger-1": 1, "kafka": 1}


def test_a_part_that_cannot_be_started_for_a_while_comes_back(
    own: Settings, events: "queue.SimpleQueue[Event]"
) -> None:
    """As while its program is installed anew."""
    usual, missing = stand_ins(own.data_dir), [f"{own.data_dir}/no-program"]
    absent: list[str] = []

    def command(member: Member) -> list[str]:
        return missing if member.name in absent and absent.pop() else usual(member)

    with Supervisor(own, on_event=events.put, command=command) as supervisor:
        supervisor.start()
        absent += ["sink", "sink"]
        before = supervisor.send_signal("sink", signal.SIGKILL)
        assert "killed by SIGKILL" in await_event(events, "sink", What.ENDED).detail
        for _ in range(2):
            assert "No such file" in await_event(events, "sink", What.ENDED).detail
        assert await_event(events, "sink", What.READY).pid not in (None, before)


def test_a_part_that_can_never_be_started_is_told(own: Settings) -> None:
    with (
        Supervisor(own, command=lambda _: [f"{own.data_dir}/no-program"]) as supervisor,
        pytest.raises(SupervisorError, match=r"does not start: .*No such file"),
    ):
        supervisor.start()


@pytest.mark.parametrize("trouble", ["a-full-disk", "a-long-line"])
def test_a_part_whose_words_cannot_be_kept_is_kept(
    own: Settings, supervisor: Supervisor, events: "queue.SimpleQueue[Event]", trouble: str
) -> None:
    if trouble == "a-full-disk":
        own.log_dir.mkdir(parents=True)
        (own.log_dir / "sink.log").symlink_to("/dev/full")
    else:
        (own.data_dir / "sink.chatters").touch()
    with supervisor:
        supervisor.start()
        before = supervisor.send_signal("sink", signal.SIGKILL)
        await_event(events, "sink", What.ENDED)
        assert await_event(events, "sink", What.READY).pid not in (None, before)


def test_a_part_that_is_stopped_stays_away_alone(own: Settings, supervisor: Supervisor) -> None:
    with supervisor:
        supervisor.start()
        supervisor.stop_member("collector")
        assert notes(own)[-1] == ["end", "collector"]
        states = {member: event.what for member, event in supervisor.states().items()}
        assert states.pop("collector") is What.STOPPED
        assert set(states.values()) == {What.READY}
        assert supervisor.send_signal("collector", signal.SIGKILL) is None
        supervisor.stop_member("collector")
    assert [name for what, name in notes(own) if what == "end"].count("collector") == 1
    assert supervisor.restarts() == {}


def test_a_part_that_does_not_start_is_told_with_its_last_words(own: Settings, supervisor: Supervisor) -> None:
    (own.data_dir / "sink.fails").touch()
    with pytest.raises(SupervisorError, match=r"(?s)sink does not start \(exit status 3\).*cannot find its spoon"):
        supervisor.start()
    assert [name for what, name in notes(own) if (what, name) == ("start", "sink")] == ["sink"] * keeper.START_TRIES
    assert {"end kafka", "end clickhouse"} <= {" ".join(note) for note in notes(own)}, "the others are ended"
    with Supervisor(own, command=stand_ins(own.data_dir)) as again:
        (own.data_dir / "sink.fails").unlink()
        again.start()


def test_a_part_that_does_not_end_is_killed(own: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "STOP_S", 0.5)
    (own.data_dir / "collector.deaf").touch()
    happened: list[Event] = []
    with Supervisor(own, on_event=happened.append, command=stand_ins(own.data_dir)) as supervisor:
        supervisor.start()
    assert What.KILLED in [event.what for event in happened if event.member == "collector"]
    assert ["end", "kafka"] in notes(own)


def test_a_part_of_another_cluster_is_done_when_it_has_prepared_it(own: Settings) -> None:
    (own.data_dir / "kafka.passes").touch()
    elsewhere = own.model_copy(update={"kafka": "elsewhere:9092"})
    done: queue.SimpleQueue[Event] = queue.SimpleQueue()
    with Supervisor(elsewhere, on_event=done.put, command=stand_ins(own.data_dir)) as supervisor:
        supervisor.start()
        await_event(done, "kafka", What.DONE)
        assert supervisor.send_signal("kafka", signal.SIGKILL) is None
        assert supervisor.restarts() == {}


def test_two_on_one_data_directory_are_refused(
    own: Settings, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOCK_S", 0.1)
    with supervisor:
        supervisor.start()
        with (
            Supervisor(own, command=stand_ins(own.data_dir)) as second,
            pytest.raises(SupervisorError, match="runs already on"),
        ):
            second.start()


def test_a_listeners_fault_ends_nothing(own: Settings) -> None:
    def fail(event: Event) -> None:
        raise RuntimeError(event.member)

    with Supervisor(own, on_event=fail, command=stand_ins(own.data_dir)) as supervisor:
        supervisor.start()
        assert {event.what for event in supervisor.states().values()} == {What.READY}


@contextlib.contextmanager
def started_alone(own: Settings) -> Iterator[tuple["subprocess.Popen[str]", list[psutil.Process]]]:
    """A process with a supervisor in it, and the processes of its parts."""
    with subprocess.Popen(
        [sys.executable, "-c", SUPERVISE, str(own.data_dir)],
        env={**os.environ, **own.to_environment()},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield process, [psutil.Process(int(pid)) for pid in process.stdout.readline().split()]
        finally:
            process.kill()


def test_nothing_is_left_when_the_supervisor_is_killed(own: Settings) -> None:
    with started_alone(own) as (process, parts):
        assert len(parts) == len(PARTS) + 1
        process.kill()
    _, left = psutil.wait_procs(parts, timeout=WAIT_S)
    assert [part for part in left if part.status() != psutil.STATUS_ZOMBIE] == []
    with Supervisor(own, command=stand_ins(own.data_dir)) as again:
        again.start()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_all_in_order(own: Settings, number: signal.Signals) -> None:
    with started_alone(own) as (process, parts):
        assert all(os.getsid(part.pid) != os.getsid(0) for part in parts), "Ctrl-C would reach them"
        process.send_signal(number)
        process.send_signal(signal.SIGINT)  # An impatient second one tears nothing.
        assert process.stdout is not None
        assert process.stdout.read().startswith("SIG")
        assert process.wait() == 0
    assert notes(own)[-1][0] == "end"
    assert len([what for what, _ in notes(own) if what == "end"]) == len(parts)
