"""Wiring files say which meter stands above which, or what is wrong with them."""

from pathlib import Path

import pytest

from analytics.errors import AnalyticsError
from analytics.wiring import Master, read_wiring


def write(folder: Path, text: str) -> Path:
    path = folder / "wiring.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_is_read(tmp_path: Path) -> None:
    text = """
    [[master]]
    site = "S1"
    meter = "M0"
    subs = ["M1", "M2"]
    allowed_percent = "2.5"
    [[master]]
    site = "东区"
    meter = "M0"
    subs = ["M1"]
    """
    assert read_wiring(write(tmp_path, text)) == (
        Master("S1", "M0", ("M1", "M2"), 250),
        Master("东区", "M0", ("M1",), 300),
    )


GOOD = {"site": '"S1"', "meter": '"M0"', "subs": '["M1"]'}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"site": '""'}, "master 1: site and meter must be texts"),
        ({"meter": "7"}, "site and meter must be texts"),
        ({"subs": "[]"}, "subs must be a list of other meters"),
        ({"subs": '["M0"]'}, "subs must be a list of other meters"),
        ({"subs": '["M1", "M1"]'}, "stands twice"),
        ({"allowed_percent": "2.5"}, "must be a text"),
        ({"allowed_percent": '"-1"'}, "must be a text"),
        ({"allowed": '"1"'}, "nothing else"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, change: dict[str, str], told: str) -> None:
    lines = "\n".join(f"{name} = {value}" for name, value in (GOOD | change).items())
    with pytest.raises(AnalyticsError, match=told):
        read_wiring(write(tmp_path, f"[[master]]\n{lines}\n"))


@pytest.mark.parametrize("text", ["", "master = 1", "[[master]\n"])
def test_no_master_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(AnalyticsError):
        read_wiring(write(tmp_path, text))
