"""`sluice up` and `sluice down`: all parts in the background."""

import json
import os
import subprocess
import sys
import threading
from typing import IO

import psutil
import typer
from rich.console import Console

from infra.endpoints import clickhouse_analyst_url, clickhouse_url, kafka_bootstrap, running
from infra.logs import configure_logs
from infra.settings import Settings
from infra.supervisor import Event, Supervisor, SupervisorError
from infra.supervisor.signals import Stopped, stop_on_signals, wait_until_stopped
from infra.supervisor.supervisor import NAME

STOP_S = 100
"""How long `down` waits: some parts end only after others, each with its own time."""


def up() -> None:
    """Start all parts in the background; returns when all are ready."""
    settings = Settings()
    console = Console()
    there = running(settings, NAME)
    if there is not None:
        console.print(f"Sluice runs already (process {there.pid}); `sluice status` tells how it does")
        return
    settings.log_dir.mkdir(parents=True, exist_ok=True)
    log = settings.log_dir / f"{NAME}.log"
    with log.open("a") as stderr:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "infra.cli", "supervise"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            start_new_session=True,
        )
    assert supervisor.stdout is not None
    try:
        failure = _show_start(console, supervisor.stdout)
    except KeyboardInterrupt:
        supervisor.terminate()
        raise
    finally:
        supervisor.stdout.close()
    if failure is not None:
        console.print(failure, style="red", markup=False, highlight=False)
        raise typer.Exit(1)
    console.print(f"Kafka       {kafka_bootstrap(settings)}", highlight=False)
    console.print(f"ClickHouse  {clickhouse_url(settings)}", highlight=False, soft_wrap=True)
    if to_read := clickhouse_analyst_url(settings):
        console.print(f"to read     {to_read}", highlight=False, soft_wrap=True)
    console.print(f"logs        {settings.log_dir}", highlight=False, soft_wrap=True)


def supervise() -> None:
    """Run all parts until a signal; tells of them on stdout, one JSON object a line, until all are ready."""
    settings = Settings()
    configure_logs(settings.log_level)
    stop_on_signals()
    started = threading.Event()

    def tell(event: Event) -> None:
        if not started.is_set():
            _say({"member": event.member, "what": event.what, "pid": event.pid, "detail": event.detail})

    try:
        with Supervisor(settings, on_event=tell) as supervisor:
            supervisor.start()
            started.set()
            _say({"ready": NAME})
            wait_until_stopped()
    except Stopped:
        return
    except SupervisorError as error:
        _say({"failed": str(error)})
        raise typer.Exit(1) from error


def down() -> None:
    """Stop all parts that run in the background, each before those it needs."""
    settings = Settings()
    console = Console()
    there = running(settings, NAME)
    if there is None:
        console.print(f"Nothing runs in {settings.data_dir}", highlight=False, soft_wrap=True)
        return
    process = psutil.Process(there.pid)
    process.terminate()
    try:
        process.wait(STOP_S)
    except psutil.TimeoutExpired:
        # The parts die with it.
        process.kill()
        console.print(f"killed: it did not end within {STOP_S} s", style="red")
        raise typer.Exit(1) from None
    console.print("stopped")


def _show_start(console: Console, said: IO[str]) -> str | None:
    """Show the supervisor's progress; returns why it failed, or None when all parts are ready."""
    for line in said:
        event = json.loads(line)
        if event.get("ready") == NAME:
            return None
        if "failed" in event:
            return str(event["failed"])
        detail = f"  {event['detail']}" if event["detail"] else ""
        console.print(f"{event['member']:<11} {event['what']}{detail}", highlight=False, markup=False)
    return "the supervisor ended before all parts were ready; see its log"


def _say(what: dict[str, object]) -> None:
    try:
        sys.stdout.write(json.dumps(what) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # Nobody listens any more. What is still in the buffer would fail again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
