"""Debian's `clickhouse-client` 18.16 speaks with the server: another's end of the protocol, as old as it is.

`infra/setup.sh test-tools` installs it.
"""

import shutil
import subprocess
from urllib.parse import unquote, urlsplit

import pytest

from tests.integration.clickhouse_lines import database


@pytest.fixture(scope="module")
def url(clickhouse: str) -> str:
    return database(clickhouse, "debian")


def ask(url: str, sql: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """What the program says to one statement; `given` are the rows of an INSERT."""
    program = shutil.which("clickhouse-client")
    if program is None:
        pytest.skip("there is no clickhouse-client: infra/setup.sh test-tools installs it")
    parts = urlsplit(url)
    command = [
        program,
        f"--host={parts.hostname}",
        f"--port={parts.port or 9000}",
        f"--user={parts.username}",
        f"--password={unquote(parts.password or '')}",
        f"--database={parts.path.removeprefix('/')}",
        f"--query={sql}",
    ]
    return subprocess.run(command, input=given, capture_output=True, text=True, timeout=60, check=False)


def test_rows_there_and_back(url: str) -> None:
    columns = "n UInt32, name String, at DateTime, amount Decimal(18, 9), maybe Nullable(Int64), many Array(UInt8)"
    assert ask(url, f"CREATE TABLE rows ({columns}) ENGINE = MergeTree ORDER BY n").returncode == 0
    lines = [f"{n}\tmeter {n}\t2026-01-05 08:00:00\t{n}.000000001\t\\N\t[1,{n % 200}]" for n in range(3000)]
    inserted = ask(url, "INSERT INTO rows FORMAT TabSeparated", "\n".join(lines) + "\n")
    assert (inserted.returncode, inserted.stderr) == (0, "")
    found = ask(url, "SELECT * FROM rows ORDER BY n")
    assert found.stdout.splitlines() == lines
    assert ask(url, "SELECT count(), sum(n) FROM rows").stdout == f"3000\t{sum(range(3000))}\n"


def test_an_error_is_told_with_its_code(url: str) -> None:
    refused = ask(url, "SELECT * FROM nothing")
    assert refused.returncode == 60
    assert "Code: 60" in refused.stderr


def test_a_wrong_password_is_refused(url: str) -> None:
    parts = urlsplit(url)
    wrong = parts._replace(netloc=f"{parts.username}:wrong@{parts.hostname}:{parts.port or 9000}").geturl()
    refused = ask(wrong, "SELECT 1")
    assert refused.returncode != 0
    assert refused.stdout == ""
