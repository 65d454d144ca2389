"""The `set_calendar` order of a year: China's official days, as the chinesecalendar package knows them.

The ledger takes days from orders alone, so that its past does not change when the package does.
"""

from datetime import date, timedelta
from typing import Any

import chinese_calendar

_MONDAY_TO_FRIDAY = range(5)


class YearUnknownError(ValueError):
    """A year whose days are not in the package: they are published at the end of the year before."""


def calendar_order(year: int, *, site: str, since: date | None = None) -> dict[str, Any]:
    """The order that names the days of a year which are not what their weekday says.

    A day off by a holiday is a `holiday`; a Saturday or Sunday at which is worked instead is a `workday`.

    Args:
        since: The first day that is named; those before may have been priced already, and cannot change any more.
    Raises:
        YearUnknownError: The package does not know the year.
    """
    days: dict[str, str] = {}
    day = max(date(year, 1, 1), since or date.min)
    while day.year == year:
        try:
            is_off, holiday = chinese_calendar.get_holiday_detail(day)
        except NotImplementedError:
            raise YearUnknownError(f"the official days of {year} are not known to this version") from None
        if is_off and holiday:
            days[day.isoformat()] = "holiday"
        elif not is_off and day.weekday() not in _MONDAY_TO_FRIDAY:
            days[day.isoformat()] = "workday"
        day += timedelta(days=1)
    return {"order": "set_calendar", "site": site, "days": days}
