"""Debian's MQTT broker, as tests need it."""

import os
import shutil
import subprocess
from pathlib import Path

import aiomqtt
import pytest

from infra.ports import HOST, free_ports

USER, PASSWORD = "sluice", "a password"


class Mosquitto:
    """Debian's broker with a user and a password, whose memory outlives it.

    Args:
        is_open: It takes everybody, without a password.
    """

    def __init__(self, folder: Path, *, is_open: bool = False) -> None:
        (self.port,) = free_ports(1)
        self._folder = folder
        folder.mkdir()
        passwords = folder / "passwords"
        folder.chmod(0o700)
        subprocess.run([_tool("mosquitto_passwd"), "-b", "-c", str(passwords), USER, PASSWORD], check=True)
        lines = [
            f"listener {self.port} {HOST}",
            f"allow_anonymous {'true' if is_open else 'false'}",
            f"password_file {passwords}",
            "persistence true",
            f"persistence_location {folder}/",
            "log_dest stderr",
            f"user {os.environ.get('USER', 'root')}",
        ]
        (folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Returns when it listens."""
        command = [_tool("mosquitto"), "-c", str(self._folder / "mosquitto.conf")]
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if "running" in line:
                return
        pytest.fail("mosquitto ended before it listened")

    def stop(self) -> None:
        assert self._process is not None
        self._process.terminate()
        with self._process:
            self._process.wait()

    def client(self, name: str) -> aiomqtt.Client:
        return aiomqtt.Client(HOST, self.port, username=USER, password=PASSWORD, identifier=name)


def _tool(name: str) -> str:
    """A program of Debian's mosquitto, whose folder is not on everybody's path."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    assert found is not None, f"{name} is missing: infra/setup.sh test-tools installs it"
    return found
