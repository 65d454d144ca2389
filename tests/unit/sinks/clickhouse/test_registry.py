"""Numbers stand for one thing each, and are looked up by the array."""

import numpy as np
import pytest

from sinks.clickhouse.registry import Numbered, Registry, Vocabulary
from sinks.errors import RegistryError
from streams.core.outcome import NO_CELL, NO_VERSION
from tests.sink_postings import introduction


def taken(site: str = "S1", meters: int = 4) -> Registry:
    registry = Registry()
    outcome = introduction(site, meters=meters, at=0)
    registry.take(site, accounts=outcome.accounts, meters=outcome.meters, versions=outcome.versions)
    return registry


def test_words_have_codes_in_the_order_they_came() -> None:
    words = Vocabulary()
    assert [words.code(word) for word in ("b", "a", "", "b")] == [1, 2, 0, 1]
    assert words.array().tolist() == ["", "b", "a"]
    words.code("c")
    assert words.array().tolist() == ["", "b", "a", "c"]


def test_numbers_come_in_any_order() -> None:
    numbered = Numbered()
    numbered.put(3, 30)
    numbered.put(0, 10)
    numbered.put(3, 30)
    assert numbered.take(np.array([3, 0, 3])).tolist() == [30, 10, 30]
    assert numbered.take(np.array([], np.uint32)).tolist() == []


@pytest.mark.parametrize("numbers", [[4], [0, 1], [2**32 - 1]], ids=["beyond", "between", "no number"])
def test_a_number_that_stands_for_nothing_is_refused(numbers: list[int]) -> None:
    numbered = Numbered()
    numbered.put(3, 30)
    numbered.put(0, 10)
    with pytest.raises(RegistryError, match=f"number {max(numbers)} was never introduced"):
        numbered.take(np.array(numbers, np.uint32))


def test_a_number_that_changes_its_meaning_is_refused() -> None:
    registry = taken()
    other = introduction("S2", meters=1, at=0)
    with pytest.raises(RegistryError, match="site S1: number 0 comes again"):
        registry.take("S1", accounts=other.accounts, meters=(), versions=())


def test_what_was_taken_is_taken_again_without_harm() -> None:
    registry = taken()
    outcome = introduction("S1", meters=4, at=0)
    registry.take("S1", accounts=outcome.accounts, meters=outcome.meters, versions=outcome.versions)
    assert registry.site("S1").meters.take(np.arange(4)).tolist() == [1, 2, 3, 4]


def test_sites_share_words_and_not_numbers() -> None:
    registry = taken("S1")
    outcome = introduction("S2", meters=2, at=0)
    registry.take("S2", accounts=outcome.accounts, meters=outcome.meters, versions=outcome.versions)
    words = registry.words
    assert words.meters[registry.site("S2").meters[0]] == "S2-M0"
    assert words.meters[registry.site("S1").meters[0]] == "S1-M0"
    assert registry.site("S1").kinds[0] == registry.site("S2").kinds[0]
    with pytest.raises(RegistryError):
        registry.site("S2").meters[3]


def test_prices_have_names_where_there_is_one() -> None:
    site = taken().site("S1")
    site.add_version(2, tariff="T2", bands=("night",))
    versions = np.array([0, 0, 2, NO_VERSION, 0], np.uint16)
    bands = np.array([1, 0, 0, NO_CELL, NO_CELL], np.uint8)
    words = taken().words
    assert [words.bands[code] for code in site.band_codes(versions[:2], bands[:2])] == ["valley", "peak"]
    assert site.band_codes(versions, bands).tolist()[2:] == [3, 0, 0]
    assert (site.tariff_codes(versions) > 0).tolist() == [True, True, True, False, True]


def test_a_band_that_the_version_has_not_is_refused() -> None:
    site = taken().site("S1")
    site.add_version(1, tariff="T2", bands=("night",))
    with pytest.raises(RegistryError, match="fewer bands"):
        site.band_codes(np.array([0, 1], np.uint16), np.array([1, 1], np.uint8))


def test_a_version_that_comes_with_other_bands_is_refused() -> None:
    site = taken().site("S1")
    site.add_version(0, tariff="S1-T", bands=("peak", "valley"))
    with pytest.raises(RegistryError, match="other bands"):
        site.add_version(0, tariff="S1-T", bands=("peak",))
