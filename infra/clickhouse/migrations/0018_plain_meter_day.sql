-- `meter_day` again, straight from the readings' sums by day instead of by way of `readings_by_day`, whose eleven sums
-- it did not need: one meter's year takes 0.04 s instead of 0.05 s, a group's month 0.27 s instead of 0.39 s (10,000
-- meters, 175 million readings). The expressions are still those of the projection `by_day`.

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
