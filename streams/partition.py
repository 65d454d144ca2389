"""What one batch does to one partition's sites: records in, everything that the batch writes out. No IO.

The order inside a batch is fixed, because a replay must give the same bytes: all orders by offset, then all
rounds by offset. A record that cannot be read is set aside with its bytes; everything else is the sites' to
judge.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from infra.gateway_keys import NO_KEYS, GatewayKeys
from infra.topics import (
    FRAMES_REJECTED,
    GATEWAY_COMMANDS,
    LEDGER_POSTINGS,
    LEDGER_STATE,
    OFFICE_NOTICES,
    partition_of,
)
from streams.columns import MeterNumbers
from streams.core.errors import MalformedError
from streams.core.outcome import Outcome, Position, Source
from streams.core.site import ReadingBatch
from streams.decode import InputRecord, IsAhead, RoundReader
from streams.errors import GapError
from streams.evidence import with_frames
from streams.log import Output
from streams.postings import Inputs, Postings, Span, cut_postings, encode_postings
from streams.records import (
    NEXT_KEY,
    NextOffsets,
    command_value,
    encode_next,
    notice_value,
    read_order,
    read_site,
    rejected_value,
)


class Site(MeterNumbers, Protocol):
    """What a partition needs of a site's ledger; `streams.core.site.SiteLedger` is the one."""

    def take_order(self, order: Mapping[str, object], *, at: int, position: Position) -> None: ...
    def take_readings(self, batch: ReadingBatch) -> None: ...
    def settle(self) -> Outcome: ...
    def dirty_pages(self) -> dict[str, bytes]: ...
    def meter_id(self, number: int) -> str: ...
    def account_id(self, number: int) -> str: ...
    def meter_route(self, number: int) -> tuple[str, str, str]: ...
    def balances(self) -> dict[str, int]: ...


OpenSite = Callable[[str, Mapping[str, bytes]], Site]
"""Makes a site's ledger of its id and its stored pages (none for a new site)."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch that was folded: what it writes, in one transaction, and how far the partition then is."""

    outputs: list[Output]
    next: NextOffsets
    readings: int
    rejected: int


@dataclass(slots=True)
class _Draft:
    """What a batch has made so far."""

    sites: dict[str, Site] = field(default_factory=dict)
    unknown: dict[str, dict[tuple[int, int], str]] = field(default_factory=dict)
    """By site: offset and line of readings of unknown meters, and where they came from."""
    rounds: dict[str, dict[int, bytes]] = field(default_factory=dict)
    """By site: what was read, by offset."""
    rejected: list[Output] = field(default_factory=list)
    readings: int = 0


