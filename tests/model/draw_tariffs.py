"""Random tariff versions for the generator, sound ones and every kind that is refused."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from tests.model.texts import DAY, HOUR, MINUTE, local, midnight

if TYPE_CHECKING:
    from tests.model.generator import World

KWH_TARIFFS = ("E1", "E2", "E3")
M3_TARIFFS = ("W1",)
BANDS: tuple[dict[str, list[str]] | None, ...] = (
    None,
    {"all": []},
    {"peak": ["08:00-11:00", "18:00-21:00"], "valley": ["23:00-07:00"], "flat": []},
    {"valley": ["22:30-24:00", "00:00-06:00"], "day": []},
    {"flat": [], "peak": ["08:00-10:00", "10:00-12:00"], "sharp": ["12:00-12:01"]},
    {"night": ["18:00-00:00"], "rest": []},
    {"whole": ["00:00-24:00"], "never": []},
)
TIERS = (None, ["0"], ["0", "10"], ["0", "5", "20"], ["0", "0.001", "10.5"], ["0", "1", "2", "3"], ["0", "200", "400"])
PRICES = ("0", "0.5", "0.50", "1", "1", "2", "0.35", "1.2", "0.000001", "2.123456", "0.700000")
WIDE_PRICES = ("999999999", "999999.999999", "30000")


def set_tariff(world: World, name: str | None = None, *, starts_late: bool = False) -> None:
    """A version of a tariff, of any one if none is named; nearly always a sound one."""
    if name is None and world.chance(0.6):
        name = _awaited(world)
    name = name or world.luck.choice((*KWH_TARIFFS, *KWH_TARIFFS, *M3_TARIFFS))
    bands = copy.deepcopy(world.luck.choice(BANDS))
    tiers = world.luck.choice(TIERS)
    prices = WIDE_PRICES if world.chance(0.02) else PRICES
    components = world.luck.choice((["supply"], ["supply"], ["supply", "sewage"]))
    order: dict[str, Any] = {
        "order": "set_tariff",
        "tariff": name,
        "from": world.write_time(world.now + 60 * DAY if starts_late else _start(world, name)),
        "unit": "m3" if name in M3_TARIFFS else "kWh",
        "cycle": world.luck.choice(("month", "month", "year", "none")),
        "components": {
            component: {band: [world.luck.choice(prices) for _ in tiers or ["0"]] for band in bands or {"all": []}}
            for component in components
        },
    }
    if bands is not None:
        order["bands"] = bands
    if world.chance(0.2):
        _add_profiles(world, order, prices)
    if tiers is not None:
        order["tiers"] = list(tiers)
    if world.chance(0.08):
        _spoil(world, order)
    world.write(order)


def _add_profiles(world: World, order: dict[str, Any], prices: tuple[str, ...]) -> None:
    """Give a version bands of its own on some days, and the bands that are new with them their prices."""
    order["profiles"] = profiles = []
    for _ in range(world.luck.choice((1, 1, 2))):
        profile: dict[str, Any] = {"bands": copy.deepcopy(world.luck.choice(BANDS)) or {"all": []}}
        if world.chance(0.5):
            profile["months"] = world.luck.choice(([1], [2, 1], [12], [3, 4, 5], list(range(1, 13)), [0], []))
        if world.chance(0.7):
            profile["days"] = world.luck.choice(
                (["weekend"], ["holiday", "weekend"], ["workday"], ["holiday"], ["holiday", "workday", "weekend"], [])
            )
        profiles.append(profile)
        for by_band in order["components"].values():
            tiers = len(next(iter(by_band.values())))
            for name in profile["bands"]:
                by_band.setdefault(name, [world.luck.choice(prices) for _ in range(tiers)])


def set_calendar(world: World) -> None:
    """Types of some days about now, mostly of days to come."""
    days = {}
    for _ in range(world.luck.choice((0, 1, 1, 2, 5))):
        day = midnight(world.now) + world.luck.choice((-2, -1, 0, 0, 1, 1, 2, 3, 5, 20)) * DAY
        days[local(day).date().isoformat()] = world.luck.choice(("workday", "weekend", "holiday", "holiday"))
    world.write({"order": "set_calendar", "days": days})


def _awaited(world: World) -> str | None:
    """A tariff that has priced nothing yet and that a meter with unpriced consumption waits for, if there is one."""
    names = [
        name
        for meter in world.site.meters.values()
        if meter.open_intervals
        for _, name in world.site.book.assignments[meter.meter_id]
        if name not in world.site.priced_until
    ]
    return world.luck.choice(names) if names else None


def _start(world: World, name: str) -> int:
    """Where a version begins: mostly long ago or about now, often exactly where something else begins or ends."""
    now = world.now
    if world.chance(0.35):
        moment = local(now)
        return midnight(now) - (moment.day - 1) * DAY - world.luck.choice((0, 0, 40 * DAY))
    times = [now, now + HOUR, now + 10 * DAY, midnight(now), midnight(now) + DAY, midnight(now) + 8 * HOUR, now + 1]
    tariff = world.site.book.tariffs.get(name)
    if tariff is not None:
        times += [version.start for version in tariff.versions]
    until = world.site.priced_until.get(name)
    if until is not None:
        times += [until, until, until - 1, until + 1, until + HOUR]
    for meter in world.site.meters.values():
        for interval in meter.open_intervals:
            times += [interval.start, interval.end, (interval.start + interval.end) // 2, interval.end - MINUTE]
    return world.luck.choice(times)


def _spoil(world: World, order: dict[str, Any]) -> None:
    """Make one thing of a version wrong that is refused `invalid`."""
    first = next(iter(order["components"].values()))
    band = next(iter(first))
    match world.luck.randrange(14):
        case 0:
            order["tiers"] = ["1", "2"]
        case 1:
            order["tiers"] = ["0", "10", "10"]
        case 2:
            order["tiers"] = []
        case 3:
            order["bands"] = {"all": [], "other": []}
        case 4:
            order["bands"] = {"all": ["00:00-24:00"]}
        case 5:
            order["bands"] = {"all": [], "a": ["08:00-10:00"], "b": ["09:59-11:00"]}
        case 6:
            order["bands"] = {"all": [], "a": ["08:00-08:00"]}
        case 7:
            order["components"] = {}
        case 8:
            first["another"] = first[band]
        case 9:
            first[band] = [*first[band], "1"]
        case 10:
            first[band][0] = "-0.1"
        case 11:
            first[band][0] = "0.0000001"
        case 12:
            order["unit"] = "m3" if order["unit"] == "kWh" else "kWh"
        case _:
            first[band][0] = "1000000000"
