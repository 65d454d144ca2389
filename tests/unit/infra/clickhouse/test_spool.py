"""Where rows wait for the engine."""

from pathlib import Path

import pytest

from infra.clickhouse.errors import Code, ProtocolError
from infra.clickhouse.spool import Spool


def test_no_place_for_rows_is_told(tmp_path: Path) -> None:
    """As an error of the file system it would pass for a client that is gone, and end the connection without a word."""
    with pytest.raises(ProtocolError) as caught:
        Spool(tmp_path / "missing")
    assert caught.value.code == Code.NOT_ENOUGH_SPACE
    assert "No such file or directory" in caught.value.message
