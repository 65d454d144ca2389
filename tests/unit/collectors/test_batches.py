"""How far a meter of a batch is, by what is known of it."""

from dataclasses import replace

import pytest

from collectors.batches.orders import BatchError, BatchOrder, missing_orders
from collectors.batches.progress import Issued, Progress, Reported, Seen, State, tell_progress
from collectors.gateways.report import Outcome

ORDER = BatchOrder("M1", "cut", partition=3, offset=20, at_ms=1_000, taken_ms=5)
CUT = Issued("M1", 7, "cut", 1_000)
REPEAT = Issued("M1", 8, "cut", 301_000)
RESTORE = Issued("M1", 9, "restore", 400_000)
EARLIER = Issued("M1", 6, "cut", 900)
NOTHING = Seen(taken_up_to=21, refusals={}, commands={}, reports={}, shown={})
COMMANDED = replace(NOTHING, commands={"M1": [EARLIER, CUT]})


def reported(outcome: Outcome, detail: str = "", *, sequence: int = 7) -> Seen:
    return replace(COMMANDED, reports={("M1", sequence): Reported(outcome, detail)})


@pytest.mark.parametrize(
    ("seen", "state", "sequence", "detail"),
    [
        pytest.param(replace(NOTHING, taken_up_to=20), State.SENT, 0, "", id="not taken yet"),
        pytest.param(replace(NOTHING, refusals={20: "unknown"}), State.REFUSED, 0, "ledger: unknown", id="refused"),
        pytest.param(replace(NOTHING, refusals={19: "unknown"}), State.TAKEN, 0, "", id="another one refused"),
        pytest.param(replace(NOTHING, commands={"M1": [EARLIER]}), State.TAKEN, 0, "", id="cut before"),
        pytest.param(replace(NOTHING, commands={"M1": [RESTORE]}), State.TAKEN, 0, "", id="another command"),
        pytest.param(COMMANDED, State.COMMANDED, 7, "", id="commanded"),
        pytest.param(reported(Outcome.ACCEPTED), State.ACCEPTED, 7, "accepted", id="accepted"),
        pytest.param(reported(Outcome.REFUSED, "04"), State.REFUSED, 7, "refused: 04", id="meter refused"),
        pytest.param(reported(Outcome.EXPIRED), State.EXPIRED, 7, "expired", id="expired"),
        pytest.param(reported(Outcome.MISPLACED), State.FAILED, 7, "misplaced", id="misplaced"),
        pytest.param(reported(Outcome.EXPIRED, sequence=6), State.COMMANDED, 7, "", id="an earlier one expired"),
        pytest.param(replace(COMMANDED, shown={"M1": 1_001}), State.CONFIRMED, 7, "", id="read back"),
        pytest.param(replace(COMMANDED, shown={"M1": 1_000}), State.COMMANDED, 7, "", id="read before"),
        pytest.param(
            replace(reported(Outcome.EXPIRED), commands={"M1": [CUT, REPEAT]}), State.COMMANDED, 8, "", id="repeated"
        ),
        pytest.param(
            replace(reported(Outcome.ACCEPTED), commands={"M1": [CUT, RESTORE]}),
            State.ACCEPTED,
            7,
            "accepted",
            id="taken back later",
        ),
    ],
)
def test_the_furthest_that_is_known(seen: Seen, state: State, sequence: int, detail: str) -> None:
    assert tell_progress(ORDER, seen) == Progress("M1", state, sequence, detail)


@pytest.mark.parametrize(("action", "state"), [("retain", State.CONFIRMED), ("release", State.TAKEN)])
def test_retained_supply_is_supply_that_is_on(action: str, state: State) -> None:
    seen = replace(NOTHING, commands={"M1": [Issued("M1", 7, "restore", 1_000)]}, shown={"M1": 2_000})
    assert tell_progress(replace(ORDER, action=action), seen).state is state


@pytest.mark.parametrize("action", ["retain", "release", "sync_time"])
def test_what_no_reading_shows_ends_with_the_meters_answer(action: str) -> None:
    order = replace(ORDER, action=action)
    told = replace(NOTHING, commands={"M1": [Issued("M1", 6, action, 900), Issued("M1", 7, action, 1_000)]})
    assert tell_progress(order, told) == Progress("M1", State.COMMANDED, 7, "")
    done = replace(told, reports={("M1", 7): Reported(Outcome.ACCEPTED, "")}, shown={"M1": 2_000})
    assert tell_progress(order, done) == Progress("M1", State.ACCEPTED, 7, "accepted")


def test_a_batch_given_again_lacks_only_what_was_not_sent() -> None:
    orders = missing_orders(["M1", "M2", "M2"], "cut", batch="B", site="S1", operator="Li", sent={"M1": ORDER})
    assert orders == [{"order": "control", "site": "S1", "meter": "M2", "action": "cut", "operator": "Li"}]


def test_a_batch_of_another_action_needs_another_id() -> None:
    with pytest.raises(BatchError, match="batch B was given as cut before"):
        missing_orders(["M2"], "restore", batch="B", site="S1", operator="", sent={"M1": ORDER})
