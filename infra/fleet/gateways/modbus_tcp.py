"""A polled gateway: a pymodbus server whose units are virtual meters, computed as they are read."""

import asyncio
from collections.abc import Sequence
from functools import partial

import structlog
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from infra.fleet.acrel import (
    CONTROL_WORD,
    CONTROL_WORDS,
    WORD_COUNT,
    ControlValueError,
    control_after,
    words,
)
from infra.fleet.errors import FleetError
from infra.fleet.fleet import Fleet
from infra.fleet.gateways.bus import Places
from infra.fleet.gateways.line_faults import LineFaults
from infra.fleet.meter import Meter

log = structlog.get_logger(__name__)

_READ_HOLDING = 3
_WRITE_MULTIPLE = 16


class ModbusGateway:
    """Serves one gateway's meters on a port; unit = the meter's address."""

    def __init__(
        self, gateway: str, fleet: Fleet, meters: Sequence[Meter], faults: LineFaults, *, host: str, port: int
    ) -> None:
        self.gateway = gateway
        self._address = (host, port)
        places, units = Places(meters), sorted({int(meter.spec.address) for meter in meters})
        self._devices = [_absent()] + [_device(fleet, places, unit) for unit in units]
        self._faults = faults
        self._server: ModbusTcpServer | None = None

    async def start(self) -> None:
        """Listen.

        Raises:
            FleetError: The port cannot be had.
        """
        self._server = ModbusTcpServer(self._devices, address=self._address, trace_packet=self._send)
        try:
            await self._server.serve_forever(background=True)
        except RuntimeError as error:
            raise FleetError(f"gateway {self.gateway}: port {self._address[1]} cannot be had") from error

    async def stop(self) -> None:
        """Stop listening and close the connections."""
        if self._server is not None:
            await self._server.shutdown()  # type: ignore[no-untyped-call]  # pymodbus leaves it untyped

    def _send(self, sending: bool, data: bytes) -> bytes:
        """What goes over the line of what pymodbus gives; all that comes in passes."""
        if not sending:
            return data
        sent = self._faults.send(data)
        if sent.restarts:
            asyncio.get_running_loop().call_soon(self._hang_up)
        return b"".join(sent.pieces)

    def _hang_up(self) -> None:
        """Let all connections go, as a gateway does that starts anew."""
        if self._server is not None:
            for connection in list(self._server.active_connections.values()):
                if connection.transport is not None:
                    connection.transport.close()


def _absent() -> SimDevice:
    """Answer for every unit without a meter as a gateway does: the target did not respond (0B)."""

    async def no_answer(
        _function: int,
        _start: int,
        _address: int,
        _count: int,
        _registers: list[int],
        _values: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        return ExcCodes.GATEWAY_NO_RESPONSE

    everything = SimData(0, count=WORD_COUNT, datatype=DataType.REGISTERS)
    return SimDevice(0, simdata=[everything], action=no_answer)


def _device(fleet: Fleet, places: Places, unit: int) -> SimDevice:
    """Make a unit a pymodbus device: words exist up to 0061, and only the control words can be written."""
    after = CONTROL_WORD + CONTROL_WORDS
    return SimDevice(
        unit,
        simdata=[
            SimData(0, count=CONTROL_WORD, datatype=DataType.REGISTERS, readonly=True),
            SimData(CONTROL_WORD, count=CONTROL_WORDS, datatype=DataType.REGISTERS),
            SimData(after, count=WORD_COUNT - after, datatype=DataType.REGISTERS, readonly=True),
        ],
        action=partial(_access, fleet, places, unit),
    )


async def _access(
    fleet: Fleet,
    places: Places,
    unit: int,
    function: int,
    start: int,
    address: int,
    count: int,
    registers: list[int],
    values: list[int] | list[bool] | None,
) -> ExcCodes | None:
    """Serve one request of a unit: pymodbus sends what `registers` holds when this returns."""
    meter = places.at(unit)
    if meter is None:
        return ExcCodes.GATEWAY_NO_RESPONSE
    if values is not None and function == _WRITE_MULTIPLE:
        try:
            control = control_after(meter.control, first=address, values=[int(value) for value in values])
        except ControlValueError:
            return ExcCodes.ILLEGAL_VALUE
        fleet.set_control(meter, control)
        log.info("meter controlled", meter=meter.spec.meter, relay_open=control.is_open)
        return None
    if values is None and function == _READ_HOLDING:
        registers[address - start : address - start + count] = words(meter, fleet.now_ms(), first=address, count=count)
        return None
    return ExcCodes.ILLEGAL_FUNCTION
