"""The collector's process: a session for every gateway of the registry."""

import asyncio
import resource
import signal
import sys
from collections.abc import Sequence
from typing import Any

import structlog

from collectors.clock_watch import ClockWatch
from collectors.command_check import CommandCheck
from collectors.command_feed import CommandFeed
from collectors.command_reports import CommandReporter
from collectors.gateways.clock_book import CLOCKS_FILE, ClockBook
from collectors.gateways.command import Command, CommandBook
from collectors.gateways.dial_in_line import DialInListener
from collectors.gateways.line import Line
from collectors.gateways.pace import Pace
from collectors.gateways.report import Outcome
from collectors.gateways.session import GatewaySession
from collectors.gateways.zone import local_time
from collectors.publisher import RoundPublisher
from collectors.registry import REGISTRY_FILE, GatewayPlan, Registry, RegistryError, read_registry
from collectors.registry_watch import RegistryWatch
from collectors.sessions import Sessions
from collectors.uploads.plan import UploadPlan, UploadPlanError, read_upload_plan
from collectors.uploads.service import UploadService
from collectors.wire.acrel4g import encode_time
from collectors.wire.templates import TEMPLATES_FOLDER, TemplateError, load_templates
from infra.clock import ScaledClock, load_clock
from infra.endpoints import announce_ready, kafka_bootstrap
from infra.gateway_keys import KEYS_FILE, GatewayKeys, GatewayKeysError, read_gateway_keys
from infra.settings import Settings

log = structlog.get_logger(__name__)

PART = "collector"


def main(settings: Settings) -> None:
    """Collect until SIGTERM or SIGINT.

    Raises:
        SystemExit: One of the data directory's files cannot be used; the message names the place.
    """
    try:
        load_templates(settings.data_dir / TEMPLATES_FOLDER)
        registry = read_registry(settings.data_dir / REGISTRY_FILE)
        keys = read_gateway_keys(settings.data_dir / KEYS_FILE)
        uploads = read_upload_plan(settings.data_dir)
        _allow_many_connections()
        asyncio.run(_run(settings, registry, keys, uploads))
    except (RegistryError, TemplateError, GatewayKeysError, UploadPlanError) as error:
        sys.exit(f"collector: {error}")


def _allow_many_connections() -> None:
    """Take as many open files as the system allows: most begin with 1,024, and a gateway is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def _run(settings: Settings, registry: Registry, keys: GatewayKeys, plan: UploadPlan | None) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    bootstrap = kafka_bootstrap(settings)
    book = CommandBook(settings.data_dir / "collector" / "commands.sqlite")
    clocks = ClockBook(settings.data_dir / CLOCKS_FILE)
    book.adopt({meter.meter: plan.site for plan in registry.gateways for meter in plan.meters})
    clock = load_clock(settings.data_dir)
    # Where no virtual clock was started the time is real, whatever speed one would have had.
    speed = clock.speed if isinstance(clock, ScaledClock) else 1
    watch = None if isinstance(clock, ScaledClock) else ClockWatch(clock)
    publisher = RoundPublisher(bootstrap, partitions=settings.partitions, watch=watch)
    reporter = CommandReporter(
        bootstrap,
        partitions=settings.partitions,
        clock=clock,
        path=settings.data_dir / "collector" / "reports.sqlite",
    )
    pace = Pace(interval_s=settings.poll_interval_s / speed)

    def open_session(plan: GatewayPlan, line: Line) -> GatewaySession:
        return GatewaySession(
            plan,
            line,
            clock=clock,
            pace=pace,
            book=book,
            clocks=clocks,
            may_set_clocks=lambda: settings.set_clocks and not (watch is not None and watch.is_apart),
            publish=publisher.publish,
            report=reporter.report,
        )

    listener = DialInListener({}, local_time=lambda: encode_time(local_time(clock.now_ms())))
    sessions = Sessions(open_session, listener, report=reporter.report)

    def order(command: Command) -> None:
        loop.call_soon_threadsafe(sessions.order, command)

    def pass_over(earlier: Command, later: Command) -> None:
        reporter.report(earlier, Outcome.OVERTAKEN, f"by sequence {later.sequence} of {later.meter}", b"")

    check = CommandCheck(sessions, keys=keys, report=reporter.report)
    feed = CommandFeed(bootstrap, read=check.read, take=order, pass_over=pass_over)
    port = await listener.start(registry.dial_in_host, registry.dial_in_port)
    reporter.start()
    await sessions.take(registry)
    feed.start()
    watching = asyncio.create_task(RegistryWatch(settings.data_dir / REGISTRY_FILE, registry).run(sessions.take))
    uploads = None
    if plan is not None:
        uploads = await UploadService.start(plan, settings.data_dir, clock=clock, keys=keys, publish=publisher.deliver)
    announce_ready(settings, PART, {"dial_in": port} | ({"upload": uploads.port} if uploads is not None else {}))
    parts = [sessions.failure, publisher.failure, watching, asyncio.wrap_future(reporter.failure)]
    failed = await _first_failure([*parts, *(uploads.tasks if uploads is not None else [])], stop)
    if uploads is not None:
        await uploads.stop()
    watching.cancel()
    await asyncio.wait({watching})
    await sessions.close()
    await asyncio.to_thread(feed.stop)
    await asyncio.to_thread(reporter.stop)
    await listener.stop()
    await publisher.close()
    book.close()
    clocks.close()
    if failed is not None:
        raise failed


async def _first_failure(parts: Sequence[asyncio.Future[Any]], stop: asyncio.Event) -> BaseException | None:
    """Wait until told to stop, or until a part fails, which is a bug: the process ends by it, and says so."""
    stopping: asyncio.Future[Any] = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait({stopping, *parts}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    return next((part.exception() for part in done if part is not stopping), None)
