"""Copying Kafka's jars, with a Maven that the test writes."""

from pathlib import Path

import pytest

from infra.kafka.errors import KafkaError
from infra.kafka.jars import install_jars, jars_dir, main

COPIES = 'for a; do case $a in -DoutputDirectory=*) d=${a#*=}; mkdir -p "$d"; : >"$d/kafka_2.13-4.1.jar";; esac; done'


@pytest.fixture
def maven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Maven on the PATH that copies one jar."""
    program = tmp_path / "bin" / "mvn"
    program.parent.mkdir()
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    write(program, COPIES)
    return program


def write(program: Path, text: str) -> None:
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)


def test_jars_are_copied_once(maven: Path, tmp_path: Path) -> None:
    jars = install_jars(tmp_path)
    assert jars == jars_dir(tmp_path)
    assert [jar.name for jar in jars.iterdir()] == ["kafka_2.13-4.1.jar"]
    write(maven, "exit 1")
    assert install_jars(tmp_path) == jars


def test_a_relative_data_directory_is_below_the_working_directory(
    maven: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    install_jars(Path("data"))
    assert jars_dir(tmp_path / "data").is_dir()


@pytest.mark.parametrize(
    ("text", "told"),
    [("echo no route; exit 1", "no route"), ("exit 0", "copied no Kafka")],
    ids=["maven-fails", "nothing-copied"],
)
def test_a_failure_leaves_nothing_and_tells_why(maven: Path, tmp_path: Path, text: str, told: str) -> None:
    write(maven, text)
    with pytest.raises(KafkaError, match=told):
        install_jars(tmp_path)
    assert not any((tmp_path / "kafka").glob("lib-*")) if (tmp_path / "kafka").exists() else True


def test_without_maven_the_way_out_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(KafkaError, match=r"make setup.*SLUICE_KAFKA"):
        install_jars(tmp_path)


def test_the_command_line_tells_by_its_status(maven: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check", str(tmp_path)]) == 1
    assert main([str(tmp_path)]) == 0
    assert main(["--check", str(tmp_path)]) == 0
    write(maven, "echo broken; exit 1")
    assert main([str(tmp_path / "other")]) == 1
    assert "broken" in capsys.readouterr().err
