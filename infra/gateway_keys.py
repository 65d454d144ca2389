"""The keys of gateways: `gateway-keys.json` in the data directory, one secret a gateway.

    {"S1-G01": "9f2c…64 hexadecimal digits or more"}

The ledger signs a gateway's commands with its key, the collector checks them and what a gateway uploads. Who can read
the file can command every relay: let only Sluice's user do so.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from infra.errors import InfraError
from streams.core.errors import MalformedError
from streams.core.strictjson import read_object

KEYS_FILE: Final = "gateway-keys.json"
KEY_BYTES_MIN: Final = 32

GatewayKeys = Mapping[str, bytes]
"""By gateway; a gateway that is not there has none."""
NO_KEYS: Final[GatewayKeys] = MappingProxyType({})


class GatewayKeysError(InfraError):
    """A file of keys that cannot be used; the message names the gateway, never the key."""


def read_gateway_keys(path: Path) -> GatewayKeys:
    """The keys that a file holds; none where there is no file.

    Raises:
        GatewayKeysError: It cannot be read, is no JSON object, or a key is too short or not hexadecimal.
    """
    try:
        found = read_object(path.read_bytes())
    except FileNotFoundError:
        return NO_KEYS
    except (OSError, MalformedError) as error:
        raise GatewayKeysError(f"{path}: {error}") from None
    return MappingProxyType({gateway: _key(path, gateway, text) for gateway, text in found.items()})


def _key(path: Path, gateway: str, text: Any) -> bytes:
    try:
        key = bytes.fromhex(text)
    except (TypeError, ValueError):
        raise GatewayKeysError(f"{path}: the key of {gateway} is not hexadecimal digits in quotes") from None
    if len(key) < KEY_BYTES_MIN:
        raise GatewayKeysError(f"{path}: the key of {gateway} has {len(key)} bytes, fewer than {KEY_BYTES_MIN}")
    return key
