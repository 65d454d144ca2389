-- What the components of tariffs (supply, sewage, ...) brought. Each component is priced alone, so what a cell (version,
-- band, tier) came to for one is the cell's quantity times that component's price, exactly, and the components of a
-- cell add up to its amount. A quantity stands with each of its components: sum it for one of them.

CREATE OR REPLACE VIEW component_prices AS
SELECT site, tariff, number AS version, component, band, toUInt8(nth - 1) AS tier, price AS price_nano
FROM (SELECT * FROM tariff_versions FINAL)
ARRAY JOIN components AS component, prices AS by_band
ARRAY JOIN bands AS band, by_band AS by_tier
ARRAY JOIN by_tier AS price, arrayEnumerate(by_tier) AS nth;

-- By the day of reading, as meter_day.
CREATE OR REPLACE VIEW meter_day_components AS
SELECT
    cells.site AS site,
    cells.account AS account,
    cells.meter AS meter,
    cells.kind AS kind,
    cells.day AS day,
    cells.tariff AS tariff,
    cells.version AS version,
    cells.band AS band,
    cells.tier AS tier,
    prices.component AS component,
    prices.price_nano AS price_nano,
    cells.quantity_milli AS quantity_milli,
    cells.quantity_milli * prices.price_nano AS amount_nano
FROM meter_day_cells AS cells
INNER JOIN component_prices AS prices
    ON cells.site = prices.site AND cells.version = prices.version AND cells.band = prices.band
    AND cells.tier = prices.tier;

-- By the day of booking, as account_day: the amounts of an account's day add up to its deducted_nano.
CREATE OR REPLACE VIEW account_day_components AS
SELECT
    cells.site AS site,
    cells.account AS account,
    cells.kind AS kind,
    cells.day AS day,
    cells.tariff AS tariff,
    cells.version AS version,
    cells.band AS band,
    cells.tier AS tier,
    prices.component AS component,
    prices.price_nano AS price_nano,
    cells.quantity_milli AS quantity_milli,
    cells.quantity_milli * prices.price_nano AS amount_nano
FROM
(
    SELECT site, account, kind, toDate(at, 'Asia/Shanghai') AS day, tariff, version, band, tier,
        sum(quantity) AS quantity_milli
    FROM
    (
        SELECT site, account, kind, at, tariff, version, band, tier, consumption_milli AS quantity
        FROM readings
        WHERE version != 65535
        UNION ALL
        SELECT site, account, kind, at, tariff, version, band, tier, quantity_milli AS quantity
        FROM pieces
    ) AS priced
    GROUP BY site, account, kind, day, tariff, version, band, tier
) AS cells
INNER JOIN component_prices AS prices
    ON cells.site = prices.site AND cells.version = prices.version AND cells.band = prices.band
    AND cells.tier = prices.tier;

-- The load of a site by hour, from the sums that `readings` keeps by hour (projection by_hour). An hour is that of the
-- reading that shows a consumption.
CREATE OR REPLACE VIEW load_hour AS
SELECT
    site,
    kind,
    toStartOfHour(read_at, 'Asia/Shanghai') AS hour,
    count() AS readings,
    sum(toInt128(consumption_milli)) AS consumption_milli,
    sum(toInt128(amount_nano)) AS amount_nano
FROM readings
GROUP BY site, kind, hour;
