-- Codecs chosen by `make bench ARGS=fleet_disk`, the virtual fleet's meters at half hours, and held against `history`.
-- Prices have four decimals, so amounts and balances have a large common divisor. A piece begins where its reading's
-- interval or a band does: as with a reading, the second difference is no smaller than the first.

ALTER TABLE readings
    MODIFY COLUMN register_milli CODEC(GCD, Delta, T64('bit'), ZSTD(1)),
    MODIFY COLUMN consumption_milli CODEC(GCD, T64('bit'), ZSTD(1)),
    MODIFY COLUMN amount_nano CODEC(GCD, ZSTD(3)),
    MODIFY COLUMN balance_nano CODEC(GCD, Delta, ZSTD(3));

ALTER TABLE pieces
    MODIFY COLUMN at CODEC(Delta, ZSTD(1)),
    MODIFY COLUMN read_at CODEC(Delta, ZSTD(1)),
    MODIFY COLUMN start CODEC(Delta, ZSTD(1)),
    MODIFY COLUMN amount_nano CODEC(GCD, ZSTD(3));
