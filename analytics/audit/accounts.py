"""Money: what went in and out of every account is its balance, after every single row."""

from typing import Final

from analytics.audit.check import SHOWN, Check, Fault, Finding, Scope, gather
from analytics.money import yuan

_BALANCES: Final = f"""
SELECT sum(rows), count(), countIf(bad), groupArrayIf({SHOWN})(
    (site, account, toString(entered), toString(deducted), balance, breaks, first_break, early, known), bad)
FROM
(
    SELECT moved.site AS site, moved.account AS account, rows, entered, deducted, balance, breaks, first_break,
        moved.early + (first_at < opened_at) AS early, known,
        entered - deducted != balance OR breaks > 0 OR early > 0 OR NOT known AS bad
    FROM
    (
        SELECT site, account, count() AS rows,
            sumIf(toInt128(amount_nano), kind != 'deduction') AS entered,
            -sumIf(toInt128(amount_nano), kind = 'deduction') AS deducted,
            argMax(balance_nano, place) AS balance,
            countIf(broken) AS breaks,
            argMinIf((partition, source, offset, line), place, broken) AS first_break,
            countIf(is_early) AS early,
            min(at) AS first_at
        FROM
        (
            SELECT toString(site) AS site, toString(account) AS account, kind, at, amount_nano, balance_nano, place,
                source, partition, offset, line,
                toInt128(balance_nano) != toInt128(amount_nano) + lagInFrame(balance_nano) OVER rows AS broken,
                at < lagInFrame(at) OVER rows AS is_early
            FROM movements WHERE site IN %(sites)s AND {{finished}}
            WINDOW rows AS (PARTITION BY site, account ORDER BY place ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
        )
        GROUP BY site, account
    ) AS moved
    LEFT JOIN
    (
        SELECT toString(site) AS site, account, min(at) AS opened_at, 1 AS known
        FROM accounts WHERE site IN %(sites)s GROUP BY site, account
    ) AS opened ON moved.site = opened.site AND moved.account = opened.account
)
"""

_ORDERS: Final = f"""
SELECT sum(rows), count(), countIf(what != ''), groupArrayIf({SHOWN})((site, order_id, what), what != '')
FROM
(
    SELECT toString(entries.site) AS site, order_id, count() AS rows, multiIf(
            any(kind) = 'share' AND uniqExact(kind) = 1 AND uniqExact(entries.account) = rows,
                sum(toInt128(amount_nano)) = 0 ? '' : 'its parts do not sum up to what was shared',
            rows > 1, concat('booked ', toString(rows), ' times'),
            any(kind) = 'reversal' AND any(reversed.account) != any(entries.account), 'reverses no recharge of it',
            any(kind) = 'reversal' AND any(reversed.amount) != -any(amount_nano), 'reverses another amount',
            any(kind) = 'reversal' AND any(reversed.times) != 1, 'reverses what was reversed before',
            '') AS what
    FROM (SELECT *, kind = 'reversal' ? of : '' AS reverses FROM entries WHERE site IN %(sites)s AND {{finished}})
        AS entries
    LEFT JOIN
    (
        SELECT recharged.site AS site, recharged.order_id AS id, any(recharged.account) AS account,
            any(recharged.amount_nano) AS amount, count() AS times
        FROM entries AS recharged INNER JOIN entries AS back
            ON back.site = recharged.site AND back.of = recharged.order_id AND back.kind = 'reversal'
        WHERE recharged.site IN %(sites)s AND recharged.kind = 'recharge' GROUP BY site, id
    ) AS reversed ON entries.site = reversed.site AND entries.reverses = reversed.id
    WHERE order_id != ''
    -- A fixed fee is named after its due time, in each account that pays it.
    GROUP BY site, order_id, kind = 'fee' ? account : '', kind = 'fee'
)
"""

