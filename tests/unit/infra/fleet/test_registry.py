from infra.fleet.layout import lay_out
from infra.fleet.property import PropertySize
from infra.fleet.registry import registry_of

from .samples import ORIGIN_MS


def test_registry_lists_each_site_with_its_gateways() -> None:
    group = lay_out(PropertySize(2, 3, 6), origin_ms=ORIGIN_MS)
    ports = {plan.gateway: 5000 + index for index, plan in enumerate(group.gateways)}
    there = {spec.meter for spec in group.meters}
    registry = registry_of(group, there=there, host="127.0.0.1", dial_in_port=4000, ports=ports)
    templates = {spec.meter: spec.template for spec in group.meters}
    assert registry == {
        "dial_in": {"host": "127.0.0.1", "port": 4000},
        "sites": [
            {
                "site": "S1",
                "gateways": [
                    {
                        "gateway": "S1-G01",
                        "link": "modbus-tcp",
                        "host": "127.0.0.1",
                        "port": 5000,
                        "meters": [
                            {"meter": "S1-M0001", "address": "1", "template": "ddsy1352"},
                            {"meter": "S1-M0002", "address": "2", "template": templates["S1-M0002"]},
                        ],
                    },
                    {
                        "gateway": "S1-G02",
                        "link": "dial-in",
                        "registration": "SLUICE-S1-G02",
                        "meters": [
                            {"meter": "S1-M0003", "address": "202600010001", "template": "dlt645-2007"},
                            {"meter": "S1-M0004", "address": "202600010002", "template": "dlt645-2007"},
                        ],
                    },
                ],
            },
            {
                "site": "S2",
                "gateways": [
                    {
                        "gateway": "S2-G01",
                        "link": "modbus-tcp",
                        "host": "127.0.0.1",
                        "port": 5002,
                        "meters": [
                            {"meter": "S2-M0001", "address": "1", "template": templates["S2-M0001"]},
                            {"meter": "S2-M0002", "address": "2", "template": templates["S2-M0002"]},
                        ],
                    }
                ],
            },
        ],
    }
