-- A rollover adds the end of the register to its difference: what a meter consumed cannot be read off its registers
-- without it.

ALTER TABLE meters
    ADD COLUMN IF NOT EXISTS digits UInt8 DEFAULT 0
    COMMENT 'whole digits of the register, which wraps after them; 0 where it does not'
    AFTER replaces;
