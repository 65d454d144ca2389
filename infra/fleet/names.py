"""Settings that list names."""

from enum import StrEnum
from typing import TypeVar

from infra.fleet.errors import FleetError

Name = TypeVar("Name", bound=StrEnum)


def parse_names(setting: str, text: str, names: type[Name]) -> tuple[Name, ...]:
    """Read a list of names with commas between; `all` is all of them.

    Raises:
        FleetError: A name is none of them.

    >>> class Colour(StrEnum):
    ...     RED = "red"
    ...     BLUE = "blue"
    >>> parse_names("SLUICE_COLOURS", "blue, red", Colour)
    (<Colour.RED: 'red'>, <Colour.BLUE: 'blue'>)
    """
    wanted = {name.strip() for name in text.split(",")} - {""}
    unknown = wanted - {"all", *names}
    if unknown:
        raise FleetError(f"{setting}: {min(unknown)!r} is none of {', '.join(names)}, all")
    # In their own order, so that what is drawn does not hang on how they were written.
    return tuple(name for name in names if name in wanted or "all" in wanted)
