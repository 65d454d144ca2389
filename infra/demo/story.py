"""The demo account's story, played on the running pipeline: it runs out, is cut, is recharged, and has supply again."""

from dataclasses import dataclass
from typing import Final

from infra.demo.checks.supply import CLOSED, DARK_MS, OPEN, Look, Story
from infra.demo.faults import LEDGER, SINK, Faults, Killed
from infra.demo.move_in import Order, send_orders
from infra.demo.patience import Patience
from infra.demo.told import Told
from infra.fleet.property import DEMO
from infra.fleet.truth import TruthClient
from infra.settings import Settings

RECHARGE_YUAN: Final = "20.00"
"""At 0.80 yuan/kWh and 3 kW good for eight virtual hours, so that it lasts for the rest of a run."""
LIT_WH: Final = 10
"""The step in which the register is shown."""

_RECHARGE: Final[Order] = {
    "order": "recharge",
    "site": DEMO.site,
    "account": DEMO.account,
    "order_id": "demo-recharge",
    "amount": RECHARGE_YUAN,
    "channel": "demo",
}


@dataclass(frozen=True, slots=True)
class Played:
    """The story, and when the fleet says that the relay opened.

    Attributes:
        opened_at_ms: Virtual.
    """

    story: Story
    opened_at_ms: int | None


class Player:
    """Plays the story.

    Args:
        faults: Kills parts in the course of it; None leaves all alone.
    """

    def __init__(
        self, settings: Settings, truth: TruthClient, patience: Patience, told: Told, faults: Faults | None
    ) -> None:
        self._settings = settings
        self._truth = truth
        self._patience = patience
        self._told = told
        self._faults = faults

    def play(self) -> Played:
        """Play it to its end, or as far as it goes."""
        cut = self._await(OPEN)
        if cut is None:
            return Played(Story(), None)
        opened_at_ms = self._truth.meter(DEMO.meter).opened_at_ms
        self._told.say(f"{DEMO.account} has run out: the relay of {DEMO.meter} is open")
        # 1. The ledger is killed between two rounds of a quiet account.
        killed = [self._faults.kill(LEDGER)] if self._faults else []
        dark = self._patience.wait_for(lambda: self._look(after_ms=cut.at_ms + DARK_MS))
        self._await_back(killed)
        # 2. The sink is killed as it writes what the ledger has caught up with, the ledger with an order on its way.
        killed = [self._faults.kill(SINK)] if self._faults else []
        send_orders(self._settings, [_RECHARGE])
        self._told.say(f"{DEMO.account} is recharged with {RECHARGE_YUAN} yuan")
        killed += [self._faults.kill(LEDGER)] if self._faults else []
        restored = self._await(CLOSED)
        if restored is None:
            self._await_back(killed)
            return Played(Story(cut, dark), opened_at_ms)
        self._told.say(f"the relay of {DEMO.meter} is closed")
        lit = self._patience.wait_for(lambda: self._look(above_wh=restored.register_wh + LIT_WH))
        self._await_back(killed)
        return Played(Story(cut, dark, restored, lit), opened_at_ms)

    def _await(self, relay: str) -> Look | None:
        return self._patience.wait_for(lambda: self._look(relay=relay))

    def _look(self, *, relay: str = "", after_ms: int = 0, above_wh: int = 0) -> Look | None:
        """What is true of the demo account's meter now, if it is what is waited for."""
        true = self._truth.meter(DEMO.meter)
        waited_for = (not relay or true.relay == relay) and true.at_ms >= after_ms and true.register_wh >= above_wh
        return Look(true.at_ms, true.register_wh, true.relay) if waited_for else None

    def _await_back(self, killed: list[Killed]) -> None:
        for one in killed:
            assert self._faults is not None
            self._faults.await_back(one)
