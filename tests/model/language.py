"""From the text of a line to its record (rules P3, P4, P5).

A table holds, for each kind of line, its fields and how each is read. Malformed is what can be seen from the
line alone. Decided here, where the text leaves it open:

- The field that is named is the line's own (`tiers`, `components`), for a reading the one inside it
  (`register`), for a name that occurs twice that name. A line with neither or both of `order` and `reading`
  names `order`.
- `ratio` and `digits` are whole JSON numbers; one written with a fraction or an exponent is of a wrong type.
- A name in `bands`, `components` or `finals` is a text too, so an empty one is malformed.
- NaN and Infinity are not JSON. A line of nothing but JSON's white space is empty.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Any

from tests.model import records
from tests.model.conditions import CONDITIONS, EVENTS
from tests.model.records import Line, Malformed, Record
from tests.model.texts import DayRange, parse_date, parse_decimal, parse_range, parse_time

Reader = Callable[[object], Any]
"""Reads one JSON value; raises ValueError when it is of a wrong type or no text of its kind."""


def a_text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("not a text")
    if value == "":
        raise ValueError("an empty text")
    return value


def a_word(*words: str) -> Reader:
    def read(value: object) -> str:
        text = a_text(value)
        if text not in words:
            raise ValueError(f"not one of {', '.join(words)}")
        return text

    return read


def a_decimal(value: object) -> Fraction:
    return parse_decimal(a_text(value))


def a_time(value: object) -> int:
    return parse_time(a_text(value))


def a_range(value: object) -> DayRange:
    return parse_range(a_text(value))


def a_whole_number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError("not a whole number")
    return value


def a_truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("neither true nor false")
    return value


def a_list(reader: Reader) -> Reader:
    def read(value: object) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise ValueError("not a list")
        return tuple(reader(item) for item in value)

    return read


def a_mapping(reader: Reader) -> Reader:
    def read(value: object) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValueError("not an object")
        return {a_text(name): reader(item) for name, item in value.items()}

    return read


def events_by_name(value: object) -> dict[str, int]:
    counts: dict[str, int] = a_mapping(a_whole_number)(value)
    if not set(counts) <= set(EVENTS) or not all(0 <= count < 10**9 for count in counts.values()):
        raise ValueError("not counts of events")
    return counts


def a_profile(value: object) -> records.Profile:
    if not isinstance(value, dict) or not {"bands"} <= set(value) <= {"months", "days", "bands"}:
        raise ValueError("not an object with `bands`, and maybe `months` and `days`")
    return records.Profile(
        months=a_list(a_whole_number)(value["months"]) if "months" in value else None,
        days=a_list(a_word("workday", "weekend", "holiday"))(value["days"]) if "days" in value else None,
        bands=a_mapping(a_list(a_range))(value["bands"]),
    )


def days(value: object) -> dict[date, str]:
    return {
        parse_date(name): day_type
        for name, day_type in a_mapping(a_word("workday", "weekend", "holiday"))(value).items()
    }


@dataclass(frozen=True)
class Field:
    """How a field is read, and under which name the record has it; `default` where it may be left out."""

    reader: Reader
    required: bool = True
    default: object = None
    name: str = ""


def optional(reader: Reader, default: object = None) -> Field:
    return Field(reader, required=False, default=default)


DEVICE = {
    "register": Field(a_decimal),
    "ratio": optional(a_whole_number, 1),
    "digits": optional(a_whole_number),
    "max_kw": optional(a_decimal),
    "max_m3h": optional(a_decimal),
}
BANDS = optional(a_mapping(a_decimal))
CREDIT = {"remaining": optional(a_decimal), "count": optional(a_whole_number)}
MONEY = {"account": Field(a_text), "order_id": Field(a_text)}

ORDERS: dict[str, tuple[Callable[..., Record], dict[str, Field]]] = {
    "set_tariff": (
        records.SetTariff,
        {
            "tariff": Field(a_text),
            "from": Field(a_time, name="start"),
            "unit": Field(a_word("kWh", "m3")),
            "cycle": Field(a_word("month", "year", "none")),
            "tiers": optional(a_list(a_decimal), (Fraction(0),)),
            "bands": optional(a_mapping(a_list(a_range))),
            "profiles": optional(a_list(a_profile)),
            "components": Field(a_mapping(a_mapping(a_list(a_decimal)))),
        },
    ),
    "set_calendar": (records.SetCalendar, {"days": Field(days)}),
    "open_account": (records.OpenAccount, {"account": Field(a_text)}),
    "install_meter": (
        records.InstallMeter,
        {
            "meter": Field(a_text),
            "account": Field(a_text),
            "kind": Field(a_word("electricity", "water")),
            "tariff": optional(a_text),
            **DEVICE,
            "credit": optional(a_word("platform", "meter"), "platform"),
            **CREDIT,
            "band_registers": BANDS,
        },
    ),
    "set_policy": (
        records.SetPolicy,
        {
            "account": optional(a_text),
            "low": optional(a_list(a_decimal)),
            "overdraft": optional(a_decimal),
            "protected": optional(a_list(a_range)),
            "auto_restore": optional(a_truth),
            "credit_tolerance": optional(a_decimal),
            "service_fee_percent": optional(a_decimal),
        },
    ),
    "set_fee": (
        records.SetFee,
        {
            "fee": Field(a_text),
            "account": Field(a_text),
            "amount": Field(a_decimal),
            "period": Field(a_word("month", "day")),
            "from": Field(a_time, name="start"),
        },
    ),
    "recharge": (records.Recharge, {**MONEY, "amount": Field(a_decimal), "channel": optional(a_text)}),
    "refund": (records.Refund, {**MONEY, "amount": Field(a_decimal)}),
    "reverse": (records.Reverse, {**MONEY, "of": Field(a_text)}),
    "adjust": (records.Adjust, {**MONEY, "amount": Field(a_decimal), "reason": Field(a_text)}),
    "share": (
        records.Share,
        {
            **MONEY,
            "amount": Field(a_decimal),
            "weights": Field(a_mapping(a_decimal)),
            "by": Field(a_word("area", "consumption", "parts")),
        },
    ),
    "assign_tariff": (records.AssignTariff, {"meter": Field(a_text), "tariff": Field(a_text)}),
    "replace_meter": (
        records.ReplaceMeter,
        {
            "meter": Field(a_text),
            "final": Field(a_decimal),
            "new_meter": Field(a_text),
            **DEVICE,
            "ratio": optional(a_whole_number),
            **CREDIT,
            "final_bands": BANDS,
            "band_registers": BANDS,
        },
    ),
    "sell": (
        records.Sell,
        {
            "order_id": Field(a_text),
            "meter": Field(a_text),
            "amount": Field(a_decimal),
            "channel": optional(a_text),
        },
    ),
    "settle_sale": (
        records.SettleSale,
        {"order_id": Field(a_text), "of": Field(a_text), "outcome": Field(a_word("taken", "void"))},
    ),
    "control": (
        records.Control,
        {"meter": Field(a_text), "action": Field(a_word("cut", "restore", "retain", "release", "sync_time"))},
    ),
    "close_account": (
        records.CloseAccount,
        {
            "account": Field(a_text),
            "finals": optional(a_mapping(a_decimal), {}),
            "finals_of_bands": optional(a_mapping(a_mapping(a_decimal)), {}),
        },
    ),
    "tick": (records.Tick, {}),
}

READING = {
    "meter": Field(a_text),
    "register": Field(a_decimal),
    "read_at": Field(a_time),
    "supply": optional(a_word("on", "off")),
    **CREDIT,
    "band_registers": BANDS,
    "conditions": optional(a_list(a_word(*CONDITIONS))),
    "events": optional(events_by_name),
}

OF_ANY_LINE = ("at", "site", "order", "reading")


def parse_line(number: int, text: str) -> Line | None:
    """Read one line; None for an empty one.

    Raises:
        Malformed: The line is none of the language.
    """
    if text.strip(" \t\r\n") == "":
        return None
    content = _parse_json(number, text)
    if ("order" in content) == ("reading" in content):
        raise Malformed(number, "order", "neither or both of order and reading")
    head = {"at": Field(a_time), "site": optional(a_text, "S1")}
    of_head = _read_fields(number, {name: value for name, value in content.items() if name in head}, head)
    rest = {name: value for name, value in content.items() if name not in OF_ANY_LINE}
    record: Record
    if "reading" in content:
        if rest:
            raise Malformed(number, next(iter(rest)), "unknown field")
        if not isinstance(content["reading"], dict):
            raise Malformed(number, "reading", "not an object")
        record = records.Reading(**_read_fields(number, content["reading"], READING))
    else:
        order = content["order"]
        if not isinstance(order, str) or order not in ORDERS:
            raise Malformed(number, "order", "unknown order")
        build, fields = ORDERS[order]
        record = build(**_read_fields(number, rest, fields))
    return Line(number, of_head["at"], of_head["site"], record)


def _parse_json(number: int, text: str) -> dict[str, Any]:
    def without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in pairs:
            if name in found:
                raise Malformed(number, name, "a name twice")
            found[name] = value
        return found

    def no_constant(word: str) -> None:
        raise Malformed(number, "", f"{word} is not JSON")

    try:
        content = json.loads(text, object_pairs_hook=without_repeats, parse_constant=no_constant)
    except (ValueError, RecursionError) as error:
        raise Malformed(number, "", "not JSON") from error
    if not isinstance(content, dict):
        raise Malformed(number, "", "not an object")
    return content


def _read_fields(number: int, content: dict[str, Any], fields: dict[str, Field]) -> dict[str, Any]:
    for name in content:
        if name not in fields:
            raise Malformed(number, name, "unknown field")
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if name in content:
            try:
                value = field.reader(content[name])
            except ValueError as error:
                raise Malformed(number, name, str(error)) from error
        elif field.required:
            raise Malformed(number, name, "missing")
        else:
            value = field.default
        values[field.name or name] = value
    return values
