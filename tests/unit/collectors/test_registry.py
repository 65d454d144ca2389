"""The registry of gateways and meters: what an operator may write, and that each fault is told with its place."""

import copy
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from collectors.registry import GatewayPlan, RegistryError, read_registry
from collectors.wire.templates import TEMPLATES

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
                        {"meter": "S1-M2", "address": "018", "template": "dtsy1352"},
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

Change = Callable[[list[dict[str, Any]]], object]


def written(folder: Path, registry: object) -> Path:
    path = folder / "registry.json"
    path.write_text(json.dumps(registry))
    return path


def test_gateways_come_with_their_meters_by_number(tmp_path: Path) -> None:
    registry = read_registry(written(tmp_path, GOOD))
    polled, dialling = registry.gateways
    assert (registry.dial_in_host, registry.dial_in_port) == ("0.0.0.0", 7001)
    assert (polled.site, polled.gateway, polled.link, polled.host, polled.port) == (
        "S1",
        "S1-G01",
        "modbus-tcp",
        "10.1.0.5",
        502,
    )
    assert [(meter.meter, meter.address, meter.template) for meter in polled.meters] == [
        ("S1-M1", 17, TEMPLATES["ddsy1352"]),
        ("S1-M2", 18, TEMPLATES["dtsy1352"]),
    ]
    assert (dialling.link, dialling.registration) == ("dial-in", "SLUICE-S1-G02")
    assert dialling.meters[0].address == 161


def test_a_password_is_the_meters_own_or_its_gateways_or_the_templates(tmp_path: Path) -> None:
    registry = copy.deepcopy(GOOD)
    gateway = registry["sites"][0]["gateways"][1]
    gateway.update(
        password="02563412",
        meters=[
            {"meter": "own", "address": "1", "template": "dlt645-2007", "password": "04abcDEF", "operator": "00000007"},
            {"meter": "gateways", "address": "2", "template": "dlt645-2007"},
        ],
    )
    registry["sites"][0]["gateways"].append({**gateway, "gateway": "S1-G03", "registration": "R", "meters": []})
    own, gateways = read_registry(written(tmp_path, registry)).gateways[1].meters
    assert own.template.relay is not None
    assert gateways.template.relay is not None
    assert (own.template.relay.password, own.template.relay.operator) == ("04abcDEF", "00000007")
    assert (gateways.template.relay.password, gateways.template.relay.operator) == ("02563412", "00000000")
    assert own.template.name == gateways.template.name == "dlt645-2007"
    assert TEMPLATES["dlt645-2007"].relay == dataclasses.replace(gateways.template.relay, password="02000000")


def with_gateway(folder: Path, **gateway: Any) -> tuple[GatewayPlan, ...]:
    return read_registry(
        written(folder, {"sites": [{"site": "S1", "gateways": [{"gateway": "G1", **gateway}]}]})
    ).gateways


WATER = {"meter": "W1", "address": "78331505900569", "template": "cjt188-water"}
RTU = {"meter": "R1", "address": "17", "template": "ddsy1352"}
POWER = {"meter": "D1", "address": "161", "template": "dlt645-2007"}


def test_a_bus_has_meters_of_any_serial_protocol(tmp_path: Path) -> None:
    (polled,) = with_gateway(tmp_path, link="tcp", host="10.1.0.5", port=8899, meters=[WATER, RTU, POWER])
    assert (polled.is_polled, [meter.address for meter in polled.meters]) == (True, [78331505900569, 17, 161])
    (dialling,) = with_gateway(tmp_path, link="dial-in", registration="R", meters=[WATER, RTU, POWER])
    assert (dialling.is_polled, dialling.meters) == (False, polled.meters)
    (framed,) = with_gateway(tmp_path, link="acrel-4g", registration="20260302000000000017", meters=[RTU])
    assert (framed.is_polled, framed.registration) == (False, "20260302000000000017")


