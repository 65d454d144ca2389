"""Makes one line of a scenario malformed, in one of the ways of P4 or P1."""

import json
import random
from typing import Any

Content = dict[str, Any]

WRONG_VALUES: tuple[object, ...] = (5, 1.5, True, None, [], {}, "", "?", [5], {"a": 5}, ["?"], {"": []}, {"a": ["?"]})
BAD_TIMES = (
    "2026-02-30T00:00:00Z",
    "2026-01-05T24:00:00Z",
    "2026-01-05T08:00:00",
    "2026-01-05 08:00:00Z",
    "2026-01-05T08:00:00.1234Z",
    "2026-01-05T08:00:00.Z",
    "2026-01-05T08:00Z",
    "2026-01-05T08:00:00+0800",
    "2026-01-05T08:00:00+24:00",
    "2026-01-05T08:00:60Z",
    "２026-01-05T08:00:00Z",
)
BAD_DECIMALS = ("+1", ".5", "1.", "1e3", "1,5", " 1", "--1", "٣", "0x1", "1_000", "NaN", "1.5\n")
BAD_RANGES = (
    "8:00-9:00",
    "24:00-06:00",
    "08:00-24:01",
    "08:60-09:00",
    "08:00",
    "08:00–09:00",
    "08:00-09:00 ",
    "25:00-26:00",
)
TIMES = ("at", "from", "read_at")
DECIMALS = (
    "amount",
    "register",
    "final",
    "max_kw",
    "max_m3h",
    "overdraft",
    "service_fee_percent",
    "remaining",
    "credit_tolerance",
)


def malform(lines: list[str], seed: int) -> list[str]:
    """The scenario with one of its lines spoilt, and nothing else changed."""
    luck = random.Random(seed)
    places = [place for place, text in enumerate(lines) if text.strip()]
    place = luck.choice(places)
    spoil = luck.choice(
        (_not_json, _twice, _field_missing, _field_unknown, _value, _value, _value, _order, _of_other_site)
    )
    spoilt = spoil(lines[place], luck)
    return [*lines[:place], spoilt, *lines[place + 1 :]]


def _write(content: Content) -> str:
    return json.dumps(content, ensure_ascii=False)


def _fields(content: Content, luck: random.Random) -> Content:
    """The fields of the line, or those of its reading."""
    inner = content.get("reading")
    return inner if isinstance(inner, dict) and luck.random() < 0.7 else content


def _not_json(text: str, luck: random.Random) -> str:
    return luck.choice(
        (text[:-1], text + "}", "[]", "5", '"tick"', "{,}", text.replace('"', "'"), "null", "\ufeff" + text)
    )


def _twice(text: str, luck: random.Random) -> str:
    content = json.loads(text)
    name = luck.choice(list(content))
    return f"{text.rstrip()[:-1]}, {json.dumps(name)}: {_write(content[name])}}}"


def _field_missing(text: str, luck: random.Random) -> str:
    content = json.loads(text)
    required = ("at", "order", "reading", "meter", "register", "read_at", "amount", "of", "reason", "action", "cycle")
    fields = _fields(content, luck)
    present = [name for name in required if name in fields] or ["at"]
    fields.pop(luck.choice(present), None)
    return _write(content)


def _field_unknown(text: str, luck: random.Random) -> str:
    content = json.loads(text)
    _fields(content, luck)[luck.choice(("note", "At", "", "amounts", "read_on"))] = "1"
    return _write(content)


def _value(text: str, luck: random.Random) -> str:
    content = json.loads(text)
    fields = _fields(content, luck)
    name = luck.choice(list(fields))
    if name in TIMES:
        fields[name] = luck.choice(BAD_TIMES)
    elif name in DECIMALS:
        fields[name] = luck.choice(BAD_DECIMALS)
    elif name in ("low", "tiers"):
        fields[name] = [*fields[name], luck.choice(BAD_DECIMALS)]
    elif name == "protected":
        fields[name] = [*fields[name], luck.choice(BAD_RANGES)]
    elif name == "bands":
        fields[name] = {**fields[name], "more": [luck.choice(BAD_RANGES)]}
    else:
        fields[name] = luck.choice(WRONG_VALUES)
    return _write(content)


def _order(text: str, luck: random.Random) -> str:
    content = json.loads(text)
    if luck.random() < 0.5:
        content.setdefault("reading", {"meter": "M1", "register": "1", "read_at": content["at"]})
        content["order"] = content.get("order", "tick")
    else:
        content.pop("reading", None)
        content["order"] = luck.choice(("recharged", "Tick", "", None, 5, ["tick"]))
    return _write(content)


def _of_other_site(text: str, luck: random.Random) -> str:
    """An account that another site of the scenario has, if it has another; else one that this site may open."""
    content = json.loads(text)
    return _write(
        {"at": content["at"], "site": luck.choice(("S1", "S2", "S9")), "order": "open_account", "account": "A1"}
    )
