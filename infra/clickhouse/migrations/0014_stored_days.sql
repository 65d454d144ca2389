-- Codecs chosen by `make bench ARGS=history` (10,000 meters, half hours): 4.8 bytes a reading instead of 7.9. What a
-- reading costs takes few values, which ZSTD finds and T64 hides; a meter's clock and a round's arrival keep their
-- distance nearly, but not enough for the second difference to be small. Parts that are there change as they merge.

ALTER TABLE readings
    MODIFY COLUMN at CODEC(Delta, ZSTD(1)),
    MODIFY COLUMN read_at CODEC(Delta, ZSTD(1)),
    MODIFY COLUMN register_milli CODEC(Delta, GCD, T64, ZSTD(1)),
    MODIFY COLUMN consumption_milli CODEC(GCD, T64, ZSTD(1)),
    MODIFY COLUMN amount_nano CODEC(ZSTD(1));

-- Sums by day, by month and by hour as projections: each part of `readings` has them of its own rows, so they are
-- there with the rows or not at all. Nothing has to be made up for after a crash, a repeated block that is dropped is
-- dropped from them, rows for old days are in them at once, and what is removed is removed from them. A materialized
-- view on inserts has none of this. The engine takes them for the queries in the views below, and for any query that
-- asks for some of the same sums by some of the same expressions; never for a number that the rows do not give.
-- `at` is when the ledger booked a reading, `read_at` when the meter read it; days are those of Asia/Shanghai. Flags
-- 183: readings that did not move the accepted register. The last row of a source is the one of the highest input.

ALTER TABLE readings MODIFY SETTING default_compression_codec = 'ZSTD(1)';

-- In parts whose rows are replaced or merged by key a projection would go wrong; these parts are neither.
ALTER TABLE readings ADD PROJECTION IF NOT EXISTS by_day
(
    SELECT
        site, account, meter, kind, partition, source,
        toDate(read_at, 'Asia/Shanghai'),
        toDate(at, 'Asia/Shanghai'),
        count(),
        countIf(bitAnd(flags, 183) = 0),
        countIf(bitAnd(flags, 8) != 0),
        countIf(bitAnd(flags, 8) != 0 AND bitAnd(flags, 183) = 0),
        countIf(bitAnd(flags, 256) != 0),
        sum(toInt128(consumption_milli)),
        sumIf(toInt128(consumption_milli), bitAnd(flags, 183) = 0),
        sum(toInt128(amount_nano)),
        maxIf(2 * toUnixTimestamp64Milli(read_at) + (bitAnd(flags, 256) != 0), bitAnd(flags, 183) = 0),
        argMaxIf(
            register_milli, 2 * toUnixTimestamp64Milli(read_at) + (bitAnd(flags, 256) != 0), bitAnd(flags, 183) = 0),
        max(bitShiftLeft(toUInt128(offset), 32) + line),
        argMax(posting_offset, bitShiftLeft(toUInt128(offset), 32) + line),
        argMax(balance_nano, bitShiftLeft(toUInt128(offset), 32) + line)
    GROUP BY
        site, account, meter, kind, partition, source,
        toDate(read_at, 'Asia/Shanghai'),
        toDate(at, 'Asia/Shanghai')
);

ALTER TABLE readings ADD PROJECTION IF NOT EXISTS by_month
(
    SELECT
        site, account, meter, kind, partition, source,
        toStartOfMonth(at, 'Asia/Shanghai'),
        count(),
        countIf(bitAnd(flags, 183) = 0),
        countIf(bitAnd(flags, 8) != 0),
        countIf(bitAnd(flags, 256) != 0),
        sum(toInt128(consumption_milli)),
        sum(toInt128(amount_nano)),
        maxIf(2 * toUnixTimestamp64Milli(read_at) + (bitAnd(flags, 256) != 0), bitAnd(flags, 183) = 0),
        argMaxIf(
            register_milli, 2 * toUnixTimestamp64Milli(read_at) + (bitAnd(flags, 256) != 0), bitAnd(flags, 183) = 0),
        max(bitShiftLeft(toUInt128(offset), 32) + line),
        argMax(posting_offset, bitShiftLeft(toUInt128(offset), 32) + line),
        argMax(balance_nano, bitShiftLeft(toUInt128(offset), 32) + line)
    GROUP BY
        site, account, meter, kind, partition, source,
        toStartOfMonth(at, 'Asia/Shanghai')
);

