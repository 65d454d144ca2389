"""Pages: an older layout is read and written anew; kept parts are written as they come."""

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streams.core.kept import BY_TIME, PART
from streams.core.outcome import Position, Source
from streams.core.pages import VERSION, PageError
from streams.core.site import ReadingBatch, SiteLedger

LAYOUT_1 = json.loads(Path(__file__).with_name("pages_layout_1.json").read_text())
"""Pages that a ledger of layout 1 wrote, what it took after them, and the balances it came to."""


def go_on(ledger: SiteLedger, told: dict[str, Any]) -> None:
    for offset, order in enumerate(told["orders"]):
        ledger.take_order(order, at=told["at"], position=Position(Source.ORDERS, 100 + offset))
    ledger.take_readings(batch(told["registers"], told["read_at"]))


def batch(registers: list[int], at: int) -> ReadingBatch:
    count = len(registers)
    return ReadingBatch(
        meter=np.arange(count, dtype=np.int32),
        register=np.array(registers, np.int64),
        read_at=np.full(count, at),
        at=np.full(count, at),
        supply=np.ones(count, np.uint8),
        offset=np.full(count, 9, np.int64),
        line=np.arange(count, dtype=np.uint32),
    )


def test_pages_of_layout_1_are_read_and_written_anew() -> None:
    pages = {key: base64.b64decode(page) for key, page in LAYOUT_1["pages"].items()}
    ledger = SiteLedger.load("S1", pages)
    upgraded = pages | ledger.dirty_pages()
    anew = ("site", "meter/", "version/", "parts/")
    assert {page[3] for key, page in upgraded.items() if key.startswith(anew)} == {VERSION}
    again = SiteLedger.load("S1", upgraded)
    for one in (ledger, again):
        go_on(one, LAYOUT_1)
        assert one.balances() == LAYOUT_1["balances"]
    assert ledger.dirty_pages() == again.dirty_pages()


def test_kept_parts_of_layout_2_are_read() -> None:
    ledger = SiteLedger("S1")
    orders: list[dict[str, Any]] = [
        {"order": "open_account", "account": "A"},
        {"order": "install_meter", "meter": "M", "account": "A", "kind": "electricity", "register": "0"},
    ]
    for offset, order in enumerate(orders):
        ledger.take_order(order, at=0, position=Position(Source.ORDERS, offset))
    ledger.take_readings(batch([500], 60_000))
    pages = ledger.dirty_pages()
    rows = np.frombuffer(pages["parts/0/0"][4:], PART)
    names = ["t0", "t1", "consumption", "start", "end"]
    of_layout_2 = np.array([row.tolist()[:5] for row in rows], [(name, "<i8") for name in names]).tobytes()
    again = SiteLedger.load("S1", pages | {"parts/0/0": b"SLP\x02" + of_layout_2})
    assert again.books.meters.infos[0].parts == ledger.books.meters.infos[0].parts
    assert [part.band for part in again.books.meters.infos[0].parts] == [BY_TIME]


def test_a_layout_of_later_software_is_refused() -> None:
    with pytest.raises(PageError, match="layout version 04"):
        SiteLedger.load("S1", {"clock": b"SLP" + bytes([VERSION + 1])})


def test_of_kept_parts_only_the_last_page_is_written_again() -> None:
    ledger = SiteLedger("S1")
    for offset, order in enumerate(
        [
            {"order": "open_account", "account": "A"},
            {"order": "install_meter", "meter": "M", "account": "A", "kind": "electricity", "register": "0"},
        ]
    ):
        ledger.take_order(order, at=0, position=Position(Source.ORDERS, offset))
    pages: dict[str, bytes] = {}
    for number in range(1, 301):
        ledger.take_readings(batch([number * 100], number * 60_000))
        written = ledger.dirty_pages()
        pages |= written
        assert [key for key in written if key.startswith("parts/")] == [f"parts/0/{(number - 1) // 256}"]
    again = SiteLedger.load("S1", pages)
    assert again.books.meters.infos[0].parts == ledger.books.meters.infos[0].parts
    assert len(again.books.meters.infos[0].parts) == 300
    order = {"order": "set_tariff", "tariff": "T", "from": "1970-01-01T00:00:00Z", "unit": "kWh", "cycle": "none"}
    for one in (ledger, again):
        one.take_order({**order, "components": {"c": {"all": ["1"]}}}, at=0, position=Position(Source.ORDERS, 7))
        one.take_order(
            {"order": "assign_tariff", "meter": "M", "tariff": "T"}, at=0, position=Position(Source.ORDERS, 8)
        )
        assert one.balances() == {"A": -30_000_000_000}
        pages |= one.dirty_pages()
    assert SiteLedger.load("S1", pages).books.meters.infos[0].parts == ()
