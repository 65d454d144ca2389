"""Report: meters under suspicion, scored, with the evidence."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import accumulate
from typing import Any, Final

import pandas as pd

from analytics.question import Question, exact_frame
from analytics.reports.losses import rows_of, wired
from analytics.wiring import read_wiring
from streams.core.conditions import CONDITIONS, Condition
from streams.core.outcome import Flag, Supply

COLUMNS: Final = (
    "level",
    "score",
    "site",
    "account",
    "meter",
    "sign",
    "day",
    "consumption_milli",
    "neighbours_milli",
    "loss_milli",
    "register_milli",
    "frame",
)

STOPPED: Final = "stopped"
BACKWARDS: Final = "backwards"
LOSS: Final = "loss"
SCORES: Final[Mapping[str, int]] = {
    STOPPED: 40,
    BACKWARDS: 30,
    LOSS: 30,
    Condition.MAGNETIC_FIELD: 40,
    Condition.VOLTAGE_LOST: 30,
    Condition.COVER_OPENED: 30,
    Condition.TERMINAL_COVER_OPENED: 20,
    Condition.POWER_REVERSED: 20,
}
"""Of each sign; those that a meter tells itself are the kinds of its alarms."""

SIDE_DAYS: Final = 3
"""Days that there must be before and after a drop."""
DROPPED_BP: Final = 3_000
"""A meter has stopped where its days after the drop are at most this share of those before, on average."""
STEADY_BP: Final = 7_000
"""Its neighbours have not where theirs are at least this share."""
EXPLAINED_BP: Final = 5_000
"""A loss moved with a drop where it grew by at least this share of it."""

_DAYS: Final = f"""
SELECT toString(site) AS site, toString(any(account)), toString(any(kind)), toString(meter) AS meter,
    toDate(read_at, 'Asia/Shanghai') AS day, sum(consumption_milli), countIf(supply = {Supply.OFF:d})
FROM readings
WHERE {{site}} AND read_at >= %(first)s AND read_at < %(end)s AND bitAnd(flags, {Flag.PRICED_LATE:d}) = 0
GROUP BY site, meter, day ORDER BY site, meter, day
"""

_BACKWARDS: Final = f"""
SELECT toString(site), toString(account), toString(meter), toDate(read_at, 'Asia/Shanghai'), register_milli
FROM readings
WHERE {{site}} AND read_at >= %(first)s AND read_at < %(end)s AND bitAnd(flags, {Flag.BACKWARDS:d}) != 0
ORDER BY site, meter, read_at
"""


_TOLD: Final = """
SELECT toString(a.site), toString(m.account), toString(a.meter), toString(a.kind), toDate(a.at, 'Asia/Shanghai'),
    a.frame
