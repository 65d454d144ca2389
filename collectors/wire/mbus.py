"""M-Bus (EN 13757-2 and -3): frames, the request for a meter's data, and the volume in what it answers.

    10 | C | A | CS | 16                        short: requests
    68 | L | L | 68 | C | A | CI ... | CS | 16  long: answers; L counts C to the last byte before CS

CS is the sum mod 256 from C on. The records of an answer are read by pymbusparser, which gives exact decimals.
"""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import pymbusparser

from collectors.wire.errors import FrameError
from collectors.wire.sum_cutter import SumCutter

REQUEST: Final = 0x5B
"""REQ_UD2, the bit by which a meter tells a repeated request from a further one not set."""
FURTHER: Final = 0x20
"""That bit."""
ANSWER: Final = 0x08
_ASIDE: Final = 0x30
"""Bits of an answer's C that say something else: more urgent data, and no room for orders."""
SHORTEST: Final = 9
_SHORT_START, _START, _END = 0x10, 0x68, 0x16
_LITRES_A_CUBIC_METRE = 1_000


@dataclass(frozen=True, slots=True)
class MbusFrame:
    """A long frame taken apart; `data` is what follows CI."""

    control: int
    address: int
    ci: int
    data: bytes


def encode_request(address: int, *, further: bool) -> bytes:
    """A request for a meter's data.

    Args:
        further: Of two in a row that were answered one has this set, the next not: else the meter repeats what it said.

    >>> encode_request(1, further=False).hex(" ")
    '10 5b 01 5c 16'
    """
    body = bytes([REQUEST | FURTHER if further else REQUEST, address])
    return bytes([_SHORT_START]) + body + bytes([sum(body) & 0xFF, _END])


def encode_answer(address: int, ci: int, data: bytes) -> bytes:
    """A meter's answer."""
    body = bytes([ANSWER, address, ci]) + data
    return bytes([_START, len(body), len(body), _START]) + body + bytes([sum(body) & 0xFF, _END])


def decode_frame(frame: bytes) -> MbusFrame:
    """Take one whole long frame apart.

    Raises:
        FrameError: Length, start, end or check value is wrong.
    """
    if len(frame) < SHORTEST:
        raise FrameError(len(frame), f"is cut short: an answer has at least {SHORTEST} bytes")
    for place in (0, 3):
        if frame[place] != _START:
            raise FrameError(place, f"is {frame[place]:02X}, not the start 68")
    for place in (1, 2):
        if frame[place] != len(frame) - 6:
            raise FrameError(place, f"length says {frame[place]} bytes, {len(frame) - 6} are there")
    if frame[-1] != _END:
        raise FrameError(len(frame) - 1, f"is {frame[-1]:02X}, not the end 16")
    check = sum(frame[4:-2]) & 0xFF
    if frame[-2] != check:
        raise FrameError(len(frame) - 2, f"check value is {frame[-2]:02X}, right is {check:02X}")
    return MbusFrame(frame[4], frame[5], frame[6], frame[7:-2])


def is_answer(frame: MbusFrame) -> bool:
    """Whether a frame is a meter's answer with its data."""
    return frame.control & ~_ASIDE == ANSWER


def read_records(frame: bytes) -> dict[str, Any]:
    """All that an answer tells, in the words of pymbusparser.

    Raises:
        FrameError: It is no good answer, or its records cannot be told apart.
    """
    if not is_answer(decode_frame(frame)):
        raise FrameError(4, f"control {frame[4]:02X} is not the answer to a request for data")
    try:
        found: dict[str, Any] = pymbusparser.parse(frame.hex())
    except pymbusparser.MbusParserError as error:
        raise FrameError(6, f"cannot be read: {error}") from error
    return found


def read_litres(frame: bytes, address: int, storage: int) -> int:
    """The volume that a meter has counted, in whole litres: what is finer waits for the next.

    Args:
        storage: Number of the value; 0 is that of now, others were stored on some day.
    Raises:
        FrameError: The answer is damaged, of another meter, or has not exactly one such volume as a whole decimal.
    """
    found = read_records(frame)
    if frame[5] != address:
        raise FrameError(5, f"is of meter {frame[5]}, not {address}")
    volumes = [record for record in found["records"] if _is_volume(record, storage)]
    if len(volumes) != 1:
        raise FrameError(7, f"has {len(volumes)} volumes of storage {storage}, not one")
    return _litres(volumes[0])


def _is_volume(record: dict[str, Any], storage: int) -> bool:
    """Whether a record is the total of all that went through, at the moment of that storage."""
    place = (record.get("function"), record.get("storage_number"), record.get("tariff"), record.get("subunit"))
    return place == ("Instantaneous value", storage, 0, 0) and record.get("quantities") == ["Volume"]


def _litres(record: dict[str, Any]) -> int:
    value, digits = record["value"], bytes.fromhex(record["data_hex"])[::-1].hex()
    if record["data_coding"] == "Variable length":
        # Its digits cannot be checked here, and one of no bytes at all would count as 0.
        raise FrameError(7, "volume is a number of no fixed length")
    if "BCD" in record["data_coding"] and not digits.isdecimal():
        raise FrameError(7, f"{digits.upper()} is no BCD")
    if record.get("unit") != "m3" or value["kind"] != "decimal":
        raise FrameError(7, f"volume is {value['kind']} in {record.get('unit')}, not decimal in m3")
    try:
        litres = int(Decimal(value["value"]) * _LITRES_A_CUBIC_METRE)
    except InvalidOperation:
        raise FrameError(7, f"volume {value['value']!r} is no number") from None
    if litres < 0 or litres >> 62:
        raise FrameError(7, f"volume {value['value']} m3 is none that a meter has counted")
    return litres


class MbusCutter(SumCutter):
    """Cuts a stream into valid long frames; what is none is passed over."""

    head_size = 4

    def frame_size(self, head: bytes) -> int:
        """See `SumCutter.frame_size`."""
        return head[1] + 6 if head[1] == head[2] and head[3] == _START and head[1] >= SHORTEST - 6 else 0

    def is_summed(self, frame: bytes) -> bool:
        """See `SumCutter.is_summed`."""
        return sum(frame[4:-2]) & 0xFF == frame[-2]
