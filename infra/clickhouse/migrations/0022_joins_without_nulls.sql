-- The views with a join again, so that the setting join_use_nulls changes nothing: there a row without a partner is
-- NULL instead of 0. `movements`, `accepted_readings` and `meter_day` refused to answer then, and `account_day` took
-- the last row of a batch that was cut in parts for the day's last, and told its balance as the closing one.

CREATE OR REPLACE VIEW movements AS
SELECT
    site,
    account,
    at,
    kind,
    amount_nano,
    balance_nano,
    bitShiftLeft(toUInt128(if(ifNull(begun, 0) = 0, posting_offset, toUInt64(ifNull(begun, 0) - 1))), 86)
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

CREATE OR REPLACE VIEW accepted_readings AS
SELECT
    readings.*,
    ifNull(meters.ratio, 0) AS ratio,
    if(bitAnd(flags, 8) != 0, toInt64(intExp10(ifNull(meters.digits, 0) + 3)), 0) AS rolled_milli,
    register_milli + rolled_milli - intDivOrZero(consumption_milli, ifNull(meters.ratio, 0)) AS from_milli,
    bitAnd(flags, 256) != 0 AS is_final,
    2 * toUnixTimestamp64Milli(read_at) + is_final AS moment
FROM readings
LEFT JOIN (SELECT site, meter, ratio, digits FROM meters FINAL) AS meters
    ON readings.site = meters.site AND readings.meter = meters.meter
WHERE bitAnd(flags, 1 + 2 + 4 + 16 + 32 + 128) = 0;

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
            bitShiftLeft(toUInt128(if(ifNull(begun, 0) = 0, posting_offset, toUInt64(ifNull(begun, 0) - 1))), 86)
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

CREATE OR REPLACE VIEW meter_day AS
SELECT
    days.site AS site,
    days.account AS account,
    days.meter AS meter,
    days.kind AS kind,
    days.day AS day,
    ifNull(meters.ratio, 0) AS ratio,
    toInt64(closing_milli + rolled_milli - intDivOrZero(consumed, ratio)) AS opening_milli,
    closing_milli,
    toInt64(rolls * toInt64(intExp10(ifNull(meters.digits, 0) + 3))) AS rolled_milli,
    toInt64(consumed) AS consumption_milli,
    days.readings AS readings
FROM
(
    SELECT
        site, account, meter, kind, toDate(read_at, 'Asia/Shanghai') AS day,
        argMaxIf(
            register_milli, 2 * toUnixTimestamp64Milli(read_at) + (bitAnd(flags, 256) != 0), bitAnd(flags, 183) = 0)
            AS closing_milli,
        countIf(bitAnd(flags, 8) != 0 AND bitAnd(flags, 183) = 0) AS rolls,
        sumIf(toInt128(consumption_milli), bitAnd(flags, 183) = 0) AS consumed,
        countIf(bitAnd(flags, 183) = 0) AS readings
    FROM readings
    GROUP BY site, account, meter, kind, day
    HAVING readings > 0
) AS days
LEFT JOIN (SELECT site, meter, ratio, digits FROM meters FINAL) AS meters
    ON days.site = meters.site AND days.meter = meters.meter;
