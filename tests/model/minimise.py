"""Shrinks a scenario that shows a difference to one that a person can read."""

import json
from collections.abc import Callable, Iterator

Differs = Callable[[list[str]], bool]

OPTIONAL_OF_DEVICE = ("ratio", "digits", "max_kw", "max_m3h", "tariff")
OPTIONAL_OF_POLICY = (
    "account",
    "low",
    "overdraft",
    "protected",
    "auto_restore",
    "service_fee_percent",
    "credit_tolerance",
)
OPTIONAL_OF_CREDIT = ("credit", "remaining", "count")
OPTIONAL_OF_BANDS = ("band_registers", "final_bands", "finals_of_bands")
OPTIONAL_FIELDS = (
    *OPTIONAL_OF_DEVICE,
    *OPTIONAL_OF_POLICY,
    *OPTIONAL_OF_CREDIT,
    *OPTIONAL_OF_BANDS,
    "bands",
    "channel",
    "supply",
    "conditions",
    "events",
    "finals",
    "site",
)


def minimise(lines: list[str], differs: Differs) -> list[str]:
    """Drop lines, and fields that may be left out, for as long as the scenario still differs.

    Args:
        lines: A scenario that differs.
        differs: Whether a scenario does; it must not raise for one that lacks some lines.
    """
    while True:
        shorter = _without_fields(_without_lines(lines, differs), differs)
        if shorter == lines:
            return lines
        lines = shorter


def _without_lines(lines: list[str], differs: Differs) -> list[str]:
    size = max(1, len(lines) // 2)
    while size:
        start = 0
        while start < len(lines):
            shorter = lines[:start] + lines[start + size :]
            if shorter and differs(shorter):
                lines = shorter
            else:
                start += size
        size //= 2
    return lines


def _without_fields(lines: list[str], differs: Differs) -> list[str]:
    for number in range(len(lines)):
        for simpler in _simpler(lines[number]):
            changed = [*lines[:number], simpler, *lines[number + 1 :]]
            if differs(changed):
                lines = changed
    return lines


def _simpler(text: str) -> Iterator[str]:
    """The line without one of its optional fields, for each that it has."""
    try:
        content = json.loads(text)
    except ValueError:
        return
    for part in (content, content.get("reading")) if isinstance(content, dict) else ():
        for name in OPTIONAL_FIELDS:
            if isinstance(part, dict) and name in part:
                value = part.pop(name)
                yield json.dumps(content, ensure_ascii=False)
                part[name] = value
