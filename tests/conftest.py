"""What tests of all folders share: the real servers, each started once a session on a data directory of its own."""

import ast
import functools
import gc
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ParamSpec, TypeVar

import hypothesis
import pytest

from infra.clickhouse.migrate import migrate
from infra.clickhouse.users import product_url
from infra.endpoints import kafka_bootstrap, read_record
from infra.kafka.jars import install_jars, jars_dir
from infra.settings import Settings
from infra.topics import ensure_topics

P = ParamSpec("P")
R = TypeVar("R")

ROOT = Path(__file__).parent.parent
PART_STOP_S = 40

# An example that takes long says that the machine has other work to do, not that something is wrong.
hypothesis.settings.register_profile("untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("untimed")


def _undisturbed(parse: Callable[P, R]) -> Callable[P, R]:
    """A parser during which no garbage is collected."""

    @functools.wraps(parse)
    def parse_undisturbed(*args: P.args, **kwargs: P.kwargs) -> R:
        collected = gc.isenabled()
        gc.disable()
        try:
            return parse(*args, **kwargs)
        finally:
            if collected:
                gc.enable()

    return parse_undisturbed


# What is told of a task that turns out to be garbage shows lines of code, which Python 3.11 parses to underline them.
# Amid another parse (pytest's, of a module that is imported late; hypothesis') it then takes the depth of the one for
# that of the other: "AST constructor recursion depth mismatch".
ast.parse = _undisturbed(ast.parse)


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of this session's servers: as in the environment, but on a fresh data directory."""
    data_dir = tmp_path_factory.mktemp("sluice")
    return Settings(data_dir=data_dir)


@pytest.fixture(scope="session")
def kafka(settings: Settings) -> Iterator[str]:
    """Bootstrap servers of a Kafka that has the product's topics: embedded, or the one that SLUICE_KAFKA names."""
    if settings.kafka:
        ensure_topics(settings.kafka, settings)
        yield settings.kafka
        return
    lend_jars(settings.data_dir)
    server = start_part(settings, "kafka")
    try:
        yield kafka_bootstrap(settings)
    finally:
        stop_part(server)


@pytest.fixture(scope="session")
def clickhouse(settings: Settings) -> Iterator[str]:
    """The address of a ClickHouse with the newest schema: embedded, or the one that SLUICE_CLICKHOUSE names."""
    if settings.clickhouse:
        migrate(settings.clickhouse)
        yield settings.clickhouse
        return
    server = start_part(settings, "clickhouse")
    try:
        yield embedded_clickhouse_url(settings)
    finally:
        stop_part(server)


def embedded_clickhouse_url(settings: Settings) -> str:
    """The address of the embedded ClickHouse that runs on these settings' data directory."""
    record = read_record(settings, "clickhouse")
    assert record is not None
    return product_url(settings.data_dir / "clickhouse", record.ports["clickhouse"], settings.database)


def lend_jars(data_dir: Path) -> None:
    """Let a test's data directory use the repository's Kafka, so that it is copied from Maven once, not each time."""
    lent = jars_dir(data_dir)
    lent.parent.mkdir(parents=True, exist_ok=True)
    lent.symlink_to(install_jars(ROOT / ".sluice"))


def start_part(settings: Settings, part: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a part as its own process and wait until it has said that it is ready; its log goes to `log_dir`."""
    settings.log_dir.mkdir(parents=True, exist_ok=True)
    log = settings.log_dir / f"{part}.log"
    command = [sys.executable, "-m", "infra.run", part, "--parent", str(os.getpid()), *arguments]
    with log.open("a") as stderr:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **settings.to_environment()},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
    assert process.stdout is not None
    if not process.stdout.readline():
        with process:
            process.wait()
        pytest.fail(f"{part} ended with {process.returncode} before it was ready:\n{log.read_text()[-4000:]}")
    return process


def stop_part(process: subprocess.Popen[str]) -> int:
    """Ask a part to end and wait for it; returns its exit status."""
    with process:
        process.send_signal(signal.SIGTERM)
        try:
            return process.wait(timeout=PART_STOP_S)
        finally:
            process.kill()
