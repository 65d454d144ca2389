"""A device template: what a kind of meter is asked, and how its answers and its control are laid out.

It says what the meter speaks, not how its gateway is reached: a Modbus template serves Modbus TCP and Modbus RTU.
"""

from dataclasses import dataclass
from typing import ClassVar, Final, Literal, get_args

from streams.core.conditions import EVENTS, Condition

Protocol = Literal["modbus", "dlt645-2007", "cjt188", "mbus"]
PROTOCOLS: Final[tuple[Protocol, ...]] = get_args(Protocol)

EVENT_ITEMS: Final = tuple(event.value for event in EVENTS)
"""Items that count events of a condition, called as it."""
REGISTERS: Final = ("energy", "remaining", "overdraft", "count", *EVENT_ITEMS)
"""Items that are one number each; of them a meter has the first for sure."""


@dataclass(frozen=True, slots=True)
class RegisterItem:
    """One number of a meter: the item `energy`, its running total; or of credit in the meter itself `remaining`,
    `overdraft` (what it has spent beyond that) and `count` (the recharges it has taken); or of `EVENT_ITEMS`.

    A raw 1 is `scale` Wh or litres, nano-yuan, recharges or events. On Modbus `start` and `words` are the register and
    its count of words, high word first if so said, read by `function`. Where `counts` is not 0, the two words are a
    binary fraction (IEEE 754) whose 1.0 is that many raw counts. On DL/T645 `start` is the data identifier and `words`
    the bytes of BCD.

    On CJ/T188 `start` is the identifier, whose answer has `length` data bytes; behind identifier and SER, from byte
    `at` on, are `words` bytes of BCD and, where there are `units`, one of unit: a raw 1 is so many Wh or litres as
    they have for it.

    On M-Bus the item is the volume of the storage `start`, in litres whatever the meter counts in.
    """

    start: int
    words: int = 0
    scale: int = 1
    high_word_first: bool = True
    function: int = 0x03
    counts: int = 0
    at: int = 0
    length: int = 0
    units: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class BandsItem:
    """The item `bands`: the meter's registers by tariff, `registers` numbers of one length in one answer.

    The first `skip` of them are of no tariff, such as the total that DL/T645 sends ahead; the others are of tariff 1, 2
    and so on. `words` is the length of all together; the rest is as for a `RegisterItem`.
    """

    start: int
    words: int
    registers: int
    scale: int = 1
    skip: int = 0
    high_word_first: bool = True
    function: int = 0x03
    at: int = 0
    length: int = 0

    @property
    def size(self) -> int:
        """Words or bytes of one register."""
        return self.words // self.registers

    @property
    def tariffs(self) -> int:
        """How many registers are of a tariff."""
        return self.registers - self.skip


@dataclass(frozen=True, slots=True)
class RelayItem:
    """The item `relay`: where supply is read back, and how it is commanded.

    On Modbus the block of `words` words from `start` is read and written; supply is off where the words equal `off`,
    and on where they equal `on` or where the first is `automatic`: nobody forces the meter, so a cut that was ordered
    has not come through and is to be sent again. On DL/T645 bit `off_bit` of the status word `start` is set
    where the relay is open; `cut` and `restore` are the command bytes N1 of control code 1C, `retain` and `release`
    those by which the meter cuts no more by itself, and does again; 0 where it knows none.

    On CJ/T188 the answer to `start`, of `length` data bytes, has `words` bytes of status from byte `at` on behind
    identifier and SER, low byte first; what is left of it under `mask` means off if it is in `off`, on if in `on`.
    `cut` and `restore` are the state bytes of control `control` to identifier `command`.
    """

    function: ClassVar[int] = 0x03

    start: int
    words: int
    off: tuple[int, ...] = ()
    on: tuple[int, ...] = ()
    automatic: int | None = None
    off_bit: int = 0
    cut: int = 0
    restore: int = 0
    retain: int = 0
    release: int = 0
    password: str = ""
    operator: str = ""
    at: int = 0
    length: int = 0
    mask: int = 0
    control: int = 0
    command: int = 0


@dataclass(frozen=True, slots=True)
class StatusItem:
    """The item `status`: words whose bits show conditions of the meter.

    Attributes:
        bits: By condition the bits, any of which shows it. Bit 0 is the lowest of the byte that is sent first, bit 8
            the lowest of the second; on Modbus bit 0 is the lowest of the first word, bit 16 that of the second.
    """

    start: int
    words: int
    bits: tuple[tuple[Condition, tuple[int, ...]], ...]
    function: int = 0x03
    at: int = 0
    length: int = 0


@dataclass(frozen=True, slots=True)
class ClockItem:
    """Where a meter's clock is read, and how it is set; no item of a round, since it says nothing of consumption.

    On DL/T645 `start` is the identifier of the time of day and `date` that of the date; all meters of the bus are set
    at once by the broadcast of control 08. On CJ/T188 the answer to `start`, of `length` data bytes, has seven bytes of
    time from byte `at` on behind identifier and SER; a time laid out likewise is written by `control` to identifier
    `command`, where there is one.
    """

    start: int
    date: int = 0
    at: int = 0
    length: int = 0
    control: int = 0
    command: int = 0


AnyItem = RegisterItem | BandsItem | RelayItem | StatusItem


@dataclass(frozen=True, slots=True)
class Template:
    """One kind of meter.

    Attributes:
        meter: What it is, for people.
        remaining, overdraft, count: None where the meter holds no credit, or does not tell it so.
        bands: None where it has no registers by tariff, or they are not to be read.
        status: None where no bits of it are known.
        cover_opened, terminal_cover_opened, magnetic_field: None where it does not count them.
        clock: None where the meter's clock is not to be read.
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
    remaining: RegisterItem | None = None
    overdraft: RegisterItem | None = None
    count: RegisterItem | None = None
    bands: BandsItem | None = None
    status: StatusItem | None = None
    cover_opened: RegisterItem | None = None
    terminal_cover_opened: RegisterItem | None = None
    magnetic_field: RegisterItem | None = None
    clock: ClockItem | None = None

    def requests(self, *, with_events: bool = True) -> list[tuple[str, ...]]:
        """What a meter is asked in a round: for each request the names of the items that its answer serves.

        Args:
            with_events: Whether it is asked for its counts of events too.
        """
        asked: dict[tuple[int, ...], list[str]] = {}
        for name in ITEMS:
            item = self.item(name)
            if item is not None and (with_events or name not in EVENT_ITEMS):
                whole = (item.function, item.words) if self.protocol == "modbus" else ()
                asked.setdefault((item.start, *whole), []).append(name)
        return [tuple(names) for names in asked.values()]

    def item(self, name: str) -> AnyItem | None:
        """The item of a name; None where the meter has none such."""
        found: AnyItem | None = getattr(self, name) if name in ITEMS else None
        return found

    def register(self, name: str) -> RegisterItem | None:
        """The item of a name that is one number; None where the meter has none such."""
        found: RegisterItem | None = getattr(self, name) if name in REGISTERS else None
        return found

    def shows(self, condition: Condition) -> str | None:
        """The name of the item that shows a condition; None where none does."""
        if self.item(condition) is not None:
            return condition.value
        named = () if self.status is None else (each for each, _ in self.status.bits)
        return "status" if condition in named else None


ITEMS: Final = ("energy", "relay", "bands", "remaining", "overdraft", "count", "status", *EVENT_ITEMS)
"""All names of items, as rounds have them and in the order in which a meter is asked."""
