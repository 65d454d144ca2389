"""What the ledger had booked before a period and in it: the money of accounts, the registers of meters.

The sums that `readings` keeps by month are read from the month before the period on, each once, and put together here.
A site's time never goes back, so an account or meter that has rows there has its last row before the period among them.
Accounts with nothing there, or with a meter that has nothing, are asked for once more, over all that was ever booked.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analytics.errors import TieError
from analytics.exact import Integers, exact, product, sums
from analytics.flags import UNACCEPTED
from analytics.money import NANO_PER_CENT, cents
from analytics.period import day_start_ms
from analytics.question import Columns, Question
from streams.core.outcome import Flag

# Whole months from the sums by month; where the period begins or ends amid one, its days from the sums by day. The
# expressions are those of the projections (infra/clickhouse/migrations/0014_stored_days.sql), which are summed up
# straight to before the period and in it: by way of the views a group of a month each would be made first.
_INPUT: Final = "bitShiftLeft(toUInt128(offset), 32) + line"
_ACCEPTED: Final = f"bitAnd(flags, {UNACCEPTED:d}) = 0"
_MOMENT: Final = f"2 * toUnixTimestamp64Milli(read_at) + (bitAnd(flags, {Flag.FINAL:d}) != 0)"
_BOOKED: Final = f"""
SELECT site, account, meter, partition, source, {{time}} >= toDate(%(first_day)s) AS asked,
    countIf({_ACCEPTED}) AS accepted,
    countIf(bitAnd(flags, {Flag.ROLLOVER:d}) != 0) AS rollovers,
    countIf(bitAnd(flags, {Flag.FINAL:d}) != 0) AS finals,
    sum(toInt128(consumption_milli)) AS consumed,
    sum(toInt128(amount_nano)) AS deducted,
    maxIf({_MOMENT}, {_ACCEPTED}) AS moment,
    argMaxIf(register_milli, {_MOMENT}, {_ACCEPTED}) AS register,
    max({_INPUT}) AS input,
    argMax(posting_offset, {_INPUT}) AS last_posting,
    argMax(balance_nano, {_INPUT}) AS balance
FROM readings WHERE {{{{site}}}} AND {{{{chosen_meters}}}} AND {{bounds}}
GROUP BY site, account, meter, partition, source, asked
"""
_MONTH: Final = "toStartOfMonth(at, 'Asia/Shanghai')"
_BY_MONTH: Final = _BOOKED.format(
    time=_MONTH, bounds=f"{_MONTH} >= toDate(%(since_day)s) AND {_MONTH} < toDate(%(month_end)s)"
)
_DAY: Final = "toDate(at, 'Asia/Shanghai')"
_BY_DAY: Final = _BOOKED.format(time=_DAY, bounds=f"{_DAY} >= toDate(%(month_end)s) AND {_DAY} < toDate(%(end_day)s)")

# A name as a number, which the driver reads faster than a text and which fits 64 bits with a sign.
_AS_NUMBER: Final = "bitShiftRight(cityHash64({}), 1)"
_END: Final = "."
"""Put behind names: the driver's arrays of texts drop zero bytes at their end, and a name may have some there."""

# A row is what a meter's readings of one source came to before the period or in it, or an entry (without a meter). It
# is known by its meter, whose account the registry tells, or by its account; `owner` is the account that it names.
_ROWS: Final = f"""
SELECT concat(CAST(site, 'String'), '\\0', meter = '' ? account : meter, '{_END}'), meter != '',
    indexOf({{kinds}}, kind), asked, accepted, rollovers, finals, accurateCast(consumed, 'Int64'),
    accurateCast(amount, 'Int64'), moment, register, balance, partition, posting_offset, source = 0,
    toUInt64(bitShiftRight(input, 32)), toUInt32(bitAnd(input, 4294967295)), nth,
    {_AS_NUMBER.format("account")}
FROM
(
    SELECT site, CAST(account, 'String') AS account, CAST(meter, 'String') AS meter, 'deduction' AS kind, asked,
        accepted, rollovers, finals, consumed, -deducted AS amount, moment, register, balance, partition, source, input,
        toUInt32(0) AS nth, last_posting AS posting_offset
    FROM ({{booked}})
    UNION ALL
    SELECT site, CAST(account, 'String'), '', CAST(kind, 'String'), at >= %(first)s,
        0, 0, 0, 0, toInt128(amount_nano), 0, 0, balance_nano, partition, source,
        bitShiftLeft(toUInt128(offset), 32) + line, nth, posting_offset
    FROM entries
    WHERE {{site}} AND {{chosen}} AND at < %(end)s AND at >= fromUnixTimestamp64Milli(toInt64(%(since_ms)s), 'UTC')
) AS moved
"""
_ROW_COLUMNS: Final = (
    "key",
    "is_metered",
    "kind",
    "asked",
    "accepted",
    "rollovers",
    "finals",
    "consumed",
    "amount",
    "moment",
    "register",
    "balance",
    "partition",
    "posting_offset",
    "is_frame",
    "offset",
    "line",
    "nth",
    "owner",
)

