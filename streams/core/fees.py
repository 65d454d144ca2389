"""Fixed fees of a site's accounts: what falls due at local midnights, whatever is consumed.

State is the schedules alone. At the end of every line all that was due up to the site's time has been charged, so the
clock says how far each fee is, and a page is written only when an order changes its fee, not whenever it is charged.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any, NamedTuple

from streams.core.calendar import day_start
from streams.core.localtime import FAR_AHEAD_MS, LONG_AGO_MS, day_of, format_day, month_of, month_start

SINGLE_MAX = 31
"""The latest due times of a fee that one line charges have an entry each; those before, after a long silence, share
one: what a line can cause is bounded by the fees of its site."""
AHEAD_MAX = 100
"""The most rates of a fee that begin later than now: its page must stay small."""


class Rate(NamedTuple):
    """What a fee is from an instant on: nano-yuan (0: nothing falls due) each `month` or `day`."""

    starts_at: int
    amount: int
    period: str

    def first_from(self, at: int) -> int:
        """The number of the first due time at or after an instant: of the day or the month that begins then."""
        number = self._holding(at)
        return number if self.due(number) == at else number + 1

    def last_until(self, at: int) -> int:
        """The number of the last due time at or before an instant."""
        return self._holding(at)

    def due(self, number: int) -> int:
        """The due time with a number, ms."""
        return day_start(number) if self.period == "day" else month_start(number)

    def _holding(self, at: int) -> int:
        return day_of(at) if self.period == "day" else month_of(at)


class Charge(NamedTuple):
    """Due times of a fee that are charged together, mostly one. Charges are made in the order of these fields."""

    due: int
    """The latest of them, ms."""
    account: int
    fee: str
    amount: int
    """Nano-yuan, the sum of all of them."""
    order_id: str
    """Named after the latest. Fees are not among the orders taken, so no order of the office is answered for one."""
    of: str
    """The id of the first; empty where there is one alone."""


@dataclass(frozen=True, slots=True)
class _Span:
    """Due times at one rate by their numbers, `last` included."""

    rate: Rate
    first: int
    last: int

    def __len__(self) -> int:
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class Schedule:
    """A fee of an account: its rates by rising start, each in force until the next one's."""

    rates: tuple[Rate, ...] = ()
    charged: int = LONG_AGO_MS
    """The latest due time charged at rates that are no longer here."""

    def charged_until(self, now: int) -> int:
        """The latest due time that was charged, long ago if there is none."""
        return max([self.charged, *(span.rate.due(span.last) for span in self._spans(LONG_AGO_MS, now))])

    def with_rate(self, rate: Rate, now: int) -> "Schedule":
        """With a rate in place of all that would hold from its start on; without those that are over."""
        rates = [*(other for other in self.rates if other.starts_at < rate.starts_at), rate]
        while len(rates) > 1 and rates[1].starts_at <= now:
            del rates[0]
        return Schedule(tuple(rates), self.charged_until(now))

    def ahead(self, now: int) -> int:
        """How many rates begin later."""
        return sum(rate.starts_at > now for rate in self.rates)

    def next_due(self, after: int) -> int:
        """The first due time after an instant, far ahead if there is none."""
        for rate, until in self._in_force():
            due = rate.due(rate.first_from(max(rate.starts_at, after + 1)))
            if rate.amount and due < until:
                return due
        return FAR_AHEAD_MS

    def charges(self, account: int, fee: str, *, after: int, until: int) -> Iterator[Charge]:
        """What falls due after an instant and up to another, in time order."""
        spans = self._spans(after, until)
        together = max(0, sum(map(len, spans)) - SINGLE_MAX)
        first, amount = "", 0
        for span in spans:
            rate, shared = span.rate, min(together, len(span))
            single = span.first + shared
            if shared:
                first = first or _order_id(fee, rate, span.first)
                amount += shared * rate.amount
                together -= shared
                if not together:
                    last = _order_id(fee, rate, single - 1)
                    yield Charge(rate.due(single - 1), account, fee, amount, last, first if first != last else "")
            for number in range(single, span.last + 1):
                yield Charge(rate.due(number), account, fee, rate.amount, _order_id(fee, rate, number), "")

    def _in_force(self) -> Iterable[tuple[Rate, int]]:
        """Each rate and where the next one begins."""
        ends = (*(rate.starts_at for rate in self.rates[1:]), FAR_AHEAD_MS)
        return zip(self.rates, ends, strict=False)

    def _spans(self, after: int, until: int) -> list[_Span]:
        """Due times after an instant and up to another, by rate."""
        spans = []
        for rate, end in self._in_force():
            first = rate.first_from(max(rate.starts_at, after + 1))
            last = rate.last_until(min(until, end - 1))
            if rate.amount and first <= last:
                spans.append(_Span(rate, first, last))
        return spans


