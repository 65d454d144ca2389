"""What the set-up script decides, on a PATH of stubs: which tools are missing, who it is, what it does or says."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "infra" / "setup.sh"
REAL = ("sh", "sed", "cat", "basename", "dirname", "mkdir", "cp", "cmp", "rm", "env")

PYTHON_311 = "exit 0"
PYTHON_310 = "case $* in *version_info*) exit 1;; esac"
PYTHON_WITHOUT_VENV = "case $* in *ensurepip*) exit 1;; esac"
JAVA_17 = "echo 'openjdk version \"17.0.15\" 2025-04-15' >&2"
JAVA_21 = "echo 'openjdk version \"21\" 2023-09-19' >&2"
JAVA_8 = "echo 'java version \"1.8.0_402\"' >&2"
HAS_JAVA_17_ONLY = "case $* in *python3.11*) exit 100;; esac"
HAS_ALL = "exit 0"
HAS_NOTHING = "exit 100"


@dataclass(frozen=True)
class Machine:
    """A copy of the script beside nothing else, and a PATH with nothing but stubs and a few real tools."""

    root: Path

    @property
    def bin(self) -> Path:
        return self.root / "bin"

    def has(self, **programs: str) -> None:
        """Add programs that do what the given shell text says."""
        for name, text in programs.items():
            path = self.bin / name.replace("_", "-").replace("python311", "python3.11")
            path.write_text(f"#!{shutil.which('sh')}\n{text}\n")
            path.chmod(0o755)

    def installs(self, **programs: str) -> None:
        """Add an apt-get that notes its arguments and brings the given programs with `install`."""
        ready = self.root / "ready"
        ready.mkdir()
        elsewhere = Machine(self.root / "apt")
        elsewhere.bin.mkdir(parents=True)
        elsewhere.has(**programs)
        log = self.root / "apt.log"
        self.has(apt_get=f'echo "$@" >>{log}; case $1 in install) cp {elsewhere.bin}/* {self.bin}/;; esac')

    def apt(self) -> list[str]:
        log = self.root / "apt.log"
        return log.read_text().splitlines() if log.exists() else []

    def run(self, step: str = "tools", /, **variables: str) -> subprocess.CompletedProcess[str]:
        environment: Mapping[str, str] = {"PATH": str(self.bin), **variables}
        command = [str(self.bin / "sh"), str(self.root / "infra" / "setup.sh"), step]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A user's machine with everything, to take from."""
    (tmp_path / "infra").mkdir()
    shutil.copy(SCRIPT, tmp_path / "infra")
    made = Machine(tmp_path)
    made.bin.mkdir()
    for name in REAL:
        found = shutil.which(name)
        assert found is not None, name
        (made.bin / name).symlink_to(found)
    made.has(python3=PYTHON_311, java=JAVA_17, mvn="", id="echo 1000")
    return made


def take(machine: Machine, *programs: str) -> None:
    for program in programs:
        (machine.bin / program).unlink()


def test_all_there_says_nothing(machine: Machine) -> None:
    done = machine.run()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("java", [JAVA_17, JAVA_21], ids=["17", "21"])
def test_java_17_and_later_serve(machine: Machine, java: str) -> None:
    machine.has(java=java)
    assert machine.run().returncode == 0


def test_a_user_is_told_the_one_line_for_all_that_is_missing(machine: Machine) -> None:
    take(machine, "java", "mvn")
    machine.has(python3=PYTHON_WITHOUT_VENV)
    machine.installs()
    done = machine.run()
    assert done.returncode == 1
    assert (
        "sudo apt-get update && sudo apt-get install -y python3-venv openjdk-17-jre-headless maven"
        in done.stderr.splitlines()[1]
    )
    assert "SLUICE_KAFKA=host:port" in done.stderr
    assert "SLUICE_CLICKHOUSE=" in done.stderr
    assert machine.apt() == [], "nothing is installed for who is not root"


def test_an_old_java_is_as_good_as_none(machine: Machine) -> None:
    machine.has(java=JAVA_8)
    done = machine.run()
    assert done.returncode == 1
    assert "missing: Java 17 or later." in done.stderr


def test_an_old_java_home_is_named(machine: Machine, tmp_path: Path) -> None:
    home = Machine(tmp_path / "jdk8")
    home.bin.mkdir(parents=True)
    home.has(java=JAVA_8)
    done = machine.run(JAVA_HOME=str(home.root))
    assert done.returncode == 1
    assert f"JAVA_HOME={home.root} has no Java 17" in done.stderr


def test_java_home_goes_before_path(machine: Machine, tmp_path: Path) -> None:
    machine.has(java=JAVA_8)
    home = Machine(tmp_path / "jdk17")
    home.bin.mkdir(parents=True)
    home.has(java=JAVA_17)
    assert machine.run(JAVA_HOME=str(home.root)).returncode == 0


