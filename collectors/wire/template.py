"""A device template: what a kind of meter is asked, and how its answers and its control are laid out.

It says what the meter speaks, not how its gateway is reached: a Modbus template serves Modbus TCP and Modbus RTU.
"""

from dataclasses import dataclass
from typing import Final, Literal, get_args

Protocol = Literal["modbus", "dlt645-2007", "cjt188"]
PROTOCOLS: Final[tuple[Protocol, ...]] = get_args(Protocol)


@dataclass(frozen=True, slots=True)
class RegisterItem:
    """The item `energy`: the meter's running total.

    On Modbus `start` and `words` are the register and its count of words, high word first if so said, read by
    `function`; a raw 1 is `scale` Wh or litres. Where `counts` is not 0, the two words are a binary fraction (IEEE 754)
    whose 1.0 is that many raw counts. On DL/T645 `start` is the data identifier and `words` the bytes of BCD.

    On CJ/T188 `start` is the identifier, whose answer has `length` data bytes; behind identifier and SER, from byte
    `at` on, are `words` bytes of BCD and one of unit: a raw 1 is so many Wh or litres as `units` has for it.
    """

    start: int
    words: int
    scale: int = 1
    high_word_first: bool = True
    function: int = 0x03
    counts: int = 0
    at: int = 0
    length: int = 0
    units: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class RelayItem:
    """The item `relay`: where supply is read back, and how it is commanded.

    On Modbus the block of `words` words from `start` is read and written; supply is off where the words equal `off`,
    and on where they equal `on` or where the first is `automatic`: nobody forces the meter, so a cut that was ordered
    has not come through and is to be sent again. On DL/T645 bit `off_bit` of the status word `start` is set
    where the relay is open; `cut` and `restore` are the command bytes N1 of control code 1C.

    On CJ/T188 the answer to `start`, of `length` data bytes, has `words` bytes of status from byte `at` on behind
    identifier and SER, low byte first; what is left of it under `mask` means off if it is in `off`, on if in `on`.
    `cut` and `restore` are the state bytes of control `control` to identifier `command`.
    """

    start: int
    words: int
    off: tuple[int, ...] = ()
    on: tuple[int, ...] = ()
    automatic: int | None = None
    off_bit: int = 0
    cut: int = 0
    restore: int = 0
    password: str = ""
    operator: str = ""
    at: int = 0
    length: int = 0
    mask: int = 0
    control: int = 0
    command: int = 0


@dataclass(frozen=True, slots=True)
class Template:
    """One kind of meter.

    Attributes:
        meter: What it is, for people.
        relay: None where the meter has neither relay nor valve: its supply is unknown and nothing commands it.
        meter_type: CJ/T188's byte T in requests.
        low_byte_first: Whether requests of CJ/T188 send the low byte of an identifier first; answers may do either.
    """

    name: str
    protocol: Protocol
    meter: str
    energy: RegisterItem
    relay: RelayItem | None = None
    meter_type: int = 0
    low_byte_first: bool = False

    @property
    def in_one_answer(self) -> bool:
        """Whether the answer that has the register tells of supply too."""
        return self.protocol == "cjt188" and self.relay is not None and self.relay.start == self.energy.start
