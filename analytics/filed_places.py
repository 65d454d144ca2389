"""Where meters hang: of a file for once, or as it was filed in the database, each filing from a day on."""

from datetime import date
from typing import Any, Final

from analytics.errors import AnalyticsError
from analytics.period import day_start_ms
from analytics.places import Place, Places, read_places
from analytics.question import Question

_HELD: Final = """
SELECT CAST(site, 'String') AS site_name, meter, argMax(building, valid_from), argMax(circuit, valid_from),
    argMax(area_milli, valid_from)
FROM places FINAL WHERE {site} AND valid_from < %(end)s
GROUP BY site, meter ORDER BY site_name, meter
"""
_METERS: Final = """
SELECT CAST(site, 'String'), meter, replaces FROM meters FINAL WHERE {site} AND at < %(end)s ORDER BY site, number
"""
_KNOWN: Final = "SELECT DISTINCT CAST(site, 'String'), meter FROM meters"
_FILE: Final = "INSERT INTO places (site, meter, building, circuit, area_milli, valid_from, filed_at) VALUES"


def places_of(question: Question) -> Places:
    """The places of the question's file, or else those that were filed, for all meters that are named there and what
    replaced them.

    Raises:
        AnalyticsError: The file cannot be read, a line is wrong, or it names a meter that its site has not.
    """
    named = dict(_filed(question) if question.places is None else read_places(question.places))
    if not named:
        return {}
    found: dict[tuple[str, str], Place] = {}
    for site, meter, replaces in question.ask(_METERS):
        place = named.pop((site, meter), None) or found.get((site, replaces))
        if place is not None:
            found[site, meter] = place
    found = {key: place for key, place in found.items() if place.is_told}
    unknown = [f"site {site} has no meter {meter}" for site, meter in named if question.site in (None, site)]
    if unknown and question.places is not None:
        raise AnalyticsError(f"{question.places}: {unknown[0]} before {question.period.end}")
    return found


def filed_places(question: Question) -> Places:
    """What held on the last day of the question's period, by the site and meter that it was filed for; meters that
    were taken out of their places are left out."""
    return {key: place for key, place in _filed(question).items() if place.is_told}


def _filed(question: Question) -> Places:
    """Also those that were taken out of their places: they do not hang where what they replaced does."""
    return {
        (site, meter): Place(meter, building, circuit, area or None)
        for site, meter, building, circuit, area in question.ask(_HELD)
    }


def file_places(client: Any, places: Places, *, valid_from: date, filed_at_ms: int) -> None:
    """File where meters hang from a local day on; what was filed of other meters, or for earlier days, stays.

    Args:
        filed_at_ms: When it was filed, ms since 1970 UTC: of two filings of a meter and day the later one counts.
    Raises:
        AnalyticsError: A meter is named that its site has not; nothing is filed then.
    """
    known = set(client.execute(_KNOWN))
    unknown = [f"site {site} has no meter {meter}" for site, meter in places if (site, meter) not in known]
    if unknown:
        raise AnalyticsError(f"{unknown[0]}; nothing was filed")
    rows = [
        (site, meter, place.building, place.circuit, place.area_milli or 0, day_start_ms(valid_from), filed_at_ms)
        for (site, meter), place in places.items()
    ]
    client.execute(_FILE, rows)
