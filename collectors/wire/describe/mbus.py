"""An M-Bus answer in words and numbers."""

from typing import Any

from collectors.wire.mbus import read_records


def describe(frame: bytes) -> dict[str, Any]:
    """One answer as JSON-like values: the meter's address and identity, and its records with exact values.

    Raises:
        FrameError: It is no valid answer.
    """
    found = read_records(frame)
    identity = found.get("meter", {}).get("identity", {})
    return {
        "address": frame[5],
        "control": f"{frame[4]:02X}",
        "ci": f"{frame[6]:02X}",
        "id": identity.get("id"),
        "manufacturer": identity.get("manufacturer_code"),
        "version": identity.get("version"),
        "medium": identity.get("device_type"),
        "records": [_record(record) for record in found["records"]],
    }


def _record(record: dict[str, Any]) -> dict[str, Any]:
    value = record["value"]
    return {
        "quantity": ", ".join(record["quantities"]),
        "function": record["function"],
        "storage": record["storage_number"],
        "tariff": record["tariff"],
        "value": value.get("value"),
        "unit": record.get("unit"),
    }
