"""Many readings at once: the array path of the ledger.

A batch is taken in two steps. *Metering* (`streams.core.metering`) judges and prices every reading by its meter alone:
readings of different meters together as arrays, a meter's second reading in a second wave, and so on; what is rare goes
through the plain rules one by one. *Posting* (here) then takes all lines in the order of the input: running balances,
levels, supply. The result is the same as taking the lines one after the other (`take_readings_plainly`), which is what
happens where numbers grow too wide for 64-bit sums.
"""

from dataclasses import dataclass
from heapq import heappop, heappush
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streams.core.account import Accounts
from streams.core.books import Books
from streams.core.localtime import DAY_MS, MINUTE_MS, OFFSET_MS, MinuteRange
from streams.core.metering import Metered, meter_readings
from streams.core.outcome import Alarm, Notice, Position, Refusal, Source

if TYPE_CHECKING:
    from streams.core.site import ReadingBatch

BALANCE_NARROW = 1 << 61
"""Balances beyond this leave the array path; so sums over a batch cannot pass 64 bits."""


def fold_readings(books: Books, batch: "ReadingBatch") -> bool:
    """Take a batch as arrays; False, with nothing changed, where it has to be taken one by one."""
    at = np.maximum(np.maximum.accumulate(batch.at), books.clock)
    metered = meter_readings(books, batch, at)
    if metered is None:
        return False
    panel, accounts = books.meters.panel, books.accounts
    taken = None if metered.refused is None else np.flatnonzero(~metered.refused)
    rows = metered.rows if taken is None else metered.rows[taken]
    account = panel.account[rows["meter"]]
    if rows.size and int(np.abs(accounts.hot.rows["balance"][account]).max()) >= BALANCE_NARROW:
        metered.undo()
        return False
    books.advance_clock(int(at[-1]))
    spent = accounts.hot.rows["spent"][account]
    running = _post(accounts, account, rows["amount"], spent)
    rows["balance"] = running
    books.journal.add_readings(rows, _pieces_of(metered, taken))
    events = _Events(books, batch, metered, at)
    events.give_out(_Posted(taken, rows, account, running, spent))
    return True


def _pieces_of(metered: Metered, taken: NDArray[np.int64] | None) -> NDArray[np.void]:
    """The pieces, counted among the lines that were taken."""
    pieces = metered.pieces()
    if pieces.size and taken is not None:
        place = np.zeros(len(metered.rows), np.uint32)
        place[taken] = np.arange(len(taken), dtype=np.uint32)
        pieces["reading"] = place[pieces["reading"]]
    return pieces


def _post(
    accounts: Accounts,
    account: NDArray[np.int64],
    amount: NDArray[np.int64],
    spent: NDArray[np.uint8],
) -> NDArray[np.int64]:
    """Deduct amounts from their accounts; each line's balance after it, in the order of the lines."""
    rows = accounts.hot.rows
    balances = rows["balance"]
    running: NDArray[np.int64]
    if accounts.distinct(account):
        running = balances[account] - amount
        balances[account] = running
    else:
        order = np.argsort(account, kind="stable")
        grouped, amounts = account[order], amount[order]
        first = np.flatnonzero(np.diff(grouped, prepend=-1))
        total = np.cumsum(amounts)
        before_group = np.repeat(total[first] - amounts[first], np.diff(np.append(first, len(grouped))))
        running = np.empty(len(account), np.int64)
        running[order] = balances[grouped] - (total - before_group)
        last = np.append(first[1:], len(grouped)) - 1
        balances[grouped[last]] = running[order[last]]
    accounts.hot.touch_many(account)
    if not spent.all():
        rows["spent"][account[amount > 0]] = 1
    return running


@dataclass(frozen=True, slots=True)
class _Posted:
    """The lines that were not refused, as posted."""

    taken: NDArray[np.int64] | None
    """Their places in the batch; None if no line was refused."""
    rows: NDArray[np.void]
    account: NDArray[np.int64]
    after: NDArray[np.int64]
    """Balances after each line."""
    spent: NDArray[np.uint8]
    """Whether the account had a recharge or a deduction before the batch."""

    def line(self, index: int) -> int:
        return index if self.taken is None else int(self.taken[index])


