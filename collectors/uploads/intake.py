"""Uploads into `meter.frames`, each once however often it comes."""

import asyncio
import hashlib
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from collectors.publisher import RoundTooLargeError
from collectors.uploads.body import Upload, read_upload
from collectors.uploads.errors import UploadError
from collectors.wire.round import Round
from infra.clock import Clock

log = structlog.get_logger(__name__)

KEPT_MS: Final = 40 * 24 * 60 * 60_000


class UploadConflict(Exception):
    """An identity that the gateway used for something else before."""


@dataclass(frozen=True, slots=True)
class Taken:
    """An upload that Kafka has; `repeat` if it had it before."""

    upload: str
    readings: int
    frames: int
    rounds: int
    repeat: bool

    def told(self) -> dict[str, str | int | bool]:
        """What the gateway is answered."""
        return {name: getattr(self, name) for name in ("upload", "readings", "frames", "rounds", "repeat")}


class UploadIntake:
    """Takes uploads of known gateways.

    An upload whose acknowledgement got lost in a crash comes twice into the topic; the ledger drops the second one as
    repeats of the same `read_at`.

    Args:
        sites: By gateway.
        publish: Returns when Kafka has the round; raises `RoundTooLargeError` if it never will.
    """

    def __init__(
        self,
        sites: Mapping[str, str],
        *,
        clock: Clock,
        publish: Callable[[Round], Awaitable[None]],
        book: "UploadBook",
    ) -> None:
        self.sites = sites
        self._clock = clock
        self._publish = publish
        self._book = book
        self._turns: dict[str, asyncio.Lock] = {gateway: asyncio.Lock() for gateway in sites}

    async def take(self, gateway: str, body: bytes) -> Taken:
        """Take an upload; returns when Kafka has all of it. One after the other of a gateway, in the order of asking.

        Raises:
            UploadError: The body cannot be used, or a round of it is larger than Kafka's topic takes.
            UploadConflict: The identity was used before, with another body.
        """
        now_ms = self._clock.now_ms()
        # A large one takes a while, in which rounds and commands of others shall not wait.
        upload = await asyncio.to_thread(read_upload, body, site=self.sites[gateway], gateway=gateway, now_ms=now_ms)
        digest = hashlib.sha256(body).digest()
        async with self._turns[gateway]:
            before = self._book.digest(gateway, upload.identity)
            if before is not None:
                if before != digest:
                    raise UploadConflict(f"upload {upload.identity!r} was another one before")
                return _taken(upload, repeat=True)
            for taken in upload.rounds:
                try:
                    await self._publish(taken)
                except RoundTooLargeError as error:
                    raise UploadError("", f"has a round of {error.size} bytes, more than the topic takes") from error
            self._book.note(gateway, upload.identity, digest, now_ms)
        log.info("upload taken", gateway=gateway, upload=upload.identity, rounds=len(upload.rounds))
        return _taken(upload, repeat=False)


class UploadBook:
    """Which uploads Kafka has, on the disk."""

    def __init__(self, path: Path, *, now_ms: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._base = sqlite3.connect(path, isolation_level=None)
        self._base.execute("PRAGMA journal_mode=WAL")
        self._base.execute("PRAGMA synchronous=FULL")
        self._base.execute(
            "CREATE TABLE IF NOT EXISTS uploads (gateway TEXT, identity TEXT, digest BLOB NOT NULL, "
            "at_ms INTEGER NOT NULL, PRIMARY KEY (gateway, identity))"
        )
        self._base.execute("DELETE FROM uploads WHERE at_ms < ?", (now_ms - KEPT_MS,))

    def digest(self, gateway: str, identity: str) -> bytes | None:
        """What an identity stood for; None if it is new."""
        asked = "SELECT digest FROM uploads WHERE gateway = ? AND identity = ?"
        row = self._base.execute(asked, (gateway, identity)).fetchone()
        return None if row is None else bytes(row[0])

    def note(self, gateway: str, identity: str, digest: bytes, at_ms: int) -> None:
        """Put an upload down as taken."""
        self._base.execute("INSERT INTO uploads VALUES (?, ?, ?, ?)", (gateway, identity, digest, at_ms))

    def close(self) -> None:
        self._base.close()


def _taken(upload: Upload, *, repeat: bool) -> Taken:
    return Taken(upload.identity, upload.readings, upload.frames, len(upload.rounds), repeat)
