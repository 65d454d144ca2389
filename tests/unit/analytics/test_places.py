"""Places files say where meters hang, or what is wrong with them."""

from pathlib import Path

import pytest

from analytics.errors import AnalyticsError
from analytics.places import Place, read_places


def write(folder: Path, text: str) -> Path:
    path = folder / "places.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_is_read(tmp_path: Path) -> None:
    text = "\ufeffmeter,site,area_m2,building,circuit,note\nM1,S1,35.125,东楼,1,x\n M2 ,S1,,,,\nM1,S2,4,,2,\n"
    assert read_places(write(tmp_path, text)) == {
        ("S1", "M1"): Place("M1", "东楼", "1", 35_125),
        ("S1", "M2"): Place("M2"),
        ("S2", "M1"): Place("M1", "", "2", 4_000),
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("site,building\n", "no column meter"),
        ("a\n", "no column site and no column meter"),
        ("site,meter\nS1,\n", "line 2: site and meter must not be empty"),
        ("site,meter\nS1,M1\nS1,M1\n", "line 3: site S1, meter M1 stands there twice"),
        ("site,meter,area_m2\nS1,M1,large\n", "line 2: area_m2 'large' is no decimal above 0"),
        ("site,meter,area_m2\nS1,M1,0\n", "line 2: area_m2 '0' is no decimal above 0"),
        ("site,meter,area_m2\nS1,M1,-1\n", "line 2: area_m2 '-1'"),
        ("site,meter,area_m2\nS1,M1,1.2345\n", "line 2: area_m2 '1.2345'"),
    ],
    ids=["column", "columns", "empty", "twice", "text", "zero", "negative", "places"],
)
def test_what_is_wrong_is_told(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(AnalyticsError, match=told):
        read_places(write(tmp_path, text))


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(AnalyticsError, match=r"places\.csv"):
        read_places(tmp_path / "places.csv")