def test_with_a_kafka_elsewhere_neither_java_nor_maven_is_needed(machine: Machine) -> None:
    take(machine, "java", "mvn")
    assert machine.run(SLUICE_KAFKA="kafka:9092").returncode == 0


def test_only_python_missing_does_not_speak_of_kafka(machine: Machine) -> None:
    machine.has(python3=PYTHON_310)
    machine.installs()
    done = machine.run()
    assert done.returncode == 1
    assert "sudo apt-get install -y python3 python3-venv" in done.stderr
    assert "SLUICE_KAFKA" not in done.stderr


def test_a_later_python_beside_an_old_one_is_taken(machine: Machine) -> None:
    machine.has(python3=PYTHON_310, python311=PYTHON_311)
    assert machine.run().returncode == 0


def test_the_python_that_is_asked_for_is_the_one(machine: Machine) -> None:
    machine.has(python311=PYTHON_310)
    assert machine.run(PYTHON="python3.11").returncode == 1


def test_ubuntu_22_is_told_its_python_3_11(machine: Machine) -> None:
    machine.has(python3=PYTHON_310, apt_cache=HAS_ALL)
    machine.installs()
    assert "install -y python3.11 python3.11-venv" in machine.run().stderr


def test_root_on_debian_gets_it_installed_and_is_told(machine: Machine) -> None:
    take(machine, "java", "mvn")
    machine.has(id="echo 0", apt_cache=HAS_JAVA_17_ONLY)
    machine.installs(java=JAVA_17, mvn="")
    done = machine.run()
    assert done.returncode == 0, done.stderr
    assert "missing: Java 17 or later, Maven" in done.stdout
    assert "apt-get install -y openjdk-17-jre-headless maven" in done.stdout
    assert machine.apt() == [
        "update -qq",
        "install -y -qq --no-install-recommends openjdk-17-jre-headless maven",
    ]


def test_a_debian_without_java_17_gets_its_default(machine: Machine) -> None:
    take(machine, "java")
    machine.has(id="echo 0", apt_cache=HAS_NOTHING)
    machine.installs(java=JAVA_21)
    assert machine.run().returncode == 0
    assert machine.apt()[-1].endswith(" default-jre-headless")


def test_an_installation_that_does_not_help_stops(machine: Machine) -> None:
    take(machine, "java")
    machine.has(id="echo 0", apt_cache=HAS_NOTHING)
    machine.installs(java=JAVA_8)
    done = machine.run()
    assert done.returncode == 1
    assert "still missing after apt-get install" in done.stderr


@pytest.mark.parametrize(
    ("manager", "line"),
    [("dnf", "sudo dnf install"), ("brew", "brew install"), ("none", "install Maven with this system's")],
)
def test_other_systems_are_told_theirs(machine: Machine, manager: str, line: str) -> None:
    take(machine, "mvn")
    machine.has(**{manager: "", "id": "echo 0"})
    done = machine.run()
    assert done.returncode == 1
    assert line in done.stderr


def test_jars_that_are_there_need_no_maven(machine: Machine) -> None:
    take(machine, "mvn")
    environment = machine.root / ".venv" / "bin"
    environment.mkdir(parents=True)
    Machine(machine.root / ".venv").has(python='case $* in *--check*) [ "$4" = /data ];; esac')
    assert machine.run(SLUICE_DATA_DIR="/data").returncode == 0
    assert machine.run(SLUICE_DATA_DIR="/other").returncode == 1


@pytest.mark.skipif(not os.access("/bin/dash", os.X_OK), reason="a system without dash")
def test_it_is_plain_posix_shell() -> None:
    subprocess.run(["/bin/dash", "-n", str(SCRIPT)], check=True)


def test_the_tools_of_the_tests_are_installed_for_root_and_named_to_others(machine: Machine) -> None:
    machine.has(mosquitto="", curl="", openssl="")
    machine.has(publisher="")
    (machine.bin / "publisher").rename(machine.bin / "mosquitto_pub")
    assert machine.run("test-tools").returncode == 0
    take(machine, "mosquitto_pub", "openssl")
    done = machine.run("test-tools")
    assert (done.returncode, "mosquitto-clients openssl" in done.stderr) == (1, True)
    machine.has(id="echo 0")
    machine.installs(openssl="")
    assert machine.run("test-tools").returncode == 0
    asked = [call for call in machine.apt() if call.startswith("install")]
    assert [call.split("--no-install-recommends ")[1] for call in asked] == [
        "mosquitto-clients openssl",
        "clickhouse-server clickhouse-client",
    ]
