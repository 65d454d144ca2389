"""A server of a cluster: the embedded one on a given port, told of its fellows by a configuration file of ClickHouse's.

python -m tests.integration.cluster_node FOLDER PORT CONFIG
"""

import signal
import sys
import threading
from pathlib import Path

from infra.clickhouse.server import Server
from tests.integration.clickhouse_cluster import PASSWORD


def main(folder: str, port: str, config: str) -> None:
    """Serve until SIGTERM; says `ready` once it does."""
    server = Server(Path(folder), {"default": PASSWORD}, port=int(port), config=Path(config))
    assert server.port == int(port), f"port {port} is taken"
    signal.signal(signal.SIGTERM, lambda *_: server.stop())
    serving = threading.Thread(target=server.serve)
    serving.start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    serving.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
