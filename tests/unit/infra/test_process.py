"""Locks that end with their process, and processes that end with their parent."""

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from infra.process import LockedError, locked

GRANDCHILD = """
import subprocess, sys, time
from infra.process import {how}
child = subprocess.Popen([sys.executable, "-c", {code!r}{argument}], stdout=subprocess.PIPE{option})
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(600)
"""


def test_a_lock_is_held_by_one(tmp_path: Path) -> None:
    path = tmp_path / "run" / "lock"
    with locked(path), pytest.raises(LockedError, match="held by another process"), locked(path):
        pass
    with locked(path):
        pass


def test_a_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    code = "import sys, time; from pathlib import Path; from infra.process import locked\n"
    code += "with locked(Path(sys.argv[1])): print('held', flush=True); time.sleep(600)"
    path = tmp_path / "lock"
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(LockedError), locked(path, wait_s=0.1):
            pass
        holder.kill()
        with locked(path, wait_s=20):
            pass


def test_a_child_that_was_handed_the_lock_holds_it(tmp_path: Path) -> None:
    with locked(tmp_path / "lock") as descriptor:
        child = subprocess.Popen(["sleep", "600"], pass_fds=(descriptor,))
    with pytest.raises(LockedError), locked(tmp_path / "lock"):
        pass
    child.kill()
    child.wait()
    with locked(tmp_path / "lock"):
        pass


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's death signal is Linux's")
@pytest.mark.parametrize(
    ("how", "code", "argument", "option"),
    [
        pytest.param(
            "end_with_parent",
            "import sys, time; from infra.process import end_with_parent; end_with_parent(int(sys.argv[1])); "
            "print(flush=True); time.sleep(600)",
            ", str(__import__('os').getpid())",
            "",
            id="asked-by-itself",
        ),
        pytest.param(
            "ends_with_this_process",
            "import time; print(flush=True); time.sleep(600)",
            "",
            ", preexec_fn=ends_with_this_process()",
            id="arranged-before-exec",
        ),
    ],
)
def test_a_child_ends_when_its_parent_is_killed(how: str, code: str, argument: str, option: str) -> None:
    program = GRANDCHILD.format(how=how, code=code, argument=argument, option=option)
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
        parent.wait()
        psutil.wait_procs([child], timeout=20)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's death signal is Linux's")
def test_a_child_whose_parent_is_gone_already_ends() -> None:
    code = "from infra.process import end_with_parent; end_with_parent(1 << 30)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "has ended" in done.stderr
