-- The ledger's journal: one row a record of ledger.postings, which Kafka keeps for 30 days only. `sequence` numbers
-- the batches of a partition without gaps; a batch took the given ranges of its partition's two inputs, orders before
-- frames, and has one record a site, or several parts of one.

CREATE TABLE IF NOT EXISTS postings
(
    site LowCardinality(String),
    sequence UInt64 CODEC(Delta, ZSTD(1)),
    part UInt16 CODEC(ZSTD(1)),
    parts UInt16 CODEC(ZSTD(1)),
    frames_first UInt64 CODEC(Delta, ZSTD(1)),
    frames_next UInt64 CODEC(Delta, ZSTD(1)),
    orders_first UInt64 CODEC(Delta, ZSTD(1)),
    orders_next UInt64 CODEC(Delta, ZSTD(1)),
    readings UInt32 COMMENT 'rows of readings that the record gave' CODEC(T64, ZSTD(1)),
    pieces UInt32 COMMENT 'rows of pieces that the record gave' CODEC(T64, ZSTD(1)),
    entries UInt32 COMMENT 'rows of entries that the record gave' CODEC(T64, ZSTD(1)),
    partition UInt16 CODEC(ZSTD(1)),
    posting_offset UInt64 CODEC(Delta, ZSTD(1)),
    stored_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = MergeTree
ORDER BY (partition, posting_offset)
SETTINGS non_replicated_deduplication_window = 10000;
