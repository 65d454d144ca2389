"""The smallest pieces that packets are built of, as bytes."""


def varint(number: int) -> bytes:
    """A number of 0 and above: 7 bits a byte, lowest first, the top bit set on all but the last.

    >>> varint(300)
    b'\\xac\\x02'
    """
    if number < 0x80:
        return bytes((number,))
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def text(value: str) -> bytes:
    """A text: its length in bytes as a varint, then UTF-8.

    >>> text("kWh")
    b'\\x03kWh'
    """
    encoded = value.encode("utf-8", "surrogateescape")
    return varint(len(encoded)) + encoded
