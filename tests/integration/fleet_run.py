"""A property group on its real sockets, the real collector's parts before it, and a ledger behind: in virtual time.

What a running Sluice does in processes of their own is done here in one loop, round by round, so that days pass in
seconds and nothing hangs on who is faster.
"""

import asyncio
import contextlib
import dataclasses
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from collectors.gateways.clock_book import CLOCKS_FILE, ClockBook, MeterClock
from collectors.gateways.command import Command, CommandBook, read_command
from collectors.gateways.dial_in_line import DialInLine, DialInListener
from collectors.gateways.line import Line
from collectors.gateways.pace import Pace
from collectors.gateways.report import Outcome
from collectors.gateways.session import GatewaySession
from collectors.registry import REGISTRY_FILE, GatewayPlan, read_registry
from collectors.sessions import Sessions
from collectors.uploads.plan import read_upload_plan
from collectors.uploads.service import UploadService
from collectors.wire.round import Round
from infra.fleet.fitter import Fitter
from infra.fleet.fleet import Fleet
from infra.fleet.gateways.dial_in import DialInTiming
from infra.fleet.gateways.switchboard import DIAL_IN, UPLOAD, Broker, Switchboard
from infra.fleet.journal import ControlJournal
from infra.fleet.orders import Order, initial_orders
from infra.fleet.ports import PortBook
from infra.fleet.property import Property, PropertySize
from infra.fleet.registry import registry_of, uploads_of
from infra.fleet.state import FleetState
from infra.gateway_keys import KEYS_FILE, read_gateway_keys
from infra.ports import HOST
from streams.core import outcome as ledgers
from streams.core.localtime import parse_time
from streams.core.outcome import Flag, Position, Source
from streams.core.site import SiteLedger
from streams.decode import read_rounds
from streams.postings import Inputs, Postings, Span, cut_postings
from streams.records import command_value
from tests.integration.collector_lines import SetClock
from tests.ledger_history import History

MINUTE_MS = 60_000
LINE_TIMEOUT_S = 0.03
HASTE = DialInTiming(heartbeat_s=0.5, retry_first_s=0.001, retry_longest_s=0.01)
SELDOM = Pace(interval_s=1e6, retry_s=0.005, retry_s_max=0.02, silent_meters=99)
"""Rounds when the test asks for them; commands at once."""


@dataclass
class Site:
    """A site's ledger and the sums of what it gave out."""

    ledger: SiteLedger
    partition: int
    batch: int = 0
    orders: int = 0
    frames: int = 0
    meters: dict[int, str] = field(default_factory=dict)
    places: dict[int, tuple[str, str, str]] = field(default_factory=dict)
    """Gateway, address and template by the meter's number."""
    accounts: dict[int, str] = field(default_factory=dict)
    consumption: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    spent: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """Deductions by account, nano-yuan."""
    flags: set[Flag] = field(default_factory=set)
    refused: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    desired: dict[str, str] = field(default_factory=dict)
    """The latest command's action by meter."""

    def note(self, outcome: ledgers.Outcome) -> None:
        """Count an outcome in."""
        for meter in outcome.meters:
            self.meters[meter.number] = meter.meter
            self.places[meter.number] = meter.gateway, meter.address, meter.template
        self.accounts |= {account.number: account.account for account in outcome.accounts}
        for row in outcome.readings:
            self.spent[self.accounts[int(row["account"])]] += int(row["amount"])
            self.consumption[self.meters[int(row["meter"])]] += int(row["consumption"])
            self.flags |= set(Flag(int(row["flags"])))
        for refusal in outcome.refusals:
            self.refused[refusal.reason] += 1


