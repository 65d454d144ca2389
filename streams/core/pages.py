"""A site's state as pages: the bytes that `ledger.state` keeps, and back.

Every page begins with four bytes, `SLP` and the layout's version. What follows:

| key within the site | content |
| --- | --- |
| `clock` | i64 latest time in ms, then i64 "priced until" of each tariff, by number |
| `site` | JSON: the site's policy, its tariffs with the numbers of their versions, the next one's number, named days |
| `version/N` | JSON: tariff version N |
| `meters/K`, `accounts/K` | rows 256 K and on of what every reading changes (`meter.METER`, `account.ACCOUNT`) |
| `setup/K` | rows 256 K and on of what orders change (`meter.SETUP`) |
| `meter/N`, `account/N` | JSON: texts, tariffs, count of kept parts of meter N; id, closed, own policy of account N |
| `parts/N/K` | rows 256 K and on of meter N's kept parts (`kept.PART`); those beyond their count mean nothing |
| `order/ID` | JSON: a money order that was taken |
| `fee/N/NAME` | JSON: the schedule of account N's fee of that name (`fees.Schedule`) |
| `credit/N` | JSON: what meter N, which holds its credit itself, told last, and its unsettled sales |
| `conditions/N` | JSON: which conditions meter N shows, which events it counted, and when that changed last |

All numbers are little-endian; JSON is written without spaces and in a fixed order, so equal state is equal bytes.

Layout 1 had the versions in `site` and the kept parts in `meter/N`. Such a page is read, and written anew with the next
batch. Layout 2 had no `band` in the kept parts; such a page is read. Pages of all layouts stand beside each other.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from streams.core.account import (
    ACCOUNT,
    AccountInfo,
    TakenOrder,
    policy_of,
    policy_record,
)
from streams.core.books import Books
from streams.core.calendar import Calendar, DayType
from streams.core.credit import credit_record
from streams.core.fees import schedule_of, schedule_record
from streams.core.growing import PAGE_ROWS, GrowingRows
from streams.core.kept import Part, parts_of, parts_page, upgraded
from streams.core.meter import METER, SETUP, Meters
from streams.core.meterinfo import MeterInfo, info_of, info_record
from streams.core.tariff import Tariff, version_of, version_record

VERSION = 3
_OLDEST = 1
_WITHOUT_BANDS = 2
_HEAD = b"SLP" + bytes([VERSION])


class PageError(ValueError):
    """A page that cannot be read: damaged, or of a layout that this code does not know."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"page {key!r}: {reason}")
        self.key = key


def dirty_pages(books: Books) -> dict[str, bytes]:
    """The pages that changed since the last call."""
    pages: dict[str, bytes] = {}
    times = [books.clock, *books.tariffs.priced_until[:-1].tolist()]
    if times != books.kept_times:
        pages["clock"] = _HEAD + np.array(times, "<i8").tobytes()
        books.kept_times = times
    if books.site_dirty:
        pages["site"] = _json(_site_record(books))
        books.site_dirty = False
    for version in books.unwritten:
        pages[f"version/{version.number}"] = _json(version_record(version))
    books.unwritten.clear()
    meters, accounts = books.meters, books.accounts
    for name, rows in (("meters", meters.hot), ("setup", meters.setup), ("accounts", accounts.hot)):
        for page, content in rows.take_dirty().items():
            pages[f"{name}/{page}"] = _HEAD + content
    for number in sorted(meters.dirty_infos):
        pages |= _meter_pages(number, meters.infos[number])
    for number in sorted(accounts.dirty_infos):
        pages[f"account/{number}"] = _json(_account_record(accounts.infos[number]))
    for order_id in sorted(books.dirty_orders):
        pages[f"order/{order_id}"] = _json(_order_record(books.taken[order_id]))
    for number, fee in sorted(books.fees.dirty):
        pages[f"fee/{number}/{fee}"] = _json(schedule_record(books.fees.schedules[number][fee]))
    books.fees.dirty.clear()
    for number in sorted(books.credits.dirty):
        pages[f"credit/{number}"] = _json(credit_record(books.credits[number]))
    books.credits.dirty.clear()
    for number in sorted(books.conditions.dirty):
        pages[f"conditions/{number}"] = _json(books.conditions.record(number))
    books.conditions.dirty.clear()
    meters.dirty_infos.clear()
    accounts.dirty_infos.clear()
    books.dirty_orders.clear()
    return pages


