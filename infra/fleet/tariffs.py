"""The property group's tariffs, in the words of a `set_tariff` order."""

from dataclasses import dataclass

_SERVICE = "0.05"
"""Yuan per kWh that the shopping centre adds for its network, as a component of its own."""


@dataclass(frozen=True, slots=True)
class Tariff:
    """A tariff as ordered.

    Attributes:
        typical_fen: About what a kWh costs, in hundredths of a yuan; sizes recharges, prices nothing.
        highest_fen: What a kWh costs at most, rounded up.
        unit: What the prices are for; of water m3, in which all said here of kWh holds.
    """

    tariff: str
    cycle: str
    tiers: tuple[str, ...]
    bands: dict[str, list[str]] | None
    components: dict[str, dict[str, list[str]]]
    typical_fen: int
    highest_fen: int
    unit: str = "kWh"


TARIFF_TIME_OF_USE = Tariff(
    tariff="E-TOU",
    cycle="month",
    tiers=("0", "5000"),
    bands={"peak": ["08:00-11:00", "18:00-21:00"], "valley": ["23:00-07:00"], "flat": []},
    components={
        "supply": {
            "peak": ["1.0824", "1.1324"],
            "valley": ["0.3139", "0.3639"],
            "flat": ["0.6418", "0.6918"],
        },
        "service": {"peak": [_SERVICE] * 2, "valley": [_SERVICE] * 2, "flat": [_SERVICE] * 2},
    },
    typical_fen=85,
    highest_fen=119,
)
TARIFF_HOME = Tariff(
    tariff="E-HOME",
    cycle="year",
    tiers=("0", "2760", "4800"),
    bands=None,
    components={"supply": {"all": ["0.5283", "0.5783", "0.8283"]}},
    typical_fen=54,
    highest_fen=83,
)
TARIFF_FLAT = Tariff(
    tariff="E-FLAT",
    cycle="none",
    tiers=("0",),
    bands=None,
    components={"supply": {"all": ["0.80"]}},
    typical_fen=80,
    highest_fen=80,
)
TARIFF_WATER = Tariff(
    tariff="W-FLAT",
    cycle="none",
    tiers=("0",),
    bands=None,
    components={"supply": {"all": ["3.45"]}, "sewage": {"all": ["1.70"]}},
    typical_fen=515,
    highest_fen=515,
    unit="m3",
)
TARIFFS = (TARIFF_TIME_OF_USE, TARIFF_HOME, TARIFF_FLAT, TARIFF_WATER)