# Of batches that were cut in parts, which are few, where the later ones begin. Joined to the rows by the database this
# would take a third of the whole question's time.
_LATER_PARTS: Final = """
SELECT partition, posting_offset, toUInt64(begun - 1) FROM batch_parts WHERE begun != posting_offset + 1
"""
_LATER_PARTS_COLUMNS: Final = ("partition", "posting_offset", "begun")

# Accounts and their meters; an account without one has a row with an empty meter, and `opened` is 0 where a meter's
# account was never opened. Names are made plain texts, which the driver reads faster than words with a dictionary in
# every block.
_REGISTRY: Final = f"""
SELECT site_name, concat(account, '{_END}'), concat(meter, '{_END}'), opened, is_new_account, is_new, kind_name, ratio,
    register_milli, end_milli, {_AS_NUMBER.format("account")}
FROM
(
    SELECT CAST(site, 'String') AS site_name, account, 1 AS opened, min(at) >= %(first)s AS is_new_account
    FROM accounts WHERE {{site}} AND at < %(end)s
    GROUP BY site, account
) AS opened_accounts
FULL JOIN
(
    SELECT CAST(site, 'String') AS site_name, account, meter, at >= %(first)s AS is_new,
        CAST(kind, 'String') AS kind_name, ratio, register_milli, toInt64(intExp10(digits + 3)) AS end_milli
    FROM meters FINAL WHERE {{site}} AND at < %(end)s
) AS installed_meters USING (site_name, account)
ORDER BY site_name, account, meter
"""
_REGISTRY_COLUMNS: Final = (
    "site",
    "account",
    "meter",
    "opened",
    "is_new_account",
    "is_new",
    "kind",
    "ratio",
    "installed_milli",
    "end_milli",
    "owner",
)
_OF_METERS: Final = ("site", "account", "meter", "is_new", "kind", "ratio", "installed_milli", "end_milli", "owner")

# In which column, and by which sign, rows of a kind are summed up.
_MONEY_OF_KIND: Final = {
    "recharge": ("recharged_nano", 1),
    "sale": ("recharged_nano", 1),
    "refund": ("refunded_nano", -1),
    "closing_refund": ("refunded_nano", -1),
    "adjustment": ("adjusted_nano", 1),
    "reversal": ("adjusted_nano", 1),
    "opening": ("adjusted_nano", 1),
    "service_fee": ("service_fees_nano", -1),
    "fee": ("fees_nano", -1),
    "share": ("shared_nano", 1),
    "deduction": ("deducted_nano", -1),
}

KEYS: Final = 1000
"""Up to so many accounts and meters are named in a query; of more, everything is asked."""
_BEGINNING: Final = date(1970, 1, 2)

Numbers: TypeAlias = NDArray[np.int64]


def booked(question: Question) -> tuple[Columns, Columns]:
    """Accounts opened and meters installed before the period's end, each by site and name.

    Returns:
        Accounts: `site`, `account`, balances at both ends and movements (`_nano`, Python's integers), and of
        adjustments what makes no whole cents of the printed balance, `unprinted_nano`. Meters: `site`,
        `account`, `meter`, `account_row` (where its account is), `kind`, `ratio`, registers at both ends and
        `rolled_milli` before the ratio, `consumption_milli`, `deducted_nano`; a new meter opens at the register it
        was installed with. Meters that were replaced or closed before the period are left out.
    Raises:
        TieError: There are rows of an account or a meter that nobody installed, or of a meter with another's account.
    """
    accounts, meters = _registry(question)
    rows = _rows(question, accounts, meters)
    _add_money(accounts, rows)
    return accounts, _with_registers(meters, rows)


