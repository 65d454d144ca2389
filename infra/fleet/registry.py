"""`registry.json`: which gateways there are and which meters hang on them, as the collector reads it."""

from collections.abc import Mapping

from infra.fleet.property import GatewayPlan, Link, Property


def registry_of(group: Property, *, host: str, dial_in_port: int, ports: Mapping[str, int]) -> dict[str, object]:
    """Describe the group to the collector.

    Args:
        dial_in_port: Where the dial-in gateways expect the collector to listen.
        ports: Of each Modbus gateway by its id.
    """
    return {
        "dial_in": {"host": host, "port": dial_in_port},
        "sites": [
            {
                "site": site,
                "gateways": [_gateway(plan, host, ports) for plan in group.gateways if plan.site == site],
            }
            for site in group.sites
        ],
    }


def _gateway(plan: GatewayPlan, host: str, ports: Mapping[str, int]) -> dict[str, object]:
    if plan.link is Link.MODBUS_TCP:
        place: dict[str, object] = {"host": host, "port": ports[plan.gateway]}
    else:
        place = {"registration": plan.registration}
    meters = [{"meter": spec.meter, "address": spec.address, "template": spec.template} for spec in plan.meters]
    return {"gateway": plan.gateway, "link": plan.link.value, **place, "meters": meters}
