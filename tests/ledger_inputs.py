"""Orders and rounds for tests of the ledger: a site's tariff, accounts and meters, and frames as meters answer them."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collectors.wire.round import Block, Round, encode_round
from collectors.wire.templates import TEMPLATES

MODBUS = "dtsy1352"
DLT645 = "dlt645-2007"
BEGIN_MS = 1_767_225_600_000
"""2026-01-01T00:00:00Z."""
BEGIN = "2026-01-01T00:00:00Z"

Frames = NDArray[np.uint8]
Numbers = NDArray[np.int64]


def order(site: str, name: str, /, **fields: Any) -> bytes:
    """The value of an `office.orders` record."""
    return json.dumps({"order": name, "site": site, "at": BEGIN, **fields}).encode()


def opening_orders(
    site: str,
    gateways: Sequence[str],
    addresses: Sequence[int],
    *,
    template: str = MODBUS,
    recharge: str = "1000",
    prefix: str = "",
) -> Iterator[bytes]:
    """A time-of-use × tier tariff, and for every address behind every gateway a meter; two meters share an account.

    Args:
        prefix: Of meters' and accounts' ids; the site's where it is empty.
    """
    prefix = prefix or site
    prices = {
        "peak": ["1.20", "1.30", "1.50"],
        "flat": ["0.70", "0.80", "1.00"],
        "valley": ["0.35", "0.45", "0.65"],
    }
    yield order(
        site,
        "set_tariff",
        tariff=f"{prefix}-E",
        **{"from": "2025-01-01T00:00:00+08:00"},
        unit="kWh",
        cycle="month",
        tiers=["0", "200", "400"],
        bands={"peak": ["08:00-11:00", "18:00-21:00"], "valley": ["23:00-07:00"], "flat": []},
        components={"supply": prices, "fund": {band: ["0.03"] * 3 for band in prices}},
    )
    number = 0
    for gateway in gateways:
        for address in addresses:
            account = f"{prefix}-A{number // 2}"
            if number % 2 == 0:
                yield order(site, "open_account", account=account)
                yield order(site, "recharge", account=account, order_id=f"{account}-R", amount=recharge)
            yield order(
                site,
                "install_meter",
                meter=f"{prefix}-M{number}",
                account=account,
                kind="electricity",
                tariff=f"{prefix}-E",
                register="0",
                gateway=gateway,
                address=str(address),
                template=template,
            )
            number += 1


def energy_round(
    site: str,
    gateway: str,
    *,
    at: int,
    addresses: Sequence[int],
    registers: Sequence[int],
    template: str = MODBUS,
    supply_on: bool = True,
) -> bytes:
    """The value of a `meter.frames` record: registers in hundredths of a kWh, and every relay's state."""
    meters = np.array(addresses, np.uint64)
    read_at = np.full(len(meters), at, np.int64)
    blocks = (
        _block(template, "energy", meters, read_at, energy_frames(template, meters, np.array(registers, np.int64))),
        _block(template, "relay", meters, read_at, relay_frames(template, meters, on=supply_on)),
    )
    return encode_round(Round(site, gateway, at + 500, blocks))


def energy_frames(template: str, addresses: NDArray[np.uint64], registers: Numbers) -> Frames:
    """Answers with registers of hundredths of a kWh, a row a meter."""
    if TEMPLATES[template].protocol == "modbus":
        return _modbus_frames(addresses, registers.astype(">u4").view(np.uint8).reshape(-1, 4))
    return _dlt645_frames(addresses, TEMPLATES[template].energy.start, _bcd(registers, 4))


def relay_frames(template: str, addresses: NDArray[np.uint64], *, on: bool) -> Frames:
    """Answers with the relay's state, a row a meter."""
    relay = TEMPLATES[template].relay
    assert relay is not None
    if TEMPLATES[template].protocol == "modbus":
        words = np.array(relay.on if on else relay.off, ">u2").view(np.uint8)
        return _modbus_frames(addresses, np.tile(words, (len(addresses), 1)))
    status = (0 if on else 1 << relay.off_bit).to_bytes(relay.words, "little")
    return _dlt645_frames(addresses, relay.start, np.tile(np.frombuffer(status, np.uint8), (len(addresses), 1)))


def _block(
    template: str, item: str, addresses: NDArray[np.uint64], read_at: NDArray[np.int64], frames: Frames
) -> Block:
    return Block(template, item, addresses, read_at, frames.shape[1], None, frames.tobytes())


def _modbus_frames(units: NDArray[np.uint64], words: Frames) -> Frames:
    """Transaction 7, protocol 0, length, unit, function 3, count of bytes, words."""
    size = words.shape[1]
    frames = np.zeros((len(units), 9 + size), np.uint8)
    frames[:, 1] = 7
    frames[:, 5] = 3 + size
    frames[:, 6] = units
    frames[:, 7] = 3
    frames[:, 8] = size
    frames[:, 9:] = words
    return frames


def _dlt645_frames(addresses: NDArray[np.uint64], di: int, value: Frames) -> Frames:
    """68, address, 68, control 91, length, data identifier and value plus 33, sum, 16."""
    size = value.shape[1]
    frames = np.zeros((len(addresses), 12 + 4 + size), np.uint8)
    frames[:, [0, 7]] = 0x68
    frames[:, 1:7] = _bcd(addresses.astype(np.int64), 6)
    frames[:, 8] = 0x91
    frames[:, 9] = 4 + size
    frames[:, 10:14] = np.frombuffer(di.to_bytes(4, "little"), np.uint8) + 0x33
    frames[:, 14:-2] = value + np.uint8(0x33)
    frames[:, -2] = frames[:, :-2].sum(axis=1, dtype=np.uint8)
    frames[:, -1] = 0x16
    return frames


def _bcd(numbers: Numbers, size: int) -> Frames:
    """Two decimal digits a byte, low byte first."""
    pairs = numbers[:, None] // 100 ** np.arange(size, dtype=np.int64) % 100
    return (pairs // 10 * 16 + pairs % 10).astype(np.uint8)


def never_ahead(at_ms: int, arrived_ms: int) -> bool:
    """For inputs whose times are taken as they are."""
    return False
