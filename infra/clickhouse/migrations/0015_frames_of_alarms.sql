-- Of an alarm that a meter raised by itself, the answer that shows it: evidence that outlives the raw frames.

ALTER TABLE alarms
    ADD COLUMN IF NOT EXISTS frame String DEFAULT '' COMMENT 'of a meter''s own condition: its answer, hexadecimal'
    CODEC(ZSTD(1)) AFTER count;
