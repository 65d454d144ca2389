"""Replay of a scenario file through the pure core: lines in, the output object of the specification out.

Lines are gathered into runs of readings between orders, so that a long history goes through the compiled fold. A
reading line of the usual form is read by one pattern; any other line goes through JSON and the checks of P4 one by one.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from streams.core.conditions import CONDITIONS, EVENTS, Condition, bit_of
from streams.core.errors import MalformedError
from streams.core.localtime import parse_time
from streams.core.outcome import Outcome, Position, Source, Supply
from streams.core.site import ReadingBatch, SiteLedger
from streams.core.strictjson import read_object
from streams.core.told import BANDS_MAX, COUNT_LIMIT, UNSOUND, UNTOLD, Told
from streams.core.units import Quantity, money_nano, parse_decimal
from streams.summary import SiteSummary

DEFAULT_SITE = "S1"
RUN_MAX = 1 << 17
"""Readings gathered before they are folded; bounds memory."""

_USUAL = re.compile(
    r'\{"at": ?"([0-9T:.Z+-]+)",(?: ?"site": ?"([^"\\\x00-\x1f]+)",)? ?"reading": ?\{'
    r'"meter": ?"([^"\\\x00-\x1f]+)", ?"register": ?"([0-9]{1,9})(?:\.([0-9]{1,3}))?", ?'
    r'"read_at": ?"([0-9T:.Z+-]+)"(?:, ?"supply": ?"(on|off)")?\}\}\s*'
)
_TOLD = frozenset({"remaining", "count", "band_registers", "conditions", "events"})
_SUPPLY = {None: Supply.UNKNOWN, "on": Supply.ON, "off": Supply.OFF}
_SCALE = {None: 0, 1: 100, 2: 10, 3: 1}


@dataclass(slots=True)
class _Run:
    """Reading lines of one site that wait to be folded together, as columns."""

    meter: list[int] = field(default_factory=list)
    register: list[int] = field(default_factory=list)
    read_at: list[int] = field(default_factory=list)
    at: list[int] = field(default_factory=list)
    supply: list[int] = field(default_factory=list)
    line: list[int] = field(default_factory=list)
    told: dict[int, Told] = field(default_factory=dict)
    """By place, where a reading tells more than its register."""

    def batch(self) -> ReadingBatch:
        remaining = count = bands = conditions = events = None
        if self.told:
            remaining, count, conditions = np.full((3, len(self.line)), UNTOLD, np.int64)
            events = np.full((len(self.line), len(EVENTS)), UNTOLD, np.int64)
            bands = np.full((len(self.line), BANDS_MAX), UNTOLD, np.int64)
            for place, told in self.told.items():
                remaining[place], count[place] = told.remaining, told.count
                bands[place, : len(told.bands)] = told.bands
                conditions[place] = told.conditions
                events[place, : len(told.events)] = told.events
        return ReadingBatch(
            meter=np.array(self.meter, np.int32),
            register=np.array(self.register, np.int64),
            read_at=np.array(self.read_at, np.int64),
            at=np.array(self.at, np.int64),
            supply=np.array(self.supply, np.uint8),
            offset=np.array(self.line, np.int64),
            line=np.zeros(len(self.line), np.uint32),
            remaining=remaining,
            count=count,
            bands=bands,
            conditions=conditions,
            events=events,
        )


class _Site:
    """A site of the file: its ledger, the readings that wait, and the sums of what came out."""

    def __init__(self, site: str) -> None:
        self.ledger = SiteLedger(site)
        self.run = _Run()
        self.summary = SiteSummary()

    def fold(self) -> None:
        """Take the waiting readings."""
        if self.run.line:
            self.ledger.take_readings(self.run.batch())
            self.run = _Run()

    def settle(self) -> Outcome:
        """Fold and sum up what came out."""
        self.fold()
        outcome = self.ledger.settle()
        self.summary.add(outcome)
        return outcome


class Replay:
    """A run over lines; `result` is the output object."""

    def __init__(self) -> None:
        self._sites: dict[str, _Site] = {}
        self._accounts: dict[str, str] = {}
        self._meters: dict[str, str] = {}
        self._times: dict[str, int] = {}

    def take(self, number: int, line: str) -> None:
        """Take one line; `number` counts from 1.

        Raises:
            MalformedError: The line is malformed; `line` and `field` say where.
        """
        usual = _USUAL.fullmatch(line)
        try:
            if usual is not None:
                self._take_usual(number, usual)
            elif not line.isspace() and line:
                self._take_any(number, read_object(line))
        except MalformedError as error:
            raise MalformedError(error.field, error.reason, number) from None

    def result(self) -> dict[str, Any]:
        """What the ledger made of it all."""
        for site in self._sites.values():
            site.settle()
        return SiteSummary.joined([(site.ledger, site.summary) for site in self._sites.values()])

    def _take_usual(self, number: int, usual: re.Match[str]) -> None:
        at, site, meter, whole, fraction, read_at, supply = usual.groups()
        register = int(whole) * 1_000
        if fraction is not None:
            register += int(fraction) * _SCALE[len(fraction)]
        self._add(
            number, site or DEFAULT_SITE, self._time(at, "at"), meter, register, self._time(read_at, "read_at"), supply
        )

    def _take_any(self, number: int, line: dict[str, Any]) -> None:
        if ("order" in line) == ("reading" in line):
            raise MalformedError("order", "a line needs either an order or a reading")
        at = self._time(_text(line, "at"), "at")
        site = _text(line, "site") if "site" in line else DEFAULT_SITE
        if "reading" in line:
            _known(line, {"at", "site", "reading"})
            self._take_reading(number, site, at, line["reading"])
        else:
            self._take_order(number, site, at, line)

    def _take_reading(self, number: int, site: str, at: int, reading: object) -> None:
        if not isinstance(reading, dict):
            raise MalformedError("reading", "must be an object")
        _known(reading, {"meter", "register", "read_at", "supply"} | _TOLD)
        meter = _text(reading, "meter")
        register = _decimal(reading, "register").scaled(3)
        read_at = self._time(_text(reading, "read_at"), "read_at")
        supply = _text(reading, "supply") if "supply" in reading else None
        if supply not in _SUPPLY:
            raise MalformedError("supply", "must be one of on, off")
        if reading.keys() & _TOLD:
            of = self._site(site)
            of.run.told[len(of.run.line)] = told_of(of.ledger, reading)
        self._add(number, site, at, meter, -1 if register is None else register, read_at, supply)

    def _add(
        self, number: int, site_id: str, at: int, meter: str, register: int, read_at: int, supply: str | None
    ) -> None:
        site = self._site(site_id)
        run = site.run
        run.meter.append(site.ledger.meter_number(meter))
        run.register.append(register)
        run.read_at.append(read_at)
        run.at.append(at)
        run.supply.append(_SUPPLY[supply])
        run.line.append(number)
        if len(run.line) >= RUN_MAX:
            site.settle()

    def _take_order(self, number: int, site_id: str, at: int, order: dict[str, Any]) -> None:
        site = self._site(site_id)
        site.fold()
        site.ledger.take_order(order, at=at, position=Position(Source.ORDERS, number))
        books = site.ledger.books
        for name in _CREATES.get(order["order"], ()):
            owners, ids = (
                (self._accounts, books.accounts.by_id) if name == "account" else (self._meters, books.meters.by_id)
            )
            # Only an order that was taken creates (P1); the run ends here, so it does not matter that it was.
            if order[name] in ids and owners.setdefault(order[name], site_id) != site_id:
                raise MalformedError(name, f"{order[name]!r} is of site {owners[order[name]]}")

    def _site(self, site: str) -> _Site:
        found = self._sites.get(site)
        if found is None:
            found = self._sites[site] = _Site(site)
        return found

    def _time(self, text: str, name: str) -> int:
        known = self._times.get(text)
        if known is None:
            known = parse_time(text)
            if known is None:
                raise MalformedError(name, "must be a time such as 2026-01-05T08:00:00+08:00")
            if len(self._times) >= 1 << 16:
                self._times.clear()
            self._times[text] = known
        return known


_CREATES = {"open_account": ("account",), "install_meter": ("meter",), "replace_meter": ("new_meter",)}
"""The fields of an order that name what it would create."""


def replay(lines: Iterable[str]) -> dict[str, Any]:
    """The output object of the specification for the lines of a file.

    Raises:
        MalformedError: A line is malformed.
    """
    run = Replay()
    for number, line in enumerate(lines, 1):
        run.take(number, line)
    return run.result()


def _known(line: Mapping[str, Any], names: set[str]) -> None:
    for name in line:
        if name not in names:
            raise MalformedError(name, "is not a field here")


def told_of(ledger: SiteLedger, reading: Mapping[str, Any]) -> Told:
    """What a reading line tells of its meter's own credit, band registers and conditions.

    Raises:
        MalformedError: A field is of the wrong form.
    """
    remaining = count = UNTOLD
    if "remaining" in reading:
        amount = money_nano(_decimal(reading, "remaining"))
        remaining = UNSOUND if amount is None else amount
    if "count" in reading:
        count = reading["count"]
        if not isinstance(count, int) or isinstance(count, bool):
            raise MalformedError("count", "must be a whole number")
        # A number of any width may stand there.
        count = count if 0 <= count < COUNT_LIMIT else UNSOUND
    bands: tuple[int, ...] = ()
    if "band_registers" in reading:
        given = reading["band_registers"]
        if not isinstance(given, dict):
            raise MalformedError("band_registers", "must be an object")
        if "" in given:
            raise MalformedError("band_registers", "has an empty name")
        bands = ledger.bands_told(
            reading["meter"], {name: _quantity(text, "band_registers") for name, text in given.items()}
        )
    return Told(remaining, count, bands, *_conditions(reading))


def _conditions(reading: Mapping[str, Any]) -> tuple[int, tuple[int, ...]]:
    """Conditions that are there, as bits, and counts of events."""
    there, events = UNTOLD, [UNTOLD] * len(EVENTS)
    if "conditions" in reading:
        given = reading["conditions"]
        if not isinstance(given, list) or not all(isinstance(name, str) and name in CONDITIONS for name in given):
            raise MalformedError("conditions", f"must be a list of some of {', '.join(CONDITIONS)}")
        there = sum(bit_of(Condition(name)) for name in set(given))
    if "events" in reading:
        given = reading["events"]
        if not isinstance(given, dict) or not all(name in EVENTS for name in given):
            raise MalformedError("events", f"must be an object with some of {', '.join(EVENTS)}")
        for name, count in given.items():
            if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count < COUNT_LIMIT:
                raise MalformedError("events", f"has a {name} that is no whole number below 10^9")
            events[EVENTS.index(Condition(name))] = count
    return there, tuple(events)


def _text(line: Mapping[str, Any], name: str) -> str:
    if name not in line:
        raise MalformedError(name, "is missing")
    value = line[name]
    if not isinstance(value, str):
        raise MalformedError(name, "must be a text")
    if not value:
        raise MalformedError(name, "must not be empty")
    return value


def _decimal(line: Mapping[str, Any], name: str) -> Quantity:
    return _quantity(_text(line, name), name)


def _quantity(text: object, name: str) -> Quantity:
    quantity = parse_decimal(text) if isinstance(text, str) else None
    if quantity is None:
        raise MalformedError(name, "must be a decimal such as 12.50")
    return quantity
