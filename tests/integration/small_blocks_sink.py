"""The sink's process with blocks so small and frequent that a kill at any moment finds it writing one."""

import sinks.server
from infra.logs import configure_logs
from infra.settings import Settings


def main() -> None:
    """As `sluice run sink`."""
    settings = Settings()
    configure_logs(settings.log_level)
    sinks.server.BLOCK_BYTES = 30_000  # type: ignore[misc]
    sinks.server.LINGER_S = 0.02  # type: ignore[misc]
    sinks.server.main(settings)


if __name__ == "__main__":
    main()
