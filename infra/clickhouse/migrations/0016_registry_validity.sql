-- From when until when what the ledger took into its registry held, as views over what it gave out: so they are right
-- as soon as its rows are there. `valid_until` is the first moment at which it no longer held, NULL while it does.

-- A meter is over with its final reading (flag 256), when it was replaced or its account closed. Only meters that the
-- stored months know to have one are looked up among the rows.
CREATE OR REPLACE VIEW meter_validity AS
SELECT
    meters.site AS site,
    meters.gateway AS gateway,
    meters.account AS account,
    meters.meter AS meter,
    meters.kind AS kind,
    meters.ratio AS ratio,
    meters.digits AS digits,
    meters.address AS address,
    meters.template AS template,
    meters.replaces AS replaces,
    meters.at AS valid_from,
    if(over.finals > 0, over.at, NULL) AS valid_until
FROM (SELECT * FROM meters FINAL) AS meters
LEFT JOIN
(
    SELECT site, meter, max(readings.at) AS at, count() AS finals
    FROM readings
    WHERE bitAnd(flags, 256) != 0
        AND (site, meter) IN (SELECT site, meter FROM readings_by_month WHERE finals > 0)
    GROUP BY site, meter
) AS over
    ON meters.site = over.site AND meters.meter = over.meter;

-- A replaced meter has a successor, so an account all of whose meters are over was closed; one without meters is told
-- by the refund of its balance alone.
CREATE OR REPLACE VIEW account_validity AS
SELECT
    accounts.site AS site,
    accounts.account AS account,
    accounts.at AS valid_from,
    multiIf(
        closed.refunds > 0, closed.at,
        owned.meters > 0 AND owned.meters = owned.over, owned.at,
        NULL) AS valid_until
FROM (SELECT * FROM accounts FINAL) AS accounts
LEFT JOIN
(
    SELECT site, account, max(entries.at) AS at, count() AS refunds
    FROM entries
    WHERE kind = 'closing_refund'
    GROUP BY site, account
) AS closed
    ON accounts.site = closed.site AND accounts.account = closed.account
LEFT JOIN
(
    SELECT site, account, count() AS meters, countIf(valid_until IS NOT NULL) AS over, max(valid_until) AS at
    FROM meter_validity
    GROUP BY site, account
) AS owned
    ON accounts.site = owned.site AND accounts.account = owned.account;

-- A version of a tariff holds until the next one of the same name begins; of two with one beginning the later taken.
CREATE OR REPLACE VIEW tariff_validity AS
SELECT
    site, tariff, number AS version, unit, cycle, tiers, bands, components, prices, at AS taken_at,
    starts_at AS valid_from,
    if(rank = versions, NULL, next_starts_at) AS valid_until
FROM
(
    SELECT
        *,
        row_number() OVER all_versions AS rank,
        count() OVER (PARTITION BY site, tariff) AS versions,
        leadInFrame(starts_at) OVER all_versions AS next_starts_at
    FROM (SELECT * FROM tariff_versions FINAL)
    WINDOW all_versions AS (
        PARTITION BY site, tariff ORDER BY starts_at, number ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
);

CREATE OR REPLACE VIEW gateway_validity AS
SELECT
    site, gateway, count() AS meters, min(valid_from) AS valid_from,
    if(countIf(valid_until IS NULL) > 0, NULL, max(valid_until)) AS valid_until
FROM meter_validity
WHERE gateway != ''
GROUP BY site, gateway;
