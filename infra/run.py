"""`python -m infra.run PART`: one part as a child process, without the command line's libraries, a second's load."""

import argparse
import sys

from pydantic import ValidationError

from infra.errors import InfraError
from infra.logs import configure_logs
from infra.parts import PARTS
from infra.process import end_with_parent
from infra.settings import Settings, settings_faults


def run_part(name: str, *, worker: int = 0, parent: int = 0) -> None:
    """Be a part until SIGTERM or SIGINT.

    Args:
        worker: Which of several.
        parent: End when this process does; 0 for none.
    Raises:
        ValidationError: The settings are wrong.
    """
    if parent:
        end_with_parent(parent)
    settings = Settings()
    configure_logs(settings.log_level)
    PARTS[name].run(settings, worker)


def main() -> None:
    """Read the arguments and be the part."""
    parser = argparse.ArgumentParser(prog="infra.run")
    parser.add_argument("part", choices=list(PARTS))
    parser.add_argument("--worker", type=int, default=0)
    parser.add_argument("--parent", type=int, default=0)
    arguments = parser.parse_args()
    try:
        run_part(arguments.part, worker=arguments.worker, parent=arguments.parent)
    except ValidationError as error:
        sys.exit(settings_faults(error))
    except InfraError as error:
        sys.exit(f"{arguments.part}: {error}")


if __name__ == "__main__":
    main()
