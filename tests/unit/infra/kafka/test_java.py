"""Java's command line and the archive of classes."""

from pathlib import Path

import pytest

from infra.kafka.errors import KafkaError
from infra.kafka.java import Java, find_java


@pytest.fixture
def java(tmp_path: Path) -> Java:
    program = tmp_path / "java"
    program.touch(0o755)
    jars = tmp_path / "lib"
    jars.mkdir()
    for name in ("b.jar", "a.jar", "classes-0.jsa"):
        (jars / name).touch()
    return Java(str(program), jars, tmp_path / "kafka.log")


def test_the_class_path_is_always_the_same_text(java: Java, tmp_path: Path) -> None:
    (tmp_path / "lent").symlink_to(java.jars)
    lent = Java(java.program, tmp_path / "lent", java.log)
    command = java.command("Main", "argument")
    assert command == lent.command("Main", "argument")
    assert command[command.index("-cp") + 1] == f"{java.jars}/a.jar:{java.jars}/b.jar"
    assert command[-2:] == ["Main", "argument"]


def test_the_archive_is_used_once_a_whole_one_was_kept(java: Java) -> None:
    archive = java.archive()
    (written,) = (option for option in archive.options() if "ArchiveClassesAtExit" in option)
    Path(written.partition("=")[2]).write_text("classes")
    archive.keep()
    archive.discard()
    assert f"-XX:SharedArchiveFile={archive.path}" in archive.options()


def test_a_draft_that_may_be_torn_is_not_used(java: Java) -> None:
    archive = java.archive()
    (written,) = (option for option in archive.options() if "ArchiveClassesAtExit" in option)
    draft = Path(written.partition("=")[2])
    draft.write_text("half")
    archive.discard()
    assert not draft.exists()
    assert not archive.path.exists()


def test_another_java_has_another_archive(java: Java) -> None:
    before = java.archive().path
    Path(java.program).unlink()
    Path(java.program).write_text("newer")
    assert java.archive().path != before


def test_java_home_goes_before_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "java").touch(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert find_java() == str(tmp_path / "bin" / "java")


def test_without_java_the_way_out_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(KafkaError, match=r"make setup.*SLUICE_KAFKA"):
        find_java()
