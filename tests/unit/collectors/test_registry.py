"""The registry: what it says is read, and what is wrong in it is named by its place."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from collectors.registry import RegistryError, read_registry

GOOD: dict[str, Any] = {
    "dial_in": {"host": "0.0.0.0", "port": 7001},
    "sites": [
        {
            "site": "S1",
            "gateways": [
                {
                    "gateway": "S1-G01",
                    "link": "modbus-tcp",
                    "host": "10.1.0.5",
                    "port": 502,
                    "meters": [
                        {"meter": "S1-M1", "address": "17", "template": "ddsy1352"},
                        {"meter": "S1-M2", "address": "18", "template": "dtsy1352"},
                    ],
                },
                {
                    "gateway": "S1-G02",
                    "link": "dial-in",
                    "registration": "SLUICE-S1-G02",
                    "meters": [{"meter": "S1-M3", "address": "000000000161", "template": "dlt645-2007"}],
                },
            ],
        }
    ],
}


def written(folder: Path, registry: object) -> Path:
    path = folder / "registry.json"
    path.write_text(json.dumps(registry))
    return path


def test_what_it_says(tmp_path: Path) -> None:
    registry = read_registry(written(tmp_path, GOOD))
    assert (registry.dial_in_host, registry.dial_in_port) == ("0.0.0.0", 7001)
    polled, dialling = registry.gateways
    assert (polled.site, polled.gateway, polled.host, polled.port) == ("S1", "S1-G01", "10.1.0.5", 502)
    assert [(meter.meter, meter.address, meter.template.name) for meter in polled.meters] == [
        ("S1-M1", 17, "ddsy1352"),
        ("S1-M2", 18, "dtsy1352"),
    ]
    assert dialling.registration == "SLUICE-S1-G02"
    assert dialling.meters[0].address == 161


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        pytest.param("link", "serial", r"sites.*gateways.*link", id="unknown link"),
        pytest.param("port", "502", r"sites.*gateways.*port", id="port as text"),
        pytest.param("port", 0, "site S1, gateway S1-G01: .* host and port", id="no port"),
        pytest.param("host", "", "site S1, gateway S1-G01: .* host and port", id="no host"),
        pytest.param("hosts", "10.1.0.5", "hosts", id="unknown field"),
        pytest.param("meters/0/address", "x", "meter S1-M1: address 'x'", id="address no number"),
        pytest.param("meters/0/address", "248", "address '248' is no number up to 247", id="unit too large"),
        pytest.param("meters/0/address", "18", "gateway S1-G01: two meters have one address", id="address twice"),
        pytest.param("meters/0/template", "ddsy", "template 'ddsy' is not one of", id="unknown template"),
        pytest.param("meters/0/template", "dlt645-2007", "speaks dlt645-2007, the link is", id="other protocol"),
        pytest.param("meters/0/meter", "S1-M3", "meter S1-M3 is there twice", id="meter twice"),
        pytest.param("gateway", "S1-G02", "gateway S1-G02 is there twice", id="gateway twice"),
    ],
)
def test_a_fault_is_named_by_its_place(tmp_path: Path, path: str, value: object, said: str) -> None:
    registry = copy.deepcopy(GOOD)
    *steps, last = path.split("/")
    place: Any = registry["sites"][0]["gateways"][0]
    for step in steps:
        place = place[int(step) if step.isdigit() else step]
    place[last] = value
    with pytest.raises(RegistryError, match=said):
        read_registry(written(tmp_path, registry))


def test_a_dial_in_gateway_needs_its_registration(tmp_path: Path) -> None:
    registry = copy.deepcopy(GOOD)
    del registry["sites"][0]["gateways"][1]["registration"]
    with pytest.raises(RegistryError, match="gateway S1-G02: a dial-in gateway needs its registration"):
        read_registry(written(tmp_path, registry))


def test_a_registry_that_is_not_there_or_no_json(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="is missing"):
        read_registry(tmp_path / "registry.json")
    (tmp_path / "registry.json").write_text("{")
    with pytest.raises(RegistryError, match=r"registry\.json: "):
        read_registry(tmp_path / "registry.json")
