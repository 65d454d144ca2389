"""Takes snapshots of a running pipeline: money and meters from ClickHouse, how far its readers are from Kafka."""

from collections import deque
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Self

from clickhouse_driver import Client

from infra.clock import load_clock
from infra.demo.move_in import Order, initial_orders
from infra.demo.snapshot import Accounts, Deduction, Snapshot, Switch
from infra.endpoints import clickhouse_url
from infra.settings import Settings
from infra.status import Gauges, Sample, rates
from streams.core.account import Policy
from streams.core.units import NANO_PER_YUAN, parse_decimal

ROWS: Final = 5
"""Deductions and switches that are shown."""
RATE_SAMPLES: Final = 10
"""Rates are taken over so many snapshots: rounds come in bursts."""

_BALANCES: Final = (
    "SELECT countIf(balance > low), countIf(balance BETWEEN 0 AND low), countIf(balance < 0) FROM ("
    "SELECT argMax(balance_nano, place) AS balance, transform(site, %(sites)s, %(levels)s, %(usual)s) AS low FROM ("
    "SELECT site, account, balance_nano, place FROM movements) GROUP BY site, account)"
)
_METERS_OFF: Final = (
    "SELECT countIf(last = 'cut') FROM (SELECT argMax(action, sequence) AS last FROM commands"
    " WHERE action != 'recharge' GROUP BY site, meter)"
)
_DEDUCTIONS: Final = (
    "SELECT toUnixTimestamp64Milli(read_at), account, meter, consumption_milli, amount_nano, balance_nano"
    " FROM readings WHERE amount_nano > 0 ORDER BY at DESC, offset DESC, line DESC LIMIT %(rows)s"
)
_SWITCHES: Final = (
    "SELECT toUnixTimestamp64Milli(at), meter, action, reason FROM commands ORDER BY at DESC, meter, sequence DESC"
    " LIMIT %(rows)s"
)


class Watch:
    """Looks at the pipeline over connections that it keeps; to be closed."""

    def __init__(self, settings: Settings) -> None:
        self._clock = load_clock(settings.data_dir)
        self._levels = low_levels(initial_orders(settings))
        self._gauges = Gauges(settings)
        self._url = clickhouse_url(settings)
        self._client = Client.from_url(self._url)
        self._samples: deque[Sample] = deque(maxlen=RATE_SAMPLES)

    def look(self) -> Snapshot:
        """Take a snapshot; raises the clients' errors when a server is away."""
        sample = self._gauges.sample()
        self._samples.append(sample)
        rows = {"rows": ROWS}
        return Snapshot(
            at_ms=self._clock.now_ms(),
            clickhouse=self._url,
            readings=sample.readings or 0,
            readings_per_s=rates(self._samples[0], sample).readings or 0,
            accounts=self._accounts(),
            deductions=tuple(Deduction(*row) for row in self._client.execute(_DEDUCTIONS, rows)),
            switches=tuple(Switch(*row) for row in self._client.execute(_SWITCHES, rows)),
            lags=sample.lags,
        )

    def close(self) -> None:
        self._gauges.close()
        self._client.disconnect()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _accounts(self) -> Accounts:
        ((credit, low, arrears),) = self._client.execute(
            _BALANCES,
            {"sites": list(self._levels), "levels": list(self._levels.values()), "usual": Policy().low[0]},
        )
        ((meters_off,),) = self._client.execute(_METERS_OFF)
        return Accounts(credit, low, arrears, meters_off)


def low_levels(orders: list[Order]) -> Mapping[str, int]:
    """The first low-balance level of each site in nano-yuan, as the orders set it.

    >>> low_levels([{"order": "set_policy", "site": "S1", "low": ["100", "20"]}])
    {'S1': 100000000000}
    """
    levels = {}
    for order in orders:
        match order:
            case {"order": "set_policy", "account": _}:
                continue
            case {"order": "set_policy", "site": str(site), "low": [str(first), *_]}:
                level: Any = parse_decimal(first)
                levels[site] = level.mantissa * NANO_PER_YUAN // 10**level.places
    return levels
