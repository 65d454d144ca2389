"""The form of an order's line: its fields, and how each is read, before anything is judged (P4, P5).

`parse_order` turns a JSON object into one frozen order or raises `MalformedError` with the field's name. It looks at
shape alone: texts, decimals, times, ranges, known words. Whether an account exists or a price is too fine is the
ledger's to refuse.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from typing import Any, cast

from streams.core.calendar import DAY_TYPES
from streams.core.daybands import Bands
from streams.core.errors import MalformedError
from streams.core.localtime import MinuteRange, parse_day, parse_range, parse_time
from streams.core.orders import KINDS, NamedQuantities, Order, Prices, ProfileText
from streams.core.units import Quantity, parse_decimal

TEXT_MAX = 1_000
"""Characters of a text."""
SITE_BYTES_MAX = 255


def _filled(value: object, field: str) -> str:
    if not isinstance(value, str):
        raise MalformedError(field, "must be a text")
    if not value:
        raise MalformedError(field, "must not be empty")
    return value


def _text(value: object, field: str) -> str:
    """A text that is kept: as short as a page's share of it, and nothing that no text can be written of."""
    text = _filled(value, field)
    if len(text) > TEXT_MAX:
        raise MalformedError(field, f"is longer than {TEXT_MAX} characters")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise MalformedError(field, "has half of a surrogate pair, which is no character")
    return text


def check_site(site: str, field: str) -> None:
    """See that a text can name a site.

    Raises:
        MalformedError: It is too long, or has a character that pages' keys keep for themselves.
    """
    _text(site, field)
    if len(site.encode()) > SITE_BYTES_MAX:
        raise MalformedError(field, f"is longer than {SITE_BYTES_MAX} bytes")
    if "/" in site or "\0" in site:
        raise MalformedError(field, "holds '/' or a zero byte")


def _word(*words: str) -> Callable[[object, str], str]:
    def parse(value: object, field: str) -> str:
        if _filled(value, field) not in words:
            raise MalformedError(field, f"must be one of {', '.join(words)}")
        return cast(str, value)

    return parse


_day_type = _word(*DAY_TYPES)


def _decimal(value: object, field: str) -> Quantity:
    quantity = parse_decimal(_filled(value, field))
    if quantity is None:
        raise MalformedError(field, "must be a decimal such as 12.50")
    return quantity


def _time(value: object, field: str) -> int:
    at = parse_time(_filled(value, field))
    if at is None:
        raise MalformedError(field, "must be a time such as 2026-01-05T08:00:00+08:00")
    return at


