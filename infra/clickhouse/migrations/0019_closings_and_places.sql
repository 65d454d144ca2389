-- Accounts that are over, as the ledger tells it: one that had neither a meter nor a balance left no other trace.
CREATE TABLE IF NOT EXISTS closings
(
    site LowCardinality(String),
    account LowCardinality(String),
    at DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    source UInt8 CODEC(ZSTD(1)),
    partition UInt16 CODEC(ZSTD(1)),
    offset UInt64 CODEC(DoubleDelta, ZSTD(1)),
    line UInt32 CODEC(Delta, ZSTD(1)),
    posting_offset UInt64 CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(at)
ORDER BY (site, account, at, offset, line)
SETTINGS non_replicated_deduplication_window = 10000;

-- Where meters hang, as whoever knows the buildings filed it (`sluice places`). What replaces a meter hangs where it
-- hung. A later row of the same meter and day takes the place of an earlier one.
CREATE TABLE IF NOT EXISTS places
(
    site LowCardinality(String),
    meter String,
    building LowCardinality(String) COMMENT 'empty where not told',
    circuit LowCardinality(String) COMMENT 'empty where not told',
    area_milli Int64 COMMENT 'thousandths of a m2, 0 where not told',
    valid_from DateTime64(3, 'UTC') COMMENT 'the beginning of a day of Asia/Shanghai',
    filed_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(filed_at)
ORDER BY (site, meter, valid_from);

-- What was filed of a meter holds until something else of it does.
CREATE OR REPLACE VIEW place_validity AS
SELECT
    site, meter, building, circuit, area_milli, valid_from,
    if(rank = filings, NULL, next_from) AS valid_until
FROM
(
    SELECT
        *,
        row_number() OVER all_filings AS rank,
        count() OVER (PARTITION BY site, meter) AS filings,
        leadInFrame(valid_from) OVER all_filings AS next_from
    FROM (SELECT * FROM places FINAL)
    WINDOW all_filings AS (
        PARTITION BY site, meter ORDER BY valid_from ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
);

-- A building is there from its first meter on, and over when no meter hangs there any more.
CREATE OR REPLACE VIEW building_validity AS
SELECT
    site, building, uniqExact(meter) AS meters, min(place_validity.valid_from) AS valid_from,
    if(countIf(place_validity.valid_until IS NULL) > 0, NULL, max(place_validity.valid_until)) AS valid_until
FROM place_validity
WHERE building != ''
GROUP BY site, building;

-- Of an account that was closed before there was the table `closings`: the refund of its balance, or that all its
-- meters are over (a replaced meter has a successor).
CREATE OR REPLACE VIEW account_validity AS
SELECT
    accounts.site AS site,
    accounts.account AS account,
    accounts.at AS valid_from,
    multiIf(
        closed.times > 0, closed.at,
        owned.meters > 0 AND owned.meters = owned.over, owned.at,
        NULL) AS valid_until
FROM (SELECT * FROM accounts FINAL) AS accounts
LEFT JOIN
(
    SELECT site, account, max(told.at) AS at, count() AS times
    FROM
    (
        SELECT site, account, at FROM closings
        UNION ALL
        SELECT site, account, at FROM entries WHERE kind = 'closing_refund'
    ) AS told
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

-- A site is there from its first account on, and over when all its accounts are.
CREATE OR REPLACE VIEW site_validity AS
SELECT
    site, count() AS accounts, countIf(account_validity.valid_until IS NULL) AS open_accounts,
    min(account_validity.valid_from) AS valid_from,
    if(open_accounts > 0, NULL, max(account_validity.valid_until)) AS valid_until
FROM account_validity
GROUP BY site;
