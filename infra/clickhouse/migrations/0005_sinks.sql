-- Where each sink stands in each partition of its topic. A block is the records first_offset .. next_offset - 1.
-- It is planned before its rows are written, so that after a failure the same records make the same block again
-- under the same deduplication token, and stored after all of them are.

CREATE TABLE IF NOT EXISTS sink_blocks
(
    sink LowCardinality(String),
    partition UInt16,
    first_offset UInt64,
    next_offset UInt64,
    state UInt8 COMMENT '1 planned, 2 stored',
    at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(state)
ORDER BY (sink, partition, first_offset);

-- Kept from stored blocks; a position read from it may lag behind the last block after a failure, never run ahead.
CREATE TABLE IF NOT EXISTS sink_positions
(
    sink LowCardinality(String),
    partition UInt16,
    next_offset SimpleAggregateFunction(max, UInt64)
)
ENGINE = AggregatingMergeTree
ORDER BY (sink, partition);

CREATE MATERIALIZED VIEW IF NOT EXISTS sink_positions_kept TO sink_positions AS
SELECT sink, partition, max(next_offset) AS next_offset
FROM sink_blocks
WHERE state = 2
GROUP BY sink, partition;
