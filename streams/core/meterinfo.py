"""What is known of a meter that has no fixed width, and its record in a page."""

from dataclasses import dataclass, field
from typing import Any

from streams.core.bandregisters import BandRegisters, bands_of, bands_record
from streams.core.kept import Part


@dataclass(slots=True)
class MeterInfo:
    """Texts, the tariffs that the meter had, what is unpriced, older positions."""

    meter: str
    gateway: str = ""
    address: str = ""
    template: str = ""
    replaces: int | None = None
    assignments: tuple[tuple[int, int], ...] = ()
    """(from, tariff), by rising time; the first holds from the installation on."""
    parts: tuple[Part, ...] = ()
    written: int = 0
    """How many of the parts, from the first on, stand in pages as they are."""
    months: dict[int, int] = field(default_factory=dict)
    """Only while one of them can be asked for: a part priced late takes the position of its own month, and so does
    what is consumed before the month that the seat was priced into (`Care.BEHIND`)."""
    years: dict[int, int] = field(default_factory=dict)
    bands: BandRegisters | None = None

    def keep(
        self, parts: tuple[Part, ...], months: dict[int, int], years: dict[int, int], *, all_positions: bool
    ) -> None:
        """Take over what is unpriced now, and the positions where more than the latest is needed."""
        same = min(self.written, len(parts))
        self.written = same if parts[:same] == self.parts[:same] else 0
        self.parts = parts
        self.months, self.years = (dict(months), dict(years)) if all_positions else ({}, {})


def info_record(info: MeterInfo) -> dict[str, Any]:
    """A meter's texts and lists as JSON-like values; of its parts only how many there are."""
    return {
        "meter": info.meter,
        "route": [info.gateway, info.address, info.template],
        "replaces": info.replaces,
        "assignments": [list(assignment) for assignment in info.assignments],
        "kept": len(info.parts),
        "months": [list(pair) for pair in sorted(info.months.items())],
        "years": [list(pair) for pair in sorted(info.years.items())],
        **bands_record(info.bands),
    }


def info_of(record: dict[str, Any], parts: tuple[Part, ...]) -> MeterInfo:
    """The info that `info_record` wrote, with its parts."""
    gateway, address, template = record["route"]
    return MeterInfo(
        meter=record["meter"],
        gateway=gateway,
        address=address,
        template=template,
        replaces=record["replaces"],
        assignments=tuple((since, tariff) for since, tariff in record["assignments"]),
        parts=parts,
        written=len(parts),
        months=dict(record["months"]),
        years=dict(record["years"]),
        bands=bands_of(record),
    )
