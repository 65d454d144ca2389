"""Report: each account's money and each meter's energy over a period, with totals by site and of the group."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from analytics.errors import TieError
from analytics.exact import Integers, exact_sum, product, sums
from analytics.money import cents, share_cents, units, yuan
from analytics.question import Columns, Question, exact_frame
from analytics.reports.booked import booked
from analytics.settled import settled

COLUMNS: Final = (
    "level",
    "site",
    "account",
    "meter",
    "kind",
    "ratio",
    "opening_register_milli",
    "closing_register_milli",
    "rolled_milli",
    "electricity_milli",
    "water_milli",
    "opening_nano",
    "recharged_nano",
    "refunded_nano",
    "adjusted_nano",
    "unprinted_nano",
    "service_fees_nano",
    "fees_nano",
    "shared_nano",
    "deducted_nano",
    "closing_nano",
)
UNPRINTED: Final = "unprinted_nano"
"""What of `adjusted_nano` is left away in print: see `printed`."""
MONEY: Final = tuple(name for name in COLUMNS if name.endswith("_nano") and name != UNPRINTED)
SIGNS: Final = dict(zip(MONEY, (1, 1, -1, 1, -1, -1, 1, -1, -1), strict=True))
"""By these signs an account's money adds up to 0: its closing balance is what all others come to."""
_SUMMED: Final = ("electricity_milli", "water_milli", *MONEY, UNPRINTED)


def energy_and_finance(question: Question) -> pd.DataFrame:
    """What every account paid and every meter consumed in a period.

    Money counts when the ledger booked it, and so does the reading that it was booked for: what comes late for an
    earlier period is in the period in which it came, and a period that is over never changes. Registers are the
    last accepted ones booked before the period's bounds; a new meter opens at the register it was installed with.

    Returns:
        A row for each account, followed by one for each of its meters, by site and name; after a site's accounts its
        total, at the end the group's: `level` is account, meter, site or group. Columns `COLUMNS`: registers before
        the ratio; `_milli` are Wh or litres, `_nano` nano-yuan, Python's integers; None where a level has none.
        Meters that were replaced or closed before the period are left out.
    Raises:
        TieError: The rows do not add up.
    """
    return settled(question, _made)


def _made(question: Question) -> pd.DataFrame:
    accounts, meters = booked(question)
    _check_meters(meters)
    _check_accounts(accounts, meters)
    owner = meters["account_row"]
    for kind in ("electricity", "water"):
        of_kind = meters["kind"] == kind
        consumed = meters["consumption_milli"][of_kind]
        meters[f"{kind}_milli"] = np.full(len(owner), None, object)
        meters[f"{kind}_milli"][of_kind] = consumed
        accounts[f"{kind}_milli"] = sums(consumed, owner[of_kind], len(accounts["site"]))
    return _frame(accounts, meters)


def _check_meters(meters: Columns) -> None:
    moved = meters["closing_register_milli"] - meters["opening_register_milli"] + meters["rolled_milli"]
    shown = product(moved, meters["ratio"])
    for row in np.flatnonzero(shown != meters["consumption_milli"])[:1]:
        raise TieError(
            f"site {meters['site'][row]}, meter {meters['meter'][row]}: registers show {units(shown[row])}, "
            f"consumption is {units(meters['consumption_milli'][row])}; `sluice audit` tells more"
        )


def _check_accounts(accounts: Columns, meters: Columns) -> None:
    off: Integers = np.sum([sign * accounts[name] for name, sign in SIGNS.items()], axis=0)
    unmetered = accounts["deducted_nano"] - sums(meters["deducted_nano"], meters["account_row"], len(accounts["site"]))
    for row in np.flatnonzero((off != 0) | (unmetered != 0))[:1]:
        raise TieError(
            f"site {accounts['site'][row]}, account {accounts['account'][row]}: {yuan(off[row] or unmetered[row])} "
            "yuan do not tie; `sluice audit` tells more"
        )


