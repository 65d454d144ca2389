"""Which meter stands above which others: a TOML file that whoever knows the building writes."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from analytics.errors import AnalyticsError
from streams.core.units import parse_decimal

_ALLOWED: Final = "3"


@dataclass(frozen=True, slots=True)
class Master:
    """A meter and those behind it.

    Attributes:
        subs: The meters behind it; those that replaced them need not be named.
        allowed_bp: The loss that a line may have, in hundredths of a percent of what the master shows.
    """

    site: str
    meter: str
    subs: tuple[str, ...]
    allowed_bp: int


def read_wiring(path: Path) -> tuple[Master, ...]:
    """Read a file of tables `[[master]]` with `site`, `meter`, `subs` and maybe `allowed_percent` (a text, "3").

    Raises:
        AnalyticsError: It cannot be read, or a table lacks something or has something else; says which.
    """
    try:
        with path.open("rb") as file:
            tables = tomllib.load(file).get("master", [])
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise AnalyticsError(f"{path}: {error}") from error
    if not isinstance(tables, list) or not tables:
        raise AnalyticsError(f"{path}: no [[master]]")
    return tuple(_master(path, number, table) for number, table in enumerate(tables, 1))


def _master(path: Path, number: int, table: Any) -> Master:
    where = f"{path}: master {number}"
    if not isinstance(table, dict) or set(table) - {"site", "meter", "subs", "allowed_percent"}:
        raise AnalyticsError(f"{where}: has site, meter, subs and allowed_percent, nothing else")
    site, meter, subs = (table.get(name) for name in ("site", "meter", "subs"))
    if not isinstance(site, str) or not isinstance(meter, str) or not site or not meter:
        raise AnalyticsError(f"{where}: site and meter must be texts")
    if not isinstance(subs, list) or not subs or not all(isinstance(sub, str) and sub != meter for sub in subs):
        raise AnalyticsError(f"{where}: subs must be a list of other meters")
    if len(set(subs)) != len(subs):
        raise AnalyticsError(f"{where}: a meter stands twice in subs")
    allowed = table.get("allowed_percent", _ALLOWED)
    quantity = parse_decimal(allowed) if isinstance(allowed, str) else None
    hundredths = None if quantity is None else quantity.scaled(2)
    if hundredths is None or hundredths < 0:
        raise AnalyticsError(f'{where}: allowed_percent must be a text such as "3" or "2.5"')
    return Master(site, meter, tuple(subs), hundredths)
