"""Whether the items of a template, each good by itself, are so together."""

from collections.abc import Iterator, Mapping

from collectors.wire.binary_fraction import HIGHEST
from collectors.wire.clock import CJT188_SIZE
from collectors.wire.template import AnyItem, BandsItem, ClockItem, Protocol, RegisterItem, RelayItem, StatusItem
from streams.core.told import BANDS_MAX, INT64_MAX

_SIZE_MAX = {"modbus": 4, "dlt645-2007": 8, "cjt188": 7}
"""Words or bytes of one number."""


def misfits(protocol: Protocol, items: Mapping[str, AnyItem | ClockItem]) -> Iterator[tuple[str, str]]:
    """Fields that are good by themselves but do not fit each other, and why."""
    for name, item in items.items():
        match item:
            case RegisterItem():
                yield from _of_register(protocol, name, item)
            case BandsItem():
                yield from _of_bands(protocol, name, item)
            case RelayItem():
                yield from _of_relay(protocol, item)
            case StatusItem():
                yield from _of_status(protocol, name, item)
            case ClockItem():
                yield from _of_clock(protocol, item)
    if "overdraft" in items and "remaining" not in items:
        yield "overdraft", "says nothing without [remaining], of which it is taken"
    status = items.get("status")
    for condition, _ in status.bits if isinstance(status, StatusItem) else ():
        if condition in items:
            yield condition.value, "is told by [status] too; one of the two must do"


def _of_register(protocol: Protocol, name: str, item: RegisterItem) -> Iterator[tuple[str, str]]:
    if protocol == "mbus":
        return
    if protocol == "modbus" and item.counts and item.words != 2:
        yield f"{name}.words", "is 2 where `counts` says that the words are a binary fraction"
    highest = HIGHEST * item.scale if item.counts else _highest(protocol, item.words, _scale(item))
    if highest > INT64_MAX:
        yield f"{name}.words", f"with its scale goes up to {highest}, beyond 64 bits"
    if protocol == "cjt188" and item.at + item.words + bool(item.units) > item.length - 3:
        behind = "words and the unit behind them ends" if item.units else "words ends"
        yield f"{name}.at", f"with {behind} behind the answer of `length`"


def _of_bands(protocol: Protocol, name: str, item: BandsItem) -> Iterator[tuple[str, str]]:
    if item.words % item.registers:
        yield f"{name}.words", f"is not for {item.registers} registers of one length"
    if item.size > _SIZE_MAX[protocol]:
        yield f"{name}.words", f"has {item.size} for a register, more than {_SIZE_MAX[protocol]}"
    elif (highest := _highest(protocol, item.size, item.scale)) > INT64_MAX:
        yield f"{name}.words", f"with its scale goes up to {highest}, beyond 64 bits"
    if not 1 <= item.tariffs <= BANDS_MAX:
        yield f"{name}.skip", f"leaves {item.tariffs} registers by tariff, not 1 to {BANDS_MAX}"
    if protocol == "cjt188" and item.at + item.words > item.length - 3:
        yield f"{name}.at", "with words ends behind the answer of `length`"


def _of_status(protocol: Protocol, name: str, item: StatusItem) -> Iterator[tuple[str, str]]:
    size = (16 if protocol == "modbus" else 8) * item.words
    for condition, bits in item.bits:
        if max(bits) >= size:
            yield f"{name}.bits.{condition}", f"has {max(bits)}, which is not within {size} bits"
    if protocol == "cjt188" and item.at + item.words > item.length - 3:
        yield f"{name}.at", "with words ends behind the answer of `length`"


def _of_clock(protocol: Protocol, clock: ClockItem) -> Iterator[tuple[str, str]]:
    if protocol == "dlt645-2007" and clock.start == clock.date:
        yield "clock.date", "is the same as `start`, the time of day"
    if protocol == "cjt188" and clock.at + CJT188_SIZE > clock.length - 3:
        yield "clock.at", f"with the {CJT188_SIZE} bytes of a clock ends behind the answer of `length`"
    if protocol == "cjt188" and bool(clock.command) != bool(clock.control):
        yield "clock.command", "goes with `control`: both, or the clock is not set"


def _scale(item: RegisterItem) -> int:
    return max((scale for _, scale in item.units), default=item.scale)


def _highest(protocol: Protocol, size: int, scale: int) -> int:
    """The highest number that so many words or bytes are to tell."""
    # Of four words no meter uses all: an answer that tells more than 64 bits hold is refused by itself.
    highest: int = (1 << 16 * min(size, 3)) - 1 if protocol == "modbus" else 10 ** (2 * size) - 1
    return highest * scale


def _of_relay(protocol: Protocol, relay: RelayItem) -> Iterator[tuple[str, str]]:
    if protocol == "modbus":
        for name, words in (("off", relay.off), ("on", relay.on)):
            if len(words) != relay.words:
                yield f"relay.{name}", f"has {len(words)} words, `words` says {relay.words}"
    if protocol == "dlt645-2007" and relay.off_bit >= 8 * relay.words:
        yield "relay.off_bit", f"is not within {relay.words} bytes"
    if protocol == "cjt188" and relay.at + relay.words > relay.length - 3:
        yield "relay.at", "with words ends behind the answer of `length`"
    if protocol == "cjt188" and any(value & ~relay.mask for value in (*relay.off, *relay.on)):
        yield "relay.mask", "leaves out bits that `off` and `on` have"
    if protocol == "cjt188" and set(relay.off) & set(relay.on):
        yield "relay.off", "has a value that `on` has too"
    if protocol == "modbus" and relay.off == relay.on:
        yield "relay.off", "is the same as `on`"
    if protocol == "modbus" and relay.automatic is not None and relay.off[:1] == (relay.automatic,):
        yield "relay.automatic", "is the first word of `off`, so that nothing would mean off"
    if bool(relay.retain) != bool(relay.release):
        yield "relay.retain", "goes with `release`: what is begun must be able to end"
    if relay.retain and len({relay.cut, relay.restore, relay.retain, relay.release}) < 4:
        yield "relay.retain", "is among `cut`, `restore` and `release`, or one of them is there twice"
    if protocol != "modbus" and relay.cut == relay.restore:
        yield "relay.cut", "is the same as `restore`"
