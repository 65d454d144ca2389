"""The data directory of a checked run: fresh, with the jars of the kept one, gone afterwards unless it is wanted."""

from pathlib import Path

import pytest

from infra.demo.once_place import once_place
from infra.kafka.jars import jars_dir
from infra.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    jars_dir(tmp_path).mkdir(parents=True)
    (jars_dir(tmp_path) / "kafka.jar").touch()
    return Settings(data_dir=tmp_path, kafka="", clickhouse="", meters=50)


def test_runs_get_numbers_and_share_the_jars(settings: Settings) -> None:
    with once_place(settings) as first, once_place(settings) as second:
        assert first.settings.data_dir == settings.data_dir / "once-1"
        assert second.settings.data_dir == settings.data_dir / "once-2"
        assert second.settings.meters == 50
        assert (jars_dir(second.settings.data_dir) / "kafka.jar").exists()


def test_it_stays_unless_the_run_says_that_it_is_not_wanted(settings: Settings) -> None:
    with once_place(settings) as failed:
        pass
    with once_place(settings) as passed:
        passed.kept = False
    assert failed.settings.data_dir.exists()
    assert not passed.settings.data_dir.exists()
    assert (jars_dir(settings.data_dir) / "kafka.jar").exists(), "they belong to the kept demo"


def test_another_ones_kafka_needs_no_jars(settings: Settings) -> None:
    with once_place(settings.model_copy(update={"kafka": "elsewhere:9092"})) as place:
        assert list(place.settings.data_dir.iterdir()) == []
