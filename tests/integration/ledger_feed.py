"""Feeds the ledger's inputs: sites with meters behind gateways, rounds without end, now and then a bad record."""

import threading
from collections.abc import Iterator, Sequence
from typing import Self

from kafka import KafkaProducer

from infra.topics import METER_FRAMES, OFFICE_ORDERS, partition_of
from tests.ledger_inputs import BEGIN_MS, DLT645, MODBUS, energy_round, opening_orders, order

ADDRESSES = range(1, 21)
GATEWAYS = {"G1": MODBUS, "G2": DLT645}
INTERVAL_MS = 300_000


class Feed:
    """A producer of rounds for some sites, and a thread that sends them while a `with` block lasts."""

    def __init__(self, bootstrap: str, partitions: int, sites: Sequence[str]) -> None:
        self._sites = sites
        self._partitions = partitions
        self._producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=5)
        self._rounds = self._forever()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def open_sites(self) -> None:
        """Orders that open the sites."""
        for site in self._sites:
            for gateway, template in GATEWAYS.items():
                name = f"{site}-{gateway}"
                for value in opening_orders(site, [gateway], ADDRESSES, template=template, prefix=name):
                    self._send(OFFICE_ORDERS, site, value)
        self._producer.flush()

    def send_rounds(self, count: int) -> None:
        """The next rounds of all gateways, some with a recharge or a bad record beside them."""
        for _ in range(count):
            next(self._rounds)
        self._producer.flush()

    def __enter__(self) -> Self:
        self._stop.clear()
        self._thread = threading.Thread(target=self._keep_sending, name="feed")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        assert self._thread is not None
        self._thread.join()

    def close(self) -> None:
        self._producer.close()

    def _keep_sending(self) -> None:
        while not self._stop.wait(0.02):
            self.send_rounds(5)

    def _forever(self) -> Iterator[None]:
        number = 0
        while True:
            at = BEGIN_MS + number * INTERVAL_MS
            for site in self._sites:
                for gateway, template in GATEWAYS.items():
                    registers = [100 + number * (1 + address % 3) for address in ADDRESSES]
                    value = energy_round(
                        site, gateway, at=at, addresses=ADDRESSES, registers=registers, template=template
                    )
                    if number % 40 == 7:
                        value = value[:-1] + bytes([value[-1] ^ 0xFF])
                    self._send(METER_FRAMES, site, value)
                if number % 25 == 3:
                    self._send(METER_FRAMES, site, b"no round")
                    self._send(OFFICE_ORDERS, site, order(site, "dance"))
                    account = f"{site}-G1-A{number % 10}"
                    name = f"{site}-{number}"
                    self._send(OFFICE_ORDERS, site, order(site, "recharge", account=account, order_id=name, amount="5"))
            yield
            number += 1

    def _send(self, topic: str, site: str, value: bytes) -> None:
        key = site.encode()
        self._producer.send(topic, key=key, value=value, partition=partition_of(key, self._partitions))
