"""All gateways of a property group, on their sockets."""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import structlog

from infra.fleet.errors import FleetError
from infra.fleet.fault import LINE_FAULTS, Fault
from infra.fleet.fleet import Fleet
from infra.fleet.gateways.acrel_4g import HEARTBEAT_FRAME, Acrel4gMeterSide, registration_of
from infra.fleet.gateways.bus import Bus
from infra.fleet.gateways.cjt188_bus import Cjt188Bus
from infra.fleet.gateways.dial_in import DialInGateway, DialInTiming
from infra.fleet.gateways.dlt645_bus import Dlt645Bus
from infra.fleet.gateways.line_faults import LineFaults
from infra.fleet.gateways.mbus_bus import MbusBus
from infra.fleet.gateways.modbus_tcp import ModbusGateway
from infra.fleet.gateways.rtu_bus import RtuBus
from infra.fleet.gateways.serial_server import SerialServer
from infra.fleet.gateways.upload_ways import MqttPublisher, Poster
from infra.fleet.gateways.uploading import UploadingGateway
from infra.fleet.gateways.wire import ANSWER_DELAY_S, Wire
from infra.fleet.meter import Meter
from infra.fleet.meter_faults import MeterFaults
from infra.fleet.ports import PortBook
from infra.fleet.property import GatewayPlan, Link
from infra.fleet.seeded import Seeded
from infra.ports import HOST

log = structlog.get_logger(__name__)

DIAL_IN = "dial_in"
UPLOAD = "upload"
_PORT_TRIES = 5
_BUSES: dict[Link, Callable[[Fleet, list[Meter]], Bus]] = {
    Link.DIAL_IN: Dlt645Bus,
    Link.RTU: RtuBus,
    Link.WATER: Cjt188Bus,
    Link.MBUS: MbusBus,
    Link.ACREL_4G: RtuBus,
}
_DRIFT_MS_MAX = 600_000
"""A gateway's clock may be wrong by so much at first: uploads from further ahead than 15 minutes are refused."""


class Listening(Protocol):
    """A gateway that is called."""

    async def start(self) -> None: ...
    async def stop(self) -> None: ...


Server = TypeVar("Server", bound=Listening)


@dataclass(frozen=True, slots=True)
class Broker:
    """Where gateways publish by MQTT."""

    host: str
    port: int


