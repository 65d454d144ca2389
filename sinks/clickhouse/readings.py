"""Columns of `readings` and `pieces`: arrays all the way, whatever the number of readings."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sinks.clickhouse.registry import Codes, Registry
from sinks.clickhouse.tables import Column, Posted, Words
from sinks.errors import RegistryError
from streams.core.outcome import PIECE, READING

_CODE: Final = np.dtype(np.int32)


def reading_columns(posted: Sequence[Posted], registry: Registry) -> tuple[dict[str, Column], dict[str, Column]]:
    """The columns of `readings` and of `pieces`, in the order of the postings.

    Raises:
        RegistryError: A meter, account, version or band is not in the registry.
    """
    outcomes = [each.postings.outcome for each in posted]
    counts = [len(outcome.readings) for outcome in outcomes]
    readings = _joined([outcome.readings for outcome in outcomes], READING)
    pieces = _joined([outcome.pieces for outcome in outcomes], PIECE)
    names = _name_columns(posted, registry)
    placed: dict[str, NDArray[Any]] = {
        "partition": np.repeat(np.array([each.partition for each in posted], np.uint16), counts),
        "posting_offset": np.repeat(np.array([each.offset for each in posted], np.uint64), counts),
    }
    columns: dict[str, Column] = {
        **names,
        "at": readings["at"],
        "read_at": readings["read_at"],
        "register_milli": readings["register"],
        "consumption_milli": readings["consumption"],
        "amount_nano": readings["amount"],
        "balance_nano": readings["balance"],
        **_cell_columns(posted, registry, "readings"),
        "flags": readings["flags"],
        "supply": readings["supply"],
        "source": readings["source"],
        "offset": readings["offset"],
        "line": readings["line"],
        **placed,
    }
    # A piece names a row of its own posting; from here on it names one of all of them.
    bases = np.cumsum([0, *counts])[:-1]
    piece_counts = [len(outcome.pieces) for outcome in outcomes]
    owner = pieces["reading"].astype(np.int64) + np.repeat(bases, piece_counts)
    piece_columns: dict[str, Column] = {
        **{name: Words(column.codes[owner], column.words) for name, column in names.items()},
        **{name: readings[name][owner] for name in ("at", "read_at", "source", "offset", "line")},
        **{name: column[owner] for name, column in placed.items()},
        "start": pieces["start"],
        "quantity_milli": pieces["quantity"],
        "amount_nano": pieces["amount"],
        **_cell_columns(posted, registry, "pieces"),
    }
    return columns, piece_columns


def _name_columns(posted: Sequence[Posted], registry: Registry) -> dict[str, Words]:
    """Who was read: site, gateway, account, meter and kind of each reading."""
    found: dict[str, list[Codes]] = {name: [] for name in ("site", "gateway", "account", "meter", "kind")}
    for each in posted:
        readings = each.postings.outcome.readings
        site = registry.site(each.postings.site)
        meters = readings["meter"]
        try:
            found["gateway"].append(site.gateways.take(meters))
            found["account"].append(site.accounts.take(readings["account"]))
            found["meter"].append(site.meters.take(meters))
            found["kind"].append(site.kinds.take(meters))
        except RegistryError as error:
            raise _named(each, error) from error
        found["site"].append(np.full(len(readings), site.code, _CODE))
    words = registry.words
    vocabularies = {
        "site": words.sites,
        "gateway": words.gateways,
        "account": words.accounts,
        "meter": words.meters,
        "kind": words.kinds,
    }
    return {name: Words(_joined(found[name], _CODE), words.array()) for name, words in vocabularies.items()}


def _cell_columns(posted: Sequence[Posted], registry: Registry, rows: str) -> dict[str, Column]:
    """At which price: tariff, version, band and tier of each row of the outcomes' `rows`."""
    tariffs: list[Codes] = []
    bands: list[Codes] = []
    arrays = [getattr(each.postings.outcome, rows) for each in posted]
    for each, array in zip(posted, arrays, strict=True):
        site = registry.site(each.postings.site)
        try:
            tariffs.append(site.tariff_codes(array["version"]))
            bands.append(site.band_codes(array["version"], array["band"]))
        except RegistryError as error:
            raise _named(each, error) from error
    return {
        "tariff": Words(_joined(tariffs, _CODE), registry.words.tariffs.array()),
        "version": _joined([array["version"] for array in arrays], np.dtype(np.uint16)),
        "band": Words(_joined(bands, _CODE), registry.words.bands.array()),
        "tier": _joined([array["tier"] for array in arrays], np.dtype(np.uint8)),
    }


def _named(each: Posted, error: RegistryError) -> RegistryError:
    return RegistryError(f"site {each.postings.site}, partition {each.partition}, offset {each.offset}: {error}")


def _joined(arrays: Sequence[NDArray[Any]], dtype: np.dtype[Any]) -> NDArray[Any]:
    return arrays[0] if len(arrays) == 1 else np.concatenate([np.empty(0, dtype), *arrays])