_SERVICE_FEES: Final = f"""
SELECT sum(rows), count(), countIf(what != ''), groupArrayIf({SHOWN})((site, of, what), what != '')
FROM
(
    SELECT toString(entries.site) AS site, of, countIf(kind = 'service_fee') AS rows, multiIf(
            countIf(kind IN ('recharge', 'sale')) != 1, 'has a service fee, but was not sold once',
            uniqExact(entries.account) != 1, 'has a service fee of another account',
            countIf(kind = 'service_fee' AND amount_nano < 0) != 1, 'has its service fee taken more than once',
            sumIf(amount_nano, kind = 'service_fee') < -sumIf(amount_nano, kind IN ('recharge', 'sale')),
                'has a service fee of more than itself',
            countIf(kind = 'reversal') = 0 AND rows != 1, 'has its service fee given back, but was not reversed',
            countIf(kind = 'reversal') = 1 AND sumIf(amount_nano, kind = 'service_fee') != 0,
                'has its service fee not given back as it was taken',
            '') AS what
    FROM
    (
        SELECT site, account, kind, amount_nano, kind IN ('recharge', 'sale') ? order_id : of AS of
        FROM entries
        WHERE site IN %(sites)s AND {{finished}} AND kind IN ('recharge', 'sale', 'service_fee', 'reversal')
    ) AS entries
    GROUP BY site, of HAVING rows > 0
)
"""


# What the orders of each kind do to a balance, and which of them have an id or name another order.
_FORMS: Final = f"""
SELECT countIf(what != ''), groupArrayIf({SHOWN})((site, account, kind, toString(at), what), what != '')
FROM
(
    SELECT toString(site) AS site, toString(account) AS account, toString(kind) AS kind, at, multiIf(
            kind NOT IN ('recharge', 'sale', 'refund', 'closing_refund', 'adjustment', 'reversal', 'opening',
                'service_fee', 'fee', 'share'), 'is no movement of money that there is',
            kind IN ('recharge', 'sale') AND amount_nano < 0
                OR kind IN ('refund', 'closing_refund', 'reversal', 'fee') AND amount_nano > 0,
                'moves money the wrong way',
            kind IN ('recharge', 'sale', 'refund', 'adjustment', 'reversal', 'share') AND order_id = '',
                'is of no order',
            kind IN ('reversal', 'service_fee') ? of = '' : kind != 'fee' AND of != '', 'names another order or none',
            '') AS what
    FROM entries WHERE site IN %(sites)s AND {{finished}}
)
"""


def check_balances(scope: Scope) -> Check:
    """Entries - deductions are the balance, each row's balance follows from the last, and time never goes back."""
    findings = []
    for sites in scope.groups():
        ((rows, keys, wrong, faults),) = scope.ask(_BALANCES, sites=sites)
        findings.append(Finding(rows, keys, wrong, tuple(_balance_fault(*fault) for fault in faults)))
    return gather("balances", "recharges - refunds ± adjustments ± shares - fees - deductions = balance", findings)


def check_orders(scope: Scope) -> Check:
    """No order moved money twice, a reversal takes back the whole of one recharge, once, with its service fee, and the
    parts of a share sum up."""
    findings = []
    for sites in scope.groups():
        for question in (_ORDERS, _SERVICE_FEES):
            ((rows, keys, wrong, faults),) = scope.ask(question, sites=sites)
            found = tuple(Fault(f"site {site}, order {order_id}", what) for site, order_id, what in faults)
            findings.append(Finding(rows, keys, wrong, found))
        ((wrong, faults),) = scope.ask(_FORMS, sites=sites)
        found = tuple(
            Fault(f"site {site}, account {account}", f"{kind} of {at} UTC {what}")
            for site, account, kind, at, what in faults
        )
        # Their rows are counted with the orders already.
        findings.append(Finding(0, 0, wrong, found))
    return gather("orders", "an order moves money once; a reversal is the whole of one recharge", findings)


def _balance_fault(
    site: str,
    account: str,
    entered: str,
    deducted: str,
    balance: int,
    breaks: int,
    first: tuple[int, int, int, int],
    early: int,
    known: int,
) -> Fault:
    told = []
    if not known:
        told.append("nobody opened it")
    difference = balance - (int(entered) - int(deducted))
    if difference:
        told.append(
            f"entries {yuan(int(entered))} - deductions {yuan(int(deducted))}, "
            f"balance {yuan(balance)}: {yuan(difference)} more"
        )
    if breaks:
        partition, is_order, offset, line = first
        source = "orders" if is_order else "frames"
        told.append(
            f"{breaks} rows whose balance does not follow from the row before; "
            f"the first came of {source} {partition}/{offset}, line {line}"
        )
    if early:
        told.append(f"{early} rows are of an earlier time than the row before, or the account itself")
    return Fault(f"site {site}, account {account}", "; ".join(told))