@dataclass(slots=True)
class Switchboard:
    """The gateways of one fleet.

    Attributes:
        book: The ports that they have, and those of the collector that they call.
        broker: For gateways by MQTT.
        keys: Of gateways by HTTP, in hexadecimal.
    """

    fleet: Fleet
    book: PortBook
    keys: Mapping[str, str] = field(default_factory=dict)
    broker: Broker | None = None
    answer_delay_s: float = ANSWER_DELAY_S
    timing: DialInTiming = field(default_factory=DialInTiming)
    lines: dict[str, LineFaults] = field(default_factory=dict, init=False)
    diallers: list[DialInGateway] = field(default_factory=list, init=False)
    uploaders: list[UploadingGateway] = field(default_factory=list, init=False)

    async def open(self, stack: contextlib.AsyncExitStack) -> None:
        """Open the sockets of all that is called, and set up all that calls.

        Args:
            stack: Closes them.
        Raises:
            FleetError: A port cannot be had, or there is no broker for gateways that publish.
        """
        self.book.port(DIAL_IN)
        self.book.port(UPLOAD)
        for plan in self.fleet.group.gateways:
            await self._open(plan, stack)
        self.book.save()

    def calm(self) -> None:
        """Let nothing go wrong on any line from now on."""
        for line in self.lines.values():
            line.is_calm = True
        for uploader in self.uploaders:
            uploader.is_calm = True

    def seen(self) -> set[Fault]:
        """The faults that there were on lines and in uploads."""
        lines = [fault for line in self.lines.values() for fault in line.seen]
        return {*lines, *(fault for uploader in self.uploaders for fault in uploader.seen)}

    async def _open(self, plan: GatewayPlan, stack: contextlib.AsyncExitStack) -> None:
        size = self.fleet.group.size
        meters = [self.fleet.meters[spec.meter] for spec in plan.meters]
        if plan.link.uploads:
            self.uploaders.append(await self._uploader(plan, meters, stack))
            return
        # What TCP carries without a check value of its own comes as it was sent.
        kinds = size.faults & LINE_FAULTS - ({Fault.CORRUPTED} if plan.link is Link.MODBUS_TCP else set())
        faults = self.lines[plan.gateway] = LineFaults(size.seed, plan.gateway, kinds=kinds)
        if plan.link is Link.MODBUS_TCP:

            def modbus(port: int) -> ModbusGateway:
                return ModbusGateway(plan.gateway, self.fleet, meters, faults, host=HOST, port=port)

            stack.push_async_callback((await self._listening(plan.gateway, modbus)).stop)
            return
        envelope = Acrel4gMeterSide() if plan.link is Link.ACREL_4G else None
        bus = _BUSES[plan.link](self.fleet, meters)
        wire = Wire(bus, faults, envelope=envelope, answer_delay_s=self.answer_delay_s)
        if plan.link.is_called:

            def serial(port: int) -> SerialServer:
                return SerialServer(plan.gateway, wire, host=HOST, port=port)

            stack.push_async_callback((await self._listening(plan.gateway, serial)).stop)
            return
        self.diallers.append(self._dialler(plan, wire))

    def _dialler(self, plan: GatewayPlan, wire: Wire) -> DialInGateway:
        port = self.book.port(DIAL_IN)
        if plan.link is Link.ACREL_4G:
            return DialInGateway(
                plan.gateway,
                wire,
                registration=registration_of(plan.registration),
                heartbeat=HEARTBEAT_FRAME,
                host=HOST,
                port=port,
                timing=self.timing,
            )
        text = plan.registration.encode("ascii")
        return DialInGateway(plan.gateway, wire, registration=text, host=HOST, port=port, timing=self.timing)

    async def _uploader(
        self, plan: GatewayPlan, meters: list[Meter], stack: contextlib.AsyncExitStack
    ) -> UploadingGateway:
        size = self.fleet.group.size
        if plan.link is Link.HTTP:
            url = f"http://{HOST}:{self.book.port(UPLOAD)}"
            send = (await stack.enter_async_context(Poster(url, plan.gateway, self.keys[plan.gateway]))).send
        elif self.broker is not None:
            publisher = MqttPublisher(self.broker.host, self.broker.port, plan.gateway)
            send = (await stack.enter_async_context(publisher)).send
        else:
            raise FleetError(f"gateway {plan.gateway} publishes by MQTT: SLUICE_FLEET_MQTT names no broker")
        draw = Seeded(size.seed, "clock", plan.gateway)
        ppm, wrong_ms = draw.between(-200, 200), draw.between(-_DRIFT_MS_MAX, _DRIFT_MS_MAX)
        drifts = Fault.DRIFT in size.faults
        return UploadingGateway(
            plan.gateway,
            self.fleet,
            meters,
            send,
            frames=plan.link is Link.MQTT,
            clock=MeterFaults(clock_ppm=ppm if drifts else 0, clock_wrong_ms=wrong_ms if drifts else 0),
            seed=size.seed,
            kinds=size.faults,
        )

    async def _listening(self, gateway: str, make: Callable[[int], Server]) -> Server:
        """Start a gateway on its kept port, or on another one if that has been taken meanwhile."""
        port = self.book.port(gateway)
        for _ in range(_PORT_TRIES):
            server = make(port)
            try:
                await server.start()
            except FleetError as error:
                log.warning("port taken", gateway=gateway, port=port, error=str(error))
                port = self.book.choose(gateway)
            else:
                return server
        raise FleetError(f"gateway {gateway}: none of {_PORT_TRIES} ports could be had")
