"""A made month of a small property group, hour by hour through the real core: what reports are tried on.

Site S1 has shops behind a master meter, site S2 flats and water. Everything that a report looks for happens once, to a
meter whose name says so; the rest is as it should be. Meters that the ledger cut consume nothing and say so.
"""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

from tests.ledger_history import History, Line

LOCAL: Final = timezone(timedelta(hours=8))
BEGIN: Final = datetime(2026, 3, 1, tzinfo=LOCAL)
DAYS: Final = 31
THEFT_DAY: Final = 18
"""From this day on S1-THEFT draws past its meter."""
SILENT_DAY: Final = 25
"""From this day on S1-SILENT is not heard of."""
LATE_DAYS: Final = (9, 10)
"""What S2-FLAT2 showed on these days comes on the day after."""
SHOPS: Final = 8

BANDS: Final = {"peak": ["08:00-11:00", "18:00-21:00"], "valley": ["23:00-07:00"], "flat": []}
PRICES: Final = {
    "peak": ["1.213457", "1.313457"],
    "valley": ["0.353457", "0.453457"],
    "flat": ["0.703457", "0.803457"],
}


def text(at: datetime) -> str:
    """A time in the ledger's language."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Group:
    """The group's meters and accounts, as they are while the month goes by."""

    def __init__(self, seed: int = 1) -> None:
        self.luck = random.Random(seed)
        self.registers: dict[str, int] = {}
        self.site_of: dict[str, str] = {}
        self.off: set[str] = set()
        self.kept_back: list[Line] = []
        self.orders = 0

    def order(self, site: str, name: str, at: datetime, **fields: Any) -> Line:
        """An order; `from_` stands for `from`."""
        given = {key.rstrip("_"): value for key, value in fields.items()}
        return {"at": text(at), "site": site, "order": name, **given}

    def money(self, site: str, name: str, at: datetime, account: str, **fields: Any) -> Line:
        """A money order under the next id."""
        self.orders += 1
        return self.order(site, name, at, account=account, order_id=f"{site}-{self.orders:04d}", **fields)

    def install(self, site: str, account: str, meter: str, **fields: Any) -> Line:
        """A meter at 100 units."""
        self.registers[meter] = 100_000
        self.site_of[meter] = site
        given = {"kind": "electricity", "tariff": "E", "register": "100", "ratio": 1, "digits": 6, "max_kw": "400"}
        return self.order(site, "install_meter", BEGIN, account=account, meter=meter, **given | fields)

    def opening(self) -> Iterator[Line]:
        """Tariffs, accounts, meters and first recharges."""
        for site in ("S1", "S2"):
            yield self.order(
                site,
                "set_tariff",
                BEGIN,
                tariff="E",
                from_=text(BEGIN),
                unit="kWh",
                cycle="month",
                tiers=["0", "150"],
                bands=BANDS,
                components={"supply": PRICES},
            )
        yield self.order(
            "S2",
            "set_tariff",
            BEGIN,
            tariff="W",
            from_=text(BEGIN),
            unit="m3",
            cycle="month",
            tiers=["0"],
            components={"supply": {"all": ["3.45"]}, "sewage": {"all": ["1.15"]}},
        )
        names = [f"S1-SHOP{number}" for number in range(1, SHOPS + 1)] + ["S1-THEFT", "S1-SILENT", "S1-BACKWARDS"]
        for name in names:
            yield self.order("S1", "open_account", BEGIN, account=f"A-{name}")
            yield self.install("S1", f"A-{name}", name)
            yield self.money("S1", "recharge", BEGIN, f"A-{name}", amount="600", channel="counter", operator="li")
        yield self.install("S1", "A-S1-SHOP1", "S1-SHOP1B")
        yield self.order("S1", "open_account", BEGIN, account="A-HOUSE")
        yield self.order("S1", "set_policy", BEGIN, account="A-HOUSE", overdraft="100000")
        yield self.install("S1", "A-HOUSE", "S1-MASTER", ratio=60)
        for number in range(1, 5):
            yield self.order("S2", "open_account", BEGIN, account=f"A-FLAT{number}")
            yield self.install("S2", f"A-FLAT{number}", f"S2-FLAT{number}")
            water = {"kind": "water", "tariff": "W", "register": "100", "max_kw": None}
            yield {
                key: value
                for key, value in self.install("S2", f"A-FLAT{number}", f"S2-WATER{number}", **water).items()
                if value is not None
            }
            # FLAT4 runs out within the first days.
            amount = "40" if number == 4 else "300"
            yield self.money("S2", "recharge", BEGIN, f"A-FLAT{number}", amount=amount, channel="wechat")

    def load(self, meter: str, at: datetime) -> int:
        """Wh or litres that flow in the hour before `at`, past the meter or through it."""
        if meter in self.off:
            return 0
        hour = (at - timedelta(hours=1)).astimezone(LOCAL).hour
        if "WATER" in meter:
            return self.luck.randrange(5, 40) if 6 <= hour <= 22 else 0
        open_now = 9 <= hour <= 21 if meter.startswith("S1") else hour in (6, 7, 18, 19, 20, 21, 22)
        base = 900 if open_now else 120
        return base + self.luck.randrange(base // 2)

    def hour(self, number: int) -> Iterator[Line]:
        """The round at the end of an hour."""
        at = BEGIN + timedelta(hours=number)
        day = (at - timedelta(hours=1) - BEGIN).days + 1
        if day == LATE_DAYS[-1] + 1:
            # A gateway that was cut off gives what it kept, in order.
            for line in self.kept_back:
                yield line | {"at": text(at - timedelta(minutes=10))}
            self.kept_back = []
        flowed = 0
        for meter in list(self.registers):
            if meter == "S1-MASTER":
                continue
            load = self.load(meter, at)
            flowed += load if meter.startswith("S1") else 0
            past = meter == "S1-THEFT" and day >= THEFT_DAY
            self.registers[meter] += load // 20 if past else load
            if meter == "S1-SILENT" and day >= SILENT_DAY:
                continue
            shown = self.registers[meter]
            if meter == "S1-BACKWARDS" and day == 12 and 10 <= at.hour <= 14:
                shown -= 50_000
            yield from self.reading(meter, at, shown, late=meter == "S2-FLAT2" and day in LATE_DAYS)
        # The line to the shops loses 2 % of what flows.
        self.registers["S1-MASTER"] += (flowed * 102 // 100) // 60
        yield from self.reading("S1-MASTER", at, self.registers["S1-MASTER"])

    def reading(self, meter: str, at: datetime, register: int, *, late: bool = False) -> Iterator[Line]:
        """A reading that reaches the head-end two seconds later, or is kept back."""
        line = {
            "at": text(at + timedelta(seconds=2)),
            "site": self.site_of[meter],
            "reading": {
                "meter": meter,
                "register": f"{register // 1000}.{register % 1000:03d}",
                "read_at": text(at),
                "supply": "off" if meter in self.off else "on",
            },
        }
        if late:
            self.kept_back.append(line)
        else:
            yield line

    def office(self, number: int) -> Iterator[Line]:
        """What the office does in an hour."""
        at = BEGIN + timedelta(hours=number, minutes=20)
        day, hour = divmod(number, 24)
        if hour == 10 and day % 3 == 1:
            shop = 1 + day // 3 % SHOPS
            channel = ("counter", "wechat", "alipay")[day % 3 - 1 if shop % 2 else day % 2]
            operator = {"operator": ("li", "wang")[day % 2]} if channel == "counter" else {}
            yield self.money(
                "S1",
                "recharge",
                at,
                f"A-S1-SHOP{shop}",
                amount=f"{100 + day}.{day:02d}",
                channel=channel,
                **operator,
            )
        if (day, hour) == (8, 15):
            yield self.money("S2", "recharge", at, "A-FLAT4", amount="150", channel="alipay")
        if (day, hour) == (6, 11):
            yield self.money("S2", "recharge", at, "A-FLAT1", amount="88.80", channel="wechat")
            yield self.money("S2", "reverse", at, "A-FLAT1", of=f"S2-{self.orders:04d}", operator="wang")
        if (day, hour) == (14, 9):
            yield self.money("S1", "refund", at, "A-S1-SHOP2", amount="35.5", operator="li")
            yield self.money("S1", "adjust", at, "A-S1-SHOP3", amount="-3.21", reason="misread", operator="li")
        if (day, hour) == (20, 9):
            old = self.registers.pop("S1-SHOP4")
            self.registers["S1-SHOP4N"] = 5_000
            self.site_of["S1-SHOP4N"] = "S1"
            yield self.order(
                "S1",
                "replace_meter",
                at,
                meter="S1-SHOP4",
                final=f"{old // 1000}.{old % 1000:03d}",
                new_meter="S1-SHOP4N",
                register="5",
            )
        if (day, hour) == (22, 9):
            finals = {}
            for meter in ("S2-FLAT3", "S2-WATER3"):
                register = self.registers.pop(meter)
                finals[meter] = f"{register // 1000}.{register % 1000:03d}"
            yield self.order("S2", "close_account", at, account="A-FLAT3", finals=finals)

    def follow(self, history: History, since: int) -> None:
        """Carry out what the ledger commanded."""
        for each in history.posted[since:]:
            ledger = history.site(each.postings.site)
            for command in each.postings.outcome.commands:
                meter = ledger.meter_id(command.meter)
                self.off = self.off | {meter} if command.action == "cut" else self.off - {meter}


def group_history(days: int = DAYS) -> History:
    """The month, or its first days."""
    group, history = Group(), History()
    history.take(0, group.opening())
    for number in range(1, 24 * days + 1):
        since = len(history.posted)
        history.take(0, [*group.hour(number), *group.office(number)])
        group.follow(history, since)
    return history
