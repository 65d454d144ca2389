"""Why a command is not carried out here, for whoever reads its report."""

from typing import Final

from collectors.gateways.command import Command
from collectors.gateways.line import Action
from collectors.registry import MeterOnLine
from collectors.wire.template import Protocol
from collectors.wire.templates import TEMPLATES

_NO_RECHARGE: Final[dict[Protocol, str]] = {
    "dlt645-2007": "its security module takes only recharges signed with keys that the seller's key server holds",
    "modbus": "its maker encrypts recharges in a way that is not public",
    "mbus": "it holds no credit",
    "cjt188": "how its purchase is laid out is not public",
}


def why_lacking(command: Command, meter: MeterOnLine) -> str:
    """What a meter's kind lacks for an action that lines carry out; empty where it lacks nothing."""
    template = meter.template
    if command.action != Action.SYNC_TIME:
        if template.relay is None:
            return f"a meter of template {template.name} has no relay"
        if command.action in (Action.RETAIN, Action.RELEASE) and not template.relay.retain:
            return f"how a meter of template {template.name} is kept from cutting by itself is not known"
        return ""
    clock = template.clock
    if clock is None:
        return f"a meter of template {template.name} has no clock that is read"
    if template.protocol == "cjt188" and not clock.command:
        return f"template {template.name} does not say how a clock is set"
    return ""


def why_unsupported(command: Command) -> str:
    """What keeps this collector from a command's action."""
    told = f"no line here carries out {command.action} on a meter of template {command.template!r}"
    template = TEMPLATES.get(command.template)
    if command.action != "recharge" or template is None:
        return told
    return f"{told}: {_NO_RECHARGE[template.protocol]}; bring it in by card, token or key server"