def _registry(question: Question) -> tuple[Columns, Columns]:
    """Accounts and meters by name, each meter with `account_row`, where its account is."""
    both = question.columns(_REGISTRY, _REGISTRY_COLUMNS)
    both |= {name: np.array([ended[:-1] for ended in both[name]], object) for name in ("account", "meter")}
    for row in np.flatnonzero(both["opened"] == 0)[:1]:
        raise _unknown("account", both["site"][row], both["account"][row])
    keys = _keys(both["site"], both["account"])
    begins = np.append(True, keys[1:] != keys[:-1])[: len(keys)]
    accounts = {name: both[name][begins] for name in ("site", "account")}
    accounts |= {"account_key": keys[begins], "is_new": both["is_new_account"][begins]}
    is_meter = both["meter"] != ""
    meters = {name: both[name][is_meter] for name in _OF_METERS}
    meters["account_row"] = (np.cumsum(begins) - 1)[is_meter]
    meters["meter_key"] = _keys(meters["site"], meters["meter"])
    return accounts, meters


def _keys(sites: NDArray[np.object_], names: NDArray[np.object_]) -> NDArray[np.object_]:
    """A name among all sites, as `_ROWS` has it."""
    return np.array([f"{site}\0{name}{_END}" for site, name in zip(sites, names, strict=True)], object)


def _named(key: str) -> list[str]:
    """Site and name of a key."""
    return key[:-1].split("\0", 1)


def _rows(question: Question, accounts: Columns, meters: Columns) -> Columns:
    """All rows that tell of the period, and the last ones before it."""
    before = (question.period.first.replace(day=1) - timedelta(days=1)).replace(day=1)
    rows = _placed(_ask(question, before), accounts, meters)
    earlier = rows["asked"] == 0
    lacking = accounts["is_new"] == 0
    lacking[rows["account_row"][earlier]] = False
    unread = meters["is_new"] == 0
    unread[rows["meter_row"][earlier & (rows["accepted"] > 0)]] = False
    lacking[meters["account_row"][unread]] = True
    if lacking.any():
        keys = [(accounts["site"][row], accounts["account"][row]) for row in np.flatnonzero(lacking)]
        of_keys = np.flatnonzero(lacking[meters["account_row"]])
        meter_keys = [(meters["site"][row], meters["meter"][row]) for row in of_keys]
        if len(keys) + len(meter_keys) > KEYS:
            lacking[:] = True
            keys = meter_keys = []
        more = _placed(_ask(question, _BEGINNING, keys, meter_keys), accounts, meters)
        kept = ~lacking[rows["account_row"]]
        rows = {name: np.concatenate([column[kept], more[name]]) for name, column in rows.items()}
    rows["batch"] = _batches(question, rows.pop("partition"), rows.pop("posting_offset"))
    return rows


def _placed(rows: Columns, accounts: Columns, meters: Columns) -> Columns:
    """With `account_row` and `meter_row`, where each row's account and meter are, -1 for the meter of an entry."""
    keys, is_metered = rows.pop("key"), rows.pop("is_metered") == 1
    rows["meter_row"], rows["account_row"] = np.full((2, len(keys)), -1, np.int64)
    rows["meter_row"][is_metered] = _places(keys[is_metered], meters["meter_key"], "meter")
    rows["account_row"][is_metered] = meters["account_row"][rows["meter_row"][is_metered]]
    rows["account_row"][~is_metered] = _places(keys[~is_metered], accounts["account_key"], "account")
    owner = rows.pop("owner")
    for row in np.flatnonzero(is_metered)[meters["owner"][rows["meter_row"][is_metered]] != owner[is_metered]][:1]:
        site, meter = _named(keys[row])
        raise TieError(f"site {site}, meter {meter}: a reading names another account; `sluice audit` tells more")
    return rows


def _batches(question: Question, partition: Numbers, posting_offset: Numbers) -> Numbers:
    """The first posting of each row's batch: by it rows are in the order of the ledger's work."""
    later = question.columns(_LATER_PARTS, _LATER_PARTS_COLUMNS)
    found = posting_offset.copy()
    begun = dict(zip(zip(later["partition"], later["posting_offset"], strict=True), later["begun"], strict=True))
    if begun:
        for row in np.flatnonzero(np.isin(posting_offset, later["posting_offset"])):
            found[row] = begun.get((partition[row], posting_offset[row]), found[row])
    return found


