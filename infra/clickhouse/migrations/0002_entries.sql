-- Every movement of money other than a deduction; `amount_nano` as it changes the balance.

CREATE TABLE IF NOT EXISTS entries
(
    site LowCardinality(String),
    account LowCardinality(String),
    at DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    kind LowCardinality(String) COMMENT 'recharge, refund, reversal, adjustment or closing_refund',
    amount_nano Int64 CODEC(T64, ZSTD(1)),
    balance_nano Int64 COMMENT 'the balance of the account after it' CODEC(Delta, ZSTD(1)),
    order_id String CODEC(ZSTD(1)),
    of String COMMENT 'the recharge that a reversal takes back' CODEC(ZSTD(1)),
    channel LowCardinality(String),
    reason String CODEC(ZSTD(1)),
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
