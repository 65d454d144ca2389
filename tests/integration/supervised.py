"""A stand-in for a part: notes when it starts and ends, and does what a file named after it says.

Run as `python supervised.py NAME FOLDER PARENT`. In FOLDER, `NAME.fails` makes it end before it is ready, with 3;
`NAME.deaf` makes it ignore SIGTERM; `NAME.passes` makes it end right after it was ready; `NAME.chatters` has it say a
line of 3 MB before.
"""

import json
import signal
import sys
from pathlib import Path

from infra.process import end_with_parent


def main(name: str, folder: Path, parent: int) -> int:
    def note(what: str) -> None:
        with (folder / "notes").open("a") as notes:
            notes.write(f"{what} {name}\n")

    end_with_parent(parent)
    note("start")
    if (folder / f"{name}.fails").exists():
        sys.stderr.write(f"{name} cannot find its spoon\n")
        return 3
    signals = {signal.SIGTERM, signal.SIGINT}
    # Blocked before it is ready, so that none can come in between.
    signal.pthread_sigmask(signal.SIG_BLOCK, signals | {signal.SIGUSR1})
    if (folder / f"{name}.chatters").exists():
        sys.stdout.write("x" * (3 << 20) + "\n")
    sys.stdout.write("not the ready line\n" + json.dumps({"ready": name, "port": 7}) + "\nlater\n")
    sys.stdout.flush()
    if (folder / f"{name}.passes").exists():
        return 0
    deaf = (folder / f"{name}.deaf").exists()
    signal.sigwait({signal.SIGUSR1} if deaf else signals)
    note("end")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))
