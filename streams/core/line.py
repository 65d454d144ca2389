"""One line being taken: its time, what it touched, and the order in which its effects come out (P30)."""

from dataclasses import replace

from streams.core.books import Books
from streams.core.localtime import minute_of_day
from streams.core.meter import Action, Reason
from streams.core.outcome import Alarm, Command, Entry, Figures, Notice, Position, Refusal
from streams.core.supply import Switching
from streams.core.units import MONEY_MAX


class Line:
    """A line in the making. Nothing of it is refused after the first change.

    `end` judges supply of every account that the line touched and of those whose protected hours are over, and puts
    notices and commands into the journal: account by account in the order of opening, a repeat last.
    """

    def __init__(self, books: Books, *, at: int, position: Position) -> None:
        self.books = books
        self.at = books.advance_clock(at)
        self.position = position
        self.closing = -1
        """The account that this line closes, which is given neither low1 nor low2 (P29)."""
        self.rows = 0
        """Rows given out so far: those of an order count on from its position, so that each has its own."""
        self._entries = 0
        self._before: dict[int, int] = {}
        self._money: dict[int, str] = {}
        self._ordered: dict[int, Switching] = {}
        self._reported: tuple[int, int] | None = None
        self._sent: list[Command] = []

    def refuse(self, reason: str, subject: str = "") -> None:
        """Note that the line changed nothing."""
        self.books.journal.refusals.append(Refusal(self.position, self.at, reason, subject))

    def alarm(self, meter: int, kind: str, figures: Figures | None = None) -> None:
        self.books.journal.alarms.append(Alarm(self.position, self.at, meter, kind, figures))

    def touch(self, account: int) -> None:
        """Have the account judged at the end of the line."""
        self._before.setdefault(account, self.books.accounts.balance(account))

    def fits(self, account: int, amount: int) -> bool:
        """Whether a balance holds an amount more, and a row the amount."""
        return abs(amount) <= MONEY_MAX and abs(self.books.accounts.balance(account) + amount) <= MONEY_MAX

    def deduct(self, account: int, amount: int) -> int:
        """Take a deduction (0 or more, nano-yuan) from a balance; the new balance."""
        self.touch(account)
        return self.books.accounts.post(account, -amount, spent=amount > 0)

    def move(
        self,
        account: int,
        amount: int,
        *,
        kind: str,
        order_id: str,
        notice: str = "",
        spent: bool = False,
        of: str = "",
        channel: str = "",
        reason: str = "",
        operator: str | None = None,
    ) -> None:
        """Enter a movement of money other than a deduction."""
        self.touch(account)
        balance = self.books.accounts.post(account, amount, spent=spent)
        entry = Entry(
            # Among deductions its place is before the next row, so that balances can be followed row by row.
            replace(self.position, line=self.position.line + self.rows),
            self.at,
            account,
            kind,
            amount,
            balance,
            order_id,
            of,
            channel,
            reason,
            operator or "",
            nth=self._entries,
        )
        self._entries += 1
        self.books.journal.entries.append(entry)
        if notice:
            self._money[account] = notice

    def take_service_fee(self, account: int, fee: int, *, of: str, operator: str | None) -> None:
        """Take the service fee of a sale from its account, or give it back (below 0) with the sale."""
        if fee:
            self.move(account, -fee, kind="service_fee", order_id="", of=of, operator=operator)

    def switch(self, meter: int, action: Action, reason: Reason) -> None:
        """Change a meter's supply as ordered, whatever the balance."""
        account = int(self.books.meters.setup.rows[meter]["account"])
        self.touch(account)
        self.books.supplies.switch(
            meter,
            action,
            reason,
            at=self.at,
            position=self.position,
            into=self._ordered.setdefault(account, Switching([], [])),
        )

    def send(
        self, meter: int, action: str, reason: str, *, repeat: bool = False, amount: int = 0, count: int = 0
    ) -> None:
        """Have a command that is none of supply go out after those that are, and be numbered after them."""
        self._sent.append(Command(self.position, self.at, meter, action, reason, repeat, 0, amount, count))

    def report(self, meter: int, supply: int) -> None:
        """Note what a newer reading says of its meter's supply."""
        self._reported = (meter, supply)

    def end(self) -> None:
        """Judge supply and bring the line's notices and commands out in their order."""
        journal, supplies = self.books.journal, self.books.supplies
        touched = set(self._before)
        if supplies.waiting:
            touched.update(supplies.ripe(minute_of_day(self.at)))
        for account in sorted(touched):
            if account in self._money:
                self._notice(account, self._money[account])
            if account in self._before:
                self._notice_level(account)
            judged = supplies.judge(account, at=self.at, position=self.position)
            self._give_out(self._ordered.get(account, Switching([], [])), judged)
        for sent in self._sent:
            journal.commands.append(replace(sent, sequence=supplies.next_sequence(sent.meter)))
        if self._reported is not None:
            meter, supply = self._reported
            command = supplies.repeat(meter, supply, at=self.at, position=self.position)
            if command is not None:
                journal.commands.append(command)

    def _give_out(self, ordered: Switching, judged: Switching) -> None:
        """An account's commands and their notices, seat by seat; of one meter what was ordered comes first."""
        setup, journal = self.books.meters.setup.rows, self.books.journal
        pairs = [
            *zip(ordered.commands, ordered.notices, strict=True),
            *zip(judged.commands, judged.notices, strict=True),
        ]
        for command, notice in sorted(pairs, key=lambda pair: int(setup[pair[0].meter]["seat"])):
            journal.commands.append(command)
            journal.notices.append(notice)

    def _notice_level(self, account: int) -> None:
        accounts = self.books.accounts
        level = accounts.level_passed(account, self._before[account], accounts.balance(account))
        if level and not (account == self.closing and level.startswith("low")):
            self._notice(account, level)

    def _notice(self, account: int, kind: str) -> None:
        self.books.journal.notices.append(Notice(self.position, self.at, account, kind))