def _frame(accounts: Columns, meters: Columns) -> pd.DataFrame:
    """The report's rows: where an account, a meter or a total stands is counted, then columns are filled."""
    owner = meters["account_row"]
    names, first = np.unique(accounts["site"], return_index=True)
    last = np.append(first, len(accounts["site"]))[1:]
    site = np.repeat(np.arange(len(names)), last - first)
    of_account = np.bincount(owner, minlength=len(site))
    account_rows = np.arange(len(site)) + np.cumsum(of_account) - of_account + site
    meter_rows = np.arange(len(owner)) + owner + 1 + site[owner]
    site_rows = np.append(account_rows, len(site) + len(owner) + len(names))[last] - 1
    columns = {}
    for name in COLUMNS:
        column = np.full(len(site) + len(owner) + len(names) + 1, None, object)
        if name in accounts:
            column[account_rows] = accounts[name]
        if name in meters:
            column[meter_rows] = meters[name]
        columns[name] = column
    for name in _SUMMED:
        of_sites = [exact_sum(accounts[name][start:end]) for start, end in zip(first, last, strict=True)]
        columns[name][site_rows] = of_sites
        columns[name][-1] = sum(of_sites)
    columns["site"][site_rows] = names
    for rows, level in ((account_rows, "account"), (meter_rows, "meter"), (site_rows, "site"), (-1, "group")):
        columns["level"][rows] = level
    return pd.DataFrame(columns, columns=list(COLUMNS), dtype=object)


def printed(frame: pd.DataFrame) -> pd.DataFrame:
    """The report in whole cents (`_cents` for `_nano`), so that what is printed adds up as printed.

    Balances and refunds are rounded to the cent, halves up. Where a meter with credit of its own takes over, the
    balance becomes what that one holds, to the nano-yuan: of such an adjustment what it makes of the printed balance
    is printed, the rest is `unprinted_nano`. All else but deductions is whole cents anyway. An account's deduction is
    what ties them: opening + all that came in - all that went out - closing. Between two take-overs that is the exact
    deduction rounded down or up, 0 where nothing was deducted, and the deductions of neighbouring periods add up to
    that of both together, since one period's closing is the next one's opening. An account's meters share its cents,
    each rounded down or up. Totals are sums of what is printed above them.
    """
    rows: list[dict[Any, Any]] = frame.to_dict("records")
    for account, meters in _families(rows):
        _round_account(account)
        shares = share_cents(account["deducted_nano"], [meter["deducted_nano"] for meter in meters])
        for meter, share in zip(meters, shares, strict=True):
            meter["deducted_nano"] = share
    for total in rows:
        if total["level"] in ("site", "group"):
            below = [
                row
                for row in rows
                if row["level"] == "account" and (total["level"] == "group" or row["site"] == total["site"])
            ]
            total.update({name: sum(row[name] for row in below) for name in MONEY})
    columns = [name for name in COLUMNS if name != UNPRINTED]
    names = [name.replace("_nano", "_cents") for name in columns]
    return exact_frame([[row[name] for name in columns] for row in rows], names)


def _round_account(account: dict[Any, Any]) -> None:
    account["adjusted_nano"] -= account[UNPRINTED]
    for name in MONEY:
        account[name] = cents(account[name])
    account["deducted_nano"] += _off(account)


def _off(account: dict[Any, Any]) -> int:
    """By how much an account's money does not add up."""
    return sum(sign * account[name] for name, sign in SIGNS.items())


def _families(rows: Sequence[dict[Any, Any]]) -> Iterator[tuple[dict[Any, Any], list[dict[Any, Any]]]]:
    """Each account with its meters."""
    account: dict[Any, Any] | None = None
    meters: list[dict[Any, Any]] = []
    for row in rows:
        if row["level"] == "meter":
            meters.append(row)
            continue
        if account is not None:
            yield account, meters
        account, meters = (row, []) if row["level"] == "account" else (None, [])
