"""What the supply of a meter should be after a line (Supply, P23 to P28)."""

from dataclasses import dataclass

from tests.model.account import Account, EffectivePolicy
from tests.model.meter import Command, Meter
from tests.model.texts import MINUTE

REPEAT_AFTER = 5 * MINUTE


@dataclass(frozen=True)
class Change:
    """A desired state that changes, and why."""

    action: str
    reason: str


def decide(meter: Meter, account: Account, policy: EffectivePolicy, *, asked: str | None, now: int) -> Change | None:
    """Say how the desired state of a meter in use changes at the end of a line.

    Args:
        meter: With `is_manual` and `is_retained` as the line left them.
        account: The meter's, with the balance after the line.
        policy: The account's, after the line.
        asked: The action that the line asked for this meter, if it did and wasn't refused.
        now: The line's time.
    """
    if meter.desired == "on":
        if asked == "cut":
            return Change("cut", "manual")
        if meter.is_retained or policy.is_protected(now):
            return None
        if account.is_closed:
            return Change("cut", "closed")
        if account.is_wanted_off(policy):
            return Change("cut", "arrears")
        return None
    if asked == "restore":
        return Change("restore", "manual")
    if asked == "retain":
        return Change("restore", "retain")
    if account.is_closed or meter.is_manual or account.is_wanted_off(policy) or not policy.auto_restore:
        return None
    return Change("restore", "recharge")


def repeat(meter: Meter, reported: str | None, now: int) -> Command | None:
    """The command that goes out again because a reading reported another supply than desired."""
    last = meter.last_command
    if reported is None or reported == meter.desired or last is None or now - last.at < REPEAT_AFTER:
        return None
    return Command(now, last.action, last.reason)
