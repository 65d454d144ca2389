-- A block of a sink covers several partitions of its topic at once: cut for each of twelve partitions, blocks
-- would make twelve times as many inserts and parts. So a block has a number instead of a first offset, and these
-- two tables take the place of 0005's. How they make rows exactly once: sinks/README.md.

DROP TABLE IF EXISTS sink_positions_kept;
DROP TABLE IF EXISTS sink_positions;
DROP TABLE IF EXISTS sink_blocks;

-- The last block that each process of a sink claimed: records first_offset .. next_offset - 1 of each partition.
-- Written before the block's rows. The log of tokens lets only one process claim a number.
CREATE TABLE IF NOT EXISTS sink_blocks
(
    sink LowCardinality(String),
    number UInt64 COMMENT 'rises by one a block of the sink',
    partition UInt16,
    first_offset UInt64,
    next_offset UInt64,
    claimed_by String COMMENT 'a name of its own for each start of the sink',
    claimed_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(number)
ORDER BY (sink, claimed_by, partition)
SETTINGS non_replicated_deduplication_window = 10000;

-- Where the sink stands, which only ever moves forward: written after all rows of block `number`, for the
-- partitions of that block.
CREATE TABLE IF NOT EXISTS sink_positions
(
    sink LowCardinality(String),
    partition UInt16,
    next_offset UInt64,
    number UInt64,
    finished_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(next_offset)
ORDER BY (sink, partition);