class Fees:
    """The fees of one site, and which of them falls due next."""

    def __init__(self) -> None:
        self.schedules: dict[int, dict[str, Schedule]] = {}
        """By account and name of the fee."""
        self.dirty: set[tuple[int, str]] = set()
        self._due: dict[tuple[int, str], int] = {}
        self._heap: list[tuple[int, int, str]] = []
        """Due times with their fees; one that is not in `_due` any more means nothing."""

    def put(self, account: int, fee: str, schedule: Schedule, *, now: int) -> None:
        """Take a schedule in, of which everything up to now is charged."""
        self.schedules.setdefault(account, {})[fee] = schedule
        self.dirty.add((account, fee))
        self._await(account, fee, now)

    def stop(self, account: int) -> None:
        """Nothing of an account falls due any more."""
        for fee in self.schedules.get(account, {}):
            self._due.pop((account, fee), None)

    def awaits(self, account: int) -> bool:
        """Whether something of an account is still to fall due."""
        return any((account, fee) in self._due for fee in self.schedules.get(account, ()))

    def next_due(self) -> int:
        """When something falls due next; far ahead if nothing does."""
        while self._heap and self._due.get(self._heap[0][1:]) != self._heap[0][0]:
            heappop(self._heap)
        return self._heap[0][0] if self._heap else FAR_AHEAD_MS

    def take_due(self, until: int) -> list[Charge]:
        """What is due up to an instant, in the order in which it is charged; from here on it counts as charged."""
        charges: list[Charge] = []
        while (due := self.next_due()) <= until:
            _, account, fee = heappop(self._heap)
            charges += self.schedules[account][fee].charges(account, fee, after=due - 1, until=until)
            self._await(account, fee, until)
        return sorted(charges)

    def recall(self, now: int, closed: Iterable[bool]) -> None:
        """Find again what falls due, after pages were read back."""
        shut = {account for account, is_closed in enumerate(closed) if is_closed}
        for account, schedules in self.schedules.items():
            for fee in schedules if account not in shut else ():
                self._await(account, fee, now)

    def _await(self, account: int, fee: str, now: int) -> None:
        due = self.schedules[account][fee].next_due(now)
        self._due.pop((account, fee), None)
        if due < FAR_AHEAD_MS:
            self._due[account, fee] = due
            heappush(self._heap, (due, account, fee))


def schedule_record(schedule: Schedule) -> dict[str, Any]:
    """A schedule as JSON-like values."""
    return {"rates": [list(rate) for rate in schedule.rates], "charged": schedule.charged}


def schedule_of(record: dict[str, Any]) -> Schedule:
    """The schedule that `schedule_record` wrote."""
    return Schedule(tuple(Rate(*rate) for rate in record["rates"]), record["charged"])


def _order_id(fee: str, rate: Rate, number: int) -> str:
    day = format_day(day_of(rate.due(number)))
    return f"fee:{fee}:{day if rate.period == 'day' else day.removesuffix('-01')}"
