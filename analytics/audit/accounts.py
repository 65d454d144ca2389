"""Money: what went in and out of every account is its balance, after every single row."""

from typing import Final

from analytics.audit.check import SHOWN, Check, Fault, Finding, Scope, gather
from analytics.money import yuan

_BALANCES: Final = f"""
SELECT sum(rows), count(), countIf(bad),
    groupArrayIf({SHOWN})(
        (site, account, toString(entered), toString(deducted), balance, breaks, first_break, known), bad)
FROM
(
    SELECT site, account, count() AS rows,
        sumIf(toInt128(amount_nano), kind != 'deduction') AS entered,
        -sumIf(toInt128(amount_nano), kind = 'deduction') AS deducted,
        argMax(balance_nano, place) AS balance,
        countIf(broken) AS breaks,
        argMinIf((partition, source, offset, line), place, broken) AS first_break,
        (site, account) IN (SELECT site, account FROM accounts WHERE site IN %(sites)s) AS known,
        entered - deducted != balance OR breaks > 0 OR NOT known AS bad
    FROM
    (
        SELECT toString(site) AS site, toString(account) AS account, kind, amount_nano, balance_nano, place,
            source, partition, offset, line,
            toInt128(balance_nano) != toInt128(amount_nano) + lagInFrame(balance_nano) OVER
                (PARTITION BY site, account ORDER BY place ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS broken
        FROM movements WHERE site IN %(sites)s AND {{finished}}
    )
    GROUP BY site, account
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


def check_balances(scope: Scope) -> Check:
    """Entries - deductions are the balance, and each row's balance follows from the last."""
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
    return gather("orders", "an order moves money once; a reversal is the whole of one recharge", findings)


def _balance_fault(
    site: str,
    account: str,
    entered: str,
    deducted: str,
    balance: int,
    breaks: int,
    first: tuple[int, int, int, int],
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
    return Fault(f"site {site}, account {account}", "; ".join(told))
