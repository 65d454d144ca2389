"""Who rents in the property group: load shapes, sizes and tariffs of each trade, and who rents where."""

from dataclasses import dataclass
from enum import StrEnum

from infra.fleet.profile import Shape
from infra.fleet.tariffs import TARIFF_FLAT, TARIFF_HOME, TARIFF_TIME_OF_USE, Tariff


class Trade(StrEnum):
    """What a tenant does."""

    SHOP = "shop"
    RESTAURANT = "restaurant"
    ANCHOR = "anchor"
    OFFICE = "office"
    SMALL_OFFICE = "small office"
    HOUSEHOLD = "household"


@dataclass(frozen=True, slots=True)
class Tenancy:
    """What tenants of a trade have in common; each draws its own figures from the ranges.

    Attributes:
        yearly_kwh: Lowest and highest consumption of a year; most tenants are near the lowest.
        ratio: Of the current transformer, 1 without one.
        spread_per_mille: How far a day may be from the profile's.
    """

    shapes: tuple[Shape, ...]
    yearly_kwh: tuple[int, int]
    phases: int
    ratio: int
    tariff: Tariff
    spread_per_mille: int


TENANCIES = {
    Trade.SHOP: Tenancy((Shape.SHOP, Shape.BAKERY), (6_000, 45_000), 3, 1, TARIFF_TIME_OF_USE, 120),
    Trade.RESTAURANT: Tenancy(
        (Shape.EVENING_TRADE, Shape.WEEKEND_TRADE), (15_000, 55_000), 3, 1, TARIFF_TIME_OF_USE, 200
    ),
    Trade.ANCHOR: Tenancy((Shape.SHOP, Shape.ALWAYS_ON), (200_000, 600_000), 3, 40, TARIFF_TIME_OF_USE, 60),
    Trade.OFFICE: Tenancy((Shape.OFFICE,), (5_000, 40_000), 3, 1, TARIFF_FLAT, 150),
    Trade.SMALL_OFFICE: Tenancy((Shape.OFFICE,), (1_500, 6_000), 1, 1, TARIFF_FLAT, 250),
    Trade.HOUSEHOLD: Tenancy((Shape.HOUSEHOLD,), (1_200, 6_000), 1, 1, TARIFF_HOME, 300),
}


@dataclass(frozen=True, slots=True)
class Character:
    """What kind of place a site is: its trades by weight, and its policy.

    Attributes:
        low: The two levels of the low-balance notice, in yuan.
        protected: Local time ranges in which nobody is cut.
    """

    trades: tuple[tuple[Trade, int], ...]
    low: tuple[str, str]
    protected: tuple[str, ...]


CHARACTERS = (
    Character(
        trades=((Trade.SHOP, 60), (Trade.RESTAURANT, 20), (Trade.OFFICE, 17), (Trade.ANCHOR, 3)),
        low=("100", "20"),
        protected=(),
    ),
    Character(
        trades=((Trade.OFFICE, 60), (Trade.SMALL_OFFICE, 25), (Trade.SHOP, 12), (Trade.RESTAURANT, 3)),
        low=("50", "10"),
        protected=(),
    ),
    Character(
        trades=((Trade.HOUSEHOLD, 88), (Trade.SHOP, 9), (Trade.RESTAURANT, 3)),
        low=("20", "5"),
        protected=("22:00-07:30",),
    ),
)
"""A shopping centre, an office park, a housing estate; sites take them in turn."""
