"""A tenant moves in: trade, meters, load and first recharge of an account, drawn from the seed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from infra.fleet.ailing import digits_of, faults_of, initial_wh_of
from infra.fleet.load import HOUR_MS, ConstantLoad, EndingLoad, Load, ShapeLoad
from infra.fleet.meter import DISPLAY_STEP_WH, Kind, MeterSpec
from infra.fleet.profile import QUARTER_MS
from infra.fleet.property import DEMO, AccountPlan, Link, PropertySize
from infra.fleet.seeded import Seeded, key_of
from infra.fleet.tariffs import TARIFF_WATER, Tariff
from infra.fleet.tenants import TENANCIES, Character, Tenancy, Trade

_YEARS_IN_PLACE = 4
"""Meters have counted for up to this long before the platform takes them over."""
_DEMO_INITIAL_WH = 12_345_670
_FEN_A_MWH_PER_KWH = 1_000_000
"""mWh x fen/kWh, divided by this, is fen."""
_WATER_SHARE = 30
"""Whoever draws so many Wh draws a litre."""
_DLT645_LINKS = (Link.DIAL_IN, Link.MQTT)


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

    size: PropertySize
    site: str
    character: Character
    origin_ms: int

    @property
    def seed(self) -> int:
        return self.size.seed

    def account(self, account: str, places: Sequence[Place], *, hasty: bool) -> AccountPlan:
        """Let a tenant move in at `places`; a hasty one pays so little that it runs out soon."""
        draw = Seeded(self.seed, "account", account)
        trade = draw.weighted(self.character.trades)
        tenancy = TENANCIES[trade]
        meters = tuple(self._meter(account, place, tenancy) for place in places)
        fen = self._hasty_fen(draw, meters, tenancy) if hasty else self._lasting_fen(draw, meters, tenancy)
        overdraft = "500" if trade is Trade.ANCHOR and not hasty else None
        return AccountPlan(account, self.site, trade, tenancy.tariff, meters, fen, overdraft)

    def demo_account(self, place: Place) -> AccountPlan:
        """Let the demo's tenant move in: no draws, so that its numbers can be told beforehand."""
        spec = self._spec(
            DEMO.account,
            place,
            kind=Kind.ELECTRICITY,
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
        is_water = place.link in (Link.WATER, Link.MBUS)
        load = ShapeLoad(
            draw.pick(tenancy.shapes),
            yearly_wh=(draw.skewed(*tenancy.yearly_kwh) * 1000 + draw.below(1000)) // (_WATER_SHARE if is_water else 1),
            key=key_of(self.seed, "days", place.meter),
            spread_per_mille=tenancy.spread_per_mille,
            shift_ms=draw.between(-4, 4) * QUARTER_MS,
        )
        ratio = 1 if is_water else tenancy.ratio
        return self._spec(
            account,
            place,
            kind=Kind.WATER if is_water else Kind.ELECTRICITY,
            template=_template(place.link, tenancy),
            phases=1 if is_water else tenancy.phases,
            ratio=ratio,
            load=load,
            initial_wh=draw.below(_YEARS_IN_PLACE * load.yearly_wh // ratio),
        )

    def _spec(
        self,
        account: str,
        place: Place,
        *,
        kind: Kind,
        template: str,
        phases: int,
        ratio: int,
        load: Load,
        initial_wh: int,
    ) -> MeterSpec:
        still_ms = self.size.still_from_ms(self.origin_ms)
        digits = digits_of(self.size, place.link)
        initial_wh = initial_wh_of(
            self.size, place.meter, initial_wh, digits=digits, a_day_wh=self._a_day_wh(load, ratio)
        )
        return MeterSpec(
            meter=place.meter,
            account=account,
            site=self.site,
            gateway=place.gateway,
            address=place.address,
            template=template,
            phases=phases,
            ratio=ratio,
            load=load if still_ms is None else EndingLoad(load, still_ms),
            initial_wh=initial_wh // DISPLAY_STEP_WH * DISPLAY_STEP_WH,
            installed_at_ms=self.origin_ms,
            wiring_key=key_of(self.seed, "wiring", place.meter),
            kind=kind,
            digits=digits,
            faults=faults_of(self.size, place.meter, initial_wh=initial_wh, digits=digits, still_ms=still_ms),
        )

    def _a_day_wh(self, load: Load, ratio: int) -> int:
        """What a meter counts on the group's first day."""
        start = self.origin_ms
        return (load.energy_mwh(start + 24 * HOUR_MS) - load.energy_mwh(start)) // (1000 * ratio)

    def _hasty_fen(self, draw: Seeded, meters: tuple[MeterSpec, ...], tenancy: Tenancy) -> int:
        """Size a recharge that lasts between 20 virtual minutes and two hours at the highest price."""
        span_ms = draw.between(20, 120) * HOUR_MS // 60
        return max(1, self._spent(meters, span_ms, tenancy, highest=True) // _FEN_A_MWH_PER_KWH)

    def _lasting_fen(self, draw: Seeded, meters: tuple[MeterSpec, ...], tenancy: Tenancy) -> int:
        """Size a recharge for half a day up to two months, in whole tens of yuan."""
        span_ms = draw.skewed(12, 60 * 24) * HOUR_MS
        return (self._spent(meters, span_ms, tenancy) // (1000 * _FEN_A_MWH_PER_KWH) + 1) * 1000

    def _spent(self, meters: tuple[MeterSpec, ...], span_ms: int, tenancy: Tenancy, *, highest: bool = False) -> int:
        """Tell about what the meters' loads cost in the first `span_ms`, in fen x mWh/kWh."""
        start, end = self.origin_ms, self.origin_ms + span_ms
        spent = 0
        for spec in meters:
            tariff = tariff_of(spec, tenancy.tariff)
            price = tariff.highest_fen if highest else tariff.typical_fen
            spent += (spec.load.energy_mwh(end) - spec.load.energy_mwh(start)) * price
        return spent


def tariff_of(spec: MeterSpec, electricity: Tariff) -> Tariff:
    """The tariff of a meter whose account has this one for electricity."""
    return TARIFF_WATER if spec.kind is Kind.WATER else electricity


def _template(link: Link, tenancy: Tenancy) -> str:
    if link is Link.WATER:
        return "cjt188-water"
    if link is Link.MBUS:
        return "mbus-water"
    if link in _DLT645_LINKS:
        return "dlt645-2007"
    return "dtsy1352" if tenancy.phases == 3 else "ddsy1352"
