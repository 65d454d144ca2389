"""Who may speak to the embedded server."""

import hmac
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from infra.clickhouse.analyst import ANALYST_USER
from infra.clickhouse.errors import Code, server_error
from infra.ports import HOST

PRODUCT_USER = "default"


class Users:
    """Names and passwords."""

    def __init__(self, passwords: Mapping[str, str]) -> None:
        self._passwords = dict(passwords)

    def authenticate(self, user: str, password: str) -> None:
        """Check a client's word.

        Raises:
            ServerError: No such user, or another password; which of them is not told.
        """
        known = self._passwords.get(user)
        same = hmac.compare_digest((known or "").encode(), password.encode("utf-8", "surrogateescape"))
        if known is None or not same:
            raise server_error(
                Code.AUTHENTICATION_FAILED,
                f"{user}: Authentication failed: password is incorrect, or there is no user with such name",
            )


def product_password(folder: Path, chosen: str = "") -> str:
    """The product's own password: chosen, or made on the first start; kept in the folder, readable by its owner
    alone."""
    return _password(folder / "password", chosen)


def analyst_password(folder: Path, chosen: str = "") -> str:
    """The password of the user who only reads, chosen or made and kept in the same way."""
    return _password(folder / "analyst_password", chosen)


def analyst_url(folder: Path, port: int, database: str) -> str:
    """The address, password included, for those who only read."""
    return _url(ANALYST_USER, analyst_password(folder), port, database)


def _password(path: Path, chosen: str = "") -> str:
    # An empty file is what a power cut may leave of a fresh one: it must not become a password of nothing.
    if chosen or not path.exists() or not path.stat().st_size:
        fresh = path.with_suffix(".new")
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(chosen or secrets.token_urlsafe(24))
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(path)
    return path.read_text()


def product_url(folder: Path, port: int, database: str) -> str:
    """The address, password included, by which the product reaches the server of this folder."""
    return _url(PRODUCT_USER, product_password(folder), port, database)


def _url(user: str, password: str, port: int, database: str) -> str:
    return f"clickhouse://{user}:{quote(password, safe='')}@{HOST}:{port}/{database}"
