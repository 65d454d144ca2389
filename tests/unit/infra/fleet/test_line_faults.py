"""Faults of a line: the same for a seed, each kind there, and nothing made up."""

from infra.fleet.fault import LINE_FAULTS, Fault
from infra.fleet.gateways.line_faults import LineFaults


def sent(seed: int, count: int = 400) -> list[tuple[Fault | None, tuple[bytes, ...]]]:
    faults = LineFaults(seed, "G1")
    return [(out.fault, out.pieces) for number in range(count) for out in [faults.send(number.to_bytes(4, "big"))]]


def test_a_seed_gives_the_same_faults_and_another_other_ones() -> None:
    assert sent(1) == sent(1)
    assert sent(1) != sent(2)


def test_every_kind_comes() -> None:
    assert {fault for fault, _ in sent(1)} == {None, *LINE_FAULTS}


def test_nothing_comes_that_was_not_sent_but_for_one_bit() -> None:
    for number, (_, pieces) in enumerate(sent(3)):
        for piece in pieces:
            changed = [bin(int.from_bytes(piece, "big") ^ earlier).count("1") for earlier in range(number + 1)]
            assert min(changed) <= 1


def test_what_is_dropped_never_comes() -> None:
    log = sent(3)
    came = {piece for fault, pieces in log if fault is not Fault.CORRUPTED for piece in pieces}
    dropped = {number.to_bytes(4, "big") for number, (fault, _) in enumerate(log) if fault is Fault.DROPPED}
    corrupted = {piece for fault, pieces in log if fault is Fault.CORRUPTED for piece in pieces}
    assert dropped
    assert not dropped & (came - corrupted)


def test_a_delayed_answer_comes_when_the_next_is_due_which_then_waits_itself() -> None:
    faults = LineFaults(1, "G1")
    log = [faults.send(number.to_bytes(4, "big")) for number in range(400)]
    for number, out in enumerate(log[:-1]):
        if out.fault is Fault.DELAYED and log[number - 1].fault is None and log[number + 1].fault is None:
            assert (number + 1).to_bytes(4, "big") not in log[number + 1].pieces
            return
    raise AssertionError("no delayed answer stands between two good ones")


def test_a_calm_line_changes_nothing() -> None:
    faults = LineFaults(1, "G1")
    faults.is_calm = True
    assert [faults.send(b"answer").pieces for _ in range(50)] == [(b"answer",)] * 50
