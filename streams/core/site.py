"""The ledger of one site: takes orders and readings in, gives out what became of them and the pages that changed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from streams.core import office
from streams.core.books import Books, Journal
from streams.core.charging import charge_due_fees
from streams.core.fold import fold_plainly, fold_readings
from streams.core.line import Line
from streams.core.orderform import parse_order
from streams.core.outcome import Outcome, Position
from streams.core.pages import dirty_pages, read_pages
from streams.core.told import UNTOLD
from streams.core.units import Quantity
from streams.core.watching import Before, watch


@dataclass(frozen=True, slots=True)
class ReadingBatch:
    """Readings in the order of the input, as arrays of equal length; one meter may occur several times.

    Attributes:
        meter: Running numbers, -1 where the meter is unknown.
        register: Wh or litres; below 0 where it is no register value.
        read_at: ms, by the meter.
        at: ms, when each line reached the head-end.
        supply: `Supply` codes.
        offset: Input offset of the record that each came in.
        line: Place within that record.
        remaining: Nano-yuan of credit in the meter itself, `UNTOLD` where a line does not tell; None where none does.
        count: The meter's recharge count, likewise.
        bands: [line][place of the band register], Wh, `UNTOLD` likewise and in the places that the meter has not.
        conditions: Conditions that the meter shows, as bits (`conditions.bit_of`), `UNTOLD` likewise.
        events: [line][place in `conditions.EVENTS`], how many the meter has counted, `UNTOLD` likewise.
    """

    meter: NDArray[np.int32]
    register: NDArray[np.int64]
    read_at: NDArray[np.int64]
    at: NDArray[np.int64]
    supply: NDArray[np.uint8]
    offset: NDArray[np.int64]
    line: NDArray[np.uint32]
    remaining: NDArray[np.int64] | None = None
    count: NDArray[np.int64] | None = None
    bands: NDArray[np.int64] | None = None
    conditions: NDArray[np.int64] | None = None
    events: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.meter)

    def __getitem__(self, rows: slice | NDArray[Any]) -> Self:
        columns: Iterator[Any] = (getattr(self, field.name) for field in fields(self))
        picked: list[Any] = [None if column is None else column[rows] for column in columns]
        return type(self)(*picked)

    def lines(self) -> Iterator[tuple[Any, ...]]:
        """Line by line as plain numbers, in the order of the fields."""
        left_out: dict[str, list[Any]] = {"bands": [[]] * len(self), "events": [[]] * len(self)}
        columns = ((field.name, getattr(self, field.name)) for field in fields(self))
        return zip(
            *(
                left_out.get(name, [UNTOLD] * len(self)) if column is None else column.tolist()
                for name, column in columns
            ),
            strict=True,
        )

    @classmethod
    def joined(cls, batches: Sequence[Self]) -> Self:
        """Batches one after the other."""
        columns: dict[str, NDArray[Any]] = {}
        for field in fields(cls):
            parts = [getattr(batch, field.name) for batch in batches]
            if any(part is not None for part in parts):
                shape = next(part.shape[1:] for part in parts if part is not None)
                columns[field.name] = np.concatenate(
                    [
                        np.full((len(batch), *shape), UNTOLD, np.int64) if part is None else part
                        for batch, part in zip(batches, parts, strict=True)
                    ]
                )
        return cls(**columns)


class SiteLedger:
    """All that the ledger knows of a site, and the fold over its lines."""

    def __init__(self, site: str) -> None:
        self.site = site
        self._books = Books()

    @classmethod
    def load(cls, site: str, pages: Mapping[str, bytes]) -> Self:
        """The ledger that `dirty_pages` wrote; pages by their key within the site.

        Raises:
            PageError: A page is damaged or of a layout that this code does not know.
        """
        ledger = cls(site)
        read_pages(ledger._books, pages)
        return ledger

    def take_order(self, order: Mapping[str, object], *, at: int, position: Position) -> None:
        """Judge and carry out one order.

        Raises:
            MalformedError: The line is not in the ledger's language; nothing was changed.
        """
        parsed = parse_order(order)
        line = Line(self._books, at=at, position=position)
        charge_due_fees(line)
        office.carry_out(line, parsed)
        line.end()

    def take_readings(self, batch: ReadingBatch) -> None:
        """Take readings in their order, compiled as far as they are common."""
        before = Before.of(self._books)
        newer = fold_readings(self._books, batch)
        watch(self._books, batch, before, newer)

    def take_readings_plainly(self, batch: ReadingBatch) -> None:
        """The same, one after the other by the plain rules: what the compiled way is held against."""
        for line in range(len(batch)):
            one = batch[line : line + 1]
            before = Before.of(self._books)
            newer = fold_plainly(self._books, one)
            watch(self._books, one, before, newer)

    def settle(self) -> Outcome:
        """What was done since the last settlement, in the order of the input."""
        journal, self._books.journal = self._books.journal, Journal()
        return journal.outcome()

    def dirty_pages(self) -> dict[str, bytes]:
        """The pages that changed since the last call, by their key within the site."""
        return dirty_pages(self._books)

    def meter_numbers(self, gateway: str, addresses: NDArray[np.uint64]) -> NDArray[np.int32]:
        """The running numbers of the meters in use at addresses behind a gateway; -1 where there is none."""
        return self._books.meters.routes.numbers_at(gateway, addresses)

    def meter_number(self, meter: str) -> int:
        """The running number of a meter, -1 where the site has none of that id."""
        return self._books.meters.by_id.get(meter, -1)

    def bands_told(self, meter: str, given: Mapping[str, Quantity]) -> tuple[int, ...]:
        """A meter's band registers in their places, as `ReadingBatch.bands` has them; nothing where it has none."""
        number = self.meter_number(meter)
        bands = self._books.meters.infos[number].bands if number >= 0 else None
        return () if bands is None else bands.in_places(given)

    def meter_id(self, number: int) -> str:
        return self._books.meters.infos[number].meter

    def account_id(self, number: int) -> str:
        return self._books.accounts.infos[number].account

    def meter_route(self, number: int) -> tuple[str, str, str]:
        """Gateway, address and template of a meter."""
        info = self._books.meters.infos[number]
        return info.gateway, info.address, info.template

    def balances(self) -> dict[str, int]:
        """Nano-yuan by account."""
        accounts = self._books.accounts
        return {info.account: accounts.balance(number) for number, info in enumerate(accounts.infos)}

    @property
    def books(self) -> Books:
        """The state itself, for reading."""
        return self._books
