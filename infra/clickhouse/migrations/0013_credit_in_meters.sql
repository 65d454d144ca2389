-- Credit that a meter holds itself: what a command to recharge carries, and the three figures of an alarm that ledger
-- and meter differ.
ALTER TABLE commands
    ADD COLUMN IF NOT EXISTS amount_nano Int64 DEFAULT 0 COMMENT 'of a recharge: what goes into the meter'
    CODEC(T64, ZSTD(1)) AFTER repeat,
    ADD COLUMN IF NOT EXISTS count UInt32 DEFAULT 0 COMMENT 'of a recharge: the meter''s recharge count after it'
    CODEC(ZSTD(1)) AFTER amount_nano;

ALTER TABLE alarms
    ADD COLUMN IF NOT EXISTS ledger_nano Int64 DEFAULT 0 COMMENT 'of an alarm credit: the balance in the ledger'
    CODEC(T64, ZSTD(1)) AFTER kind,
    ADD COLUMN IF NOT EXISTS remaining_nano Int64 DEFAULT 0 COMMENT 'of an alarm credit: the credit in the meter'
    CODEC(T64, ZSTD(1)) AFTER ledger_nano,
    ADD COLUMN IF NOT EXISTS count UInt32 DEFAULT 0 COMMENT 'of an alarm credit: the meter''s recharge count'
    CODEC(ZSTD(1)) AFTER remaining_nano;
