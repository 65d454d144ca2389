"""Where the running parts are: each records its process and ports in `run/<part>.json`, others find them there."""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from infra.clickhouse.cluster import distributed_url
from infra.clickhouse.users import analyst_url, product_url
from infra.errors import InfraError
from infra.ports import HOST
from infra.settings import Settings


class EndpointError(InfraError):
    """A part that is needed does not run."""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One running part.

    Attributes:
        started_at: When it was ready, ISO 8601 UTC.
    """

    part: str
    pid: int
    started_at: str
    ports: dict[str, int]

    def is_alive(self) -> bool:
        """Whether the process that wrote this still runs (and not another one under its old number)."""
        try:
            process = psutil.Process(self.pid)
            created = process.create_time()
            ended = process.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False
        # The kernel counts a process's start in ticks of 10 ms from boot, so the two clocks differ a little.
        return not ended and created <= datetime.fromisoformat(self.started_at).timestamp() + 1


def write_record(settings: Settings, part: str, ports: Mapping[str, int]) -> RunRecord:
    """Record this process as the running `part`."""
    record = RunRecord(part=part, pid=os.getpid(), started_at=datetime.now(UTC).isoformat(), ports=dict(ports))
    path = record_path(settings, part)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Renamed into place, so that a reader never sees half of it.
    draft = path.with_suffix(f".{os.getpid()}.tmp")
    draft.write_text(json.dumps(asdict(record)) + "\n")
    draft.replace(path)
    return record


def read_record(settings: Settings, part: str) -> RunRecord | None:
    """What `part` recorded last, whether or not it still runs; None if it never did or cannot be read."""
    try:
        fields = json.loads(record_path(settings, part).read_bytes())
        return RunRecord(
            part=part, pid=int(fields["pid"]), started_at=fields["started_at"], ports=dict(fields["ports"])
        )
    except (FileNotFoundError, json.JSONDecodeError, KeyError, TypeError, ValueError):
        return None


def running(settings: Settings, part: str) -> RunRecord | None:
    """The record of `part` if it runs now."""
    record = read_record(settings, part)
    return record if record is not None and record.is_alive() else None


def record_path(settings: Settings, part: str) -> Path:
    return settings.run_dir / f"{part}.json"


def announce_ready(settings: Settings, part: str, ports: Mapping[str, int] | None = None) -> None:
    """Say that this process serves: its record for those who look for it, one JSON line for who started it."""
    ports = dict(ports or {})
    write_record(settings, part, ports)
    sys.stdout.write(json.dumps({"ready": part, **ports}) + "\n")
    sys.stdout.flush()


def kafka_bootstrap(settings: Settings) -> str:
    """Kafka's bootstrap servers, `host:port[,host:port]`.

    Raises:
        EndpointError: The embedded Kafka does not run.
    """
    return settings.kafka or f"{HOST}:{_port(settings, 'kafka')}"


def clickhouse_url(settings: Settings) -> str:
    """ClickHouse's address for clickhouse-driver's `Client.from_url`, with the password.

    Raises:
        EndpointError: The embedded ClickHouse does not run.
    """
    if settings.clickhouse_cluster:
        return distributed_url(settings.clickhouse)
    if settings.clickhouse:
        return settings.clickhouse
    return product_url(settings.data_dir / "clickhouse", _port(settings, "clickhouse"), settings.database)


def clickhouse_analyst_url(settings: Settings) -> str | None:
    """The embedded ClickHouse's address for those who only read; None where SLUICE_CLICKHOUSE names a server, whose
    users are its own.

    Raises:
        EndpointError: The embedded ClickHouse does not run.
    """
    if settings.clickhouse:
        return None
    return analyst_url(settings.data_dir / "clickhouse", _port(settings, "clickhouse"), settings.database)


def _port(settings: Settings, part: str) -> int:
    record = running(settings, part)
    if record is None:
        raise EndpointError(
            f"no {part} runs in {settings.data_dir}; `sluice up` starts one, SLUICE_{part.upper()} names another"
        )
    return record.ports[part]
