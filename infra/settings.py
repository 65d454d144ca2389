"""What can be set about a running Sluice, read once from the environment and then passed down."""

import re
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

_SERVER = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:]+\]):(\d{1,5})")
_DATABASE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PASSWORD_LENGTH = 12
_CLUSTER = re.compile(r"[A-Za-z0-9_.-]+")

KEPT_DAYS_MAX: Final = 18_250
"""50 years. The database counts the end of a row's time in 32 bits of seconds, to 2106: an end behind that would come
out as one long past, and what was to be kept for longest would be removed at once."""

LogLevel = Literal["debug", "info", "warning", "error"]


class Settings(BaseSettings):
    """The settings of one process; `SLUICE_<FIELD>` in the environment sets a field.

    Built once, by the command line, and handed to whoever needs it: nothing else reads the environment. All
    faults of all fields are reported together. `data_dir` is absolute once built, so children that work in
    another directory mean the same one.
    """

    model_config = SettingsConfigDict(env_prefix="SLUICE_", frozen=True, extra="forbid", hide_input_in_errors=True)

    kafka: Annotated[str, Field(description="Bootstrap servers, host:port[,host:port]; empty starts Kafka here")] = ""
    clickhouse: Annotated[
        str, Field(description="clickhouse://user:password@host:port/database; empty starts it here")
    ] = ""
    clickhouse_cluster: Annotated[
        str, Field(description="A cluster of that server's configuration: its shards hold the rows, by site")
    ] = ""
    data_dir: Annotated[Path, Field(description="Everything that Sluice keeps on this machine")] = Path(".sluice")
    database: Annotated[str, Field(description="The database of the embedded ClickHouse")] = "sluice"
    clickhouse_tls: Annotated[
        str, Field(description="host:port on which the embedded ClickHouse is reached by TLS; empty for not at all")
    ] = ""
    clickhouse_password: Annotated[
        str, Field(repr=False, description="Of the embedded ClickHouse's user default; empty makes one")
    ] = ""
    clickhouse_analyst_password: Annotated[
        str, Field(repr=False, description="Of its user analyst, who only reads; empty makes one")
    ] = ""
    clickhouse_http: Annotated[
        int, Field(ge=0, le=65_535, description="Port of the loopback for tools that speak HTTP alone; 0 for none")
    ] = 0
    tls_certificate: Annotated[str, Field(description="PEM file of its certificate")] = ""
    tls_key: Annotated[str, Field(description="PEM file of its key")] = ""
    raw_days: Annotated[
        int, Field(ge=0, le=KEPT_DAYS_MAX, description="Keep the bytes of meters' answers so long; 0 copies none")
    ] = 0
    event_days: Annotated[
        int, Field(ge=0, le=KEPT_DAYS_MAX, description="Keep commands, notices, alarms, refusals so long; 0 for good")
    ] = 0
    partitions: Annotated[int, Field(ge=1, le=1024, description="Of each topic keyed by site")] = 12
    replication: Annotated[int, Field(ge=1, le=9, description="Copies of each topic's records")] = 1
    workers: Annotated[int, Field(ge=1, le=256, description="Ledger processes")] = 1
    set_clocks: Annotated[bool, Field(description="Set the clocks of meters that are off by 10 s to 5 minutes")] = True
    fleet: Annotated[bool, Field(description="Run the virtual property group; off to collect from your own")] = True
    speed: Annotated[int, Field(ge=1, le=86_400, description="Virtual seconds in a real one")] = 60
    poll_interval_s: Annotated[int, Field(ge=1, description="Virtual seconds between two rounds")] = 300
    sites: Annotated[int, Field(ge=1, description="Of the virtual property group")] = 3
    gateways: Annotated[int, Field(ge=1, description="Of the virtual property group")] = 20
    meters: Annotated[int, Field(ge=1, description="Of the virtual property group")] = 1000
    seed: Annotated[int, Field(ge=0, description="Of all that is random in the virtual property group")] = 1
    fleet_links: Annotated[
        str, Field(description="Of the virtual group's gateways, in turn; with commas between, or all")
    ] = "modbus-tcp,dial-in"
    fleet_faults: Annotated[
        str, Field(description="What goes wrong in the virtual group; with commas between, or all")
    ] = ""
    fleet_hours: Annotated[
        int, Field(ge=0, description="Virtual hours after which the virtual group draws nothing and is calm; 0: never")
    ] = 0
    fleet_mqtt: Annotated[str, Field(description="host:port of the broker of its gateways by MQTT")] = ""
    log_level: LogLevel = "info"

    @field_validator("kafka")
    @classmethod
    def _check_kafka(cls, value: str) -> str:
        for server in value.split(",") if value else ():
            match = _SERVER.fullmatch(server.strip())
            if match is None or not 0 < int(match[1]) < 65536:
                raise ValueError(f"{server.strip()!r} is not host:port")
        return value

    @field_validator("clickhouse")
    @classmethod
    def _check_clickhouse(cls, value: str) -> str:
        if not value:
            return value
        # The address may hold a password, so no message repeats it.
        parts = urlsplit(value)
        if parts.scheme not in ("clickhouse", "clickhouses") or not parts.hostname:
            raise ValueError("not of the form clickhouse://user:password@host:port/database")
        if not _DATABASE.fullmatch(parts.path.removeprefix("/")):
            raise ValueError("names no database after the port: .../database")
        return value

    @field_validator("clickhouse_tls", "fleet_mqtt")
    @classmethod
    def _check_place(cls, value: str) -> str:
        match = _SERVER.fullmatch(value) if value else None
        if value and (match is None or int(match[1]) > 65535):
            raise ValueError(f"{value!r} is not host:port")
        return value

    @field_validator("clickhouse_password", "clickhouse_analyst_password")
    @classmethod
    def _check_password(cls, value: str) -> str:
        if value and (len(value) < _PASSWORD_LENGTH or not value.isprintable()):
            raise ValueError(f"a password has {_PASSWORD_LENGTH} printable characters or more")
        return value

    @field_validator("database")
    @classmethod
    def _check_database(cls, value: str) -> str:
        if not _DATABASE.fullmatch(value):
            raise ValueError(f"{value!r} is not a database's name: letters, digits and _, no digit first")
        return value

    @field_validator("clickhouse_cluster")
    @classmethod
    def _check_cluster(cls, value: str) -> str:
        if value and not _CLUSTER.fullmatch(value):
            raise ValueError(f"{value!r} is not a cluster's name: letters, digits, _, . and -")
        return value

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @model_validator(mode="after")
    def _check_together(self) -> "Settings":
        if self.replication > 1 and not self.kafka:
            raise ValueError("the embedded Kafka is one broker; replication above 1 needs SLUICE_KAFKA")
        if self.clickhouse_cluster and not self.clickhouse:
            raise ValueError("SLUICE_CLICKHOUSE_CLUSTER: needs SLUICE_CLICKHOUSE, a server of that cluster")
        if self.clickhouse and (self.clickhouse_http or self.clickhouse_password or self.clickhouse_analyst_password):
            raise ValueError(
                "SLUICE_CLICKHOUSE_HTTP, SLUICE_CLICKHOUSE_PASSWORD, SLUICE_CLICKHOUSE_ANALYST_PASSWORD: are for the"
                " embedded ClickHouse, and SLUICE_CLICKHOUSE names another"
            )
        if self.clickhouse_tls and (self.clickhouse or not (self.tls_certificate and self.tls_key)):
            raise ValueError(
                "SLUICE_CLICKHOUSE_TLS: is for the embedded ClickHouse and needs SLUICE_TLS_CERTIFICATE, SLUICE_TLS_KEY"
            )
        return self

    @property
    def run_dir(self) -> Path:
        """Records of the parts that run, one JSON file each."""
        return self.data_dir / "run"

    @property
    def log_dir(self) -> Path:
        """Logs of the parts that the supervisor runs."""
        return self.data_dir / "log"

    def to_environment(self) -> dict[str, str]:
        """These settings as variables, for a child process that shall have the same."""
        prefix = str(self.model_config["env_prefix"])
        return {f"{prefix}{name.upper()}": str(getattr(self, name)) for name in type(self).model_fields}


def settings_faults(error: ValidationError) -> str:
    """All settings that are wrong, by the names of their variables, one a line."""
    return "\n".join(_settings_fault(fault["loc"], fault["msg"]) for fault in error.errors())


def _settings_fault(where: tuple[int | str, ...], message: str) -> str:
    variable = "_".join(str(name) for name in ("SLUICE", *where)).upper()
    reason = message.removeprefix("Value error, ")
    return f"{variable}: {reason}" if where else reason
