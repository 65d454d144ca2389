"""The truth about the meters, for demos and tests: a loopback port that answers JSON lines.

    {"meter": "S1-M0001"}                       -> a `MeterTruth` now
    {"meter": "S1-M0001", "at_ms": 1772409660000} -> the same at a virtual time
    {"all": true}                               -> {"at_ms": ..., "meters": [...]}, all at one time
    anything else                               -> {"error": "..."}

The product itself never asks here: it knows of a meter what the frames say.
"""

import asyncio
import json
import socket
from dataclasses import asdict
from typing import Any, Self

from infra.fleet.errors import FleetError
from infra.fleet.fleet import Fleet, MeterTruth

_CLIENT_TIMEOUT_S = 10.0


class TruthServer:
    """Serves the truth about one fleet."""

    def __init__(self, fleet: Fleet, *, host: str, port: int) -> None:
        self._fleet = fleet
        self._host = host
        self._port = port
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen; OSError if the port cannot be had."""
        self._server = await asyncio.start_server(self._converse, self._host, self._port)

    async def stop(self) -> None:
        """Stop listening. Conversations end with the loop."""
        if self._server is not None:
            self._server.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(json.dumps(answer(self._fleet, line)).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError):
            # The other end is gone, or sends a line without end.
            pass
        finally:
            writer.close()


def answer(fleet: Fleet, line: bytes) -> dict[str, object]:
    """Answer one request line."""
    try:
        request = json.loads(line)
    except ValueError:
        return {"error": "not a JSON line"}
    match request:
        case {"all": True}:
            at_ms = fleet.now_ms()
            return {"at_ms": at_ms, "meters": [asdict(fleet.truth(meter, at_ms)) for meter in fleet.meters]}
        case {"meter": str(meter), **rest} if meter in fleet.meters:
            when = rest.get("at_ms")
            if when is None or type(when) is int:
                return asdict(fleet.truth(meter, when))
            return {"error": "at_ms is not a whole number"}
        case {"meter": str(meter)}:
            return {"error": f"no meter {meter}"}
    return {"error": "ask for a meter, or for all"}


class TruthClient:
    """Asks a fleet for the truth, over one connection; blocking."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self._socket = socket.create_connection((host, port), timeout=_CLIENT_TIMEOUT_S)
        self._lines = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._lines.close()
        self._socket.close()

    def meter(self, meter: str, at_ms: int | None = None) -> MeterTruth:
        """Tell the truth about a meter, now or at a virtual time."""
        request: dict[str, object] = {"meter": meter}
        if at_ms is not None:
            request["at_ms"] = at_ms
        return MeterTruth(**self._ask(request))

    def all(self) -> dict[str, MeterTruth]:
        """Tell the truth about every meter at one time, by meter id."""
        return {fields["meter"]: MeterTruth(**fields) for fields in self._ask({"all": True})["meters"]}

    def _ask(self, request: dict[str, object]) -> dict[str, Any]:
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        line = self._lines.readline()
        if not line:
            raise FleetError("the fleet closed the connection")
        fields: dict[str, Any] = json.loads(line)
        if "error" in fields:
            raise FleetError(f"the fleet answers: {fields['error']}")
        return fields
