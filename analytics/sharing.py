"""The `share` order of a public meter's account: what a period cost it, and by which weights others pay that."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from analytics.csv_file import read_csv
from analytics.errors import AnalyticsError
from analytics.money import yuan_of_cents
from analytics.question import Question
from analytics.reports.energy_finance import energy_and_finance, printed
from streams.core.units import format_quantity, parse_decimal

By = Literal["area", "consumption", "parts"]
_NEEDED: Final = ("account", "weight")
_WEIGHT_PLACES: Final = 3
_CLOSED: Final = "SELECT toString(account) FROM closings WHERE {site}"


@dataclass(frozen=True, slots=True)
class Sharing:
    """Who pays for which account, and by what.

    Attributes:
        public: The account of the public meter.
        by: Where the weights come from; of `consumption` the period's own, of the others `weights`.
        weights: By account, decimals as text.
        left_out: Accounts that pay nothing although they consumed.
    """

    public: str
    by: By
    weights: Mapping[str, str]
    left_out: Collection[str] = ()


def share_order(question: Question, sharing: Sharing) -> dict[str, Any]:
    """The order that shares what a period cost the public account of one site.

    The amount is the account's deduction as the energy-and-finance report prints it, so it is whole cents, periods
    that follow each other leave nothing out, and a period that is over gives the same order each time. Its id is made
    of account and period: sent twice, it is taken once.

    Raises:
        AnalyticsError: The account is not there or paid nothing in the period, nobody is there to share it, one of
            those named is not there, or one that is to share was closed since.
    """
    frame = printed(energy_and_finance(question))
    accounts = {row["account"]: row for row in frame[frame["level"] == "account"].to_dict("records")}
    if sharing.public not in accounts:
        raise AnalyticsError(f"site {question.site} has no account {sharing.public!r} in this period")
    amount = accounts[sharing.public]["deducted_cents"]
    if amount <= 0:
        raise AnalyticsError(f"account {sharing.public!r} was charged nothing for consumption in this period")
    weights = dict(sharing.weights)
    if sharing.by == "consumption":
        kind = _kind_of(accounts[sharing.public])
        weights = {
            account: format_quantity(row[kind])
            for account, row in accounts.items()
            if account != sharing.public and row[kind] > 0
        }
    unknown = sorted({*weights, *sharing.left_out} - accounts.keys())
    if unknown:
        raise AnalyticsError(f"site {question.site} has no account {', '.join(map(repr, unknown))} in this period")
    for account in sharing.left_out:
        weights.pop(account, None)
    if not weights:
        raise AnalyticsError(f"no other account of site {question.site} is there to share by {sharing.by}")
    closed = {account for (account,) in question.ask(_CLOSED)} & {sharing.public, *weights}
    if closed:
        names = ", ".join(map(repr, sorted(closed)))
        advice = "" if sharing.public in closed else ", --except it"
        raise AnalyticsError(f"site {question.site} has closed {names}: a closed account takes no share{advice}")
    period = question.period
    return {
        "order": "share",
        "site": question.site,
        "order_id": f"share:{sharing.public}:{period.first}:{period.end}",
        "account": sharing.public,
        "amount": yuan_of_cents(amount),
        "weights": weights,
        "by": sharing.by,
    }


def read_weights(path: Path) -> dict[str, str]:
    """Read a CSV file with a line of headings, `account` and `weight`: floor areas, or agreed parts.

    Other columns do not matter.

    Raises:
        AnalyticsError: The file cannot be read, lacks a column, or has a line that is none; says which.
    """
    weights: dict[str, str] = {}
    for where, row in read_csv(path, _NEEDED):
        account, weight = row["account"], row["weight"]
        quantity = parse_decimal(weight)
        scaled = None if quantity is None else quantity.scaled(_WEIGHT_PLACES)
        if not account or account in weights:
            raise AnalyticsError(f"{where}: {'no account' if not account else f'{account} stands twice'}")
        if scaled is None or scaled < 0:
            raise AnalyticsError(f"{where}: weight {weight!r} is no decimal from 0 on with 3 places at most")
        weights[account] = weight
    return weights


def _kind_of(public: Mapping[Any, Any]) -> str:
    """What the public meter measures: others share by their consumption of the same."""
    kinds = [kind for kind in ("electricity_milli", "water_milli") if public[kind] > 0]
    if len(kinds) != 1:
        raise AnalyticsError(
            "the public account has meters of both kinds: share by area or parts, or give each its own"
        )
    return kinds[0]
