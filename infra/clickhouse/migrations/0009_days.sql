-- Daily tables, as views: computed from the rows when they are asked for, so that rows which arrive late for an old
-- day are in it, and nothing has to be made up for after a crash. Days are those of Asia/Shanghai.
-- Two clocks: what a meter consumed counts on the day on which it was read (`read_at`), what moved money on the day
-- on which the ledger booked it (`at`), which never goes back. A day of money that is over never changes.

-- Every movement of every account's money, deductions too, each with the balance after it. By `place` the rows of an
-- account are in the order of the ledger's work: orders come before the rounds of the same batch, and what an order
-- charges before what it pays out. A batch that was cut in parts counts as its first posting.
CREATE VIEW IF NOT EXISTS movements AS
SELECT
    site,
    account,
    at,
    kind,
    amount_nano,
    balance_nano,
    tuple(if(begun = 0, posting_offset, toUInt64(begun - 1)), source = 0, offset, is_entry, line) AS place,
    partition,
    posting_offset
FROM
(
    SELECT
        site, account, at, 'deduction' AS kind, -amount_nano AS amount_nano, balance_nano,
        source, partition, offset, line, posting_offset, 0 AS is_entry
    FROM readings
    UNION ALL
    SELECT
        site, account, at, kind, amount_nano, balance_nano,
        source, partition, offset, line, posting_offset, 1 AS is_entry
    FROM entries
) AS moved
LEFT JOIN
(
    SELECT partition, posting_offset, min(posting_offset) OVER (PARTITION BY partition, site, sequence) + 1 AS begun
    FROM postings
    WHERE parts > 1
) AS cut USING (partition, posting_offset);

CREATE VIEW IF NOT EXISTS account_day AS
SELECT
    site,
    account,
    toDate(at, 'Asia/Shanghai') AS day,
    argMin(balance_nano - amount_nano, place) AS opening_nano,
    sumIf(amount_nano, kind = 'recharge') AS recharged_nano,
    -sumIf(amount_nano, kind IN ('refund', 'closing_refund')) AS refunded_nano,
    sumIf(amount_nano, kind IN ('adjustment', 'reversal')) AS adjusted_nano,
    -sumIf(amount_nano, kind = 'deduction') AS deducted_nano,
    argMax(balance_nano, place) AS closing_nano
FROM movements
GROUP BY site, account, day;

-- Readings that moved the meter's accepted register, with the register before each (`from_milli`). Left out are the
-- flags 1 duplicate, 2 conflict, 4 late, 16 backwards, 32 implausible, and 128 priced late, which is no reading.
CREATE VIEW IF NOT EXISTS accepted_readings AS
SELECT
    readings.*,
    ratio,
    if(bitAnd(flags, 8) != 0, toInt64(intExp10(digits + 3)), 0) AS rolled_milli,
    register_milli + rolled_milli - intDivOrZero(consumption_milli, ratio) AS from_milli,
    bitAnd(flags, 256) != 0 AS is_final
FROM readings
LEFT JOIN (SELECT site, meter, ratio, digits FROM meters FINAL) AS meters
    ON readings.site = meters.site AND readings.meter = meters.meter
WHERE bitAnd(flags, 1 + 2 + 4 + 16 + 32 + 128) = 0;

-- closing - opening + rolled, times the ratio, is the consumption. A final register may have the time of the reading
-- before it.
CREATE VIEW IF NOT EXISTS meter_day AS
SELECT
    site,
    account,
    meter,
    kind,
    toDate(read_at, 'Asia/Shanghai') AS day,
    any(ratio) AS ratio,
    argMin(from_milli, (read_at, is_final)) AS opening_milli,
    argMax(register_milli, (read_at, is_final)) AS closing_milli,
    sum(rolled_milli) AS rolled_milli,
    sum(consumption_milli) AS consumption_milli,
    count() AS readings
FROM accepted_readings
GROUP BY site, account, meter, kind, day;

-- What was priced, at which price; what was priced late is in the day of the last reading before it.
CREATE VIEW IF NOT EXISTS meter_day_cells AS
SELECT
    site,
    account,
    meter,
    kind,
    toDate(read_at, 'Asia/Shanghai') AS day,
    tariff,
    version,
    band,
    tier,
    sum(quantity) AS quantity_milli,
    sum(amount) AS amount_nano
FROM
(
    SELECT
        site, account, meter, kind, read_at, tariff, version, band, tier,
        consumption_milli AS quantity, amount_nano AS amount
    FROM readings
    WHERE version != 65535
    UNION ALL
    SELECT
        site, account, meter, kind, read_at, tariff, version, band, tier,
        quantity_milli AS quantity, amount_nano AS amount
    FROM pieces
) AS cells
GROUP BY site, account, meter, kind, day, tariff, version, band, tier;