def _meter_pages(number: int, info: MeterInfo) -> dict[str, bytes]:
    """A meter's record, and those of its parts' pages that do not stand as they are."""
    pages = {f"meter/{number}": _json(info_record(info))}
    for page in range(info.written // PAGE_ROWS, -(-len(info.parts) // PAGE_ROWS)):
        parts = info.parts[page * PAGE_ROWS : (page + 1) * PAGE_ROWS]
        pages[f"parts/{number}/{page}"] = _HEAD + parts_page(parts)
    info.written = len(info.parts)
    return pages


def read_pages(books: Books, pages: Mapping[str, bytes]) -> None:
    """Fill empty books from pages.

    Raises:
        PageError: A page is damaged or of an unknown layout.
    """
    bodies = {key: _body(key, page) for key, page in pages.items()}
    meters, accounts = books.meters, books.accounts
    try:
        if "site" in bodies:
            _read_site(books, bodies)
        if "clock" in bodies:
            times = np.frombuffer(bodies["clock"], "<i8").tolist()
            books.clock, books.kept_times = times[0], times
            books.tariffs.priced_until[: len(times) - 1] = times[1:]
        _read_rows(meters.hot, METER, "meters", bodies)
        _read_rows(meters.setup, SETUP, "setup", bodies)
        _read_rows(accounts.hot, ACCOUNT, "accounts", bodies)
        for number, body in enumerate(_numbered("meter", bodies)):
            meters.infos.append(_read_info(meters, number, json.loads(body), bodies))
        for body in _numbered("account", bodies):
            record = json.loads(body)
            accounts.infos.append(AccountInfo(record["account"], record["closed"], policy_of(record["own"])))
        for key, body in bodies.items():
            if key.startswith("order/"):
                books.taken[key.removeprefix("order/")] = TakenOrder(**json.loads(body))
            elif key.startswith("fee/"):
                _, account, fee = key.split("/", 2)
                books.fees.schedules.setdefault(int(account), {})[fee] = schedule_of(json.loads(body))
            elif key.startswith("credit/"):
                books.credits.recall(int(key.removeprefix("credit/")), json.loads(body))
            elif key.startswith("conditions/"):
                books.conditions.recall(int(key.removeprefix("conditions/")), json.loads(body))
    except (KeyError, TypeError, ValueError) as error:
        raise PageError("", f"is damaged: {error}") from error
    if len(meters.infos) != len(meters.hot) or len(accounts.infos) != len(accounts.hot):
        raise PageError("", "meters or accounts are missing")
    _recall(books)


def _recall(books: Books) -> None:
    """Find again what is derived from the pages."""
    accounts = books.accounts
    books.meters.recall()
    accounts.own_credit.update(int(books.meters.setup.rows[meter]["account"]) for meter in books.credits)
    for number, info in enumerate(accounts.infos):
        accounts.by_id[info.account] = number
        accounts.limits.append()
        accounts.policies.append(accounts.policy_in_force(number))
        accounts.apply_policy(number)
    books.supplies.recall()
    books.fees.recall(books.clock, (info.closed for info in accounts.infos))


def _site_record(books: Books) -> dict[str, Any]:
    return {
        "policy": policy_record(books.accounts.site_policy),
        "versions": books.tariffs.versions,
        **({"calendar": named} if (named := books.tariffs.calendar.named()) else {}),
        "tariffs": [
            {
                "name": tariff.name,
                "unit": tariff.unit,
                "versions": [version.number for version in tariff.versions],
            }
            for tariff in books.tariffs
        ],
    }


def _read_site(books: Books, bodies: Mapping[str, bytes]) -> None:
    record = json.loads(bodies["site"])
    books.accounts.site_policy = policy_of(record["policy"])
    books.tariffs.versions = record["versions"]
    books.tariffs.calendar = Calendar({day: DayType(day_type) for day, day_type in record.get("calendar", ())})
    for number, tariff in enumerate(record["tariffs"]):
        versions = []
        for version in tariff["versions"]:
            # Layout 1 has the version itself here.
            embedded = isinstance(version, dict)
            found = version if embedded else json.loads(bodies[f"version/{version}"])
            versions.append(version_of(found, number))
            if embedded:
                books.unwritten.append(versions[-1])
                books.site_dirty = True
        books.tariffs.add(Tariff(tariff["name"], tariff["unit"], versions))


def _read_info(meters: Meters, number: int, record: dict[str, Any], bodies: Mapping[str, bytes]) -> MeterInfo:
    if "parts" in record:
        # Layout 1 has the parts themselves here.
        info = info_of(record, tuple(Part(*part) for part in record["parts"]))
        info.written = 0
        meters.dirty_infos.add(number)
        return info
    pages = -(-record["kept"] // PAGE_ROWS)
    parts = parts_of(bodies[f"parts/{number}/{page}"] for page in range(pages))
    return info_of(record, parts[: record["kept"]])


def _account_record(info: AccountInfo) -> dict[str, Any]:
    return {"account": info.account, "closed": info.closed, "own": policy_record(info.own)}


def _order_record(order: TakenOrder) -> dict[str, Any]:
    return {
        "digest": order.digest,
        "kind": order.kind,
        "account": order.account,
        "amount": order.amount,
        "reversed": order.reversed,
        "service_fee": order.service_fee,
    }


def _json(record: dict[str, Any]) -> bytes:
    return _HEAD + json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()


def _body(key: str, page: bytes) -> bytes:
    if page[:3] != _HEAD[:3]:
        raise PageError(key, "does not begin with SLP")
    if len(page) < 4 or not _OLDEST <= page[3] <= VERSION:
        raise PageError(key, f"layout version {page[3:4].hex()} is not known here")
    body = page[4:]
    return upgraded(body) if page[3] == _WITHOUT_BANDS and key.startswith("parts/") else body


def _read_rows(rows: GrowingRows, dtype: np.dtype[np.void], name: str, bodies: Mapping[str, bytes]) -> None:
    for page, body in enumerate(_numbered(name, bodies)):
        rows.put_page(page, np.frombuffer(body, dtype))


def _numbered(name: str, bodies: Mapping[str, bytes]) -> Iterable[bytes]:
    """The bodies `name/0`, `name/1`, … in their order."""
    number = 0
    while f"{name}/{number}" in bodies:
        yield bodies[f"{name}/{number}"]
        number += 1
