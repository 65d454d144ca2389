-- Who gave the order that moved money: collections are counted by operator.

ALTER TABLE entries
    ADD COLUMN IF NOT EXISTS operator LowCardinality(String) DEFAULT '' COMMENT 'who gave the order, empty if not told'
    AFTER reason;
