"""Random installations, readings, replacements, assignments and control orders for the generator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.model import draw_accounts, draw_bands, draw_credit, draw_tariffs
from tests.model.conditions import EVENTS
from tests.model.draw_tariffs import KWH_TARIFFS, M3_TARIFFS
from tests.model.meter import Meter
from tests.model.tariff import cycle_keys
from tests.model.texts import DAY, HOUR, MINUTE, SECOND, ZONE_OFFSET, local, midnight

if TYPE_CHECKING:
    from tests.model.generator import World

BAD_REGISTERS = ("-1", "0.0001", "1000000000", "12.3456")
LARGEST_REGISTER = 10**12 - 1


def some_meter_id(world: World) -> str:
    """Mostly a meter of the site, replaced ones too; now and then one that it doesn't have."""
    meters = world.site.meters
    if not meters or world.chance(0.02):
        return "M0"
    in_use = [meter_id for meter_id, meter in meters.items() if not meter.is_replaced]
    return world.luck.choice(in_use if world.chance(0.95) else list(meters))


def _some_tariff(world: World, kind: str) -> str:
    if world.chance(0.05):
        return world.luck.choice((*KWH_TARIFFS, *M3_TARIFFS, "E0"))
    own = KWH_TARIFFS if kind == "electricity" else M3_TARIFFS
    known = [name for name in own if name in world.site.book.tariffs]
    return world.luck.choice(known or KWH_TARIFFS)


