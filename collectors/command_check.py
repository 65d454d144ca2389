"""Which records of `gateway.commands` this collector takes for commands of its own gateways."""

import hashlib
from collections.abc import Container

import structlog

from collectors.gateways.command import Command, CommandError, convert_command, read_fields
from collectors.gateways.report import Outcome, ReportCommand
from collectors.wire.signature import SIGNATURE, is_signed
from infra.gateway_keys import GatewayKeys

log = structlog.get_logger(__name__)


class CommandCheck:
    """Lets commands for known gateways through, signed ones where the gateway has a key.

    What is neither is reported and goes no further; it never takes a true command's place.
    """

    def __init__(self, gateways: Container[str], *, keys: GatewayKeys, report: ReportCommand) -> None:
        self._gateways = gateways
        self._keys = keys
        self._report = report

    def read(self, key: bytes | None, value: bytes | None) -> Command | None:
        """The command that a record holds; None if it is none for here."""
        gateway = (key or b"").decode(errors="replace")
        if gateway not in self._gateways:
            return None
        try:
            fields = read_fields(value or b"")
            command = convert_command(fields)
            if command.gateway != gateway:
                raise CommandError(f"is for gateway {command.gateway!r}, its key is {gateway!r}")
        except CommandError as error:
            log.warning("no command", gateway=gateway, error=str(error))
            self._report(_unreadable(gateway, value or b""), Outcome.MALFORMED, str(error), value or b"")
            return None
        fault = self._fault(gateway, fields)
        if fault:
            log.error("command not carried out", error=fault, **command.told())
            self._report(command, Outcome.FORGED, fault, b"")
            return None
        return command

    def _fault(self, gateway: str, fields: dict[str, object]) -> str:
        """What is wrong with a command's signature; empty if it is as it should be."""
        secret = self._keys.get(gateway)
        if secret is None:
            # Whoever signs wants it checked. A forger would leave the signature out.
            return "it is signed, but no key of its gateway is here" if SIGNATURE in fields else ""
        if SIGNATURE not in fields:
            return "it is not signed, but its gateway has a key"
        return "" if is_signed(secret, fields) else "its signature is wrong"


def _unreadable(gateway: str, value: bytes) -> Command:
    """What stands for a record of which nothing is known: the digest of its bytes tells a repeat."""
    return Command(
        site="",
        gateway=gateway,
        meter="",
        sequence=0,
        action="",
        reason=hashlib.sha256(value).hexdigest(),
        repeat=False,
        issued_at="",
        expires_at="",
        v=0,
    )
