"""The whole of a scenario: its sites side by side, its lines one after the other."""

from collections.abc import Iterable
from typing import Any

from tests.model.account import Account
from tests.model.language import parse_line
from tests.model.meter import Meter
from tests.model.output import Events, describe
from tests.model.site import Owners, Site


class Model:
    """All sites of a scenario, as far as its lines were taken."""

    def __init__(self) -> None:
        self.events = Events()
        self.sites: dict[str, Site] = {}
        self.owners: Owners = {}
        self.line_number = 0

    def take(self, text: str) -> None:
        """Take the next line, empty ones too.

        Raises:
            Malformed: The line is none of the language; the model is of no further use.
        """
        self.line_number += 1
        line = parse_line(self.line_number, text)
        if line is None:
            return
        if line.site not in self.sites:
            self.sites[line.site] = Site(self.owners, self.events)
        self.sites[line.site].take(line)

    def output(self) -> dict[str, Any]:
        """The output object of the lines so far."""
        return describe(self._accounts(), self._meters(), self.events)

    def _accounts(self) -> Iterable[Account]:
        for site in self.sites.values():
            yield from site.accounts.values()

    def _meters(self) -> Iterable[Meter]:
        for site in self.sites.values():
            yield from site.meters.values()


def run(lines: Iterable[str]) -> dict[str, Any]:
    """Run a scenario; the output JSON of the specification.

    Raises:
        Malformed: At the first malformed line.
    """
    model = Model()
    for text in lines:
        model.take(text)
    return model.output()
