"""Kafka's jars, copied from Maven once and kept in the data directory."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from infra.kafka.errors import KafkaError

POM = Path(__file__).with_name("pom.xml")


def jars_dir(data_dir: Path) -> Path:
    """Where the jars of this version of `pom.xml` are, or go."""
    return data_dir / "kafka" / f"lib-{hashlib.sha256(POM.read_bytes()).hexdigest()[:12]}"


def install_jars(data_dir: Path) -> Path:
    """Have Maven copy the jars unless they are there; returns their folder.

    A folder under the final name is complete: Maven works on a draft, which is renamed when it is done.

    Raises:
        KafkaError: Maven is missing or failed; the message has what it said.
    """
    jars = jars_dir(data_dir)
    if jars.is_dir():
        return jars
    maven = shutil.which("mvn")
    if maven is None:
        raise KafkaError("Maven (mvn) is not installed; `make setup` tells what to do, or set SLUICE_KAFKA=host:port")
    draft = jars.with_name(f"{jars.name}.{os.getpid()}.draft")
    try:
        _copy(maven, draft)
        _move(draft, jars)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return jars


def _copy(maven: str, target: Path) -> None:
    command = [
        maven,
        "--quiet",
        "--batch-mode",
        # A jar that arrived damaged fails here and not as a riddle inside Kafka.
        "--strict-checksums",
        f"--file={POM}",
        "dependency:copy-dependencies",
        "-DincludeScope=runtime",
        # Maven would take a relative one from where the pom is.
        f"-DoutputDirectory={target.absolute()}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        raise KafkaError(f"Maven could not copy Kafka's jars:\n{(done.stdout + done.stderr).strip()}")
    if not any(target.glob("kafka_*.jar")):
        raise KafkaError(f"Maven copied no Kafka to {target}")


def _move(draft: Path, jars: Path) -> None:
    try:
        draft.rename(jars)
    except OSError:
        # Another process was faster; its jars are as good.
        if not jars.is_dir():
            raise


def main(arguments: list[str]) -> int:
    """`python -m infra.kafka.jars [--check] DATA_DIR`: copy the jars, or tell by the status whether they are there."""
    *options, data_dir = arguments
    if options == ["--check"]:
        return 0 if jars_dir(Path(data_dir)).is_dir() else 1
    try:
        install_jars(Path(data_dir))
    except KafkaError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
