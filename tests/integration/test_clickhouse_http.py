"""The embedded server by HTTP: raw requests, and clickhouse-connect, which speaks nothing else."""

import base64
import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import clickhouse_connect
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError
from clickhouse_driver import Client

from infra.clickhouse.http_door import HttpError, http_door
from infra.endpoints import clickhouse_url, read_record
from infra.ports import HOST, free_ports
from infra.settings import Settings
from tests.conftest import start_part, stop_part

PASSWORD, ANALYSTS = "chosen by hand", "of those who only read"
Answer = tuple[int, str, dict[str, str]]


class Server:
    """A server with a door for HTTP and passwords of one's own choice."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(
            data_dir=folder,
            clickhouse="",
            clickhouse_http=free_ports(1)[0],
            clickhouse_password=PASSWORD,
            clickhouse_analyst_password=ANALYSTS,
        )

    @property
    def port(self) -> int:
        record = read_record(self.settings, "clickhouse")
        assert record is not None
        return record.ports["http"]

    def ask(
        self,
        sql: str = "",
        *,
        body: bytes | None = None,
        user: str = "default",
        password: str | None = None,
        headers: dict[str, str] | None = None,
        path: str = "/",
        parameters: Mapping[str, str] | None = None,
    ) -> Answer:
        """Status, text and headers of the answer to one request."""
        password = {"default": PASSWORD, "analyst": ANALYSTS}.get(user, "") if password is None else password
        login = {"X-ClickHouse-User": user, "X-ClickHouse-Key": password} if headers is None else headers
        query = urlencode({**({"query": sql} if sql else {}), "database": "sluice", **(parameters or {})})
        line = http.client.HTTPConnection(HOST, self.port, timeout=30)
        try:
            line.request("GET" if body is None else "POST", f"{path}?{query}", body=body, headers=login)
            answer = line.getresponse()
            return answer.status, answer.read().decode(), dict(answer.getheaders())
        finally:
            line.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("http"))
    process = start_part(server.settings, "clickhouse")
    with Client.from_url(clickhouse_url(server.settings)) as client:
        rows = [("S1", number, f"A{number}", datetime(2026, 3, 1, tzinfo=UTC)) for number in range(3)]
        client.execute("INSERT INTO accounts (site, number, account, at) VALUES", rows)
    yield server
    assert stop_part(process) == 0


def test_ping(server: Server) -> None:
    assert server.ask(path="/ping", headers={})[:2] == (200, "Ok.\n")


@pytest.mark.parametrize("user", ["default", "analyst"])
def test_rows_in_the_format_that_is_asked_for(server: Server, user: str) -> None:
    sql = "SELECT number, account FROM accounts ORDER BY number LIMIT 2"
    tabbed = "0\tA0\n1\tA1\n"
    assert server.ask(sql, user=user)[:2] == (200, tabbed)
    assert server.ask(user=user, body=sql.encode())[:2] == (200, tabbed)
    assert server.ask("SELECT number, account FROM accounts", user=user, body=b"ORDER BY number LIMIT 2")[1] == tabbed
    status, text, headers = server.ask(f"{sql} FORMAT JSONCompact;", user=user)
    assert (status, headers["X-ClickHouse-Format"]) == (200, "JSONCompact")
    assert json.loads(text)["data"] == [[0, "A0"], [1, "A1"]]
    assert server.ask(sql, user=user, parameters={"default_format": "CSV"})[1] == '0,"A0"\n1,"A1"\n'
    assert json.loads(server.ask(sql, user=user)[2]["X-ClickHouse-Summary"])["result_rows"] == "2"


def test_a_login_by_basic_or_parameters(server: Server) -> None:
    word = base64.b64encode(f"analyst:{ANALYSTS}".encode()).decode()
    assert server.ask("SELECT 1", headers={"Authorization": f"Basic {word}"})[:2] == (200, "1\n")
    line = http.client.HTTPConnection(HOST, server.port, timeout=30)
    line.request("GET", "/?" + urlencode({"query": "SELECT 1", "user": "default", "password": PASSWORD}))
    assert line.getresponse().read() == b"1\n"
    line.close()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-ClickHouse-User": "default", "X-ClickHouse-Key": "wrong"},
        {"Authorization": "Basic %%%"},
        {"Authorization": "Basic \xe9"},
        {"Authorization": "Basic " + base64.b64encode(b"nobody:x").decode()},
    ],
    ids=["none", "wrong", "no base64", "no ascii", "nobody"],
)
def test_who_cannot_log_in_is_told_nothing(server: Server, headers: dict[str, str]) -> None:
    for sql in ("SELECT secret FROM nowhere", "SELECT 1 FORMAT nowhere", "SELECT 1 FORMAT CSV nowhere"):
        status, text, given = server.ask(sql, headers=headers, parameters={"nowhere": "1"})
        assert (status, given["X-ClickHouse-Exception-Code"]) == (403, "516")
        assert "nowhere" not in text


@pytest.mark.parametrize("user", ["default", "analyst"])
@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO accounts (site) SELECT 'S9'",
        "INSERT INTO accounts (site) VALUES ('S9')",
        "DROP TABLE accounts",
        "ALTER TABLE accounts DELETE WHERE 1",
        "CREATE TABLE mine (a UInt8) ENGINE = Memory",
        "SET max_threads = 1",
        "SELECT 1 INTO OUTFILE '/tmp/never'",
        "SELECT 1; DROP TABLE accounts",
    ],
)
def test_nobody_writes_this_way(server: Server, user: str, sql: str) -> None:
    status, _, headers = server.ask(sql, user=user)
    assert status >= 400
    assert int(headers["X-ClickHouse-Exception-Code"]) in (62, 164, 358, 497)
    assert server.ask("SELECT count() FROM accounts")[1] == "3\n"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM file('{path}', 'LineAsString')",
        "SELECT file('{path}')",
        "SELECT * FROM default.`{path}`",
        "SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'a String')",
        "SELECT 1 FORMAT Template SETTINGS format_template_resultset = '{path}'",
        "SELECT 1 SETTINGS format_template_resultset = '{path}' FORMAT Template",
        "SELECT 1 FORMAT `Template` SETTINGS format_template_resultset = '{path}'",
        "SELECT 1 FORMAT/**/Template SETTINGS format_template_resultset = '{path}'",
        "SELECT 1 FORMAT template SETTINGS format_template_resultset = '{path}'",
        "DESCRIBE accounts FORMAT `Template` SETTINGS format_template_resultset = '{path}'",
        "SELECT * FROM (SELECT 1) FORMAT Template SETTINGS format_template_resultset = '{path}', max_threads = 1",
    ],
)
def test_an_analyst_finds_no_way_out(server: Server, tmp_path: Path, sql: str) -> None:
    path = tmp_path / "secret.txt"
    path.write_text("the secret ${data}\n")
    status, text, _ = server.ask(sql.format(path=path), user="analyst")
    assert status in (400, 403)
    assert "the secret" not in text


@pytest.mark.parametrize(
    ("sql", "parameters", "status", "code"),
    [
        ("SELEC 1", {}, 400, "62"),
        ("", {}, 400, "62"),
        ("SELECT * FROM nowhere", {}, 404, "60"),
        ("SELECT 1", {"database": "nowhere"}, 404, "81"),
        ("SELECT 1", {"default_format": "Template"}, 400, "117"),
        ("SELECT 1", {"nothing_like_it": "1"}, 403, "164"),
        ("SELECT 1", {"additional_result_filter": "throwIf(1, file('/etc/hostname')) = 0"}, 403, "164"),
        ("SELECT 1 SETTINGS max_execution_time = 0", {}, 403, "164"),
        ("SELECT nosuch", {}, 404, "47"),
        ("SELECT nosuch()", {}, 404, "46"),
        ("SELECT repeat('x', 1000000) FROM numbers(2000)", {}, 500, "241"),
        ("SELECT throwIf(1)", {}, 500, "395"),
        ("SELECT number FROM numbers(100)", {"max_rows_to_read": "10"}, 500, "158"),
        ("SELECT number FROM numbers(20000000)", {}, 500, "396"),
    ],
    ids=[
        "syntax",
        "empty",
        "table",
        "database",
        "format",
        "setting",
        "filter",
        "clause",
        "column",
        "function",
        "same",
        "thrown",
        "limit",
        "large",
    ],
)
def test_what_is_wrong_is_told(server: Server, sql: str, parameters: dict[str, str], status: int, code: str) -> None:
    found, text, headers = server.ask(sql, parameters=parameters)
    assert (found, headers["X-ClickHouse-Exception-Code"]) == (status, code)
    assert text.startswith(f"Code: {code}. DB::Exception: ")


def test_a_limit_cannot_be_lifted_by_the_asker(server: Server) -> None:
    sql = "SELECT getSetting('max_result_bytes'), getSetting('max_execution_time')"
    assert server.ask(sql, parameters={"max_result_bytes": "0", "max_execution_time": "0"})[1] == f"{64 << 20}\t300\n"


def test_a_format_is_known_whatever_its_case(server: Server) -> None:
    assert server.ask("SELECT 1 AS a FORMAT jsoneachrow")[:2] == (200, '{"a":1}\n')


def test_a_text_that_is_not_utf8(server: Server) -> None:
    assert server.ask(body="SELECT hex('电')".encode("gbk"))[:2] == (200, "B5E7\n")
    for user in ("default", "analyst"):
        line = http.client.HTTPConnection(HOST, server.port, timeout=30)
        login = {"X-ClickHouse-User": user, "X-ClickHouse-Key": PASSWORD if user == "default" else ANALYSTS}
        line.request("POST", "/", body="SELECT 电".encode("gbk"), headers=login)
        assert line.getresponse().status == 400
        line.close()


@pytest.mark.parametrize(
    "head",
    [b"GET /?query=SELECT+1 HTTP/1.1\r\nContent-Length: 40", b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked",
     b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 40"],
    ids=["get", "chunks", "two lengths"],
)  # fmt: skip
def test_a_body_is_never_taken_for_a_request(server: Server, head: bytes) -> None:
    with socket.create_connection((HOST, server.port), timeout=30) as line:
        line.sendall(head + b"\r\nHost: x\r\n\r\n" + b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
        line.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: line.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1") == 1


def test_half_a_statement_is_not_answered(server: Server) -> None:
    with socket.create_connection((HOST, server.port), timeout=30) as line:
        login = f"X-ClickHouse-User: analyst\r\nX-ClickHouse-Key: {ANALYSTS}\r\n"
        line.sendall(f"POST / HTTP/1.1\r\nHost: x\r\n{login}Content-Length: 30\r\n\r\nSELECT 1".encode())
        line.shutdown(socket.SHUT_WR)
        assert line.recv(100) == b""


def test_who_leaves_keeps_no_place(server: Server) -> None:
    asked = {"query": "SELECT sum(sleepEachRow(3)) FROM numbers(20) -- left", "database": "sluice", "max_block_size": 1}
    left = [socket.create_connection((HOST, server.port), timeout=30) for _ in range(8)]
    for line in left:
        login = f"X-ClickHouse-User: analyst\r\nX-ClickHouse-Key: {ANALYSTS}\r\n"
        line.sendall(f"GET /?{urlencode(asked)} HTTP/1.1\r\nHost: x\r\n{login}\r\n".encode())
    at_work = "SELECT count() FROM system.processes WHERE query LIKE '%sleepEachRow%left%' AND query NOT LIKE '%LIKE%'"
    with Client.from_url(clickhouse_url(server.settings)) as client:
        until_it_is(client, at_work, 4)
        for line in left:
            line.close()
        assert server.ask("SELECT 1")[:2] == (200, "1\n")
        until_it_is(client, at_work, 0)


def until_it_is(client: Any, sql: str, expected: int) -> None:
    """Ask until the answer is as expected; the time that the test may take is the limit."""
    while client.execute(sql) != [(expected,)]:
        pass


def test_a_line_serves_one_request_after_the_other(server: Server) -> None:
    line = http.client.HTTPConnection(HOST, server.port, timeout=30)
    login = {"X-ClickHouse-User": "default", "X-ClickHouse-Key": PASSWORD}
    for sql, expected in ((b"SELECT 1", b"1\n"), (b"SELECT wrong", None), (b"SELECT 2", b"2\n")):
        line.request("POST", "/", body=sql, headers=login)
        answer = line.getresponse().read()
        assert expected in (None, answer)
    line.close()


def test_a_body_of_rows_is_refused(server: Server) -> None:
    status, text, _ = server.ask(body=b"x" * (16 << 20))
    assert status == 400
    assert "takes no rows" in text


@pytest.mark.parametrize(("user", "password"), [("default", PASSWORD), ("analyst", ANALYSTS)])
def test_clickhouse_connect(server: Server, user: str, password: str) -> None:
    client = clickhouse_connect.get_client(
        host=HOST, port=server.port, username=user, password=password, database="sluice"
    )
    rows = client.query("SELECT site, number, account, toYear(at) FROM accounts ORDER BY number LIMIT 1").result_rows
    assert list(rows) == [("S1", 0, "A0", 2026)]
    assert list(client.query("SELECT account FROM accounts WHERE number > 99").result_rows) == []
    frame = client.query_df("SELECT number, account FROM accounts ORDER BY number")
    assert frame["account"].tolist() == ["A0", "A1", "A2"]
    with pytest.raises(DatabaseError, match="UNKNOWN_TABLE"):
        client.query("SELECT * FROM nowhere")
    with pytest.raises(DatabaseError):
        client.command("DROP TABLE accounts")
    client.close()


def test_a_password_of_ones_own_is_kept_for_its_owner(server: Server) -> None:
    for name, chosen in (("password", PASSWORD), ("analyst_password", ANALYSTS)):
        path = server.settings.data_dir / "clickhouse" / name
        assert path.read_text() == chosen
        assert path.stat().st_mode & 0o777 == 0o600


def test_a_port_that_is_taken_is_told(server: Server) -> None:
    nobody: Any = None  # no client gets so far as to ask it
    with (
        pytest.raises(HttpError, match=f"HTTP on {HOST}:{server.port}: Address already in use"),
        http_door(server.port, nobody, "sluice"),
    ):
        pass