def _ask(
    question: Question,
    since: date,
    keys: Sequence[tuple[str, str]] = (),
    meter_keys: Sequence[tuple[str, str]] = (),
) -> Columns:
    """Rows since a day, of all accounts or of some with their meters."""
    first, end = question.period.first, question.period.end
    whole = first.day == end.day == 1
    sql = _ROWS.replace("{booked}", _BY_MONTH if whole else f"{_BY_MONTH} UNION ALL {_BY_DAY}")
    sql = sql.replace("{kinds}", str(list(_MONEY_OF_KIND)))
    # By meters: a row that names another account than its meter's is not to be missed.
    of_meters = "(site, meter) IN %(meter_keys)s" if meter_keys else "0"
    sql = sql.replace("{chosen_meters}", of_meters if keys else "1")
    return question.columns(
        sql.replace("{chosen}", "(site, account) IN %(keys)s" if keys else "1"),
        _ROW_COLUMNS,
        month_end=(end if whole else first.replace(day=1)).isoformat(),
        since_day=since.isoformat(),
        since_ms=day_start_ms(since),
        keys=tuple(keys),
        meter_keys=tuple(meter_keys),
    )


def _places(keys: NDArray[np.object_], among: NDArray[np.object_], what: str) -> Numbers:
    """Where each account or meter is."""
    found: Numbers = pd.Index(among, dtype=object).get_indexer(pd.Index(keys, dtype=object)).astype(np.int64)
    for row in np.flatnonzero(found < 0)[:1]:
        raise _unknown(what, *_named(keys[row]))
    return found


def _unknown(what: str, site: str, name: str) -> TieError:
    return TieError(f"site {site}: nobody installed {what} {name}; `sluice audit` tells more")


def _add_money(accounts: Columns, rows: Columns) -> None:
    """Give accounts their balances at both ends, by the order of the ledger's work, and what moved in between."""
    count, owner = len(accounts["site"]), rows["account_row"]
    kinds = list(_MONEY_OF_KIND)
    is_deduction, asked = rows["kind"] == kinds.index("deduction") + 1, rows["asked"] == 1
    keys = [rows["nth"], is_deduction, *(rows[name] for name in ("line", "offset", "is_frame", "batch"))]
    order = np.lexsort(keys)
    accounts["opening_nano"] = _last(rows["balance"], owner, order[~asked[order]], count)
    accounts["closing_nano"] = _last(rows["balance"], owner, order, count)
    for name, sign in dict.fromkeys(_MONEY_OF_KIND.values()):
        numbers = [number for number, (column, _) in enumerate(_MONEY_OF_KIND.values(), 1) if column == name]
        chosen = asked & np.isin(rows["kind"], numbers)
        accounts[name] = sign * sums(rows["amount"][chosen], owner[chosen], count)
    taken_over = asked & (rows["kind"] == kinds.index("opening") + 1)
    accounts["unprinted_nano"] = np.full(count, 0, object)
    for row in np.flatnonzero(taken_over):
        after, amount = int(rows["balance"][row]), int(rows["amount"][row])
        printed = NANO_PER_CENT * (cents(after) - cents(after - amount))
        accounts["unprinted_nano"][owner[row]] += amount - printed


def _with_registers(meters: Columns, rows: Columns) -> Columns:
    """The meters in use, with their registers at both ends and what came in between."""
    rows = {name: column[rows["meter_row"] >= 0] for name, column in rows.items()}
    count, meter = len(meters["site"]), rows["meter_row"]
    asked, accepted = rows["asked"] == 1, rows["accepted"] > 0
    order = np.argsort(rows["moment"], kind="stable")
    closings = order[accepted[order]]
    openings = closings[~asked[closings]]
    installed = meters.pop("installed_milli")
    meters["opening_register_milli"] = _last(rows["register"], meter, openings, count, otherwise=installed)
    meters["closing_register_milli"] = _last(rows["register"], meter, closings, count, otherwise=installed)
    meters["rolled_milli"] = product(sums(rows["rollovers"][asked], meter[asked], count), meters.pop("end_milli"))
    meters["consumption_milli"] = sums(rows["consumed"][asked], meter[asked], count)
    meters["deducted_nano"] = -sums(rows["amount"][asked], meter[asked], count)
    finals = sums(rows["finals"][~asked], meter[~asked], count)
    in_use = (finals == 0) | (meters["deducted_nano"] != 0)
    return {name: column[in_use] for name, column in meters.items()}


def _last(values: Numbers, group: Numbers, order: Numbers, groups: int, otherwise: Numbers | int = 0) -> Integers:
    """Each group's value in the row of it that comes last in `order`."""
    found = np.full(groups, otherwise, np.int64)
    # Of several values for one place the last one stays.
    found[group[order]] = values[order]
    return exact(found)
