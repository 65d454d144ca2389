"""The operator's own templates: known to all that asks and reads, and no other's name."""

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from collectors.wire import dlt645
from collectors.wire.round import Block, Round
from collectors.wire.template import RelayItem
from collectors.wire.templates import TEMPLATES, TemplateError, load_templates
from infra.settings import Settings
from streams import server
from streams.core.outcome import Supply
from streams.decode import read_rounds
from tests.ledger_inputs import BEGIN_MS
from tests.unit.streams.test_decode import METERS, SITE

SHIPPED = files("collectors.wire") / "templates" / "dlt645-2007.toml"
OWN = SHIPPED.read_text("utf-8").replace("scale = 10", "scale = 1000").replace("02000000", "02563412")


def relay_of(template: str) -> RelayItem:
    relay = TEMPLATES[template].relay
    assert relay is not None
    return relay


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A data directory's `templates`; what was loaded from it is forgotten behind the test."""
    made = tmp_path / "templates"
    made.mkdir()
    yield made
    load_templates(tmp_path / "none")


def test_a_template_of_ones_own_stands_beside_those_that_are_shipped(folder: Path) -> None:
    shipped = dict(TEMPLATES)
    (folder / "big-one.toml").write_text(OWN)
    (folder / "notes.txt").write_text("no template")
    load_templates(folder)
    assert TEMPLATES.keys() - shipped.keys() == {"big-one"}
    assert (TEMPLATES["big-one"].energy.scale, relay_of("big-one").password) == (1000, "02563412")
    (folder / "big-one.toml").unlink()
    load_templates(folder)
    assert dict(TEMPLATES) == shipped


def test_frames_of_it_are_read_by_the_ledger(folder: Path) -> None:
    (folder / "big-one.toml").write_text(OWN)
    frame = dlt645.encode_read_answer("000000000161", 0x0001_0000, bytes.fromhex("78563412"))
    addresses, read_at = np.array([161], np.uint64), np.array([BEGIN_MS])
    block = Block("big-one", "energy", addresses, read_at, len(frame), None, frame)
    taken = [(0, Round(SITE, "G3", BEGIN_MS, (block,)))]
    (unknown,) = read_rounds(METERS, taken).rejected
    assert unknown.reason == "template"
    load_templates(folder)
    read = read_rounds(METERS, taken)
    assert not read.rejected
    assert read.batch.register.tolist() == [12_345_678 * 1000]
    assert read.batch.supply.tolist() == [Supply.UNKNOWN]


def test_a_name_that_is_shipped_names_both_files(folder: Path) -> None:
    (folder / "dlt645-2007.toml").write_text(OWN)
    (folder / "other.toml").write_text(OWN)
    with pytest.raises(TemplateError) as told:
        load_templates(folder)
    assert str(folder / "dlt645-2007.toml") in str(told.value)
    assert str(SHIPPED) in str(told.value)
    assert "other" not in TEMPLATES


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        pytest.param(
            "scale = 1000",
            "scale = 0.5",
            r"template t: line 8: energy\.scale is 0\.5, not a whole number",
            id="a fraction",
        ),
        pytest.param("scale = 1000", "scale = 0", r"energy\.scale is 0, not a whole number from 1", id="zero"),
        pytest.param(
            "off_bit = 4",
            "of_bit = 4",
            r"relay\.off_bit is missing; line 13: relay\.of_bit is not known",
            id="unknown field",
        ),
        pytest.param("02563412", "0256341", r"line 18: relay\.password is not 8 hexadecimal digits", id="seven digits"),
        pytest.param('meter = "', 'meter = "\udcff', "cannot be read", id="no UTF-8"),
    ],
)
def test_a_fault_is_told_with_its_folder_and_file(folder: Path, old: str, new: str, said: str) -> None:
    (folder / "t.toml").write_bytes(OWN.replace(old, new, 1).encode("utf-8", "surrogateescape"))
    with pytest.raises(TemplateError, match=f"{folder}.*{said}"):
        load_templates(folder)


def test_a_worker_does_not_start_with_a_template_that_it_cannot_use(folder: Path) -> None:
    (folder / "t.toml").write_text("protocol = 1")
    with pytest.raises(SystemExit, match=r"ledger: .*template t"):
        server.main(Settings(data_dir=folder.parent), 0)
