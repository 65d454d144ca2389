"""The fleet as a process of its own: the property group on its sockets, until it is told to end."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Coroutine, Iterator
from typing import Any

import structlog
from kafka.errors import KafkaError

from collectors.orders.front_door import FrontDoor
from infra.clock import ScaledClock, start_clock
from infra.endpoints import EndpointError, announce_ready, kafka_bootstrap
from infra.fleet.errors import FleetError
from infra.fleet.fitter import Fitter
from infra.fleet.fleet import Fleet
from infra.fleet.gateways.switchboard import DIAL_IN, UPLOAD, Broker, Switchboard
from infra.fleet.journal import ControlJournal
from infra.fleet.orders import Order
from infra.fleet.ports import PortBook
from infra.fleet.registry import registry_of, uploads_of
from infra.fleet.size import size_of
from infra.fleet.state import FleetState
from infra.fleet.truth import TruthServer
from infra.ports import HOST
from infra.process import LockedError, locked
from infra.settings import Settings

log = structlog.get_logger(__name__)

PART = "fleet"
TRUTH = "truth"
_PORT_TRIES = 5
_BOOK_AGAIN_S = 1.0


def main(settings: Settings) -> None:
    """Run the virtual property group until SIGTERM or SIGINT.

    Raises:
        SystemExit: The sizes, the data directory or the ports do not allow it; the message says what to change.
    """
    try:
        asyncio.run(_run(settings))
    except FleetError as error:
        sys.exit(f"fleet: {error}")


async def _run(settings: Settings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    size = size_of(settings)
    state = FleetState(settings.data_dir)
    with _alone(state), ControlJournal(state.journal_path) as journal:
        group = state.property_group(size)
        state.write_orders(group)
        clock = start_clock(settings.data_dir, origin_virtual_ms=group.origin_ms, speed=settings.speed)
        await _serve(settings, state, Fleet(group, clock=clock, journal=journal), clock, stop)


@contextlib.contextmanager
def _alone(state: FleetState) -> Iterator[None]:
    """Keep a second fleet from writing the same files."""
    try:
        with locked(state.lock_path):
            yield
    except LockedError as error:
        raise FleetError(f"another fleet runs on this data directory: {error}") from error


async def _serve(settings: Settings, state: FleetState, fleet: Fleet, clock: ScaledClock, stop: asyncio.Event) -> None:
    book, group = PortBook(state.ports_path), fleet.group
    broker = _broker(settings)
    board = Switchboard(fleet, book, keys=state.gateway_keys(group), broker=broker)

    def announce() -> None:
        ports = {plan.gateway: book.port(plan.gateway) for plan in group.gateways if plan.link.is_called}
        there, dial_in = fleet.there(), book.port(DIAL_IN)
        state.write_registry(registry_of(group, there=there, host=HOST, dial_in_port=dial_in, ports=ports))

    async def sleep_until(at_ms: int) -> None:
        await asyncio.sleep(clock.real_s_until(at_ms))

    async with contextlib.AsyncExitStack() as stack:
        await board.open(stack)
        truth = await _start_truth(fleet, book)
        stack.push_async_callback(truth.stop)
        book.save()
        uploads = uploads_of(
            group, host=HOST, port=book.port(UPLOAD), broker=None if broker is None else (broker.host, broker.port)
        )
        if uploads is not None:
            state.write_uploads(uploads)
        announce()
        fitter = Fitter(fleet, book=lambda order: _book(settings, clock, order), announce=announce)
        work: list[Coroutine[Any, Any, None]] = [dialler.run() for dialler in board.diallers]
        work += [uploader.run(settings.poll_interval_s / clock.speed) for uploader in board.uploaders]
        work += [fitter.swap(swap, sleep_until) for swap in group.swaps]
        still_ms = group.size.still_from_ms(group.origin_ms)
        if still_ms is not None:
            work.append(_calm_from(board, sleep_until(still_ms)))
        announce_ready(settings, PART, {DIAL_IN: book.port(DIAL_IN), TRUTH: book.port(TRUTH)})
        log.info("fleet serves", sites=len(group.sites), gateways=len(group.gateways), meters=len(fleet.there()))
        await _run_until(stop, work)
    log.info("fleet ended")


async def _run_until(stop: asyncio.Event, work: list[Coroutine[Any, Any, None]]) -> None:
    """Do all work until `stop`; if some of it fails, all ends and the failure is raised."""
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(each) for each in work]
        await stop.wait()
        for task in running:
            task.cancel()


async def _calm_from(board: Switchboard, moment: Coroutine[Any, Any, None]) -> None:
    await moment
    board.calm()
    log.info("tenants draw nothing any more, and lines are calm")


async def _book(settings: Settings, clock: ScaledClock, order: Order) -> None:
    """Have an order booked, as often tried as it takes: a fitter's work cannot be undone."""
    while True:
        try:
            await asyncio.to_thread(_submit, settings, clock, order)
        except (KafkaError, EndpointError) as error:
            log.warning("order not booked", order=order["order"], error=str(error), again_in_s=_BOOK_AGAIN_S)
            await asyncio.sleep(_BOOK_AGAIN_S)
        else:
            return


def _submit(settings: Settings, clock: ScaledClock, order: Order) -> None:
    with FrontDoor(kafka_bootstrap(settings), partitions=settings.partitions, clock=clock) as door:
        door.submit(order)


def _broker(settings: Settings) -> Broker | None:
    host, _, port = settings.fleet_mqtt.rpartition(":")
    return Broker(host, int(port)) if host else None


async def _start_truth(fleet: Fleet, book: PortBook) -> TruthServer:
    port = book.port(TRUTH)
    for _ in range(_PORT_TRIES):
        truth = TruthServer(fleet, host=HOST, port=port)
        try:
            await truth.start()
        except OSError as error:
            log.warning("port taken", part=TRUTH, port=port, error=str(error))
            port = book.choose(TRUTH)
        else:
            return truth
    raise FleetError(f"truth: none of {_PORT_TRIES} ports could be had")