ALTER TABLE readings ADD PROJECTION IF NOT EXISTS by_hour
(
    SELECT
        site, kind, toStartOfHour(read_at, 'Asia/Shanghai'),
        count(), sum(toInt128(consumption_milli)), sum(toInt128(amount_nano))
    GROUP BY site, kind, toStartOfHour(read_at, 'Asia/Shanghai')
);

ALTER TABLE readings MATERIALIZE PROJECTION by_day;
ALTER TABLE readings MATERIALIZE PROJECTION by_month;
ALTER TABLE readings MATERIALIZE PROJECTION by_hour;

-- Of batches that were cut in parts, the first posting of each (plus one: a join gives 0 where there is none).
CREATE OR REPLACE VIEW batch_parts AS
SELECT partition, posting_offset, min(posting_offset) OVER (PARTITION BY partition, site, sequence) + 1 AS begun
FROM postings
WHERE parts > 1;

-- What a meter's readings came to, by the day of reading and the day of booking. `moment` is the time of the last
-- accepted reading in halves of a millisecond, 0 where there is none; `input` and `posting_offset` tell the last row.
CREATE OR REPLACE VIEW readings_by_day AS
SELECT
    site, account, meter, kind, partition, source,
    toDate(read_at, 'Asia/Shanghai') AS read_day,
    toDate(at, 'Asia/Shanghai') AS booked_day,
    count() AS readings,
    countIf(bitAnd(flags, 183) = 0) AS accepted,
    countIf(bitAnd(flags, 8) != 0) AS rollovers,
    countIf(bitAnd(flags, 8) != 0 AND bitAnd(flags, 183) = 0) AS accepted_rollovers,
    countIf(bitAnd(flags, 256) != 0) AS finals,
    sum(toInt128(consumption_milli)) AS consumed,
    sumIf(toInt128(consumption_milli), bitAnd(flags, 183) = 0) AS accepted_consumed,
    sum(toInt128(amount_nano)) AS deducted,
    maxIf(2 * toUnixTimestamp64Milli(read_at) + (bitAnd(flags, 256) != 0), bitAnd(flags, 183) = 0) AS moment,
    argMaxIf(
        register_milli, 2 * toUnixTimestamp64Milli(read_at) + (bitAnd(flags, 256) != 0), bitAnd(flags, 183) = 0)
        AS register,
    max(bitShiftLeft(toUInt128(offset), 32) + line) AS input,
    argMax(posting_offset, bitShiftLeft(toUInt128(offset), 32) + line) AS posting_offset,
    argMax(balance_nano, bitShiftLeft(toUInt128(offset), 32) + line) AS balance
FROM readings
GROUP BY site, account, meter, kind, partition, source, read_day, booked_day;

-- The same by the month of booking.
CREATE OR REPLACE VIEW readings_by_month AS
SELECT
    site, account, meter, kind, partition, source,
    toStartOfMonth(at, 'Asia/Shanghai') AS booked_month,
    count() AS readings,
    countIf(bitAnd(flags, 183) = 0) AS accepted,
    countIf(bitAnd(flags, 8) != 0) AS rollovers,
    countIf(bitAnd(flags, 256) != 0) AS finals,
    sum(toInt128(consumption_milli)) AS consumed,
    sum(toInt128(amount_nano)) AS deducted,
    maxIf(2 * toUnixTimestamp64Milli(read_at) + (bitAnd(flags, 256) != 0), bitAnd(flags, 183) = 0) AS moment,
    argMaxIf(
        register_milli, 2 * toUnixTimestamp64Milli(read_at) + (bitAnd(flags, 256) != 0), bitAnd(flags, 183) = 0)
        AS register,
    max(bitShiftLeft(toUInt128(offset), 32) + line) AS input,
    argMax(posting_offset, bitShiftLeft(toUInt128(offset), 32) + line) AS posting_offset,
    argMax(balance_nano, bitShiftLeft(toUInt128(offset), 32) + line) AS balance
