-- What meters read and what it cost. Money is whole nano-yuan (suffix `_nano`). Quantities are whole
-- thousandths of the billing unit (suffix `_milli`): Wh where `kind` is electricity, litres where it is water,
-- so that `_milli / 1000` is kWh or m3.
-- `source`, `partition`, `offset` and `line` name the input that caused a row (source 0 is meter.frames, 1 is
-- office.orders); `posting_offset` is the record of ledger.postings that carried it, in the same partition.
-- The sink repeats a block after a failure under the same insert_deduplication_token, so every table it writes
-- keeps a log of tokens.

CREATE TABLE IF NOT EXISTS readings
(
    site LowCardinality(String),
    gateway LowCardinality(String),
    account LowCardinality(String),
    meter LowCardinality(String),
    kind LowCardinality(String) COMMENT 'electricity or water',
    at DateTime64(3, 'UTC') COMMENT 'when it reached the head-end' CODEC(DoubleDelta, ZSTD(1)),
    read_at DateTime64(3, 'UTC') COMMENT 'when the meter read it' CODEC(DoubleDelta, ZSTD(1)),
    register_milli Int64 COMMENT 'the running total shown, before the ratio' CODEC(Delta, ZSTD(1)),
    consumption_milli Int64 COMMENT 'since the last accepted reading, after the ratio' CODEC(T64, ZSTD(1)),
    amount_nano Int64 COMMENT 'the deduction' CODEC(T64, ZSTD(1)),
    balance_nano Int64 COMMENT 'the balance of the account after it' CODEC(Delta, ZSTD(1)),
    tariff LowCardinality(String) COMMENT 'empty where no single version priced it',
    version UInt16 COMMENT 'of the site, 65535 where several or none priced it: see pieces' CODEC(ZSTD(1)),
    band LowCardinality(String) COMMENT 'empty where several or none priced it: see pieces',
    tier UInt8 COMMENT '255 where several or none priced it: see pieces' CODEC(ZSTD(1)),
    flags UInt16 COMMENT 'bits of streams.core.outcome.Flag' CODEC(ZSTD(1)),
    supply UInt8 COMMENT '0 unknown, 1 on, 2 off' CODEC(ZSTD(1)),
    source UInt8 CODEC(ZSTD(1)),
    partition UInt16 CODEC(ZSTD(1)),
    offset UInt64 CODEC(DoubleDelta, ZSTD(1)),
    line UInt32 CODEC(Delta, ZSTD(1)),
    posting_offset UInt64 CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(read_at)
ORDER BY (site, meter, read_at, offset, line)
SETTINGS non_replicated_deduplication_window = 10000;

-- The parts of a reading that was priced in more than one cell (a limit or an edge of a band lay inside it).
CREATE TABLE IF NOT EXISTS pieces
(
    site LowCardinality(String),
    gateway LowCardinality(String),
    account LowCardinality(String),
    meter LowCardinality(String),
    kind LowCardinality(String) COMMENT 'electricity or water',
    at DateTime64(3, 'UTC') COMMENT 'of the reading' CODEC(DoubleDelta, ZSTD(1)),
    read_at DateTime64(3, 'UTC') COMMENT 'of the reading' CODEC(DoubleDelta, ZSTD(1)),
    start DateTime64(3, 'UTC') COMMENT 'of the part of the interval' CODEC(DoubleDelta, ZSTD(1)),
    quantity_milli Int64 CODEC(T64, ZSTD(1)),
    amount_nano Int64 CODEC(T64, ZSTD(1)),
    tariff LowCardinality(String),
    version UInt16 CODEC(ZSTD(1)),
    band LowCardinality(String),
    tier UInt8 CODEC(ZSTD(1)),
    source UInt8 CODEC(ZSTD(1)),
    partition UInt16 CODEC(ZSTD(1)),
    offset UInt64 CODEC(DoubleDelta, ZSTD(1)),
    line UInt32 CODEC(Delta, ZSTD(1)),
    posting_offset UInt64 CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(read_at)
ORDER BY (site, meter, read_at, offset, line, start)
SETTINGS non_replicated_deduplication_window = 10000;
