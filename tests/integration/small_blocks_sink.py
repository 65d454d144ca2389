"""The sink's process with small, frequent blocks, which tells of each step that it takes in ClickHouse.

`SLUICE_TEST_STEPS` is the number of a pipe that gets a byte before and after each step; at the step that
`SLUICE_TEST_DIES_AT` counts, the process kills itself.
"""

import os
import signal
from collections.abc import Callable
from typing import Any

import sinks.server
from infra.logs import configure_logs
from infra.settings import Settings
from sinks.clickhouse.writer import ClickHouseStore

STEPS = ("add_claim", "claims", "count", "insert", "remove", "finish")


class Telling:
    """Wraps the store's methods."""

    def __init__(self, pipe: int, dies_at: int) -> None:
        self._pipe = pipe
        self._left = dies_at

    def step(self) -> None:
        os.write(self._pipe, b".")
        self._left -= 1
        if not self._left:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def told(*args: Any, **kwargs: Any) -> Any:
            self.step()
            try:
                return method(*args, **kwargs)
            finally:
                self.step()

        return told


def main() -> None:
    """As `sluice run sink`."""
    telling = Telling(int(os.environ["SLUICE_TEST_STEPS"]), int(os.environ["SLUICE_TEST_DIES_AT"]))
    for name in STEPS:
        setattr(ClickHouseStore, name, telling.around(getattr(ClickHouseStore, name)))
    settings = Settings()
    configure_logs(settings.log_level)
    sinks.server.BLOCK_BYTES = 30_000  # type: ignore[misc]
    sinks.server.LINGER_S = 0.02  # type: ignore[misc]
    sinks.server.main(settings)


if __name__ == "__main__":
    main()