class Partition:
    """The sites of one partition, and how far each input was taken.

    Args:
        number: Of this partition, in all topics that are keyed by site.
        partitions: How many partitions these topics have.
        start: Offsets to begin with.
        pages: What `ledger.state` holds, by key.
        open_site: How a site's ledger is made.
        keys: Sign the commands to gateways.
    """

    def __init__(
        self,
        number: int,
        *,
        partitions: int,
        start: NextOffsets,
        pages: Mapping[bytes, bytes],
        open_site: OpenSite,
        is_ahead: IsAhead,
        keys: GatewayKeys = NO_KEYS,
    ) -> None:
        self.number = number
        self._is_ahead = is_ahead
        self._keys = keys
        self.next = start
        self._partitions = partitions
        self._open_site = open_site
        self._sites: dict[str, Site] = {}
        self._readers: dict[str, RoundReader] = {}
        for site, of_site in _by_site(pages).items():
            self._add(site, of_site)

    def take(self, orders: Sequence[InputRecord], frames: Sequence[InputRecord]) -> Batch:
        """Fold a batch. The memory is then ahead of what is stored until `Batch.outputs` is written.

        Raises:
            GapError: The records do not continue where the last batch ended.
        """
        inputs = Inputs(
            frames=_span("frames", self.next.frames, frames), orders=_span("orders", self.next.orders, orders)
        )
        draft = _Draft()
        for record in orders:
            self._take_order(record, draft)
        self._take_frames(frames, draft)
        sequence = self.next.sequence
        self.next = NextOffsets(frames=inputs.frames.next, orders=inputs.orders.next, sequence=sequence + 1)
        outputs = self._settle(draft, inputs, sequence)
        outputs.append(Output(LEDGER_STATE, self.number, NEXT_KEY, encode_next(self.next)))
        return Batch(
            outputs=outputs + draft.rejected,
            next=self.next,
            readings=draft.readings,
            rejected=len(draft.rejected),
        )

    def balances(self) -> dict[str, dict[str, int]]:
        """Nano-yuan by site and account."""
        return {name: site.balances() for name, site in self._sites.items()}

    def _take_order(self, record: InputRecord, draft: _Draft) -> None:
        position = Position(Source.ORDERS, record.offset)
        try:
            name, site = self._site_of(record, draft)
            order, at = read_order(record.value)
            if order.get("site", name) != name:
                raise MalformedError("site", f"differs from the record's key {name!r}")
            if self._is_ahead(at, record.timestamp):
                raise MalformedError("at", "is ahead of the record's arrival")
            site.take_order(order, at=at, position=position)
        except MalformedError as error:
            self._reject(record.key or b"", draft, position, reason="malformed", detail=str(error), data=record.value)

    def _take_frames(self, records: Sequence[InputRecord], draft: _Draft) -> None:
        """All rounds of a site go to it together, so that its arrays are long also where gateways are small."""
        by_site: dict[str, list[InputRecord]] = {}
        for record in records:
            try:
                name, _ = self._site_of(record, draft)
            except MalformedError as error:
                position = Position(Source.FRAMES, record.offset)
                self._reject(
                    record.key or b"", draft, position, reason="malformed", detail=str(error), data=record.value
                )
                continue
            by_site.setdefault(name, []).append(record)
        for name, rounds in by_site.items():
            found = self._readers[name].read(rounds)
            for frame in found.rejected:
                position = Position(Source.FRAMES, frame.offset, frame.line)
                self._reject(name.encode(), draft, position, reason=frame.reason, detail=frame.detail, data=frame.data)
            draft.unknown[name] = found.unknown
            draft.rounds[name] = {record.offset: record.value or b"" for record in rounds}
            draft.readings += len(found.batch)
            self._sites[name].take_readings(found.batch)

    def _add(self, name: str, pages: Mapping[str, bytes]) -> Site:
        site = self._sites[name] = self._open_site(name, pages)
        self._readers[name] = RoundReader(name, site, self._is_ahead)
        return site

    def _site_of(self, record: InputRecord, draft: _Draft) -> tuple[str, Site]:
        """The site that a record is for, made if it is new.

        A site's records must all be in its own partition: with records in two, it would have two balances.
        """
        name = read_site(record.key)
        site = draft.sites.get(name)
        if site is not None:
            return name, site
        site = self._sites.get(name)
        if site is None:
            proper = partition_of(name.encode(), self._partitions)
            if proper != self.number:
                raise MalformedError("key", f"{name!r} belongs in partition {proper}")
            site = self._add(name, {})
        draft.sites[name] = site
        return name, site

    def _reject(
        self, key: bytes, draft: _Draft, position: Position, *, reason: str, detail: str, data: bytes | None
    ) -> None:
        value = rejected_value(reason=reason, detail=detail, position=position, partition=self.number, data=data or b"")
        draft.rejected.append(Output(FRAMES_REJECTED, self.number, key, value))

    def _settle(self, draft: _Draft, inputs: Inputs, sequence: int) -> list[Output]:
        """What the batch's sites give out, and what of them is stored.

        A batch that no site can read anything of has postings without a site, so that the journal tells of it.
        """
        outputs = []
        for name in list(draft.sites) or [""]:
            outcome = Outcome()
            key = name.encode()
            site = draft.sites.get(name)
            if site is not None:
                outcome = _name_unknown(site.settle(), draft.unknown.get(name, {}))
                if outcome.alarms:
                    outcome = replace(outcome, alarms=with_frames(outcome.alarms, draft.rounds.get(name, {})))
                outputs += [
                    Output(LEDGER_STATE, self.number, f"{name}/{page}".encode(), value)
                    for page, value in site.dirty_pages().items()
                ]
                outputs += self._tell(name, site, outcome)
            postings = Postings(name, self.number, sequence, inputs, outcome)
            outputs += [
                Output(LEDGER_POSTINGS, self.number, key, encode_postings(part)) for part in cut_postings(postings)
            ]
        return outputs

    def _tell(self, name: str, site: Site, outcome: Outcome) -> Iterable[Output]:
        """Commands to gateways and notices to the office."""
        for command in outcome.commands:
            gateway, address, template = site.meter_route(command.meter)
            if not gateway:
                continue  # No line leads to this meter: the command is in the postings, people carry it out.
            key = gateway.encode()
            value = command_value(
                command,
                site=name,
                meter=site.meter_id(command.meter),
                gateway=gateway,
                address=address,
                template=template,
                key=self._keys.get(gateway),
            )
            yield Output(GATEWAY_COMMANDS, partition_of(key, self._partitions), key, value)
        for notice in outcome.notices:
            value = notice_value(notice, site=name, account=site.account_id(notice.account), partition=self.number)
            yield Output(OFFICE_NOTICES, self.number, name.encode(), value)


def _span(name: str, expected: int, records: Sequence[InputRecord]) -> Span:
    """The range that the records are; empty at `expected` where there are none."""
    if not records:
        return Span(expected, expected)
    first, last = records[0].offset, records[-1].offset
    if first != expected or last - first != len(records) - 1:
        raise GapError(
            f"{name}: {len(records)} records from {first} to {last}, {expected} comes next: input is missing"
        )
    return Span(first, last + 1)


def _by_site(pages: Mapping[bytes, bytes]) -> dict[str, dict[str, bytes]]:
    sites: dict[str, dict[str, bytes]] = {}
    for key, value in pages.items():
        site, _, page = key.decode().partition("/")
        sites.setdefault(site, {})[page] = value
    return sites


def _name_unknown(outcome: Outcome, unknown: Mapping[tuple[int, int], str]) -> Outcome:
    """Say in refusals of unknown meters where their readings came from, which the site cannot know."""
    if not unknown:
        return outcome
    refusals = tuple(
        replace(refusal, subject=unknown.get((refusal.position.offset, refusal.position.line), ""))
        if refusal.position.source is Source.FRAMES and not refusal.subject
        else refusal
        for refusal in outcome.refusals
    )
    return replace(outcome, refusals=refusals)
