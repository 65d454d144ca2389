"""A tenant moves in: trade, meters, load and first recharge of an account, drawn from the seed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from infra.fleet.load import HOUR_MS, ConstantLoad, Load, ShapeLoad
from infra.fleet.meter import DISPLAY_STEP_WH, MeterSpec
from infra.fleet.profile import QUARTER_MS
from infra.fleet.property import DEMO, AccountPlan, Link
from infra.fleet.seeded import Seeded, key_of
from infra.fleet.tariffs import Tariff
from infra.fleet.tenants import TENANCIES, Character, Tenancy, Trade

_YEARS_IN_PLACE = 4
"""Meters have counted for up to this long before the platform takes them over."""
_DEMO_INITIAL_WH = 12_345_670
_FEN_A_MWH_PER_KWH = 1_000_000
"""mWh x fen/kWh, divided by this, is fen."""


class Place(Protocol):
    """Where a meter hangs."""

    @property
    def meter(self) -> str: ...
    @property
    def gateway(self) -> str: ...
    @property
    def link(self) -> Link: ...
    @property
    def address(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Renting:
    """Draws the tenants of one site."""

    seed: int
    site: str
    character: Character
    origin_ms: int

    def account(self, account: str, places: Sequence[Place], *, hasty: bool) -> AccountPlan:
        """Let a tenant move in at `places`; a hasty one pays so little that it runs out soon."""
        draw = Seeded(self.seed, "account", account)
        trade = draw.weighted(self.character.trades)
        tenancy = TENANCIES[trade]
        meters = tuple(self._meter(account, place, tenancy) for place in places)
        if hasty:
            fen = self._hasty_fen(draw, meters, tenancy.tariff)
        else:
            fen = self._lasting_fen(draw, meters, tenancy.tariff)
        overdraft = "500" if trade is Trade.ANCHOR and not hasty else None
        return AccountPlan(account, self.site, trade, tenancy.tariff, meters, fen, overdraft)

    def demo_account(self, place: Place) -> AccountPlan:
        """Let the demo's tenant move in: no draws, so that its numbers can be told beforehand."""
        spec = self._spec(
            DEMO.account,
            place,
            template=DEMO.template,
            phases=1,
            ratio=1,
            load=ConstantLoad(DEMO.power_w),
            initial_wh=_DEMO_INITIAL_WH,
        )
        fen = int(DEMO.first_recharge.replace(".", ""))
        return AccountPlan(DEMO.account, DEMO.site, Trade.SMALL_OFFICE, DEMO.tariff, (spec,), fen)

    def _meter(self, account: str, place: Place, tenancy: Tenancy) -> MeterSpec:
        draw = Seeded(self.seed, "meter", place.meter)
        load = ShapeLoad(
            draw.pick(tenancy.shapes),
            yearly_wh=draw.skewed(*tenancy.yearly_kwh) * 1000 + draw.below(1000),
            key=key_of(self.seed, "days", place.meter),
            spread_per_mille=tenancy.spread_per_mille,
            shift_ms=draw.between(-4, 4) * QUARTER_MS,
        )
        acrel = "dtsy1352" if tenancy.phases == 3 else "ddsy1352"
        return self._spec(
            account,
            place,
            template=acrel if place.link is Link.MODBUS_TCP else "dlt645-2007",
            phases=tenancy.phases,
            ratio=tenancy.ratio,
            load=load,
            initial_wh=draw.below(_YEARS_IN_PLACE * load.yearly_wh // tenancy.ratio),
        )

    def _spec(
        self,
        account: str,
        place: Place,
        *,
        template: str,
        phases: int,
        ratio: int,
        load: Load,
        initial_wh: int,
    ) -> MeterSpec:
        return MeterSpec(
            meter=place.meter,
            account=account,
            site=self.site,
            gateway=place.gateway,
            address=place.address,
            template=template,
            phases=phases,
            ratio=ratio,
            load=load,
            initial_wh=initial_wh // DISPLAY_STEP_WH * DISPLAY_STEP_WH,
            installed_at_ms=self.origin_ms,
            wiring_key=key_of(self.seed, "wiring", place.meter),
        )

    def _hasty_fen(self, draw: Seeded, meters: tuple[MeterSpec, ...], tariff: Tariff) -> int:
        """Size a recharge that lasts between 20 virtual minutes and two hours at the highest price."""
        drawn_mwh = self._drawn_mwh(meters, draw.between(20, 120) * HOUR_MS // 60)
        return max(1, drawn_mwh * tariff.highest_fen // _FEN_A_MWH_PER_KWH)

    def _lasting_fen(self, draw: Seeded, meters: tuple[MeterSpec, ...], tariff: Tariff) -> int:
        """Size a recharge for half a day up to two months, in whole tens of yuan."""
        drawn_mwh = self._drawn_mwh(meters, draw.skewed(12, 60 * 24) * HOUR_MS)
        tens = drawn_mwh * tariff.typical_fen // (1000 * _FEN_A_MWH_PER_KWH) + 1
        return tens * 1000

    def _drawn_mwh(self, meters: tuple[MeterSpec, ...], span_ms: int) -> int:
        """Tell what the meters' loads draw in the first `span_ms`."""
        start, end = self.origin_ms, self.origin_ms + span_ms
        return sum(spec.load.energy_mwh(end) - spec.load.energy_mwh(start) for spec in meters)
