"""One seeded scenario through the core and through the slow model: where do they differ?"""

import random
from dataclasses import dataclass
from typing import Any

from streams.core.errors import MalformedError
from streams.replay import replay
from tests.model import Malformed, run
from tests.model.generator import draw
from tests.model.malforming import malform
from tests.model.minimise import minimise

MALFORMED_SHARE = 0.05

Outcome = dict[str, Any] | tuple[int, str]
"""The output object, or line and field of a malformed line."""


@dataclass(frozen=True)
class Difference:
    """A scenario on which the core and the model differ, as small as it could be made."""

    seed: int
    lines: list[str]
    core: object
    model: object

    def __str__(self) -> str:
        parts = [f"seed {self.seed}:", *self.lines]
        if isinstance(self.core, dict) and isinstance(self.model, dict):
            for name in self.model:
                if self.core.get(name) != self.model[name]:
                    parts += [f"core:  {name} {self.core.get(name)}", f"model: {name} {self.model[name]}"]
        else:
            parts += [f"core:  {self.core}", f"model: {self.model}"]
        return "\n".join(parts)


def by_model(lines: list[str]) -> Outcome:
    """What the model makes of a scenario."""
    try:
        return run(lines)
    except Malformed as malformed:
        return malformed.line, malformed.field


def by_core(lines: list[str]) -> Outcome:
    """What the core makes of a scenario."""
    try:
        return replay(lines)
    except MalformedError as malformed:
        return malformed.line, malformed.field


def find_difference(seed: int) -> Difference | None:
    """Draw the scenario of a seed, one in twenty malformed, and compare; a difference is minimised."""
    world = draw(seed)
    lines = world.lines
    expected: Outcome = world.model.output()
    if random.Random(seed).random() < MALFORMED_SHARE:
        lines = malform(lines, seed)
        expected = by_model(lines)
    if _core_or_failure(lines) == expected:
        return None
    smallest = minimise(lines, lambda some: _core_or_failure(some) != by_model(some))
    return Difference(seed, smallest, _core_or_failure(smallest), by_model(smallest))


def _core_or_failure(lines: list[str]) -> object:
    """What the core makes of a scenario; an exception that it should not raise is a difference like any other."""
    try:
        return by_core(lines)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