def test_a_box_is_a_meter_for_each_user(tmp_path: Path) -> None:
    box = {"meter": "B1", "address": "37", "template": "adf300l", "users": 12, "step": 3}
    (plan,) = with_gateway(tmp_path, link="tcp", host="h", port=1, meters=[box, RTU])
    assert [(meter.meter, meter.address) for meter in plan.meters[:2]] == [("B1-01", 37), ("B1-02", 40)]
    assert (plan.meters[11].meter, plan.meters[11].address, len(plan.meters)) == ("B1-12", 70, 13)


@pytest.mark.parametrize(
    ("gateway", "said"),
    [
        pytest.param({"link": "modbus-tcp", "meters": [WATER]}, "cjt188, the link is modbus-tcp", id="water by Modbus"),
        pytest.param({"link": "acrel-4g", "meters": [POWER]}, "the link is acrel-4g", id="DL/T645 in 4G frames"),
        pytest.param({"link": "tcp", "port": 0, "meters": []}, "a tcp gateway needs host and port", id="no port"),
        pytest.param({"link": "acrel-4g", "registration": "", "meters": []}, "acrel-4g gateway needs", id="no serial"),
        pytest.param({"link": "acrel-4g", "registration": "1" * 21, "meters": []}, "of 20 at most", id="long serial"),
        pytest.param({"link": "dial-in", "registration": "{{1", "meters": []}, "does not begin with {{", id="braces"),
        pytest.param({"link": "tcp", "meters": [{**WATER, "address": "9" * 14}]}, "meter W1: address", id="broadcast"),
        pytest.param({"link": "tcp", "meters": [{**WATER, "address": "0" * 15}]}, "meter W1: address", id="15 digits"),
        pytest.param({"link": "tcp", "meters": [{**RTU, "users": 0}]}, "users and step are numbers", id="no users"),
        pytest.param({"link": "tcp", "meters": [{**RTU, "users": 2, "step": 0}]}, "users and step", id="no step"),
        pytest.param(
            {"link": "tcp", "meters": [{**RTU, "users": 2, "address": "x"}]}, "'x' is no number", id="letters"
        ),
        pytest.param({"link": "tcp", "meters": [{**RTU, "users": 232}]}, "R1-232: address '248'", id="behind the bus"),
        pytest.param({"link": "tcp", "meters": [RTU, {**RTU, "meter": "R2", "users": 1}]}, "one address", id="overlap"),
    ],
)
def test_what_does_not_fit_a_link_is_told(tmp_path: Path, gateway: dict[str, Any], said: str) -> None:
    with pytest.raises(RegistryError, match=said):
        with_gateway(tmp_path, **{"host": "h", "port": 1, "registration": "R", **gateway})


