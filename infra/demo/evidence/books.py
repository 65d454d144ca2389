"""Evidence from `ledger.state`: the ledgers of all sites, and how far they had come."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from infra.demo.evidence.topics import TopicRecord
from infra.topics import METER_FRAMES, OFFICE_ORDERS
from streams.core.site import SiteLedger
from streams.records import NEXT_KEY, decode_next


@dataclass(frozen=True, slots=True)
class Books:
    """The ledger's state.

    Attributes:
        sites: Each site's ledger.
        next: By input and partition (`meter.frames/3`), the offset that comes next.
    """

    sites: Mapping[str, SiteLedger]
    next: Mapping[str, int]

    def balances(self) -> dict[str, int]:
        """Nano-yuan by account; accounts by site and id."""
        return {
            f"{name}/{account}": balance
            for name, site in self.sites.items()
            for account, balance in site.balances().items()
        }


def read_books(state: Iterable[TopicRecord]) -> Books:
    """Load the ledgers from the newest version of each page."""
    pages: dict[str, dict[str, bytes]] = {}
    taken: dict[str, int] = {}
    for record in state:
        if record.key == NEXT_KEY:
            after = decode_next(record.value or b"")
            taken[place_name(METER_FRAMES, record.partition)] = after.frames
            taken[place_name(OFFICE_ORDERS, record.partition)] = after.orders
            continue
        site, _, page = record.key.decode().partition("/")
        if record.value is None:
            pages.get(site, {}).pop(page, None)
        else:
            pages.setdefault(site, {})[page] = record.value
    return Books({site: SiteLedger.load(site, of_site) for site, of_site in pages.items()}, taken)


def place_name(topic: str, partition: int) -> str:
    """A partition in words.

    >>> place_name("meter.frames", 3)
    'meter.frames/3'
    """
    return f"{topic}/{partition}"


def input_ends(*inputs: tuple[str, Iterable[TopicRecord]]) -> dict[str, int]:
    """By input and partition, the offset after the last record."""
    return {place_name(topic, record.partition): record.offset + 1 for topic, records in inputs for record in records}
