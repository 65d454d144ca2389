-- The bytes of meters' answers as the collectors got them, for as long as SLUICE_RAW_DAYS says: the evidence behind
-- `readings`, and what a new template is tried on. A frame is named by its place in meter.frames, so what is copied
-- once more after a failure replaces itself: ask with FINAL where that matters.

CREATE TABLE IF NOT EXISTS frames_raw
(
    site LowCardinality(String),
    gateway LowCardinality(String),
    address UInt64 COMMENT 'the number of the meter on its gateway',
    template LowCardinality(String),
    item LowCardinality(String) COMMENT 'what was asked',
    read_at DateTime64(3, 'UTC') COMMENT 'when the answer came' CODEC(Delta, ZSTD(1)),
    collected_at DateTime64(3, 'UTC') COMMENT 'of the round, by the clock of the head-end' CODEC(Delta, ZSTD(1)),
    frame String COMMENT 'the bytes: hex(frame)' CODEC(ZSTD(3)),
    partition UInt16 CODEC(ZSTD(1)),
    offset UInt64 COMMENT 'of the round in meter.frames' CODEC(Delta, ZSTD(1)),
    line UInt32 COMMENT 'of the frame in the round' CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(collected_at)
ORDER BY (site, gateway, address, read_at, partition, offset, line);
