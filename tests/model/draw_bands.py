"""Random band registers for the generator: mostly such that they add up, some cut off, ahead, fallen or left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.model.meter import Meter

if TYPE_CHECKING:
    from tests.model.generator import World

NAMES = ("peak", "flat", "valley", "all", "sharp")
BAD: tuple[dict[str, str], ...] = (
    {},
    {"peak": "-1"},
    {"peak": "0.0001"},
    {"peak": "1000000000"},
    {f"b{place}": "0" for place in range(9)},
)


def opening(world: World, register: str) -> dict[str, Any]:
    """The band registers that a new meter begins with; mostly none."""
    if not world.has_bands or not world.chance(0.6):
        return {}
    if world.chance(0.05):
        return {"band_registers": world.luck.choice(BAD)}
    names = world.luck.sample(NAMES, world.luck.choice((1, 2, 3, 3, 4)))
    return {"band_registers": {name: world.luck.choice(("0", register, "0.5")) for name in names}}


def told(world: World, meter: Meter | None, register: int) -> dict[str, Any]:
    """What a reading, or the last look at a meter, tells of its band registers."""
    if meter is None or meter.bands is None:
        return {"peak": "1"} if world.has_bands and world.chance(0.05) else {}
    if world.chance(0.03):
        return {}
    advance = register - meter.register
    wrap = meter.device.wrap
    if advance < 0 and wrap is not None:
        advance += wrap
    left = max(0, advance)
    found = {}
    for band, charged in meter.bands.items():
        share = world.luck.choice((0, left, left // 2, left // 3, 10))
        left = max(0, left - share)
        value = charged + share + world.luck.choice((0, 0, 0, 0, 1, -1, 10, -10, 1000, 1001, -5000))
        if wrap is not None and value >= wrap:
            value -= wrap
        found[band] = world.write_decimal(max(0, value))
    if world.chance(0.04):
        del found[world.luck.choice(list(found))]
    if world.chance(0.03):
        found[world.luck.choice((*NAMES, "other"))] = world.luck.choice(("1", "-1", "0.0001", "1000000000"))
    return found