class FleetRun:
    """One run; `clock` goes as the test says."""

    def __init__(self, group: Property, fleet: Fleet, board: Switchboard, clock: SetClock, state: FleetState) -> None:
        self.group, self.fleet, self.board, self.clock = group, fleet, board, clock
        self.sites = {site: Site(SiteLedger(site), number) for number, site in enumerate(group.sites)}
        self.history = History()
        """All that the ledgers gave out, each site's in a partition of its own."""
        self.commands: list[Command] = []
        self.reports: asyncio.Queue[tuple[Command, Outcome, str]] = asyncio.Queue()
        self._state = state
        self._sessions: dict[str, GatewaySession] = {}
        self._lines: dict[str, Line] = {}
        self._told: Sessions | None = None
        self._clocks: ClockBook | None = None
        self._shown: dict[str, set[int]] = defaultdict(set)
        """All that each meter's register was seen to show."""
        self._sleepers: list[tuple[int, asyncio.Event]] = []
        self._keys: Mapping[str, bytes] = {}

    def order(self, order: Order) -> None:
        """Have the ledger take an order."""
        site = self.sites[str(order["site"])]
        at = parse_time(str(order["at"]))
        assert at is not None
        site.ledger.take_order(order, at=at, position=Position(Source.ORDERS, site.orders, 0))
        site.orders += 1
        self._settle(site, Inputs(Span(site.frames, site.frames), Span(site.orders - 1, site.orders)))

    async def publish(self, taken: Round) -> None:
        """Have the ledger take a round."""
        site = self.sites[taken.site]
        readings = read_rounds(site.ledger, [(site.frames, taken)])
        for number, register in zip(readings.batch.meter.tolist(), readings.batch.register.tolist(), strict=True):
            # What was stored before a meter was replaced has its successor's address; the ledger goes by the time.
            if number >= 0 and taken.gateway in self._sessions:
                # Whatever went wrong on the line: never another meter's register, nor any other bytes for one.
                assert register in self._shown[site.meters[number]], (site.meters[number], register)
        for rejected in readings.rejected:
            site.refused[rejected.reason] += 1
        site.ledger.take_readings(readings.batch)
        site.frames += 1
        self._settle(site, Inputs(Span(site.frames - 1, site.frames), Span(site.orders, site.orders)))

    def _settle(self, site: Site, inputs: Inputs) -> None:
        outcome = site.ledger.settle()
        site.note(outcome)
        for part in cut_postings(Postings(site.ledger.site, site.partition, site.batch, inputs, outcome)):
            self.history.add(site.partition, part)
        site.batch += 1
        for command in outcome.commands:
            gateway, address, template = site.places[command.meter]
            meter = site.meters[command.meter]
            value = command_value(
                command, site=site.ledger.site, meter=meter, gateway=gateway, address=address, template=template
            )
            read = read_command(value)
            site.desired[meter] = read.action
            self.commands.append(read)
            if self._told is not None and gateway in self._told:
                self._told.order(read)

    def command(self, command: Command) -> None:
        """Have the collector carry out a command that the ledger did not give."""
        assert self._told is not None
        self._told.order(command)

    def _report(self, command: Command, outcome: Outcome, detail: str, _frame: bytes) -> None:
        self.reports.put_nowait((command, outcome, detail))

    def clocks(self) -> list[MeterClock]:
        """What the collector knows of meters' clocks."""
        assert self._clocks is not None
        return self._clocks.all()

    async def book(self, order: Order) -> None:
        """The fitter's office."""
        self.order(order)

    async def sleep_until(self, at_ms: int) -> None:
        """Wait for the test to turn the clock so far."""
        while self.clock.now_ms() < at_ms:
            woken = asyncio.Event()
            self._sleepers.append((at_ms, woken))
            await woken.wait()

    async def start_again(self) -> None:
        """Have the collector begin anew, with lines that remember nothing."""
        assert self._told is not None
        registry = read_registry(self._state.registry_path)
        self._sessions.clear()
        self._lines.clear()
        await self._told.take(dataclasses.replace(registry, gateways=()))
        await self._told.take(registry)
        await self.called()

    async def called(self) -> None:
        """Wait until all gateways that call have done so."""
        for line in self._lines.values():
            if isinstance(line, DialInLine):
                await line.connected.wait()

    async def turn_clock(self, minutes: int) -> None:
        """Let time pass, and those act who waited for it."""
        self.clock.at_ms += minutes * MINUTE_MS
        due = [woken for at_ms, woken in self._sleepers if at_ms <= self.clock.at_ms]
        self._sleepers = [(at_ms, woken) for at_ms, woken in self._sleepers if at_ms > self.clock.at_ms]
        for woken in due:
            woken.set()
        # The fitter has done what it does at this time, and waits for the next.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for name, meter in self.fleet.meters.items():
            self._shown[name].add(meter.shown_wh(self.clock.at_ms))

    def announce(self) -> None:
        """Write the registry anew."""
        ports = {
            plan.gateway: self.board.book.port(plan.gateway) for plan in self.group.gateways if plan.link.is_called
        }
        port = self.board.book.port(DIAL_IN)
        there = self.fleet.there()
        self._state.write_registry(registry_of(self.group, there=there, host=HOST, dial_in_port=port, ports=ports))

    async def take_registry(self) -> None:
        """Have the collector take the registry as it is now."""
        assert self._told is not None
        await self._told.take(read_registry(self._state.registry_path))

    async def round(self) -> None:
        """Read all meters once, and let gateways upload."""
        await asyncio.gather(
            *(self._read(session) for session in self._sessions.values()),
            *(uploader.turn() for uploader in self.board.uploaders),
        )

    async def _read(self, session: GatewaySession) -> None:
        taken = await session.read_round()
        if taken is not None:
            await self.publish(taken)

    @contextlib.asynccontextmanager
    async def collecting(self, folder: Path) -> AsyncIterator[None]:
        """The collector's parts run, and call and are called."""
        book = CommandBook(folder / "collector" / "commands.sqlite")
        clocks = self._clocks = ClockBook(folder / CLOCKS_FILE)

        def open_session(plan: GatewayPlan, line: Line) -> GatewaySession:
            session = GatewaySession(
                plan,
                line,
                clock=self.clock,
                pace=SELDOM,
                book=book,
                clocks=clocks,
                publish=self.publish,
                report=self._report,
            )
            self._sessions[plan.gateway] = session
            self._lines[plan.gateway] = line
            return session

        listener = DialInListener({})
        sessions = self._told = Sessions(open_session, listener, report=self._report, line_timeout_s=LINE_TIMEOUT_S)
        registry = read_registry(folder / REGISTRY_FILE)
        await listener.start(registry.dial_in_host, registry.dial_in_port)
        await sessions.take(registry)
        plan = read_upload_plan(folder)
        uploads = None
        if plan is not None:
            keys = read_gateway_keys(folder / KEYS_FILE)
            uploads = await UploadService.start(plan, folder, clock=self.clock, keys=keys, publish=self.publish)
        fitter = Fitter(self.fleet, book=self.book, announce=self.announce)
        tasks = [asyncio.create_task(dialler.run()) for dialler in self.board.diallers]
        tasks += [asyncio.create_task(fitter.swap(swap, self.sleep_until)) for swap in self.group.swaps]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if uploads is not None:
                await uploads.stop()
            await sessions.close()
            await listener.stop()
            book.close()
            clocks.close()


@contextlib.asynccontextmanager
async def fleet_run(size: PropertySize, folder: Path, *, broker: Broker | None = None) -> AsyncIterator[FleetRun]:
    """A property group that has moved in."""
    state = FleetState(folder)
    group = state.property_group(size)
    clock = SetClock(group.origin_ms)
    with ControlJournal(state.journal_path) as journal:
        fleet = Fleet(group, clock=clock, journal=journal)
        board = Switchboard(
            fleet,
            PortBook(state.ports_path),
            keys=state.gateway_keys(group),
            broker=broker,
            answer_delay_s=0,
            timing=HASTE,
        )
        run = FleetRun(group, fleet, board, clock, state)
        for order in initial_orders(group):
            run.order(order)
        async with contextlib.AsyncExitStack() as stack:
            await board.open(stack)
            place = None if broker is None else (broker.host, broker.port)
            uploads = uploads_of(group, host=HOST, port=board.book.port(UPLOAD), broker=place)
            if uploads is not None:
                state.write_uploads(uploads)
            run.announce()
            async with run.collecting(folder):
                yield run
