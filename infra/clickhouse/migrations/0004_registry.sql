-- Names and properties of what the ledger counts by number. A number is the site's running number, from 0 and
-- without gaps; the row of a number that comes twice is the same row.

CREATE TABLE IF NOT EXISTS accounts
(
    site LowCardinality(String),
    number UInt32,
    account String,
    at DateTime64(3, 'UTC') COMMENT 'opened',
    source UInt8,
    partition UInt16,
    offset UInt64,
    line UInt32,
    posting_offset UInt64
)
ENGINE = ReplacingMergeTree(posting_offset)
ORDER BY (site, number)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS meters
(
    site LowCardinality(String),
    number UInt32,
    meter String,
    account String,
    kind LowCardinality(String) COMMENT 'electricity or water',
    register_milli Int64 COMMENT 'at installation, before the ratio',
    ratio UInt32,
    gateway LowCardinality(String),
    address String,
    template LowCardinality(String),
    replaces String COMMENT 'the meter that stood there before, empty if none',
    at DateTime64(3, 'UTC') COMMENT 'installed',
    source UInt8,
    partition UInt16,
    offset UInt64,
    line UInt32,
    posting_offset UInt64
)
ENGINE = ReplacingMergeTree(posting_offset)
ORDER BY (site, number)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS tariff_versions
(
    site LowCardinality(String),
    number UInt16,
    tariff String,
    starts_at DateTime64(3, 'UTC'),
    unit LowCardinality(String) COMMENT 'kWh or m3',
    cycle LowCardinality(String) COMMENT 'month, year or none',
    tiers Array(Int64) COMMENT 'lower limits, thousandths of the unit',
    bands Array(String),
    components Array(String),
    prices Array(Array(Array(Int64))) COMMENT '[component][band][tier], nano-yuan per thousandth of the unit',
    at DateTime64(3, 'UTC') COMMENT 'taken',
    source UInt8,
    partition UInt16,
    offset UInt64,
    line UInt32,
    posting_offset UInt64
)
ENGINE = ReplacingMergeTree(posting_offset)
ORDER BY (site, number)
SETTINGS non_replicated_deduplication_window = 10000;
