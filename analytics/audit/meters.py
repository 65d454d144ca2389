"""Quantities and prices: registers account for all consumption, pieces for all of a reading, prices for all amounts."""

from typing import Final

from analytics.audit.check import SHOWN, Check, Fault, Finding, Scope, gather
from analytics.flags import UNACCEPTED
from analytics.money import units, yuan
from streams.core.consumption import AHEAD_MS
from streams.core.outcome import NO_VERSION, Flag

_REGISTERS: Final = f"""
SELECT sum(rows), count(), countIf(bad), groupArrayIf({SHOWN})((site, meter, toString(used), toString(shown), breaks,
    toString(first_break), ratio), bad)
FROM
(
    SELECT site, meter, count() AS rows, any(times) AS ratio,
        sum(toInt128(consumption_milli)) AS used,
        (argMaxIf(register_milli, moment, accepted) - any(begin_milli) + sum(rolled_milli))
            * toInt128(ratio) AS shown,
        countIf(broken) AS breaks,
        minIf(read_at, broken) AS first_break,
        ratio = 0 OR breaks > 0 OR (countIf(accepted) > 0 ? used != shown : used != 0) AS bad
    FROM
    (
        SELECT toString(r.site) AS site, toString(r.meter) AS meter, read_at, moment, accepted, register_milli,
            consumption_milli, rolled_milli, times, begin_milli, multiIf(
                owner != account OR meter_kind != kind OR toUnixTimestamp64Milli(read_at) > at_ms + {AHEAD_MS}, 1,
                NOT accepted, consumption_milli != 0,
                nth = 1, from_milli != begin_milli OR read_at < begin_at,
                from_milli != before OR closed OR read_at < at_before OR (read_at = at_before AND NOT is_final)
                OR consumption_milli %% greatest(times, 1) != 0) AS broken
        FROM
        (
            SELECT *, row_number() OVER registers AS nth, lagInFrame(register_milli) OVER registers AS before,
                lagInFrame(read_at) OVER registers AS at_before, lagInFrame(is_final) OVER registers AS closed
            FROM
            (
                SELECT site, meter, account, kind, toUnixTimestamp64Milli(at) AS at_ms, read_at, register_milli,
                    consumption_milli, rolled_milli, from_milli, is_final, moment, 1 AS accepted
                FROM accepted_readings WHERE site IN %(sites)s AND {{finished}}
                UNION ALL
                SELECT site, meter, account, kind, toUnixTimestamp64Milli(at), read_at, register_milli,
                    consumption_milli, 0, 0, 0, 0, 0
                FROM readings WHERE site IN %(sites)s AND {{finished}} AND bitAnd(flags, {UNACCEPTED:d}) != 0
            )
            WINDOW registers AS (PARTITION BY site, meter, accepted ORDER BY moment
                ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
        ) AS r
        LEFT JOIN
        (
            SELECT site, meter, account AS owner, kind AS meter_kind, ratio AS times,
                register_milli AS begin_milli, at AS begin_at
            FROM meters FINAL WHERE site IN %(sites)s
        ) AS meters ON r.site = meters.site AND r.meter = meters.meter
    )
    GROUP BY site, meter
)
"""

WHOSE: Final = "cityHash64(site, meter, account, kind, at, read_at)"
"""In one number: sets of all values would take more memory than the rows."""

_PIECES: Final = f"""
SELECT sum(rows), count(), countIf(what != ''),
    groupArrayIf({SHOWN})((site, meter, partition, source, offset, line, what, toString(amount), toString(quantity)),
        what != '')
FROM
(
    SELECT partition, source, offset, line, count() AS rows,
        toString(any(pieces_of.site)) AS site, toString(any(pieces_of.meter)) AS meter,
        sum(toInt128(amount_nano)) AS amount, sum(toInt128(quantity_milli)) AS quantity, sum(whole) AS wholes,
        max(flags) AS noted, multiIf(
            wholes = 0, 'pieces of no reading',
            wholes > 1, 'a reading that is there twice',
            min(whose) != max(whose), 'of another meter, account or time than their reading',
            amount != 0, 'amounts differ',
            bitAnd(noted, {Flag.PRICED_LATE:d}) != 0, '',
            bitAnd(noted, {Flag.UNPRICED:d}) != 0 ? quantity <= 0 : quantity != 0, 'quantities differ',
            '') AS what
    FROM
    (
        SELECT partition, source, offset, line, site, meter, {WHOSE} AS whose, amount_nano,
            consumption_milli AS quantity_milli, flags, 1 AS whole
        FROM readings WHERE site IN %(sites)s AND {{finished}} AND version = {NO_VERSION}
        UNION ALL
        SELECT partition, source, offset, line, site, meter, {WHOSE}, -amount_nano, -quantity_milli, 0, 0
        FROM pieces WHERE site IN %(sites)s AND {{finished}}
    ) AS pieces_of
    GROUP BY partition, source, offset, line
)
"""