def _whole(value: object, field: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise MalformedError(field, "must be a whole number")
    return value


def _truth(value: object, field: str) -> bool:
    if not isinstance(value, bool):
        raise MalformedError(field, "must be true or false")
    return value


def _list(value: object, field: str) -> list[Any]:
    if not isinstance(value, list):
        raise MalformedError(field, "must be a list")
    return value


def _object(value: object, field: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise MalformedError(field, "must be an object")
    for name in value:
        _text(name, field)
    return value


def _decimals(value: object, field: str) -> tuple[Quantity, ...]:
    return tuple(_decimal(item, field) for item in _list(value, field))


def _ranges(value: object, field: str) -> tuple[MinuteRange, ...]:
    ranges = []
    for item in _list(value, field):
        parsed = parse_range(_filled(item, field))
        if parsed is None:
            raise MalformedError(field, "must be daily ranges such as 08:00-11:30")
        ranges.append(parsed)
    return tuple(ranges)


def _bands(value: object, field: str) -> Bands:
    return tuple((name, _ranges(ranges, field)) for name, ranges in _object(value, field).items())


def _profiles(value: object, field: str) -> tuple[ProfileText, ...]:
    profiles: list[ProfileText] = []
    for item in _list(value, field):
        profile = _object(item, field)
        if not set(profile) <= {"months", "days", "bands"} or "bands" not in profile:
            raise MalformedError(field, "must each have `bands`, and may have `months` and `days`")
        months = tuple(_whole(month, field) for month in _list(profile.get("months", []), field))
        days = tuple(_day_type(day, field) for day in _list(profile.get("days", []), field))
        profiles.append(
            (
                months if "months" in profile else None,
                days if "days" in profile else None,
                _bands(profile["bands"], field),
            )
        )
    return tuple(profiles)


def _days(value: object, field: str) -> tuple[tuple[int, str], ...]:
    days = []
    for text, day_type in _object(value, field).items():
        day = parse_day(text)
        if day is None:
            raise MalformedError(field, "must name days such as 2026-10-01")
        days.append((day, _day_type(day_type, field)))
    return tuple(days)


def _components(value: object, field: str) -> Prices:
    return tuple(
        (name, tuple((band, _decimals(prices, field)) for band, prices in _object(bands, field).items()))
        for name, bands in _object(value, field).items()
    )


def _named_decimals(value: object, field: str) -> NamedQuantities:
    return tuple((name, _decimal(decimal, field)) for name, decimal in _object(value, field).items())


def _twice_named_decimals(value: object, field: str) -> tuple[tuple[str, NamedQuantities], ...]:
    return tuple((name, _named_decimals(inner, field)) for name, inner in _object(value, field).items())


Parser = Callable[[object, str], object]

_PARSERS: dict[str, Parser] = {
    "tariff": _text,
    "from": _time,
    "unit": _word("kWh", "m3"),
    "cycle": _word("month", "year", "none"),
    "tiers": _decimals,
    "bands": _bands,
    "profiles": _profiles,
    "days": _days,
    "components": _components,
    "account": _text,
    "meter": _text,
    "new_meter": _text,
    "kind": _word("electricity", "water"),
    "register": _decimal,
    "final": _decimal,
    "ratio": _whole,
    "digits": _whole,
    "max_kw": _decimal,
    "max_m3h": _decimal,
    "gateway": _text,
    "address": _text,
    "template": _text,
    "low": _decimals,
    "overdraft": _decimal,
    "service_fee_percent": _decimal,
    "protected": _ranges,
    "auto_restore": _truth,
    "fee": _text,
    "period": _word("month", "day"),
    "credit": _word("platform", "meter"),
    "remaining": _decimal,
    "count": _whole,
    "credit_tolerance": _decimal,
    "outcome": _word("taken", "void"),
    "order_id": _text,
    "amount": _decimal,
    "channel": _text,
    "of": _text,
    "reason": _text,
    "action": _word("cut", "restore", "retain", "release", "sync_time"),
    "finals": _named_decimals,
    "band_registers": _named_decimals,
    "final_bands": _named_decimals,
    "finals_of_bands": _twice_named_decimals,
    "weights": _named_decimals,
    "by": _word("area", "consumption", "parts"),
    "operator": _text,
}
"""How each field is read. A field of one name is of one type in every order."""

_ATTRIBUTES = {"from": "starts_at"}
"""JSON names that Python keeps for itself."""

_ENVELOPE = frozenset({"order", "at", "site"})


_SHAPES: dict[str, tuple[type[Order], frozenset[str], frozenset[str]]] = {}
"""Each order's class, the names it knows and the names it needs."""

for _kind, _class in KINDS.items():
    _names = {field.name: field for field in fields(_class)}
    for _json, _attribute in _ATTRIBUTES.items():
        if _attribute in _names:
            _names[_json] = _names.pop(_attribute)
    _needed = frozenset(name for name, field in _names.items() if field.default is MISSING)
    _SHAPES[_kind] = (_class, frozenset(_names), _needed)


def parse_order(line: Mapping[str, object]) -> Order:
    """The order that a line's object holds.

    Args:
        line: The JSON object with `order` and the order's fields; `at` and `site` are the caller's.
    Raises:
        MalformedError: An unknown order or field, a missing field, or a value of the wrong type or form.
    """
    kind = _text(line.get("order"), "order")
    if kind not in _SHAPES:
        raise MalformedError("order", f"unknown order {kind!r}")
    order, known, needed = _SHAPES[kind]
    values: dict[str, Any] = {}
    for name, value in line.items():
        if name in _ENVELOPE:
            continue
        if name not in known:
            raise MalformedError(name, f"is not a field of {kind}")
        values[_ATTRIBUTES.get(name, name)] = _PARSERS[name](value, name)
    for name in sorted(needed):
        if name not in line:
            raise MalformedError(name, f"is missing in {kind}")
    return order(**values)
