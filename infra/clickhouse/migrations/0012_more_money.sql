-- Fixed fees, service fees, shares and sales into meters move money too, and within the lines of one record: an entry's
-- `line` is that of the reading's row which it comes before, `nth` counts the entries of one line.
ALTER TABLE entries ADD COLUMN IF NOT EXISTS nth UInt32 DEFAULT 0 CODEC(Delta, ZSTD(1)) AFTER line;

-- `place`, from the highest bits down: 42 bits the batch (its first posting), 1 bit frames after orders, 42 bits the
-- offset, 21 bits the line, 1 bit the reading's row after the entries before it, 21 bits their order.
CREATE OR REPLACE VIEW movements AS
SELECT
    site,
    account,
    at,
    kind,
    amount_nano,
    balance_nano,
    bitShiftLeft(toUInt128(if(begun = 0, posting_offset, toUInt64(begun - 1))), 86)
        + bitShiftLeft(toUInt128(source = 0), 85)
        + bitShiftLeft(toUInt128(offset), 43)
        + bitShiftLeft(toUInt64(line), 22)
        + bitShiftLeft(toUInt64(kind = 'deduction'), 21)
        + nth AS place,
    source,
    partition,
    offset,
    line,
    nth,
    posting_offset
FROM
(
    SELECT
        site, account, at, 'deduction' AS kind, -amount_nano AS amount_nano, balance_nano,
        source, partition, offset, line, toUInt32(0) AS nth, posting_offset
    FROM readings
    UNION ALL
    SELECT
        site, account, at, kind, amount_nano, balance_nano,
        source, partition, offset, line, nth, posting_offset
    FROM entries
) AS moved
LEFT JOIN
(
    SELECT partition, posting_offset, min(posting_offset) OVER (PARTITION BY partition, site, sequence) + 1 AS begun
    FROM postings
    WHERE parts > 1
) AS cut USING (partition, posting_offset);

CREATE OR REPLACE VIEW account_day AS
SELECT
    site,
    account,
    toDate(at, 'Asia/Shanghai') AS day,
    argMin(balance_nano - amount_nano, place) AS opening_nano,
    sumIf(amount_nano, kind IN ('recharge', 'sale')) AS recharged_nano,
    -sumIf(amount_nano, kind IN ('refund', 'closing_refund')) AS refunded_nano,
    sumIf(amount_nano, kind IN ('adjustment', 'reversal', 'opening')) AS adjusted_nano,
    -sumIf(amount_nano, kind = 'service_fee') AS service_fees_nano,
    -sumIf(amount_nano, kind = 'fee') AS fees_nano,
    sumIf(amount_nano, kind = 'share') AS shared_nano,
    -sumIf(amount_nano, kind = 'deduction') AS deducted_nano,
    argMax(balance_nano, place) AS closing_nano
FROM movements
GROUP BY site, account, day;
