-- The views of 0009 again, with the order of rows in one number instead of a tuple: the last balance of every account
-- takes a seventh of the time (8.6 million readings: 0.5 s instead of 3.2 s).

-- `place`, from the highest bits down: 46 bits the batch (its first posting), 1 bit frames after orders, 47 bits the
-- offset, 1 bit entry after deductions, 32 bits the line.
CREATE OR REPLACE VIEW movements AS
SELECT
    site,
    account,
    at,
    kind,
    amount_nano,
    balance_nano,
    bitShiftLeft(toUInt128(if(begun = 0, posting_offset, toUInt64(begun - 1))), 81)
        + bitShiftLeft(toUInt128(source = 0), 80)
        + bitShiftLeft(toUInt128(offset), 33)
        + bitShiftLeft(toUInt128(is_entry), 32)
        + line AS place,
    source,
    partition,
    offset,
    line,
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

-- `moment` is the time of the reading in halves of a millisecond, a final register after the reading of the same time.
CREATE OR REPLACE VIEW accepted_readings AS
SELECT
    readings.*,
    ratio,
    if(bitAnd(flags, 8) != 0, toInt64(intExp10(digits + 3)), 0) AS rolled_milli,
    register_milli + rolled_milli - intDivOrZero(consumption_milli, ratio) AS from_milli,
    bitAnd(flags, 256) != 0 AS is_final,
    2 * toUnixTimestamp64Milli(read_at) + is_final AS moment
FROM readings
LEFT JOIN (SELECT site, meter, ratio, digits FROM meters FINAL) AS meters
    ON readings.site = meters.site AND readings.meter = meters.meter
WHERE bitAnd(flags, 1 + 2 + 4 + 16 + 32 + 128) = 0;

CREATE OR REPLACE VIEW meter_day AS
SELECT
    site,
    account,
    meter,
    kind,
    toDate(read_at, 'Asia/Shanghai') AS day,
    any(ratio) AS ratio,
    argMin(from_milli, moment) AS opening_milli,
    argMax(register_milli, moment) AS closing_milli,
    sum(rolled_milli) AS rolled_milli,
    sum(consumption_milli) AS consumption_milli,
    count() AS readings
FROM accepted_readings
GROUP BY site, account, meter, kind, day;
