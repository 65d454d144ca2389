"""Checks: the demo account runs out, its supply is cut, and a recharge restores it; by the fleet's own word."""

from dataclasses import dataclass
from typing import Final

from infra.demo.checks.check import Check, yuan

MINUTE_MS: Final = 60_000
DARK_MS: Final = 5 * MINUTE_MS
"""How long the cut meter is watched, in virtual time."""

OPEN: Final = "open"
CLOSED: Final = "closed"


@dataclass(frozen=True, slots=True)
class Look:
    """What is true of the demo account's meter at one virtual time."""

    at_ms: int
    register_wh: int
    relay: str


@dataclass(frozen=True, slots=True)
class Story:
    """The demo account's meter as the run went; None for what did not happen in time.

    Attributes:
        cut: Its relay was open.
        dark: Later, before the recharge.
        restored: Its relay was closed again.
        lit: Later still, its register had moved.
    """

    cut: Look | None = None
    dark: Look | None = None
    restored: Look | None = None
    lit: Look | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """What ClickHouse tells of the demo account.

    Attributes:
        commands: Action and reason of each command to its meter, in their order.
        lowest: The lowest balance of it, nano-yuan; None without any reading.
        read_after_ms: `read_at` of the last reading that found consumption, 0 without one.
    """

    commands: tuple[tuple[str, str], ...]
    lowest: int | None
    read_after_ms: int


def check_supply(story: Story, told: Told) -> list[Check]:
    """The four turns of the story."""
    return [_runs_out(story, told), _stays_dark(story), _is_restored(story, told), _consumes(story, told)]


def _runs_out(story: Story, told: Told) -> Check:
    name = "the demo account runs out and its meter's relay opens"
    if story.cut is None:
        return Check(name, False, "the relay stayed closed")
    held = (
        story.cut.relay == OPEN and ("cut", "arrears") in told.commands and told.lowest is not None and told.lowest < 0
    )
    lowest = "none" if told.lowest is None else yuan(told.lowest)
    return Check(name, held, f"relay {story.cut.relay}, commands {_commands(told)}, lowest balance {lowest}")


def _stays_dark(story: Story) -> Check:
    name = "it stops consuming"
    if story.cut is None or story.dark is None:
        return Check(name, False, "was not seen cut for long enough")
    watched_ms = story.dark.at_ms - story.cut.at_ms
    moved = story.dark.register_wh - story.cut.register_wh
    return Check(
        name,
        story.dark.relay == OPEN and moved == 0 and watched_ms >= DARK_MS,
        f"register {story.cut.register_wh:,} Wh, {moved:,} Wh more after {watched_ms / MINUTE_MS:.1f} virtual minutes",
    )


def _is_restored(story: Story, told: Told) -> Check:
    name = "a recharge restores it"
    if story.restored is None:
        return Check(name, False, "the relay stayed open")
    held = story.restored.relay == CLOSED and ("restore", "recharge") in told.commands
    return Check(name, held, f"relay {story.restored.relay}, commands {_commands(told)}")


def _consumes(story: Story, told: Told) -> Check:
    name = "it consumes again"
    if story.restored is None or story.lit is None:
        return Check(name, False, "its register stood still")
    moved = story.lit.register_wh - story.restored.register_wh
    seen = told.read_after_ms > story.restored.at_ms
    return Check(name, moved > 0 and seen, f"{moved:,} Wh more, {'and' if seen else 'not'} seen in ClickHouse")


def _commands(told: Told) -> str:
    return ", ".join(f"{action} ({reason})" for action, reason in told.commands) or "none"
