"""The embedded server by TLS, with a certificate that openssl makes for the test."""

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from clickhouse_driver import Client
from clickhouse_driver.errors import Error, ServerException

from infra.clickhouse.tls import TlsError, tls_door
from infra.clickhouse.users import product_password
from infra.endpoints import read_record
from infra.ports import HOST
from infra.settings import Settings
from tests.conftest import embedded_clickhouse_url, start_part, stop_part
from tests.integration.clickhouse_lines import connect, wait_until_over, wait_until_running

ROWS = 300_000


class Secured:
    """A server with a door for TLS."""

    def __init__(self, folder: Path) -> None:
        self.certificate, key = folder / "certificate.pem", folder / "key.pem"
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        command += ["-keyout", str(key), "-out", str(self.certificate), "-days", "2", "-subj", "/CN=localhost"]
        command += ["-addext", f"subjectAltName=DNS:localhost,IP:{HOST}"]
        subprocess.run(command, check=True, capture_output=True)
        self.settings = Settings(
            data_dir=folder,
            clickhouse="",
            clickhouse_tls=f"{HOST}:0",
            tls_certificate=str(self.certificate),
            tls_key=str(key),
        )

    @property
    def tls_port(self) -> int:
        record = read_record(self.settings, "clickhouse")
        assert record is not None
        return record.ports["tls"]

    def client(self, **options: object) -> Client:
        password = product_password(self.settings.data_dir / "clickhouse")
        given = {"password": password, "database": "sluice", "secure": True, "ca_certs": str(self.certificate)}
        return Client(host=HOST, port=self.tls_port, **{**given, **options})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    server = Secured(tmp_path_factory.mktemp("tls"))
    process = start_part(server.settings, "clickhouse")
    yield server
    # With a client on the line: it does not hold the end up.
    with server.client() as client:
        assert client.execute("SELECT 1") == [(1,)]
        assert stop_part(process) == 0


def test_rows_there_and_back(server: Secured) -> None:
    with server.client(compression="lz4") as client:
        client.execute("CREATE TABLE far (n UInt64, text String) ENGINE = MergeTree ORDER BY n")
        client.execute("INSERT INTO far VALUES", [(n, f"reading {n}") for n in range(ROWS)])
        assert client.execute("SELECT * FROM far ORDER BY n") == [(n, f"reading {n}") for n in range(ROWS)]
        with pytest.raises(ServerException):
            client.execute("SELECT * FROM nothing")
        assert client.execute("SELECT count() FROM far") == [(ROWS,)]


def test_a_client_that_goes_away_takes_its_query_along(server: Secured) -> None:
    sql = "SELECT count() FROM numbers(2000000000000)"
    with connect(embedded_clickhouse_url(server.settings)) as near:
        far = server.client()
        far.execute_iter("SELECT 1")
        far.disconnect()
        far.connection.force_connect()
        far.connection.send_query(sql)
        far.connection.send_external_tables(None)
        wait_until_running(near, sql)
        far.disconnect()
        wait_until_over(near, sql)


def test_a_client_that_vanished_is_looked_for(server: Secured) -> None:
    """On a line that says nothing the kernel's timer runs for probes of the other end (2), not none (0)."""
    with server.client() as client:
        assert client.execute("SELECT 1") == [(1,)]
        far_end = client.connection.socket.getsockname()[1]
        # As long as the answer was not taken note of, the timer is for that (1).
        while (found := timer(server.tls_port, far_end)) == 1:
            pass
    assert found == 2


def timer(port: int, far_end: int) -> int:
    """Which timer the kernel has running for a line."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    (found,) = (line[5] for line in lines if (port_of(line[1]), port_of(line[2])) == (port, far_end))
    return int(found.partition(":")[0], 16)


def port_of(address: str) -> int:
    return int(address.partition(":")[2], 16)


def test_a_wrong_password_is_refused(server: Secured) -> None:
    with server.client(password="wrong") as client, pytest.raises(ServerException) as refused:
        client.execute("SELECT 1")
    assert refused.value.code == 516


def test_a_client_that_does_not_know_the_certificate_sends_nothing(server: Secured) -> None:
    with server.client(ca_certs=None) as client, pytest.raises(Error, match="CERTIFICATE_VERIFY_FAILED"):
        client.execute("SELECT 1")


def test_without_tls_the_door_stays_shut(server: Secured) -> None:
    with socket.create_connection((HOST, server.tls_port), timeout=30) as line:
        line.sendall(b"\0\5plain\1\1\2\0\7default\0\0")
        # An alert of TLS at most, never a hello of the server.
        assert line.recv(1000)[:1] in (b"", b"\x15")
    with server.client() as client:
        assert client.execute("SELECT 1") == [(1,)]


def test_a_missing_certificate_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "missing.pem"
    named = r"TLS on 127\.0\.0\.1:0, certificate .*missing\.pem"
    with pytest.raises(TlsError, match=named), tls_door(f"{HOST}:0", missing, missing, to_port=1):
        pass
