"""Columns of what comes by the dozen: registry rows, money entries, commands, notices, alarms, refusals,
closings, and the journal of the postings themselves."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from sinks.clickhouse.registry import Registry, SiteRegistry
from sinks.clickhouse.tables import Column, Posted
from sinks.errors import RegistryError
from streams.core.outcome import Outcome, Position


class Caused(Protocol):
    """What every value of an outcome's lists has."""

    @property
    def position(self) -> Position: ...
    @property
    def at(self) -> int: ...


C = TypeVar("C", bound=Caused)
Fields = dict[str, object]


def event_columns(posted: Sequence[Posted], registry: Registry) -> dict[str, dict[str, Column]]:
    """Table -> its columns, for every table that is filled from the outcomes' lists.

    Raises:
        RegistryError: A meter or account is not in the registry.
    """

    def table(
        items: Callable[[Outcome], Iterable[C]], fields: Callable[[C, SiteRegistry], Fields]
    ) -> dict[str, Column]:
        rows = []
        for each in posted:
            site = registry.site(each.postings.site)
            for item in items(each.postings.outcome):
                try:
                    rows.append(_caused(each, item) | fields(item, site))
                except RegistryError as error:
                    where = f"site {each.postings.site}, partition {each.partition}, offset {each.offset}"
                    raise RegistryError(f"{where}: {error}") from error
        return _columns(rows)

    accounts, meters, gateways = registry.words.accounts, registry.words.meters, registry.words.gateways
    return {
        "accounts": table(
            lambda outcome: outcome.accounts,
            lambda item, _: {"number": item.number, "account": item.account},
        ),
        "meters": table(
            lambda outcome: outcome.meters,
            lambda item, site: {
                "number": item.number,
                "meter": item.meter,
                "account": accounts[site.accounts[item.account]],
                "kind": item.kind,
                "register_milli": item.register,
                "ratio": item.ratio,
                "gateway": item.gateway,
                "address": item.address,
                "template": item.template,
                "replaces": "" if item.replaces is None else meters[site.meters[item.replaces]],
                "digits": item.digits,
            },
        ),
        "tariff_versions": table(
            lambda outcome: outcome.versions,
            lambda item, _: {
                "number": item.number,
                "tariff": item.tariff,
                "starts_at": item.starts_at,
                "unit": item.unit,
                "cycle": item.cycle,
                "tiers": item.tiers,
                "bands": item.bands,
                "components": item.components,
                "prices": item.prices,
            },
        ),
        "entries": table(
            lambda outcome: outcome.entries,
            lambda item, site: {
                "account": accounts[site.accounts[item.account]],
                "kind": item.kind,
                "amount_nano": item.amount,
                "balance_nano": item.balance,
                "order_id": item.order_id,
                "of": item.of,
                "channel": item.channel,
                "reason": item.reason,
                "operator": item.operator,
                "nth": item.nth,
            },
        ),
        "commands": table(
            lambda outcome: outcome.commands,
            lambda item, site: {
                "gateway": gateways[site.gateways[item.meter]],
                "meter": meters[site.meters[item.meter]],
                "sequence": item.sequence,
                "action": item.action,
                "reason": item.reason,
                "repeat": item.repeat,
                "amount_nano": item.amount,
                "count": item.count,
            },
        ),
        "notices": table(
            lambda outcome: outcome.notices,
            lambda item, site: {"account": accounts[site.accounts[item.account]], "kind": item.kind},
        ),
        "alarms": table(
            lambda outcome: outcome.alarms,
            lambda item, site: {
                "meter": meters[site.meters[item.meter]],
                "kind": item.kind,
                "ledger_nano": 0 if item.figures is None else item.figures.ledger,
                "remaining_nano": 0 if item.figures is None else item.figures.remaining,
                "count": 0 if item.figures is None else item.figures.count,
                "frame": item.frame.hex(),
            },
        ),
        "refusals": table(
            lambda outcome: outcome.refusals,
            lambda item, _: {"reason": item.reason, "subject": item.subject},
        ),
        "closings": table(
            lambda outcome: outcome.closings,
            lambda item, site: {"account": accounts[site.accounts[item.account]]},
        ),
    }


def posting_columns(posted: Iterable[Posted]) -> dict[str, Column]:
    """The columns of `postings`: one row a record, the ledger's journal."""
    return _columns(
        [
            {
                "site": each.postings.site,
                "sequence": each.postings.sequence,
                "part": each.postings.part,
                "parts": each.postings.parts,
                "frames_first": each.postings.inputs.frames.first,
                "frames_next": each.postings.inputs.frames.next,
                "orders_first": each.postings.inputs.orders.first,
                "orders_next": each.postings.inputs.orders.next,
                "readings": len(each.postings.outcome.readings),
                "pieces": len(each.postings.outcome.pieces),
                "entries": len(each.postings.outcome.entries),
                "partition": each.partition,
                "posting_offset": each.offset,
            }
            for each in posted
        ]
    )


def _caused(each: Posted, item: Caused) -> Fields:
    return {
        "site": each.postings.site,
        "at": item.at,
        "source": int(item.position.source),
        "partition": each.partition,
        "offset": item.position.offset,
        "line": item.position.line,
        "posting_offset": each.offset,
    }


def _columns(rows: Sequence[Fields]) -> dict[str, Column]:
    return {name: _column([row[name] for row in rows]) for name in rows[0]} if rows else {}


_ARRAY_TYPES: Final[dict[type, Any]] = {int: np.int64, bool: np.bool_}


def _column(values: Sequence[object]) -> NDArray[Any]:
    kind = _ARRAY_TYPES.get(type(values[0]))
    if kind is not None:
        return np.array(values, kind)
    # Filled one by one: NumPy would make lists of equal length a second dimension.
    column = np.empty(len(values), object)
    for index, value in enumerate(values):
        column[index] = value
    return column
