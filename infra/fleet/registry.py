"""What the collector is told of the group: `registry.json`, and `uploads.json` for gateways that upload."""

from collections.abc import Container, Mapping
from typing import Final

from infra.fleet.property import GatewayPlan, Link, Property

_LINKS: Final = {Link.RTU: "tcp", Link.MBUS: "tcp", Link.WATER: "dial-in"}
"""In the registry's words, where they are others."""


def registry_of(
    group: Property, *, there: Container[str], host: str, dial_in_port: int, ports: Mapping[str, int]
) -> dict[str, object]:
    """Describe the group to the collector; gateways that upload by themselves are not in it.

    Args:
        there: The meters that hang on their lines now.
        dial_in_port: Where the dial-in gateways expect the collector to listen.
        ports: Of each gateway that is called, by its id.
    """
    lines = [plan for plan in group.gateways if not plan.link.uploads]
    return {
        "dial_in": {"host": host, "port": dial_in_port},
        "sites": [
            {"site": site, "gateways": [_gateway(plan, there, host, ports) for plan in lines if plan.site == site]}
            for site in group.sites
        ],
    }


def uploads_of(group: Property, *, host: str, port: int, broker: tuple[str, int] | None) -> dict[str, object] | None:
    """Describe the gateways that upload; None if there are none.

    Args:
        port: Where they expect the collector to take uploads by HTTP.
        broker: Host and port of the one to which others publish.
    """
    gateways = {plan.gateway: plan.site for plan in group.gateways if plan.link.uploads}
    if not gateways:
        return None
    found: dict[str, object] = {"gateways": gateways, "http": {"host": host, "port": port}}
    if broker is not None:
        found["mqtt"] = {"host": broker[0], "port": broker[1]}
    return found


def _gateway(plan: GatewayPlan, there: Container[str], host: str, ports: Mapping[str, int]) -> dict[str, object]:
    if plan.link.is_called:
        place: dict[str, object] = {"host": host, "port": ports[plan.gateway]}
    else:
        place = {"registration": plan.registration}
    meters = [
        {"meter": spec.meter, "address": spec.address, "template": spec.template}
        for spec in plan.meters
        if spec.meter in there
    ]
    return {"gateway": plan.gateway, "link": _LINKS.get(plan.link, plan.link.value), **place, "meters": meters}
