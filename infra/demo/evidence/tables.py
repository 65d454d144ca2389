"""Evidence from ClickHouse's tables, by clickhouse-driver as any analyst has it."""

from dataclasses import dataclass
from typing import Any

from infra.demo.checks.commands import CommandKey, Place
from infra.demo.checks.readings import Refused, Shown, Source
from infra.demo.checks.supply import Told
from infra.fleet.property import DemoAccount
from streams.core.outcome import Source as Input


@dataclass(frozen=True, slots=True)
class LastReading:
    """A meter's reading with the latest `read_at`, and its highest register, in Wh."""

    register: int
    read_at: int
    highest: int


class Tables:
    """Asks ClickHouse; accounts are named by site and id."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def readings(self) -> list[tuple[Source, Shown]]:
        """All readings that frames gave."""
        rows = self._client.execute(
            "SELECT partition, offset, line, meter, register_milli, toUnixTimestamp64Milli(read_at) FROM readings"
            f" WHERE source = {Input.FRAMES:d}"
        )
        return [(Source(*row[:3]), Shown(*row[3:])) for row in rows]

    def refused_readings(self) -> list[Refused]:
        """All refusals that frames caused."""
        rows = self._client.execute(
            "SELECT partition, offset, line, reason, subject, posting_offset FROM refusals"
            f" WHERE source = {Input.FRAMES:d}"
        )
        return [Refused(Source(*row[:3]), *row[3:]) for row in rows]

    def installed(self) -> dict[str, int]:
        """By gateway and address, the posting that installed the meter there."""
        rows = self._client.execute("SELECT gateway, address, posting_offset FROM meters FINAL")
        # A refusal names the address as a number.
        return {f"{gateway}/{int(address)}": posting for gateway, address, posting in rows}

    def templates(self) -> dict[str, int]:
        """Readings by device template."""
        return dict(
            self._client.execute(
                "SELECT m.template, count() FROM readings AS r INNER JOIN (SELECT * FROM meters FINAL) AS m"
                " ON r.site = m.site AND r.meter = m.meter GROUP BY m.template"
            )
        )

    def entries(self) -> dict[str, dict[str, int]]:
        """By account and kind, the sum of the entries."""
        sums: dict[str, dict[str, int]] = {}
        for account, kind, amount in self._client.execute(
            "SELECT concat(site, '/', account) AS name, kind, sum(amount_nano) FROM entries GROUP BY name, kind"
        ):
            sums.setdefault(account, {})[kind] = amount
        return sums

    def deductions(self) -> dict[str, int]:
        """By account, the sum of its deductions."""
        return dict(
            self._client.execute(
                "SELECT concat(site, '/', account) AS name, sum(amount_nano) FROM readings GROUP BY name"
            )
        )

    def last_balances(self) -> dict[str, int]:
        """By account, the balance after its last row."""
        return dict(
            self._client.execute(
                "SELECT concat(site, '/', account) AS name, argMax(balance_nano, place) FROM movements GROUP BY name"
            )
        )

    def last_readings(self) -> dict[str, LastReading]:
        """By meter."""
        rows = self._client.execute(
            "SELECT meter, argMax(register_milli, (read_at, offset, line)), toUnixTimestamp64Milli(max(read_at)),"
            f" max(register_milli) FROM readings WHERE source = {Input.FRAMES:d} GROUP BY meter"
        )
        return {meter: LastReading(*rest) for meter, *rest in rows}

    def commands(self) -> dict[CommandKey, Place | None]:
        """All commands and the round that caused each; None where an order did. A double one is there once."""
        return dict(self._commands())

    def command_keys(self) -> list[CommandKey]:
        """All commands, a double one as often as it is there."""
        return [key for key, _ in self._commands()]

    def demo_account(self, demo: DemoAccount) -> Told:
        """What the tables tell of the demo account."""
        commands = self._client.execute(
            "SELECT action, reason FROM commands WHERE site = %(site)s AND meter = %(meter)s ORDER BY sequence",
            {"site": demo.site, "meter": demo.meter},
        )
        ((count, lowest, read_at),) = self._client.execute(
            "SELECT count(), min(balance_nano), toUnixTimestamp64Milli(maxIf(read_at, consumption_milli > 0))"
            " FROM readings WHERE site = %(site)s AND account = %(account)s",
            {"site": demo.site, "account": demo.account},
        )
        return Told(tuple(commands), lowest if count else None, read_at)

    def registered_wh(self, demo: DemoAccount) -> int:
        """The register of the demo account's meter when it was installed."""
        ((register,),) = self._client.execute(
            "SELECT register_milli FROM meters FINAL WHERE site = %(site)s AND meter = %(meter)s",
            {"site": demo.site, "meter": demo.meter},
        )
        return int(register)

    def _commands(self) -> list[tuple[CommandKey, Place | None]]:
        rows = self._client.execute("SELECT site, meter, sequence, source, partition, offset FROM commands")
        return [
            (CommandKey(*row[:3]), Place(partition, offset) if source == Input.FRAMES else None)
            for *row, source, partition, offset in rows
        ]
