"""Seeded random scenarios, dense in coincidences: `generate(seed)` gives the lines of one.

The generator takes each line into a model of its own as it goes, and looks there for values at which a rule turns:
the limit of a tier, the tenth of a rollover, the most that a meter can consume, a balance at its level, the
end of what a tariff has priced, the edge of protected hours, five minutes after the last command. Most faults of
the language of refusals occur (unknown, closed, repeated, invalid, early, late, out of order); malformed lines do
not: `malform` makes one of a scenario.
"""

import json
import random
from typing import Any

from tests.model import draw_accounts, draw_credit, draw_fees, draw_meters, draw_tariffs
from tests.model.credit import on_its_way
from tests.model.model import Model
from tests.model.site import Site
from tests.model.texts import DAY, HOUR, MINUTE, SECOND, midnight, parse_time, write_time

BEGINNINGS = (
    "2026-01-05T07:00:00+08:00",
    "2026-01-31T22:30:00+08:00",
    "2025-12-31T20:00:00+08:00",
    "2024-02-29T17:59:59.999+08:00",
    "2026-04-30T23:00:00+08:00",
)
SHORT_STEPS = (0, 0, 0, 1, SECOND, MINUTE, 5 * MINUTE - 1, 5 * MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, HOUR)
LONG_STEPS = (2 * HOUR, 5 * HOUR, 7 * HOUR + 1, DAY, 3 * DAY, 31 * DAY)

Content = dict[str, Any]


class World:
    """A scenario in the making: its lines, the model that has taken them, and the luck it is drawn with."""

    def __init__(self, seed: int) -> None:
        self.luck = random.Random(seed)
        self.model = Model()
        self.lines: list[str] = []
        beginning = parse_time(self.luck.choice(BEGINNINGS))
        self.site_ids = self.luck.choice((["S1"], ["S1"], ["S1"], ["S1", "S2"], ["S1", "东区", "S3"]))
        self.clocks = dict.fromkeys(self.site_ids, beginning)
        self.site_id = self.site_ids[0]
        self.money_orders: list[Content] = []
        self.sales: list[Content] = []
        self.next_number = 0
        self.has_fees = self.chance(0.3)
        self.has_shares = self.chance(0.3)
        self.has_bands = self.chance(0.3)

    @property
    def site(self) -> Site:
        """The site whose turn it is; a new one before its first line."""
        return self.model.sites.get(self.site_id) or Site(self.model.owners, self.model.events)

    @property
    def now(self) -> int:
        """The time of the site whose turn it is."""
        return self.clocks[self.site_id]

    def chance(self, probability: float) -> bool:
        """Whether something of this probability happens."""
        return self.luck.random() < probability

    def new_id(self, letter: str) -> str:
        """An id that nothing of the file has: other sites must not."""
        self.next_number += 1
        return f"{letter}{self.next_number}"

    def move_on(self) -> None:
        """Let time pass in a site, often up to a moment at which something turns."""
        self.site_id = self.luck.choice(self.site_ids)
        kind = self.luck.random()
        if kind < 0.45:
            self.clocks[self.site_id] += self.luck.choice(SHORT_STEPS)
        elif kind < 0.6:
            self.clocks[self.site_id] += self.luck.choice(LONG_STEPS)
        elif kind < 0.9:
            self.clocks[self.site_id] = self._turning_point()

    def _turning_point(self) -> int:
        site, now = self.site, self.now
        edges = {0, DAY}
        policies = [site.policy, *(account.policy for account in site.accounts.values())]
        for policy in policies:
            for day_range in policy.protected or ():
                edges |= {day_range.start * MINUTE, day_range.end * MINUTE}
        for tariff in site.book.tariffs.values():
            for ranges in tariff.versions[-1].bands.values():
                for day_range in ranges:
                    edges |= {day_range.start * MINUTE, day_range.end * MINUTE}
        times = {midnight(now) + edge + self.luck.choice((0, 0, DAY)) for edge in edges}
        if self.has_fees:
            times |= draw_fees.due_times(self)
        for meter in site.meters.values():
            if meter.last_command is not None:
                times |= {meter.last_command.at + 5 * MINUTE, meter.last_command.at + 5 * MINUTE - 1}
        for account in site.accounts.values():
            sent = on_its_way(account.sales)
            if sent is not None:
                times |= {sent.sent_at + 5 * MINUTE, sent.sent_at + 5 * MINUTE - 1}
        later = sorted(time for time in times if time > now)
        return self.luck.choice(later) + self.luck.choice((0, 0, 0, 0, 1, -1)) if later else now + HOUR

    def write(self, content: Content) -> None:
        """Add a line of a site at its time, sometimes with an `at` that lies before it."""
        at = self.now - (self.luck.choice((1, MINUTE, HOUR, 40 * DAY)) if self.chance(0.04) else 0)
        whole: Content = {"at": self.write_time(at), **content}
        if self.site_id != "S1" or self.chance(0.05):
            whole["site"] = self.site_id
        if self.chance(0.1):
            items = list(whole.items())
            self.luck.shuffle(items)
            whole = dict(items)
        separators = (",", ":") if self.chance(0.1) else (", ", ": ")
        self.add(json.dumps(whole, ensure_ascii=self.chance(0.5), separators=separators))

    def add(self, text: str) -> None:
        """Add a line as it is."""
        self.lines.append(text)
        self.model.take(text)

    def write_time(self, time: int) -> str:
        """A time in one of the ways in which it can be written."""
        style = self.luck.random()
        if style < 0.85:
            return write_time(time)
        zone, offset = self.luck.choice((("Z", 0), ("-05:30", -5 * HOUR - 30 * MINUTE), ("+08:00", 8 * HOUR)))
        text = write_time(time + offset - 8 * HOUR).removesuffix("+08:00")
        if "." not in text:
            text += self.luck.choice(("", ".0", ".00", ".000"))
        return text + zone

    def write_decimal(self, thousandths: int, decimals: int = 3) -> str:
        """A decimal of so many thousandths (or other powers) in one of the ways in which it can be written."""
        sign = "-" if thousandths < 0 else ""
        whole, rest = divmod(abs(thousandths), 10**decimals)
        fraction = f"{rest:0{decimals}}"
        if self.chance(0.7):
            fraction = fraction.rstrip("0")
        if self.chance(0.03):
            fraction += "0" * self.luck.randint(1, 4)
        leading = "00" if self.chance(0.02) else ""
        return f"{sign}{leading}{whole}" + (f".{fraction}" if fraction else "")


