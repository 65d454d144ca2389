"""The embedded Kafka's process: starts Java, waits until Kafka serves, creates the topics, and ends with it."""

import asyncio
import contextlib
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from infra.endpoints import announce_ready, read_record
from infra.kafka.config import Ports, render, server_properties
from infra.kafka.errors import KafkaError
from infra.kafka.jars import install_jars
from infra.kafka.java import SERVER, STORAGE_TOOL, Java, find_java
from infra.ports import HOST, free_ports
from infra.process import ends_with_this_process, locked
from infra.settings import Settings
from infra.topics import ensure_topics

PART = "kafka"
STOP_S = 30.0
"""How long Kafka may take to close its logs before it is killed; it recovers from that too."""
LOCK_S = 10.0
"""How long a Kafka that was killed a moment ago may take to be gone."""
POLL_S = 0.05

_CLUSTER_ID = "c2x1aWNlLWVtYmVkZGVkMA"
"""Any 16 bytes in base64: a data directory has one cluster."""


def main(settings: Settings) -> None:
    """Run the embedded Kafka until SIGTERM or SIGINT; where SLUICE_KAFKA is set, only see to its topics.

    Raises:
        KafkaError: Kafka could not be started or ended by itself.
        TopicError: What is in the data directory or the cluster does not go with the settings.
        LockedError: Another Kafka runs on this data directory.
    """
    if settings.kafka:
        ensure_topics(settings.kafka, settings)
        announce_ready(settings, PART)
        return
    folder = settings.data_dir / PART
    jars = install_jars(settings.data_dir)
    # Java holds the lock together with this process, and so until both have ended.
    with locked(folder / "lock", wait_s=LOCK_S) as lock:
        ports = _choose_ports(settings)
        properties = folder / "server.properties"
        properties.write_text(render(server_properties(ports, folder / "data")), encoding="ascii")
        java = Java(find_java(), jars, settings.log_dir / "kafka-server.log")
        if not (folder / "data" / "meta.properties").exists():
            _format(java, properties)
        archive = java.archive()
        command = java.command(SERVER, str(properties), options=archive.options())
        try:
            asyncio.run(_serve(settings, command, lock, ports))
            archive.keep()
        finally:
            archive.discard()


async def _serve(settings: Settings, command: list[str], lock: int, ports: Ports) -> None:
    """Run Kafka until a signal; returns when it has ended by being asked."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    java = await asyncio.create_subprocess_exec(
        *command,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        # Its own group: Ctrl-C in a terminal reaches this process, which stops Kafka when those that use it are gone.
        process_group=0,
        pass_fds=(lock,),
        preexec_fn=ends_with_this_process(),
    )
    ended, stopped = asyncio.create_task(java.wait()), asyncio.create_task(stop.wait())
    ready = asyncio.create_task(_wait_until_ready(settings, ports))
    try:
        await asyncio.wait({ended, stopped, ready}, return_when=asyncio.FIRST_COMPLETED)
        if ready.done():
            ready.result()
            announce_ready(settings, PART, {"kafka": ports.kafka, "controller": ports.controller})
            await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            raise KafkaError(
                f"Kafka ended by itself (status {ended.result()}); see {settings.log_dir / 'kafka-server.log'}"
            )
    finally:
        await _stop(java)
        for task in (ended, stopped, ready):
            task.cancel()


async def _wait_until_ready(settings: Settings, ports: Ports) -> None:
    """Return when clients are served and all topics are there."""
    while True:
        try:
            _, writer = await asyncio.open_connection(HOST, ports.kafka)
        except OSError:
            await asyncio.sleep(POLL_S)
            continue
        writer.close()
        break
    await _in_daemon(lambda: ensure_topics(f"{HOST}:{ports.kafka}", settings))


async def _stop(java: asyncio.subprocess.Process) -> None:
    if java.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        java.terminate()
    try:
        await asyncio.wait_for(java.wait(), STOP_S)
    except TimeoutError:
        java.kill()
        await java.wait()
        raise KafkaError(f"Kafka did not stop within {STOP_S:.0f} s and was killed") from None


def _in_daemon(call: Callable[[], None]) -> asyncio.Future[None]:
    """Run a blocking call in a thread that does not keep the process from ending (asyncio's own pool would)."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()

    def resolve(error: BaseException | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)

    def run() -> None:
        error: BaseException | None = None
        try:
            call()
        except Exception as raised:
            error = raised
        # The loop is closed when the process was stopped in the meantime.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(resolve, error)

    threading.Thread(target=run, name="kafka-topics", daemon=True).start()
    return future


def _choose_ports(settings: Settings) -> Ports:
    record = read_record(settings, PART)
    before = () if record is None else (record.ports["kafka"], record.ports["controller"])
    return Ports(*free_ports(2, preferred=before))


def _format(java: Java, properties: Path) -> None:
    """Prepare an empty data directory; Kafka does not start on one that is not."""
    arguments = ("format", "--cluster-id", _CLUSTER_ID, "--config", str(properties), "--ignore-formatted")
    done = subprocess.run(
        java.command(STORAGE_TOOL, *arguments, options=("-XX:TieredStopAtLevel=1",)),
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        preexec_fn=ends_with_this_process(),
        check=False,
    )
    if done.returncode != 0:
        raise KafkaError(f"Kafka could not format its data directory:\n{(done.stdout + done.stderr).strip()}")
