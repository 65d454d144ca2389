"""The fleet as a process of its own: the property group on its sockets, until it is told to end."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Iterator

import structlog

from infra.clock import start_clock
from infra.endpoints import announce_ready
from infra.fleet.dial_in_gateway import DialInGateway
from infra.fleet.errors import FleetError
from infra.fleet.fleet import Fleet
from infra.fleet.journal import ControlJournal
from infra.fleet.modbus_gateway import ModbusGateway
from infra.fleet.ports import PortBook
from infra.fleet.property import GatewayPlan, Link, PropertySize
from infra.fleet.registry import registry_of
from infra.fleet.state import FleetState
from infra.fleet.truth import TruthServer
from infra.ports import HOST
from infra.process import LockedError, locked
from infra.settings import Settings

log = structlog.get_logger(__name__)

PART = "fleet"
DIAL_IN = "dial_in"
TRUTH = "truth"
_PORT_TRIES = 5


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
    size = PropertySize(sites=settings.sites, gateways=settings.gateways, meters=settings.meters, seed=settings.seed)
    state = FleetState(settings.data_dir)
    with _alone(state), ControlJournal(state.journal_path) as journal:
        group = state.property_group(size)
        state.write_orders(group)
        clock = start_clock(settings.data_dir, origin_virtual_ms=group.origin_ms, speed=settings.speed)
        fleet = Fleet(group, clock=clock, journal=journal)
        await _serve(settings, state, fleet, stop)


@contextlib.contextmanager
def _alone(state: FleetState) -> Iterator[None]:
    """Keep a second fleet from writing the same files."""
    try:
        with locked(state.lock_path):
            yield
    except LockedError as error:
        raise FleetError(f"another fleet runs on this data directory: {error}") from error


async def _serve(settings: Settings, state: FleetState, fleet: Fleet, stop: asyncio.Event) -> None:
    book = PortBook(state.ports_path)
    ports = {DIAL_IN: book.port(DIAL_IN)}
    gateways = fleet.group.gateways
    async with contextlib.AsyncExitStack() as stack:
        for plan in gateways:
            if plan.link is Link.MODBUS_TCP:
                gateway = await _start_modbus(plan, fleet, book)
                stack.push_async_callback(gateway.stop)
                ports[plan.gateway] = book.port(plan.gateway)
        truth = await _start_truth(fleet, book)
        stack.push_async_callback(truth.stop)
        ports[TRUTH] = book.port(TRUTH)
        book.save()
        state.write_registry(registry_of(fleet.group, host=HOST, dial_in_port=ports[DIAL_IN], ports=ports))
        diallers = [
            DialInGateway(plan, fleet, host=HOST, port=ports[DIAL_IN]) for plan in gateways if plan.link is Link.DIAL_IN
        ]
        announce_ready(settings, PART, {DIAL_IN: ports[DIAL_IN], TRUTH: ports[TRUTH]})
        log.info("fleet serves", sites=len(fleet.group.sites), gateways=len(gateways), meters=len(fleet.meters))
        await _run_until(stop, diallers)
    log.info("fleet ended")


async def _run_until(stop: asyncio.Event, diallers: list[DialInGateway]) -> None:
    """Run the dial-in gateways until `stop`; if one of them fails, all end and the failure is raised."""
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(dialler.run(), name=dialler.plan.gateway) for dialler in diallers]
        await stop.wait()
        for task in running:
            task.cancel()


async def _start_modbus(plan: GatewayPlan, fleet: Fleet, book: PortBook) -> ModbusGateway:
    """Start a gateway on its kept port, or on another one if that has been taken meanwhile."""
    port = book.port(plan.gateway)
    for _ in range(_PORT_TRIES):
        gateway = ModbusGateway(plan, fleet, host=HOST, port=port)
        try:
            await gateway.start()
        except FleetError as error:
            log.warning("port taken", gateway=plan.gateway, port=port, error=str(error))
            port = book.choose(plan.gateway)
        else:
            return gateway
    raise FleetError(f"gateway {plan.gateway}: none of {_PORT_TRIES} ports could be had")


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