def draw(seed: int) -> World:
    """The scenario of a seed, 20 to 80 lines, none malformed; its model has taken them all."""
    world = World(seed)
    size = world.luck.choice((20, 25, 30, 40, 80))
    for site_id in world.site_ids:
        world.site_id = site_id
        _begin(world)
    while len(world.lines) < size:
        world.move_on()
        credited = draw_credit.credit_meter_ids(world)
        if credited and world.chance(0.3):
            if world.chance(0.55):
                draw_meters.reading(world, world.luck.choice(credited))
            else:
                draw_credit.draw(world)
            continue
        action = world.luck.random()
        if world.has_fees and world.chance(0.08):
            draw_fees.set_fee(world)
        elif world.has_shares and world.chance(0.08):
            draw_fees.share(world)
        elif action < 0.51:
            _read_some(world)
        elif action < 0.65:
            draw_accounts.money_order(world)
        elif action < 0.73:
            draw_meters.control(world)
        elif action < 0.77:
            draw_accounts.set_policy(world)
        elif action < 0.84:
            draw_tariffs.set_tariff(world)
        elif action < 0.885:
            draw_meters.assign_tariff(world)
        elif action < 0.91:
            draw_meters.replace_meter(world)
        elif action < 0.915:
            draw_meters.replace_ahead_of_the_month(world)
        elif action < 0.935:
            draw_meters.install_meter(world)
        elif action < 0.945:
            draw_accounts.open_account(world)
        elif action < 0.96:
            draw_accounts.close_account(world)
        elif action < 0.972:
            draw_tariffs.set_calendar(world)
        elif action < 0.995:
            world.write({"order": "tick"})
        else:
            world.add(world.luck.choice(("", "\n", "  ")))
    return world


def generate(seed: int) -> list[str]:
    """The lines of the scenario of a seed."""
    return draw(seed).lines


def _begin(world: World) -> None:
    """Tariffs, accounts and meters to begin with; now and then something of them is missing."""
    draw_tariffs.set_tariff(world, "E1")
    if world.chance(0.25):
        draw_tariffs.set_tariff(world, "E2", starts_late=True)
    if world.chance(0.6):
        draw_tariffs.set_tariff(world)
    if world.chance(0.3):
        draw_accounts.set_policy(world)
    for _ in range(world.luck.choice((2, 3, 4) if world.has_shares else (1, 1, 2, 3))):
        draw_accounts.open_account(world, is_sound=True)
        for _ in range(world.luck.choice((1, 1, 2))):
            draw_meters.install_meter(world)
        if world.chance(0.7):
            draw_accounts.money_order(world)
        if world.has_fees and world.chance(0.6):
            draw_fees.set_fee(world)
    if world.chance(0.4):
        draw_accounts.open_account(world, is_sound=True)
        draw_meters.install_meter(world, account_id=list(world.site.accounts)[-1])


def _read_some(world: World) -> None:
    """One reading, or a round of all meters, or several rounds together, as gateways send them."""
    if world.chance(0.7):
        draw_meters.reading(world, draw_meters.some_meter_id(world))
        return
    for _ in range(world.luck.choice((1, 1, 2, 3))):
        for meter_id, meter in list(world.site.meters.items()):
            if not meter.is_replaced or world.chance(0.1):
                draw_meters.reading(world, meter_id)
        if world.chance(0.7):
            world.clocks[world.site_id] += world.luck.choice((MINUTE, 15 * MINUTE, HOUR))
