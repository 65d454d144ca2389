"""Rows cut for the shards of a cluster."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sinks.clickhouse.driver import plain_column
from sinks.clickhouse.tables import TableRows, Words, cut_by_shard

SITES = ["S1", "S2", "S3", "S4"]


def shard_of(site: str) -> int:
    return {"S1": 0, "S2": 2, "S3": 0, "S4": 1}[site]


@given(st.lists(st.sampled_from(SITES), min_size=1), st.booleans())
def test_each_row_goes_to_the_shard_of_its_site(sites: list[str], as_words: bool) -> None:
    numbers = np.arange(len(sites))
    column = (
        Words(np.array([SITES.index(site) for site in sites], np.int32), np.array(SITES, object))
        if as_words
        else np.array(sites, object)
    )
    rows = TableRows("readings", 202602, {"site": column, "number": numbers}, len(sites))
    cuts = cut_by_shard([rows], shard_of)
    assert [cut.shard for cut in cuts] == sorted({shard_of(site) for site in sites})
    for cut in cuts:
        expected = [(site, number) for number, site in enumerate(sites) if shard_of(site) == cut.shard]
        assert (
            list(zip(plain_column(cut.columns["site"]), plain_column(cut.columns["number"]), strict=True)) == expected
        )
        assert (cut.table, cut.month, cut.count) == ("readings", 202602, len(expected))