FROM (SELECT * FROM alarms WHERE {site} AND at >= %(first)s AND at < %(end)s) AS a
LEFT JOIN (SELECT site, meter, account FROM meters FINAL) AS m ON a.site = m.site AND a.meter = m.meter
ORDER BY a.site, a.meter, a.at, a.kind
"""


@dataclass(slots=True)
class Suspect:
    """A meter of a period: what it consumed on the days on which it was heard of and supplied."""

    site: str
    account: str
    kind: str
    meter: str
    days: dict[date, int]

    @property
    def key(self) -> tuple[str, str]:
        return self.site, self.meter


@dataclass(frozen=True, slots=True)
class Drop:
    """The day from which on a meter consumes far less, with its average days before and after."""

    day: date
    before: int
    after: int


def theft(question: Question) -> pd.DataFrame:
    """Meters whose readings show what theft would: a suspicion to look into, never a finding.

    The signs, with their scores: consumption that stops while the neighbours' does not (40; neighbours are the meters
    behind the same master, or else of the same site and kind; days on which the supply was off or nothing was heard
    do not count), registers that ran backwards (30), a master's loss that grew with the meter's drop (30; only with a
    wiring file), and what the meter itself told: a strong magnetic field (40), voltage lost while current flows (30),
    its cover (30) or terminal cover (20) opened, power reversed (20).

    Returns:
        Columns `COLUMNS`. Level meter: the suspects, the highest score first, `sign` naming all that was seen; after
        each its evidence, level evidence: for stopped and loss every day with what the meter, its neighbours and the
        loss came to, for backwards every such register, for what the meter told the day and the frame that shows it.
    Raises:
        AnalyticsError: The wiring file cannot be read or names a meter that the site has not.
    """
    suspects = _suspects(question)
    groups, daily_losses = _neighbourhoods(question, suspects)
    evidence: dict[tuple[str, str], dict[str, list[dict[str, Any]]]] = defaultdict(dict)
    for site, account, meter, day, register in question.ask(_BACKWARDS):
        rows = evidence[site, meter].setdefault(BACKWARDS, [])
        rows.append({"account": account, "day": day, "register_milli": register})
    for site, account, meter, kind, day, frame in question.ask(_TOLD):
        if kind in CONDITIONS and kind in SCORES:
            evidence[site, meter].setdefault(kind, []).append({"account": account, "day": day, "frame": frame})
    for group in groups:
        losses = daily_losses.get(group[0].key, {}) if group else {}
        for suspect in group:
            others = [other for other in group if other.key != suspect.key]
            evidence[suspect.key].update(_signs(suspect, others, losses))
    return _frame({key: signs for key, signs in evidence.items() if signs})


def find_drop(days: Mapping[date, int]) -> Drop | None:
    """The day after which the average day is the smallest share of the average day before; None if no share is
    `DROPPED_BP` or less."""
    order = sorted(days)
    # What was used up to each day: summed up anew for each, a year of 10,000 meters would take two minutes.
    used = [0, *accumulate(days[day] for day in order)]
    best: Drop | None = None
    for split in range(SIDE_DAYS, len(order) - SIDE_DAYS + 1):
        before, after = used[split] // split, (used[-1] - used[split]) // (len(order) - split)
        dropped = before and after * 10_000 <= before * DROPPED_BP
        if dropped and (best is None or after * best.before < best.after * before):
            best = Drop(order[split], before, after)
    return best


def average(days: Mapping[date, int], chosen: Sequence[date]) -> int:
    """The average of some days that are there, rounded down; 0 if none is."""
    there = [days[day] for day in chosen if day in days]
    return sum(there) // len(there) if there else 0


def _suspects(question: Question) -> dict[tuple[str, str], Suspect]:
    suspects: dict[tuple[str, str], Suspect] = {}
    for site, account, kind, meter, day, used, off in question.ask(_DAYS):
        suspect = suspects.setdefault((site, meter), Suspect(site, account, kind, meter, {}))
        if not off:
            suspect.days[day] = used
    return suspects


def _neighbourhoods(
    question: Question, suspects: Mapping[tuple[str, str], Suspect]
) -> tuple[list[list[Suspect]], dict[tuple[str, str], dict[date, int]]]:
    """Groups of meters that are compared, and by each group's first meter the daily losses of its master."""
    masters = [] if question.meters is None else list(read_wiring(question.meters))
    groups: list[list[Suspect]] = []
    losses: dict[tuple[str, str], dict[date, int]] = {}
    taken: set[tuple[str, str]] = set()
    for master in masters:
        if question.site not in (None, master.site):
            continue
        behind = wired(question, master)
        group = [suspects[key] for key in ((master.site, meter) for meter in behind.seat_of) if key in suspects]
        taken |= {(master.site, meter) for meter in (*behind.masters, *behind.seat_of)}
        if group:
            groups.append(group)
            losses[group[0].key] = {
                row["day"]: row["loss_milli"] for row in rows_of(question, behind) if row["level"] == "day"
            }
    rest: dict[tuple[str, str], list[Suspect]] = defaultdict(list)
    for key, suspect in suspects.items():
        if key not in taken:
            rest[suspect.site, suspect.kind].append(suspect)
    return [*groups, *rest.values()], losses


def _signs(suspect: Suspect, others: Sequence[Suspect], losses: Mapping[date, int]) -> dict[str, list[dict[str, Any]]]:
    """What a meter's drop shows, with the days as evidence."""
    drop = find_drop(suspect.days)
    if drop is None or not others:
        return {}
    neighbours: dict[date, int] = {}
    for day in suspect.days:
        heard = [other.days[day] for other in others if day in other.days]
        if heard:
            # A neighbour that is not heard of does not look like one that consumes nothing.
            neighbours[day] = sum(heard) // len(heard)
    before = [day for day in suspect.days if day < drop.day]
    after = [day for day in suspect.days if day >= drop.day]
    if average(neighbours, after) * 10_000 < average(neighbours, before) * STEADY_BP or not neighbours:
        return {}
    signs = {STOPPED: _evidence(suspect, suspect.days, neighbours, losses)}
    grown = average(losses, after) - average(losses, before)
    if losses and grown * 10_000 >= (drop.before - drop.after) * EXPLAINED_BP:
        signs[LOSS] = _evidence(suspect, after, neighbours, losses)
    return signs


def _evidence(
    suspect: Suspect, days: Iterable[date], neighbours: Mapping[date, int], losses: Mapping[date, int]
) -> list[dict[str, Any]]:
    return [
        {
            "account": suspect.account,
            "day": day,
            "consumption_milli": suspect.days[day],
            "neighbours_milli": neighbours.get(day),
            "loss_milli": losses.get(day),
        }
        for day in sorted(days)
    ]


def _frame(evidence: Mapping[tuple[str, str], Mapping[str, list[dict[str, Any]]]]) -> pd.DataFrame:
    scores = {key: sum(SCORES[sign] for sign in signs) for key, signs in evidence.items()}
    rows: list[dict[str, Any]] = []
    for key in sorted(evidence, key=lambda key: (-scores[key], key)):
        named = {"score": scores[key], "site": key[0], "meter": key[1]}
        signs = [sign for sign in SCORES if sign in evidence[key]]
        account = evidence[key][signs[0]][0]["account"]
        rows.append({"level": "meter", "account": account, "sign": ", ".join(signs)} | named)
        rows += [{"level": "evidence", "sign": sign} | named | row for sign in signs for row in evidence[key][sign]]
    return exact_frame([[row.get(name) for name in COLUMNS] for row in rows], COLUMNS)