def _device(world: World, kind: str) -> dict[str, Any]:
    """The fields of a device, with a register that is often about to roll over."""
    device: dict[str, Any] = {}
    digits = world.luck.choice((None, None, 1, 2, 3, 6, 9))
    register = world.luck.choice((0, 0, 1000, 123456, 5_000_000))
    if digits is not None:
        device["digits"] = digits
        wrap = 10**digits * 1000
        register = world.luck.choice((0, wrap * 9 // 10, wrap * 9 // 10 - 1, wrap - 1, wrap - 1000, wrap // 2))
    device["register"] = world.write_decimal(register)
    if world.chance(0.5):
        device["ratio"] = world.luck.choice((1, 1, 2, 3, 60, 100_000))
    if world.chance(0.35):
        own = "max_kw" if kind == "electricity" else "max_m3h"
        device[own] = world.luck.choice(("1", "5", "10", "0.5", "100", "3.333"))
    if world.chance(0.05):
        name, value = world.luck.choice(
            (
                ("ratio", 0),
                ("ratio", 100_001),
                ("digits", 0),
                ("digits", 10),
                ("max_kw", "0"),
                ("max_m3h", "0.0001"),
                ("max_kw", "1"),
                ("max_m3h", "1"),
                ("register", "-1"),
                ("register", "1000000"),
                ("register", "0.0001"),
            )
        )
        device[name] = value
    return device


def _new_meter_id(world: World) -> str:
    """Mostly a new id; now and then one in use in this site, or used before."""
    if world.site.meters and world.chance(0.06):
        return world.luck.choice(list(world.site.meters))
    return world.new_id("M")


def install_meter(world: World, account_id: str = "") -> None:
    """A meter on an account, with a tariff or without; often one that holds its credit itself, where that can be."""
    account_id = account_id or draw_accounts.some_account_id(world)
    is_water = world.chance(0.5 if M3_TARIFFS[0] in world.site.book.tariffs else 0.05)
    kind = "water" if is_water else "electricity"
    device = _device(world, kind)
    order: dict[str, Any] = {
        "order": "install_meter",
        "meter": _new_meter_id(world),
        "account": account_id,
        "kind": kind,
        **device,
        **(draw_bands.opening(world, device["register"]) if not is_water or world.chance(0.05) else {}),
        **draw_credit.install_fields(world, account_id),
    }
    if world.chance(0.8):
        order["tariff"] = _some_tariff(world, kind)
    world.write(order)


def assign_tariff(world: World) -> None:
    """Another tariff for a meter, its first one or the same one again."""
    without = [each for each, assignments in world.site.book.assignments.items() if not assignments]
    meter_id = world.luck.choice(without) if without and world.chance(0.6) else some_meter_id(world)
    meter = world.site.meters.get(meter_id)
    kind = meter.device.kind if meter else "electricity"
    world.write({"order": "assign_tariff", "meter": meter_id, "tariff": _some_tariff(world, kind)})


def control(world: World) -> None:
    """Any action on any meter."""
    action = world.luck.choice(("cut", "cut", "restore", "restore", "retain", "release", "sync_time"))
    world.write({"order": "control", "meter": some_meter_id(world), "action": action})


def replace_ahead_of_the_month(world: World) -> None:
    """A meter whose clock is ahead is read into the next month and replaced before that begins; readings follow."""
    now = world.now
    begins = now - now % MINUTE
    while local(begins).day != 1 or (begins + ZONE_OFFSET) % DAY or begins <= now:
        begins = midnight(begins) + DAY
    world.clocks[world.site_id] = begins - world.luck.choice((1, MINUTE, 5 * MINUTE, 10 * MINUTE))
    meter_id = some_meter_id(world)
    reading(world, meter_id, read_at=begins + world.luck.choice((-1, 0, 1, MINUTE, 5 * MINUTE)))
    if world.chance(0.3):
        draw_tariffs.set_tariff(world)
    replace_meter(world, meter_id)
    for _ in range(world.luck.choice((1, 2, 3))):
        world.clocks[world.site_id] += world.luck.choice((0, 1, SECOND, MINUTE, 5 * MINUTE))
        reading(world, list(world.site.meters or ["M0"])[-1])


def replace_meter(world: World, meter_id: str = "") -> None:
    """A new device in the place of another, mostly with a final that is right."""
    meter_id = meter_id or some_meter_id(world)
    meter = world.site.meters.get(meter_id)
    final = meter.register if meter else 0
    if world.chance(0.6):
        final += world.luck.choice((1, 1000, 2500, 10_000))
    device = _device(world, meter.device.kind if meter else "electricity")
    if meter and meter.device.wrap is not None:
        final %= meter.device.wrap
        if "digits" not in device and world.chance(0.9):
            # The old meter's digits carry over.
            device["register"] = world.write_decimal(world.luck.choice((0, meter.device.wrap - 1)))
    bands = draw_bands.told(world, meter, final) if world.chance(0.6) else {}
    world.write(
        {
            "order": "replace_meter",
            "meter": meter_id,
            "final": world.luck.choice(BAD_REGISTERS) if world.chance(0.04) else world.write_decimal(final),
            "new_meter": _new_meter_id(world),
            **device,
            **({"final_bands": bands} if bands else {}),
            **draw_bands.opening(world, device["register"]),
            **(draw_credit.opening(world) if world.chance(0.6 if meter and meter.credit else 0.03) else {}),
        }
    )


def reading(world: World, meter_id: str, read_at: int | None = None) -> None:
    """A reading of a meter; often at a time or a register at which a rule turns."""
    meter = world.site.meters.get(meter_id)
    if read_at is None:
        read_at = world.now if meter is None or world.chance(0.55) else _read_at(world, meter)
    shown = _register(world, meter, read_at) if meter else 1000
    register = world.write_decimal(shown)
    if world.chance(0.01):
        register = world.luck.choice(BAD_REGISTERS)
    content: dict[str, Any] = {"meter": meter_id, "register": register, "read_at": world.write_time(read_at)}
    if world.chance(0.55):
        supply = meter.desired if meter else "on"
        if world.chance(0.5):
            supply = "off" if supply == "on" else "on"
        content["supply"] = supply
    content |= draw_credit.told(world, meter)
    if world.chance(0.1):
        content["conditions"] = world.luck.choice(([], [], ["overload"], ["overload", "cover_opened"], ["battery"]))
    if world.chance(0.05):
        content["events"] = {name: world.luck.randint(0, 3) for name in world.luck.sample(EVENTS, 2)}
    bands = draw_bands.told(world, meter, shown)
    if bands:
        content["band_registers"] = bands
    if world.chance(0.04):
        items = list(content.items())
        world.luck.shuffle(items)
        content = dict(items)
    world.write({"reading": content})


def _read_at(world: World, meter: Meter) -> int:
    now, accepted = world.now, meter.accepted_at
    ahead = now + 15 * MINUTE
    times = [accepted, accepted, accepted - 1, accepted + 1, accepted + HOUR, accepted - HOUR]
    times += [now - 1, now - MINUTE, now - 10 * MINUTE, now + 5 * MINUTE, ahead, ahead, ahead + 1]
    times += [midnight(now), midnight(now) + 8 * HOUR, midnight(now) - DAY, (accepted + now) // 2]
    if meter.held is not None:
        held = meter.held.time
        times += [held] * 4 + [(accepted + held) // 2] * 3 + [held + 1, held + HOUR, held - 1]
    return world.luck.choice(times)


def _register(world: World, meter: Meter, read_at: int) -> int:
    luck = world.luck
    register = meter.register
    wrap = meter.device.wrap
    kind = luck.random()
    if kind < 0.35:
        register += luck.choice((1, 500, 1000, 1000, 2000, 3333, 5000, 10_000))
    elif kind < 0.5:
        register += _to_tier_limit(world, meter, read_at)
    elif kind < 0.62 and meter.device.limit is not None:
        since = read_at - meter.accepted_at
        register += max(0, meter.device.limit * since // HOUR // meter.device.ratio) + luck.choice((0, 0, 1, -1, 1000))
    elif kind < 0.78 and meter.held is not None:
        since_held = (meter.device.limit or 0) * (read_at - meter.held.time) // HOUR // meter.device.ratio
        register = meter.held.register + luck.choice((0, 0, 1, -1, 500, max(0, since_held), max(0, since_held) + 1))
    elif kind < 0.86 and wrap is not None:
        register = luck.choice((0, 30, wrap // 10, wrap // 10 + 1, wrap * 9 // 10, wrap - 1, wrap))
    elif kind < 0.93:
        register -= luck.choice((1, 1000, 10_000))
    elif kind < 0.935:
        register = luck.choice((LARGEST_REGISTER, 10**11))
    if wrap is not None and register >= wrap and luck.random() < 0.9:
        register -= wrap
    return register if register >= 0 or luck.random() < 0.1 else 0


def _to_tier_limit(world: World, meter: Meter, read_at: int) -> int:
    """How far the register is from the next limit of a tier of any tariff of the site, by the reading's month."""
    distances = []
    for tariff in world.site.book.tariffs.values():
        version = tariff.versions[-1]
        position = meter.position(cycle_keys(read_at)[version.cycle])
        distances += [(limit - position) // meter.device.ratio for limit in version.tiers if limit > position]
    return world.luck.choice(distances) + world.luck.choice((0, 0, 1, -1)) if distances else 1000
