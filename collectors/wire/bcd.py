"""BCD values as the meters send them: low byte first, all bytes FF where a value is absent."""

from datetime import datetime

from collectors.wire.errors import FrameError


def is_absent(value: bytes) -> bool:
    """Whether a meter says that it has no such value."""
    return value.count(0xFF) == len(value)


def decimal_text(value: bytes, decimals: int, *, signed: bool = False, at: int = 0) -> str | None:
    """The decimal of BCD bytes with all its decimals; None where it is absent.

    Args:
        signed: Whether the top bit is the sign.
        at: The value's place in its frame, for the error.
    Raises:
        FrameError: A digit is none.

    >>> decimal_text(bytes.fromhex("563412"), 2), decimal_text(bytes.fromhex("1280"), 3, signed=True)
    ('1234.56', '-0.012')
    """
    if is_absent(value):
        return None
    negative = signed and value[-1] & 0x80 != 0
    digits = (value[:-1] + bytes([value[-1] & 0x7F]) if signed else value)[::-1].hex()
    if not digits.isdecimal():
        raise FrameError(at, f"{digits.upper()} is no BCD")
    padded = f"{int(digits):0{decimals + 1}d}"
    text = f"{padded[:-decimals]}.{padded[-decimals:]}" if decimals else padded
    return f"-{text}" if negative else text


def number(value: bytes, *, at: int = 0) -> int | None:
    """The whole number of BCD bytes; None where it is absent.

    Raises:
        FrameError: A digit is none.
    """
    text = decimal_text(value, 0, at=at)
    return None if text is None else int(text)


def moment(year: bytes, rest: bytes) -> str | None:
    """`YYYY-MM-DD hh:mm:ss` of BCD bytes; None where they are no time: a meter's clock may show anything.

    Args:
        year: Two digits of this century, or four, high byte first.
        rest: Month, day, hour, minute and maybe second, high part first.

    >>> moment(bytes.fromhex("17"), bytes.fromhex("0605102251"))
    '2017-06-05 10:22:51'
    """
    digits = (year if len(year) == 2 else b"\x20" + year).hex() + rest.hex()
    form = "%Y%m%d%H%M%S"[: 2 + 2 * (len(rest) + 1) - 2]
    try:
        return datetime.strptime(digits, form).strftime("%Y-%m-%d %H:%M:%S")  # noqa: DTZ007 a meter's own clock
    except ValueError:
        return None
