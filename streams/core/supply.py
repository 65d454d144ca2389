"""Supply: what each meter should be, level-triggered, and the commands that bring it there.

State holds the desired supply; commands go out when it changes, and again when a reading reports something else and
the last command is at least five minutes old.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from streams.core.account import Accounts
from streams.core.localtime import FAR_AHEAD_MS, MINUTE_MS, MINUTES_A_DAY, MinuteRange, minute_of_day
from streams.core.meter import Action, Meters, Reason
from streams.core.outcome import Command, Notice, Position, Supply

REPEAT_AFTER_MS = 5 * 60_000
_FEW = 16

_NOTICES = {Action.CUT: "cut", Action.RESTORE: "restored"}


@dataclass(slots=True)
class Switching:
    """The commands and notices that one line causes, as they arise."""

    commands: list[Command]
    notices: list[Notice]


class Supplies:
    """The desired supply of one site's meters, and who waits for the end of protected hours."""

    def __init__(self, accounts: Accounts, meters: Meters) -> None:
        self._accounts = accounts
        self._meters = meters
        self.waiting: dict[tuple[MinuteRange, ...], set[int]] = {}
        """Accounts with supply to be cut once their protected hours end, by those hours. Derived, never stored."""

    def judge(self, account: int, *, at: int, position: Position) -> Switching:
        """Bring an account's meters to what they should be at a line's time (P25), seat by seat."""
        switching = Switching([], [])
        accounts = self._accounts
        policy, closed = accounts.policies[account], accounts.infos[account].closed
        must_off = closed or accounts.wants_off(account)
        protected = must_off and policy.protects(minute_of_day(at))
        self._forget(account)
        setup = self._meters.setup.rows
        for number in self._unlike(self._meters.seated(account), off=must_off):
            meter = setup[number]
            if must_off and not meter["off"] and not meter["retained"]:
                if protected:
                    self.waiting.setdefault(policy.protected, set()).add(account)
                else:
                    reason = Reason.CLOSED if closed else Reason.ARREARS
                    self.switch(number, Action.CUT, reason, at=at, position=position, into=switching)
            elif not must_off and meter["off"] and not meter["manual"] and policy.auto_restore:
                self.switch(number, Action.RESTORE, Reason.RECHARGE, at=at, position=position, into=switching)
        accounts.limits.rows[account]["calm"] = must_off
        accounts.watch(account)
        return switching

    def _unlike(self, numbers: list[int], *, off: bool) -> list[int]:
        """Those of many meters whose supply is not as wanted; all of a few, which are soon looked at one by one."""
        if len(numbers) <= _FEW:
            return numbers
        seats = np.array(numbers)
        # A microsecond for each meter of an account at each of its lines would be quadratic.
        unlike: list[int] = seats[(self._meters.setup.rows["off"][seats] != 0) != off].tolist()
        return unlike

    def recall(self) -> None:
        """Find again who waits and whose supply is settled, after pages were read back."""
        setup = self._meters.setup.rows
        for account, info in enumerate(self._accounts.infos):
            must_off = info.closed or self._accounts.wants_off(account)
            self._accounts.limits.rows[account]["calm"] = must_off
            self._accounts.watch(account)
            pending = must_off and any(
                not setup[number]["off"] and not setup[number]["retained"] for number in self._meters.seated(account)
            )
            if pending:
                hours = self._accounts.policies[account].protected
                self.waiting.setdefault(hours, set()).add(account)

    def ripe_at(self, clock: int) -> int:
        """The first time from now on at which protected hours are over for an account that waits; far ahead if none."""
        minute, begun = minute_of_day(clock), clock - clock % MINUTE_MS
        found = FAR_AHEAD_MS
        for hours in self.waiting:
            left = _minutes_left(hours)[minute]
            found = min(found, FAR_AHEAD_MS if left is None else begun + left * MINUTE_MS)
        return found

    def ripe(self, minute: int) -> list[int]:
        """The waiting accounts whose protected hours are over in this local minute."""
        return [
            account
            for hours, accounts in self.waiting.items()
            if not any(span.covers(minute) for span in hours)
            for account in accounts
        ]

    def switch(
        self,
        number: int,
        action: Action,
        reason: Reason,
        *,
        at: int,
        position: Position,
        into: Switching,
    ) -> None:
        """Change a meter's desired supply and send the command for it."""
        meter = self._meters.setup.rows[number]
        meter["off"] = action is Action.CUT
        meter["last_action"], meter["last_reason"] = action, reason
        into.commands.append(self._command(number, at=at, position=position, repeat=False))
        into.notices.append(Notice(position, at, int(meter["account"]), _NOTICES[action]))

    def repeat(self, number: int, supply: int, *, at: int, position: Position) -> Command | None:
        """The last command again, if a reading reports another supply than desired and it is old enough (P27)."""
        meter = self._meters.setup.rows[number]
        desired = Supply.OFF if meter["off"] else Supply.ON
        if supply in (Supply.UNKNOWN, desired) or meter["last_action"] == Action.NONE:
            return None
        if at - int(meter["last_at"]) < REPEAT_AFTER_MS:
            return None
        return self._command(number, at=at, position=position, repeat=True)

    def next_sequence(self, number: int) -> int:
        """The sequence of a further command of a meter."""
        meter = self._meters.setup.rows[number]
        meter["sequence"] += 1
        self._meters.setup.touch(number)
        return int(meter["sequence"])

    def _command(self, number: int, *, at: int, position: Position, repeat: bool) -> Command:
        meter = self._meters.setup.rows[number]
        meter["last_at"] = at
        sequence = self.next_sequence(number)
        return Command(
            position=position,
            at=at,
            meter=number,
            action=Action(int(meter["last_action"])).name.lower(),
            reason=Reason(int(meter["last_reason"])).name.lower(),
            repeat=repeat,
            sequence=sequence,
        )

    def _forget(self, account: int) -> None:
        for hours in [hours for hours, accounts in self.waiting.items() if account in accounts]:
            self.waiting[hours].discard(account)
            if not self.waiting[hours]:
                del self.waiting[hours]


@lru_cache(maxsize=1024)
def _minutes_left(hours: tuple[MinuteRange, ...]) -> tuple[int | None, ...]:
    """From each minute of the day, the minutes until the hours are over: 0 outside of them, None if they never are."""
    covered = [any(span.covers(minute) for span in hours) for minute in range(MINUTES_A_DAY)]
    if all(covered):
        return (None,) * MINUTES_A_DAY
    left = [0] * MINUTES_A_DAY
    # Two turns backwards, so that hours that wrap midnight count on into the next day.
    for minute in range(2 * MINUTES_A_DAY - 1, -1, -1):
        here, after = minute % MINUTES_A_DAY, (minute + 1) % MINUTES_A_DAY
        left[here] = left[after] + 1 if covered[here] else 0
    return tuple(left)
