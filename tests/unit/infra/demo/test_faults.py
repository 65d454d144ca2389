"""Which process came in the place of one that was killed."""

from infra.demo.faults import ReadyTimes
from infra.supervisor import Event, What


def test_the_next_process_of_the_same_part_is_the_successor() -> None:
    ready = ReadyTimes()
    for member, what, pid in [
        ("sink", What.READY, 5),
        ("ledger-0", What.READY, 6),
        ("sink", What.ENDED, 5),
        ("sink", What.STARTING, 7),
    ]:
        ready.take(Event(member, what, pid))
    assert ready.after("sink", 5) is None
    ready.take(Event("sink", What.READY, 8))
    ready.take(Event("sink", What.READY, 9))
    successor = ready.after("sink", 5)
    assert successor is not None
    assert successor[0] == 8
    assert ready.after("sink", 9) is None
    assert ready.after("collector", 1) is None
