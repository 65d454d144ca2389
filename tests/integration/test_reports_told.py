"""What meters tell of themselves, in ClickHouse and in the reports: each alarm with its frame."""

from collections import Counter
from dataclasses import replace
from datetime import date
from pathlib import Path

from clickhouse_driver import Client

from analytics.period import Period
from analytics.question import Question
from analytics.reports.events import alarms
from analytics.reports.theft import theft
from streams.core.conditions import CONDITIONS
from streams.core.outcome import Alarm
from tests.integration.clickhouse_places import own_database
from tests.ledger_history import History, lines_of

CASE = Path(__file__).parents[1] / "scenarios" / "203-conditions-of-a-meter.jsonl"


def with_frame(alarm: Alarm) -> Alarm:
    """The alarm as a partition gives it out: a frame of its own, which names its input here."""
    return replace(alarm, frame=bytes([0x68, alarm.position.offset])) if alarm.kind in CONDITIONS else alarm


def test_a_meter_that_tells_of_tampering_is_suspected_with_the_frames(clickhouse: str) -> None:
    history = History()
    history.take(0, lines_of(CASE.read_text().splitlines()), size=3)
    for place, posted in enumerate(history.posted):
        outcome = posted.postings.outcome
        shown = replace(outcome, alarms=tuple(map(with_frame, outcome.alarms)))
        history.posted[place] = replace(posted, postings=replace(posted.postings, outcome=shown))
    given = [alarm for posted in history.posted for alarm in posted.postings.outcome.alarms]
    with own_database(clickhouse, "told") as url:
        history.write(url)
        client = Client.from_url(url)
        stored = client.execute("SELECT kind, offset, frame FROM alarms ORDER BY offset, kind")
        question = Question(client, Period(date(2026, 1, 1), date(2026, 2, 1)))
        suspects = theft(question).to_dict("records")
        counted = {(row["meter"], row["kind"]): row["alarms"] for row in alarms(question).to_dict("records")}
        client.disconnect()
    assert stored == sorted(
        ((alarm.kind, alarm.position.offset, alarm.frame.hex()) for alarm in given), key=lambda row: (row[1], row[0])
    )
    assert counted == Counter((f"M{alarm.meter + 1}", alarm.kind) for alarm in given)
    assert (suspects[0]["meter"], suspects[0]["account"], suspects[0]["score"]) == ("M1", "A1", 30 + 40 + 30 + 30)
    assert suspects[0]["sign"] == "backwards, magnetic_field, voltage_lost, cover_opened"
    told = [(row["sign"], row["frame"]) for row in suspects[1:] if row["frame"] is not None]
    wanted = ("magnetic_field", "voltage_lost", "cover_opened")
    assert told == [(kind, alarm.frame.hex()) for kind in wanted for alarm in given if alarm.kind == kind]
    assert {row["day"] for row in suspects[1:]} == {date(2026, 1, 5)}
