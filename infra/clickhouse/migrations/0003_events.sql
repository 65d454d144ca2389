-- What the ledger told somebody: commands to meters, notices to account holders, alarms to operators, and the
-- input lines that it refused.

CREATE TABLE IF NOT EXISTS commands
(
    site LowCardinality(String),
    gateway LowCardinality(String),
    meter LowCardinality(String),
    at DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    sequence UInt32 COMMENT 'rises by one a command of the meter' CODEC(ZSTD(1)),
    action LowCardinality(String) COMMENT 'cut or restore',
    reason LowCardinality(String),
    repeat Bool COMMENT 'sent again since a reading reported another supply',
    source UInt8 CODEC(ZSTD(1)),
    partition UInt16 CODEC(ZSTD(1)),
    offset UInt64 CODEC(DoubleDelta, ZSTD(1)),
    line UInt32 CODEC(Delta, ZSTD(1)),
    posting_offset UInt64 CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(at)
ORDER BY (site, meter, at, sequence)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS notices
(
    site LowCardinality(String),
    account LowCardinality(String),
    at DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    kind LowCardinality(String) COMMENT 'low1, low2, arrears, recharged, cut, ...',
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

CREATE TABLE IF NOT EXISTS alarms
(
    site LowCardinality(String),
    meter LowCardinality(String),
    at DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    kind LowCardinality(String) COMMENT 'backwards, implausible, unpriced, ...',
    source UInt8 CODEC(ZSTD(1)),
    partition UInt16 CODEC(ZSTD(1)),
    offset UInt64 CODEC(DoubleDelta, ZSTD(1)),
    line UInt32 CODEC(Delta, ZSTD(1)),
    posting_offset UInt64 CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(at)
ORDER BY (site, meter, at, offset, line)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS refusals
(
    site LowCardinality(String),
    at DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    reason LowCardinality(String) COMMENT 'unknown, closed, conflict, duplicate, invalid, ...',
    subject String COMMENT 'the id or address that the line named' CODEC(ZSTD(1)),
    source UInt8 CODEC(ZSTD(1)),
    partition UInt16 CODEC(ZSTD(1)),
    offset UInt64 CODEC(DoubleDelta, ZSTD(1)),
    line UInt32 CODEC(Delta, ZSTD(1)),
    posting_offset UInt64 CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(at)
ORDER BY (site, at, offset, line)
SETTINGS non_replicated_deduplication_window = 10000;