class _Events:
    """What lines cause beside rows: refusals, alarms, notices and commands, in the order of the lines.

    Arrays find the few lines at which something can happen; those are then gone through one by one, in order, so that
    each sees supply and last commands as they are at that line. Balances only fall in a batch of readings, so an
    account that is due at a line is due from there on.
    """

    def __init__(self, books: Books, batch: "ReadingBatch", metered: Metered, at: NDArray[np.int64]) -> None:
        self._books = books
        self._batch = batch
        self._metered = metered
        self._at = at
        self._ripening: list[tuple[int, int]] = []
        """(line, account): when protected hours end for accounts that wait, as a heap."""

    def give_out(self, posted: _Posted) -> None:
        """Find all events of the batch and put them into the journal."""
        journal = self._books.journal
        for line, reason, meter in self._metered.refusals:
            subject = self._books.meters.infos[meter].meter if meter >= 0 else ""
            journal.refusals.append(Refusal(self._position(line), int(self._at[line]), reason, subject))
        for line, kind, meter in self._metered.alarms:
            journal.alarms.append(Alarm(self._position(line), int(self._at[line]), meter, kind))
        for hours, accounts in self._books.supplies.waiting.items():
            for account in sorted(accounts):
                self._await_end(hours, account, 0)
        for index in self._eventful(posted):
            self._ripen(posted.line(index) - 1)
            self._take(posted.line(index), index, posted)
        self._ripen(len(self._batch))

    def _eventful(self, posted: _Posted) -> list[int]:
        """The posted lines at which a notice or a command may arise."""
        accounts, panel = self._books.accounts, self._books.meters.panel
        low = posted.after <= accounts.limits.rows["alert"][posted.account]
        contrary = posted.rows["supply"] == panel.contrary[posted.rows["meter"]]
        low_accounts = posted.account[low]
        eventful = low | contrary
        if low_accounts.size or self._ripening:
            # Supply may turn within the batch: look at all lines of these accounts, in order.
            turning = np.unique(np.append(low_accounts, [account for _, account in self._ripening]).astype(np.int64))
            eventful |= np.isin(posted.account, turning)
        return np.flatnonzero(eventful).tolist() if eventful.any() else []

    def _take(self, line: int, index: int, posted: _Posted) -> None:
        """One line: its account's level and supply, others whose hours end here, and a repeat."""
        accounts = self._books.accounts
        number, after = int(posted.account[index]), int(posted.after[index])
        before = after + int(posted.rows["amount"][index])
        level = accounts.level_passed(number, before, after)
        due = after <= -accounts.policies[number].overdraft and not accounts.limits.rows[number]["calm"]
        due = due and (bool(posted.spent[index]) or after < before)
        self._ripen(line, up_to_account=number)
        if level:
            notice = Notice(self._position(line), int(self._at[line]), number, level)
            self._books.journal.notices.append(notice)
        if due:
            self._judge(number, line)
        elif after < before:
            accounts.watch(number)
        self._ripen(line)
        older = self._metered.older
        if older is None or not older[line]:
            command = self._books.supplies.repeat(
                int(self._batch.meter[line]),
                int(self._batch.supply[line]),
                at=int(self._at[line]),
                position=self._position(line),
            )
            if command is not None:
                self._books.journal.commands.append(command)

    def _judge(self, account: int, line: int) -> None:
        supplies, journal = self._books.supplies, self._books.journal
        switching = supplies.judge(account, at=int(self._at[line]), position=self._position(line))
        journal.commands += switching.commands
        journal.notices += switching.notices
        hours = self._books.accounts.policies[account].protected
        if account in supplies.waiting.get(hours, ()):
            self._await_end(hours, account, line)

    def _ripen(self, line: int, up_to_account: int | None = None) -> None:
        """Judge the waiting accounts whose protected hours have ended by this line, in order."""
        until = (line, len(self._books.accounts.infos) if up_to_account is None else up_to_account)
        while self._ripening and self._ripening[0] < until:
            ripe_at, account = heappop(self._ripening)
            self._judge(account, ripe_at)

    def _await_end(self, hours: tuple[MinuteRange, ...], account: int, line: int) -> None:
        outside = self._first_outside(hours, line)
        if outside is not None:
            heappush(self._ripening, (outside, account))

    def _position(self, line: int) -> Position:
        return Position(Source.FRAMES, int(self._batch.offset[line]), int(self._batch.line[line]))

    def _first_outside(self, hours: tuple[MinuteRange, ...], line: int) -> int | None:
        """The first line from this one on whose local time lies in none of the ranges."""
        minute = (self._at[line:] + OFFSET_MS) % DAY_MS // MINUTE_MS
        inside = np.zeros(len(minute), np.bool_)
        for start, end in hours:
            if start < end:
                inside |= (minute >= start) & (minute < end)
            else:
                inside |= (minute >= start) | (minute < end)
        outside = np.flatnonzero(~inside)
        return line + int(outside[0]) if outside.size else None