FROM readings
GROUP BY site, account, meter, kind, partition, source, booked_month;

-- A day's closing balance is that of its last row, its opening what the day's movements leave of it.
CREATE OR REPLACE VIEW account_day AS
SELECT
    site,
    account,
    day,
    toInt64(closing_nano - recharged - adjusted - shared + refunded + service_fees + fees + deducted) AS opening_nano,
    toInt64(recharged) AS recharged_nano,
    toInt64(refunded) AS refunded_nano,
    toInt64(adjusted) AS adjusted_nano,
    toInt64(service_fees) AS service_fees_nano,
    toInt64(fees) AS fees_nano,
    toInt64(shared) AS shared_nano,
    toInt64(deducted) AS deducted_nano,
    closing_nano
FROM
(
    SELECT
        site,
        account,
        day,
        sumIf(amount, kind IN ('recharge', 'sale')) AS recharged,
        -sumIf(amount, kind IN ('refund', 'closing_refund')) AS refunded,
        sumIf(amount, kind IN ('adjustment', 'reversal', 'opening')) AS adjusted,
        -sumIf(amount, kind = 'service_fee') AS service_fees,
        -sumIf(amount, kind = 'fee') AS fees,
        sumIf(amount, kind = 'share') AS shared,
        -sumIf(amount, kind = 'deduction') AS deducted,
        argMax(
            balance,
            bitShiftLeft(toUInt128(if(begun = 0, posting_offset, toUInt64(begun - 1))), 86)
                + bitShiftLeft(toUInt128(source = 0), 85)
                + bitShiftLeft(bitShiftRight(input, 32), 43)
                + bitShiftLeft(bitAnd(input, 4294967295), 22)
                + bitShiftLeft(toUInt64(kind = 'deduction'), 21)
                + nth) AS closing_nano
    FROM
    (
        SELECT
            site, account, booked_day AS day, 'deduction' AS kind, -deducted AS amount, balance,
            partition, source, input, toUInt32(0) AS nth, posting_offset
        FROM readings_by_day
        UNION ALL
        SELECT
            site, account, toDate(at, 'Asia/Shanghai') AS day, kind, toInt128(amount_nano) AS amount,
            balance_nano AS balance, partition, source, bitShiftLeft(toUInt128(offset), 32) + line AS input,
            nth, posting_offset
        FROM entries
    ) AS moved
    LEFT JOIN batch_parts USING (partition, posting_offset)
    GROUP BY site, account, day
);

-- A day's closing register is that of its last accepted reading, its opening what the day's consumption leaves of it.
CREATE OR REPLACE VIEW meter_day AS
SELECT
    days.site AS site,
    days.account AS account,
    days.meter AS meter,
    days.kind AS kind,
    days.day AS day,
    meters.ratio AS ratio,
    toInt64(closing_milli + rolled_milli - intDivOrZero(consumed, ratio)) AS opening_milli,
    closing_milli,
    toInt64(rolls * toInt64(intExp10(meters.digits + 3))) AS rolled_milli,
    toInt64(consumed) AS consumption_milli,
    days.readings AS readings
FROM
(
    SELECT
        site, account, meter, kind, read_day AS day,
        argMaxIf(register, moment, accepted > 0) AS closing_milli,
        sum(accepted_rollovers) AS rolls,
        sum(accepted_consumed) AS consumed,
        sum(accepted) AS readings
    FROM readings_by_day
    GROUP BY site, account, meter, kind, day
    HAVING readings > 0
) AS days
LEFT JOIN (SELECT site, meter, ratio, digits FROM meters FINAL) AS meters
    ON days.site = meters.site AND days.meter = meters.meter;
