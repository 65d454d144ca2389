"""What a column's name says of its values, and each value as a text.

The last part of a column's name is its unit: `_nano` nano-yuan, `_cents` cents, `_milli` Wh or litres, `_ms`
milliseconds since 1970 or of a duration (`_took_ms`), `_bp` hundredths of a percent. Shown, the name says the unit of
the text: `deducted_nano` becomes `deducted_yuan`, `seen_ms` becomes `seen`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Final

from analytics.money import units, yuan, yuan_of_cents
from streams.core.localtime import format_time


def percent(hundredths: int) -> str:
    """Hundredths of a percent as a percentage.

    >>> percent(9876), percent(-5)
    ('98.76', '-0.05')
    """
    return yuan_of_cents(hundredths)


def duration(ms: int) -> str:
    """A time span in seconds.

    >>> duration(65_020)
    '65.020'
    """
    return units(ms)


@dataclass(frozen=True, slots=True)
class Kind:
    """How the values of columns whose name ends so are shown.

    Attributes:
        ending: Of the frame's column name.
        shown: What stands in its place.
        text: A value's text.
        is_number: Whether the text is a decimal.
    """

    ending: str
    shown: str
    text: Callable[[int], str]
    is_number: bool = True


KINDS: Final = (
    Kind("_nano", "_yuan", yuan),
    Kind("_cents", "_yuan", yuan_of_cents),
    Kind("_milli", "", units),
    Kind("_took_ms", "_s", duration),
    Kind("_ms", "", format_time, is_number=False),
    Kind("_bp", "_percent", percent),
)


def kind_of(column: str) -> Kind | None:
    """The kind of a column; None where its values are shown as they are."""
    return next((kind for kind in KINDS if column.endswith(kind.ending)), None)


def heading(column: str) -> str:
    """A column's name as it is shown.

    >>> heading("deducted_nano"), heading("until_took_ms"), heading("site")
    ('deducted_yuan', 'until_s', 'site')
    """
    kind = kind_of(column)
    return column if kind is None else column.removesuffix(kind.ending) + kind.shown


def text_of(column: str, value: object) -> str:
    """A value as a text; nothing for None."""
    if value is None:
        return ""
    kind = kind_of(column)
    if kind is not None and isinstance(value, int):
        return kind.text(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value.isoformat() if isinstance(value, date) else str(value)
