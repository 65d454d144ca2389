"""DL/T645-2007 data identifiers: what stands behind one in an answer, and how it is written (GB table A, 1.3 and 1.4).

Patterns are eight hexadecimal digits from DI3 to DI0; a dot is any digit. The first that fits holds.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache


class Form(StrEnum):
    """How the bytes of a value are meant."""

    DECIMAL = "decimal"
    COUNT = "count"
    NUMBER = "number"
    WORD = "word"
    DATE = "date"
    TIME = "time"
    MOMENT = "moment"


@dataclass(frozen=True, slots=True)
class Identifier:
    """One kind of value.

    Attributes:
        size: Bytes of one value; an answer holds one or, in a block, several.
    """

    kind: str
    form: Form
    size: int
    unit: str = ""
    decimals: int = 0
    signed: bool = False


_ENERGY = {"form": Form.DECIMAL, "size": 4, "unit": "kWh", "decimals": 2}
_MONEY = {"form": Form.DECIMAL, "size": 4, "unit": "yuan", "decimals": 2}
_POWER = {"form": Form.DECIMAL, "size": 3, "unit": "kW", "decimals": 4, "signed": True}
_EVENTS = {"form": Form.COUNT, "size": 3}
_MOMENT = {"form": Form.MOMENT, "size": 5}

_TABLE: tuple[tuple[str, Identifier], ...] = tuple(
    (pattern, Identifier(kind, **fields))  # type: ignore[arg-type]
    for pattern, kind, fields in (
        ("00900100", "remaining energy", _ENERGY),
        ("00900101", "overdraft energy", _ENERGY),
        ("00900200", "remaining amount", _MONEY),
        ("00900201", "overdraft amount", _MONEY),
        ("0000....", "combined active energy", {**_ENERGY, "signed": True}),
        ("0001....", "forward active energy", _ENERGY),
        ("0002....", "reverse active energy", _ENERGY),
        ("0201..00", "voltage", {"form": Form.DECIMAL, "size": 2, "unit": "V", "decimals": 1}),
        ("0202..00", "current", {"form": Form.DECIMAL, "size": 3, "unit": "A", "decimals": 3, "signed": True}),
        ("0203..00", "active power", _POWER),
        (
            "0204..00",
            "reactive power",
            {"form": Form.DECIMAL, "size": 3, "unit": "kvar", "decimals": 4, "signed": True},
        ),
        ("0205..00", "apparent power", {"form": Form.DECIMAL, "size": 3, "unit": "kVA", "decimals": 4}),
        ("0206..00", "power factor", {"form": Form.DECIMAL, "size": 2, "decimals": 3, "signed": True}),
        ("02800002", "grid frequency", {"form": Form.DECIMAL, "size": 2, "unit": "Hz", "decimals": 2}),
        ("04000101", "date", {"form": Form.DATE, "size": 4}),
        ("04000102", "time", {"form": Form.TIME, "size": 3}),
        ("04000401", "communication address", {"form": Form.NUMBER, "size": 6}),
        ("04000402", "meter number", {"form": Form.NUMBER, "size": 6}),
        ("0400040E", "customer number", {"form": Form.NUMBER, "size": 6}),
        ("040005..", "status word", {"form": Form.WORD, "size": 2}),
        ("0400100.", "limit, amount", _MONEY),
        ("04000F0.", "limit, energy", _ENERGY),
        ("040501..", "price", {"form": Form.DECIMAL, "size": 4, "unit": "yuan/kWh", "decimals": 4}),
        ("040600..", "ladder step", _ENERGY),
        ("040601..", "ladder price", {"form": Form.DECIMAL, "size": 4, "unit": "yuan/kWh", "decimals": 4}),
        ("033[23]01..", "last purchase date", _MOMENT),
        ("033[23]02..", "purchase count", {"form": Form.COUNT, "size": 2}),
        ("033303..", "last purchase amount", _MONEY),
        ("033304..", "amount before purchase", _MONEY),
        ("033305..", "amount after purchase", _MONEY),
        ("033306..", "cumulative purchased amount", _MONEY),
        ("03320[3-6]..", "purchased energy", _ENERGY),
        ("03010000", "voltage loss counts", _EVENTS),
        ("03040000", "phase break counts", _EVENTS),
        ("030B0000", "current loss counts", _EVENTS),
        ("03110000", "power-down count", _EVENTS),
        ("03300000", "programming count", _EVENTS),
        ("03300100", "meter clear count", _EVENTS),
        ("03300400", "time set count", _EVENTS),
        ("03300D00", "cover-open count", _EVENTS),
        ("03300E00", "terminal-cover-open count", _EVENTS),
        ("03350000", "strong magnetic field count", _EVENTS),
        ("1D000001", "trip count", _EVENTS),
        ("1E000001", "close count", _EVENTS),
        ("050[0-6]00..", "freeze time", _MOMENT),
        ("050[0-6]01..", "frozen forward active energy", _ENERGY),
    )
)


@lru_cache(maxsize=4096)
def identifier(di: int) -> Identifier | None:
    """What an identifier stands for; None if that is not known here."""
    text = f"{di:08X}"
    return next((found for pattern, found in _TABLE if re.fullmatch(pattern, text)), None)
