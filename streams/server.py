"""The ledger's process: one Faust worker with the ledgers of the partitions that it is assigned."""

import asyncio
import os
import secrets
import signal
import sys
import threading
from pathlib import Path
from typing import NoReturn

import structlog
import uvloop

from collectors.wire.templates import TEMPLATES_FOLDER, TemplateError, load_templates
from infra.clock import Arrivals
from infra.endpoints import announce_ready, kafka_bootstrap
from infra.gateway_keys import KEYS_FILE, GatewayKeys, GatewayKeysError, read_gateway_keys
from infra.settings import Settings
from streams.app import build_app
from streams.core.fold import compile_ahead
from streams.core.site import SiteLedger
from streams.intake import BatchLimits
from streams.kafkalog import KafkaLog
from streams.ledger import PartitionLedger
from streams.ledgers import Ledgers

APPLICATION = "sluice-ledger"
FAILED = 70
"""Exit status after any failure (EX_SOFTWARE); whoever started the process starts it again."""
STOP_S = 20.0
"""How long a stop may take. What is committed is safe however the process ends."""

_log = structlog.get_logger(__name__)


def place_id(data_dir: Path) -> str:
    """What tells this data directory from all others: made once, by whichever worker is the first."""
    path = data_dir / "faust" / "place"
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}.tmp")
    draft.write_text(secrets.token_hex(4))
    try:
        # A link is there whole or not at all, and never takes another one's place.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_text()


def end_process(error: BaseException) -> NoReturn:
    """Log and leave at once: nothing that this memory holds may reach the log any more, no clean-up either."""
    try:
        _log.critical("ledger stopped", error=repr(error), exc_info=error)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(FAILED)


def main(settings: Settings, worker: int) -> None:
    """Run worker number `worker` until SIGTERM or SIGINT; exits with `FAILED` on any failure.

    Raises:
        SystemExit: A template or the keys of the data directory cannot be used; the message names the place.
    """
    try:
        load_templates(settings.data_dir / TEMPLATES_FOLDER)
        keys = read_gateway_keys(settings.data_dir / KEYS_FILE)
    except (TemplateError, GatewayKeysError) as error:
        sys.exit(f"ledger: {error}")
    compile_ahead()
    uvloop.run(serve(settings, worker, keys))


async def serve(settings: Settings, worker: int, keys: GatewayKeys) -> None:
    """Run until a signal; returns when what was being written is committed and the consumer has stopped."""
    bootstrap = kafka_bootstrap(settings)
    limits = BatchLimits()
    arrivals = Arrivals(settings.data_dir)

    def make(partition: int) -> PartitionLedger:
        log = KafkaLog(bootstrap, application=APPLICATION, partition=partition, timeout_s=limits.commit_s)
        return PartitionLedger(
            partition,
            partitions=settings.partitions,
            log=log,
            open_site=SiteLedger.load,
            is_ahead=arrivals.is_ahead,
            limits=limits,
            fail=end_process,
            keys=keys,
        )

    data_dir = settings.data_dir / "faust" / str(worker)
    data_dir.mkdir(parents=True, exist_ok=True)
    app = build_app(
        application=APPLICATION,
        member=f"{APPLICATION}-{place_id(settings.data_dir)}-{worker}",
        bootstrap=bootstrap,
        worker=worker,
        data_dir=str(data_dir),
        ledgers=Ledgers(make),
        fail=end_process,
    )
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    stopped = asyncio.ensure_future(stopping.wait())
    starting = asyncio.ensure_future(app.start())
    try:
        await asyncio.wait({starting, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if not stopping.is_set():
            await starting
            announce_ready(settings, f"ledger-{worker}")
            await stopped
        # A thread, because a stop that hangs may hold the loop.
        overdue = threading.Timer(STOP_S, end_process, [TimeoutError(f"not stopped within {STOP_S:.0f} s")])
        overdue.daemon = True
        overdue.start()
        await app.stop()
        overdue.cancel()
    except BaseException as error:
        end_process(error)
