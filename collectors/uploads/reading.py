"""A reading uploaded as numbers, written down as answers of a DL/T645 meter, so that one way leads to the ledger."""

from collections.abc import Iterator
from typing import Final

import msgspec

from collectors.uploads.errors import UploadError
from collectors.wire import dlt645
from collectors.wire.templates import TEMPLATES
from streams.core.conditions import CONDITIONS
from streams.core.told import BANDS_MAX
from streams.core.units import UNITS_LIMIT, Quantity, parse_decimal

READING: Final = "reading"
"""The template of readings that came as numbers."""
_CENTS_LIMIT = 10**10
"""What the template has digits for."""


class Reading(msgspec.Struct, forbid_unknown_fields=True):
    """An entry of `readings`; what is None is not told."""

    address: str
    register: str
    read_at: str
    supply: str | None = None
    bands: list[str] | None = None
    remaining: str | None = None
    count: int | None = None
    conditions: list[str] | None = None


def answers_of(field: str, reading: Reading, address: str) -> Iterator[tuple[str, bytes]]:
    """Items and frames that say what a reading does.

    Args:
        field: Of the reading, for errors.
        address: 12 digits.
    Raises:
        UploadError: A number, or a word, is none.
    """
    template = TEMPLATES[READING]

    def answer(item: str, value: bytes) -> tuple[str, bytes]:
        asked = template.item(item)
        assert asked is not None
        assert len(value) == asked.words
        return item, dlt645.encode_read_answer(address, asked.start, value)

    yield answer("energy", _bcd(_register(f"{field}.register", reading.register), template.energy.words))
    if reading.supply is not None:
        if reading.supply not in ("on", "off"):
            raise UploadError(f"{field}.supply", "must be on or off")
        assert template.relay is not None
        status = (reading.supply == "off") << template.relay.off_bit
        yield answer("relay", status.to_bytes(template.relay.words, "little"))
    if reading.bands is not None:
        yield answer("bands", _bands(f"{field}.bands", reading.bands))
    if reading.remaining is not None:
        cents = _cents(f"{field}.remaining", reading.remaining)
        assert template.remaining is not None
        yield answer("remaining", _bcd(max(cents, 0), template.remaining.words))
        yield answer("overdraft", _bcd(max(-cents, 0), template.remaining.words))
    if reading.count is not None:
        if not 0 <= reading.count < UNITS_LIMIT:
            raise UploadError(f"{field}.count", "must be a whole number from 0, below 10^9")
        assert template.count is not None
        yield answer("count", _bcd(reading.count, template.count.words))
    if reading.conditions is not None:
        yield answer("status", _conditions(f"{field}.conditions", reading.conditions))


def _register(field: str, text: str) -> int:
    """Wh or litres of a register."""
    quantity = parse_decimal(text)
    register = None if quantity is None else quantity.scaled(3)
    if register is None or register < 0:
        raise UploadError(field, "must be a decimal such as 1234.56, below 10^9, of at most 3 decimals")
    return register


def _bands(field: str, texts: list[str]) -> bytes:
    bands = TEMPLATES[READING].bands
    assert bands is not None
    if not 1 <= len(texts) <= BANDS_MAX:
        raise UploadError(field, f"must have 1 to {BANDS_MAX} registers")
    told = [_bcd(_register(f"{field}[{place}]", text), bands.size) for place, text in enumerate(texts)]
    # Those that it does not tell are not available, which no register says by a number.
    return b"".join(told).ljust(bands.words, b"\xff")


def _cents(field: str, text: str) -> int:
    quantity: Quantity | None = parse_decimal(text)
    cents = None if quantity is None else quantity.scaled(2)
    if cents is None or abs(cents) >= _CENTS_LIMIT:
        raise UploadError(field, "must be a decimal such as -12.50, below 10^8, of at most 2 decimals")
    return cents


def _conditions(field: str, names: list[str]) -> bytes:
    status = TEMPLATES[READING].status
    assert status is not None
    word = 0
    for name in names:
        if name not in CONDITIONS:
            raise UploadError(field, f"has {name!r}, which is none of {', '.join(CONDITIONS)}")
        word |= sum(1 << bit for condition, bits in status.bits for bit in bits if condition == name)
    return word.to_bytes(status.words, "little")


def _bcd(number: int, size: int) -> bytes:
    """A number of at least 0 as BCD, low byte first."""
    return bytes.fromhex(f"{number:0{2 * size}d}")[::-1]
