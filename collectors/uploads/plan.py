"""`uploads.json` of the data directory: which gateways upload, and by which ways.

{"gateways": {"S1-G07": "S1"},
 "http": {"host": "0.0.0.0", "port": 7080, "certificate": "tls/cert.pem", "private_key": "tls/key.pem"},
 "mqtt": {"host": "10.1.0.9", "port": 8883, "user": "sluice", "password_file": "mqtt-password", "tls": true}}
"""

import ssl
from pathlib import Path
from typing import Final

import msgspec

from streams.core.errors import MalformedError
from streams.core.orderform import check_site

UPLOADS_FILE: Final = "uploads.json"


class UploadPlanError(ValueError):
    """A file that cannot be used; the message names the place."""


class HttpPlan(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Where gateways post; with TLS if there is a certificate. Files are relative to the data directory."""

    host: str = "127.0.0.1"
    port: int = 0
    certificate: str = ""
    private_key: str = ""


class MqttPlan(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The broker that gateways publish to. Files are relative to the data directory."""

    host: str
    port: int = 1883
    client: str = "sluice-uploads"
    prefix: str = "sluice"
    user: str = ""
    password_file: str = ""
    tls: bool = False
    authority: str = ""


class UploadPlan(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """All of it; `gateways` has the site of each."""

    gateways: dict[str, str]
    http: HttpPlan | None = None
    mqtt: MqttPlan | None = None


def read_upload_plan(data_dir: Path) -> UploadPlan | None:
    """The plan of a data directory; None if there is none, and nothing is uploaded.

    Raises:
        UploadPlanError: It is no JSON, or something in it is wrong; says where.
    """
    path = data_dir / UPLOADS_FILE
    try:
        plan = msgspec.json.decode(path.read_bytes(), type=UploadPlan)
        for gateway, site in plan.gateways.items():
            if not gateway or len(gateway.encode()) > 255 or any(mark in gateway for mark in "/+#\0"):
                raise UploadPlanError(f"{path}: gateways: {gateway!r} has no name of 1 to 255 bytes without / + #")
            check_site(site, f"gateways.{gateway}")
    except FileNotFoundError:
        return None
    except (msgspec.MsgspecError, MalformedError) as error:
        raise UploadPlanError(f"{path}: {error}") from error
    return plan


def http_tls(plan: HttpPlan, data_dir: Path) -> ssl.SSLContext | None:
    """What the server shows who connects.

    Raises:
        UploadPlanError: The files cannot be used.
    """
    if not plan.certificate:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(data_dir / plan.certificate, data_dir / plan.private_key if plan.private_key else None)
    except OSError as error:
        raise UploadPlanError(f"http: certificate {plan.certificate}: {error}") from error
    return context


def mqtt_tls(plan: MqttPlan, data_dir: Path) -> ssl.SSLContext | None:
    """What the broker must show; None without TLS.

    Raises:
        UploadPlanError: The authority's file cannot be used.
    """
    if not plan.tls:
        return None
    try:
        return ssl.create_default_context(cafile=data_dir / plan.authority if plan.authority else None)
    except OSError as error:
        raise UploadPlanError(f"mqtt: authority {plan.authority}: {error}") from error


def mqtt_password(plan: MqttPlan, data_dir: Path) -> str | None:
    """The password of the user; None without one.

    Raises:
        UploadPlanError: The file cannot be read.
    """
    if not plan.password_file:
        return None
    try:
        return (data_dir / plan.password_file).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UploadPlanError(f"mqtt: password_file {plan.password_file}: {error}") from error