_PRICES: Final = f"""
SELECT count(), uniqExact(site, version, band, tier), countIf(bad),
    groupArrayIf({SHOWN})(
        (site, meter, toString(read_at), quantity, amount, price, version, band, tier, tariff, of_tariff), bad)
FROM
(
    SELECT toString(c.site) AS site, toString(meter) AS meter, read_at, quantity, amount, price, c.version AS version,
        toString(c.band) AS band, c.tier AS tier, toString(c.tariff) AS tariff, of_tariff,
        NOT priced OR toInt128(quantity) * price != amount OR tariff != of_tariff AS bad
    FROM
    (
        SELECT site, meter, read_at, version, band, tier, tariff, consumption_milli AS quantity, amount_nano AS amount
        FROM readings WHERE site IN %(sites)s AND {{finished}} AND version != {NO_VERSION}
        UNION ALL
        SELECT site, meter, read_at, version, band, tier, tariff, quantity_milli, amount_nano
        FROM pieces WHERE site IN %(sites)s AND {{finished}}
    ) AS c
    LEFT JOIN
    (
        SELECT site, number AS version, bands[b] AS band, toUInt8(t - 1) AS tier, 1 AS priced, tariff AS of_tariff,
            arraySum(component -> component[b][t], prices) AS price
        FROM (SELECT * FROM tariff_versions FINAL WHERE site IN %(sites)s)
        ARRAY JOIN arrayEnumerate(bands) AS b
        ARRAY JOIN arrayEnumerate(tiers) AS t
    ) AS p ON c.site = p.site AND c.version = p.version AND c.band = p.band AND c.tier = p.tier
)
"""


def check_registers(scope: Scope) -> Check:
    """A meter's consumption is the difference of its registers times its ratio, reading by reading and in all."""
    findings = []
    for sites in scope.groups():
        ((rows, keys, wrong, faults),) = scope.ask(_REGISTERS, sites=sites)
        found = []
        for site, meter, used, shown, breaks, first, ratio in faults:
            told = "nobody installed it" if not ratio else f"registers show {units(int(shown))}"
            if int(used) != int(shown):
                told += f", consumption is {units(int(used))}"
            if breaks:
                told += f"; {breaks} readings do not follow from the one before, the first of {first} UTC"
            found.append(Fault(f"site {site}, meter {meter}", told))
        findings.append(Finding(rows, keys, wrong, tuple(found)))
    return gather("registers", "(last register - first + rollovers) x ratio = consumption", findings)


def check_pieces(scope: Scope) -> Check:
    """The pieces of a reading add up to it; what found no tariff is the only rest."""
    findings = []
    for sites in scope.groups():
        ((rows, keys, wrong, faults),) = scope.ask(_PIECES, sites=sites)
        found = tuple(
            Fault(
                f"site {site}, meter {meter}, {'orders' if source else 'frames'} {partition}/{offset}, line {line}",
                f"{what}: {yuan(int(amount))} yuan and {units(int(quantity))} apart",
            )
            for site, meter, partition, source, offset, line, what, amount, quantity in faults
        )
        findings.append(Finding(rows, keys, wrong, found))
    return gather("pieces", "pieces add up to their reading's amount and consumption", findings)


def check_prices(scope: Scope) -> Check:
    """Every amount is its quantity times the price of its tariff version, band and tier."""
    findings = []
    for sites in scope.groups():
        ((rows, keys, wrong, faults),) = scope.ask(_PRICES, sites=sites)
        found = tuple(
            Fault(
                f"site {site}, meter {meter}, read at {read_at} UTC",
                f"{units(quantity)} at {price:,} nano-yuan per thousandth is not {yuan(amount)} "
                f"(version {version}, band {band}, tier {tier})"
                if quantity * price != amount or not of_tariff
                else f"version {version} is of tariff {of_tariff}, not {tariff}",
            )
            for site, meter, read_at, quantity, amount, price, version, band, tier, tariff, of_tariff in faults
        )
        findings.append(Finding(rows, keys, wrong, found))
    return gather("prices", "amount = quantity x price of its version, band and tier", findings)