def test_the_dial_in_port_is_any_free_one_of_the_loopback_if_it_is_not_said(tmp_path: Path) -> None:
    registry = read_registry(written(tmp_path, {"sites": GOOD["sites"]}))
    assert (registry.dial_in_host, registry.dial_in_port) == ("127.0.0.1", 0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(lambda g: g[0].pop("port"), "site S1, gateway S1-G01: .* needs host and port", id="no port"),
        pytest.param(lambda g: g[0].update(port=65536), "gateway S1-G01: .* needs host and port", id="port too high"),
        pytest.param(lambda g: g[1].pop("registration"), "gateway S1-G02: .* registration", id="no registration"),
        pytest.param(lambda g: g[1].update(registration="园区"), "gateway S1-G02: .* ASCII", id="letters"),
        pytest.param(lambda g: g[0].update(link="rtu"), r"rtu.*\.link", id="unknown link"),
        pytest.param(lambda g: g[1].update(prot=1), r"prot.*\$\.sites", id="unknown field"),
        pytest.param(lambda g: g[0].update(port="502"), r"int.*\$\.sites\[.*port", id="port as text"),
        pytest.param(lambda g: g[1].update(gateway="S1-G01"), "gateway S1-G01 is there twice", id="gateway twice"),
        pytest.param(lambda g: g[1]["meters"][0].update(meter="S1-M1"), "meter S1-M1 is there twice", id="meter twice"),
        pytest.param(
            lambda g: g.append({**g[1], "gateway": "S1-G03", "meters": []}),
            "registration SLUICE-S1-G02 is there twice",
            id="registration twice",
        ),
        pytest.param(
            lambda g: g[0]["meters"][1].update(address="17"), "gateway S1-G01: two meters have one", id="address twice"
        ),
        pytest.param(
            lambda g: g[0]["meters"][0].update(address="248"),
            "gateway S1-G01, meter S1-M1: address '248' is no number from 1 to 247",
            id="unit too high",
        ),
        pytest.param(
            lambda g: g[1]["meters"][0].update(address="1000000000000"),
            "gateway S1-G02, meter S1-M3: address '1000000000000'",
            id="thirteen digits",
        ),
        pytest.param(lambda g: g[0]["meters"][0].update(address="0"), "meter S1-M1: address '0'", id="all units"),
        pytest.param(
            lambda g: g[1]["meters"][0].update(address="9" * 12), "meter S1-M3: address '9+'", id="all meters"
        ),
        pytest.param(lambda g: g[0]["meters"][0].update(address="1A"), "meter S1-M1: address '1A'", id="no digits"),
        pytest.param(lambda g: g[0]["meters"][0].update(address="-1"), "meter S1-M1: address '-1'", id="negative"),
        pytest.param(lambda g: g[0]["meters"][0].update(address=""), "meter S1-M1: address ''", id="no address"),
        pytest.param(
            lambda g: g[1].update(password="2563412"),
            "meter S1-M3: password is not 8 hexadecimal digits$",
            id="seven digits",
        ),
        pytest.param(
            lambda g: g[1]["meters"][0].update(operator="0000000G"), "meter S1-M3: operator is not 8", id="no hex"
        ),
        pytest.param(
            lambda g: g[0]["meters"][1].update(password="02563412"),
            "meter S1-M2: password is for meters by DL/T645, dtsy1352 knows none",
            id="password over Modbus",
        ),
        pytest.param(lambda g: g[1].update(password=2563412), "str.*int.*password", id="password as number"),
        pytest.param(
            lambda g: g[0]["meters"][0].update(template="ddsy"), "meter S1-M1: template 'ddsy' is not one of", id="kind"
        ),
        pytest.param(
            lambda g: g[0]["meters"][0].update(template="dlt645-2007"),
            "meter S1-M1: template dlt645-2007 speaks dlt645-2007, the link is modbus-tcp",
            id="kind of another link",
        ),
    ],
)
def test_a_fault_is_told_with_its_place(tmp_path: Path, change: Change, said: str) -> None:
    registry = copy.deepcopy(GOOD)
    change(registry["sites"][0]["gateways"])
    with pytest.raises(RegistryError, match=said):
        read_registry(written(tmp_path, registry))


@pytest.mark.parametrize(
    ("gateway", "said"),
    [
        ({"gateway": ""}, "the name of a gateway has 1 to 255 bytes"),
        ({"gateway": "x" * 256}, "the name of a gateway has 1 to 255 bytes"),
        ({"registration": "R\r\n"}, "printable ASCII"),
    ],
)
def test_names_fit_a_round_and_a_call(tmp_path: Path, gateway: dict[str, str], said: str) -> None:
    with pytest.raises(RegistryError, match=said):
        with_gateway(tmp_path, **{"link": "dial-in", "registration": "R", "meters": [], **gateway})


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    path = tmp_path / "registry.json"
    path.write_bytes(b'{"sites": [{"site": "\xff"}]}')
    with pytest.raises(RegistryError, match=r"registry\.json"):
        read_registry(path)


def test_a_file_that_is_missing_or_no_json_is_named(tmp_path: Path) -> None:
    path = tmp_path / "registry.json"
    with pytest.raises(RegistryError, match=f"{path} is missing"):
        read_registry(path)
    path.write_text('{"sites": [')
    with pytest.raises(RegistryError, match=f"{path}: "):
        read_registry(path)
