"""`sluice rejected`: list what the ledger set aside, or send it through the path again."""

import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, NoReturn

import typer
from kafka.errors import KafkaError

from collectors.rejected.records import Rejected, Wanted, find_rejected
from collectors.rejected.retry import Original, RetryBook, RetryError, Thing, read_original, retry, thing_of
from infra.endpoints import EndpointError, kafka_bootstrap
from infra.settings import Settings
from streams.core.localtime import parse_time

BYTES_SHOWN = 64


class What(StrEnum):
    LIST = "list"
    RETRY = "retry"


def rejected(
    what: Annotated[What, typer.Argument(help="list, or retry: send again, each once")],
    places: Annotated[
        list[str] | None, typer.Argument(metavar="PLACE", help="As list prints them: frames:PARTITION:OFFSET:LINE")
    ] = None,
    site: Annotated[str, typer.Option(help="Of this site alone")] = "",
    gateway: Annotated[str, typer.Option(help="Of this gateway alone")] = "",
    reason: Annotated[str, typer.Option(help="malformed, future, damaged, unknown, template, item or alone")] = "",
    since: Annotated[str, typer.Option(help="Set aside since, such as 2026-03-01T00:00:00+08:00 (real time)")] = "",
    everything: Annotated[bool, typer.Option("--all", help="retry: all that is listed without a filter")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="list: JSON lines, with all bytes")] = False,
) -> None:
    """Tell what the ledger could not use, with its bytes; send it again once its meters are known to the ledger."""
    since_ms = parse_time(since) if since else 0
    if since_ms is None:
        _fail("--since must be a time such as 2026-03-01T00:00:00+08:00")
    wanted = Wanted(site, gateway, reason, since_ms, frozenset(places or ()))
    settings = Settings()
    try:
        bootstrap = kafka_bootstrap(settings)
        found = find_rejected(bootstrap, wanted, partitions=settings.partitions)
        if what is What.LIST:
            for each in found:
                typer.echo(_as_json(each) if as_json else _as_line(each))
        elif wanted.is_all and not everything:
            _fail("say which: PLACE, --site, --gateway, --reason, --since, or --all")
        else:
            _send_again(settings, bootstrap, list(found))
    except EndpointError as error:
        _fail(str(error))
    except KafkaError as error:
        _fail(f"not acknowledged by Kafka; retry again, what arrived does not go twice: {error}", status=1)


def _send_again(settings: Settings, bootstrap: str, found: Sequence[Rejected]) -> None:
    if not found:
        _fail("nothing was set aside that fits", status=1)
    things: list[tuple[Thing, Original]] = []
    failed = 0
    originals: dict[tuple[int, int], Original] = {}
    for each in found:
        try:
            if each.input == "frames" and (each.partition, each.offset) not in originals:
                originals[each.partition, each.offset] = read_original(bootstrap, each)
            original = originals.get((each.partition, each.offset), Original(0, 0, b"", b""))
            things.append((thing_of(each, original), original))
        except RetryError as error:
            failed += 1
            typer.echo(str(error), err=True)
    book = RetryBook(settings.data_dir / "collector" / "retried.sqlite")
    try:
        done = retry(bootstrap, book, things)
    finally:
        book.close()
    for (partition, offset), count in Counter((thing[0], offset) for thing, offset in done.sent.items()).items():
        typer.echo(f"sent again at partition {partition}, offset {offset}: {count}")
    typer.echo(f"{len(done.sent)} sent again, {done.before} were before, {failed} cannot be")
    if failed:
        raise typer.Exit(1)


def _as_line(each: Rejected) -> str:
    shown = each.data[:BYTES_SHOWN].hex(" ") + (" …" if each.length > BYTES_SHOWN else "")
    at = _time(each.at_ms)
    return f"{each.place}  {at}  {each.site}  {each.reason}  {each.detail}  [{each.length}] {shown}"


def _as_json(each: Rejected) -> str:
    return json.dumps(
        {
            "place": each.place,
            "at": _time(each.at_ms),
            "site": each.site,
            "gateway": each.gateway,
            "reason": each.reason,
            "detail": each.detail,
            "length": each.length,
            "bytes": each.data.hex(),
        },
        ensure_ascii=False,
    )


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")


def _fail(message: str, status: int = 2) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(status)
