from collections import Counter

import pytest

from infra.fleet.errors import FleetError
from infra.fleet.layout import lay_out
from infra.fleet.load import HOUR_MS, ConstantLoad, ShapeLoad
from infra.fleet.meter import MeterSpec
from infra.fleet.property import DEMO, AccountPlan, Link, Property, PropertySize

from .samples import MINUTE_MS, ORIGIN_MS


@pytest.fixture(scope="module")
def group() -> Property:
    return lay_out(PropertySize(), origin_ms=ORIGIN_MS)


def told(spec: MeterSpec) -> tuple[object, ...]:
    """Tell a meter apart from another one, its load by what it draws."""
    later = ORIGIN_MS + 100 * HOUR_MS
    drawn = spec.load.energy_mwh(later) - spec.load.energy_mwh(ORIGIN_MS)
    return spec.meter, spec.account, spec.gateway, spec.address, spec.template, spec.initial_wh, drawn


def runs_out_after_minutes(plan: AccountPlan) -> int:
    """Tell after how many minutes the first recharge is used up, at the tariff's highest price."""
    budget_mwh = plan.first_recharge_fen * 1_000_000 // plan.tariff.highest_fen
    start = sum(spec.load.energy_mwh(ORIGIN_MS) for spec in plan.meters)
    minute = 1
    while sum(spec.load.energy_mwh(ORIGIN_MS + minute * MINUTE_MS) for spec in plan.meters) - start < budget_mwh:
        minute += 1
    return minute


def test_the_default_group_has_its_sizes(group: Property) -> None:
    assert group.sites == ("S1", "S2", "S3")
    assert len(group.gateways) == 20
    assert len(group.meters) == 1000
    assert Counter(plan.link for plan in group.gateways) == {Link.MODBUS_TCP: 10, Link.DIAL_IN: 10}
    assert {len(plan.meters) for plan in group.gateways} == {50}


def test_every_meter_belongs_to_one_account_of_its_site(group: Property) -> None:
    rented = [spec for plan in group.accounts for spec in plan.meters]
    assert Counter(spec.meter for spec in rented) == Counter(spec.meter for spec in group.meters)
    for plan in group.accounts:
        assert all((spec.account, spec.site) == (plan.account, plan.site) for spec in plan.meters)
    assert len({plan.account for plan in group.accounts}) == len(group.accounts)


def test_some_accounts_have_meters_on_different_gateways(group: Property) -> None:
    sizes = Counter(len(plan.meters) for plan in group.accounts)
    assert sizes[1] > 700
    assert sizes[2] > 10
    assert sizes[3] > 3
    for plan in group.accounts:
        assert len({spec.gateway for spec in plan.meters}) == len(plan.meters)


def test_addresses_are_unique_on_their_line_and_of_its_protocol(group: Property) -> None:
    for plan in group.gateways:
        addresses = [spec.address for spec in plan.meters]
        assert len(set(addresses)) == len(addresses)
        for spec in plan.meters:
            if plan.link is Link.MODBUS_TCP:
                assert 1 <= int(spec.address) <= 247
                assert spec.template == ("dtsy1352" if spec.phases == 3 else "ddsy1352")
            else:
                assert len(spec.address) == 12
                assert spec.address[0] != "0"
                assert spec.template == "dlt645-2007"
    numbers = [spec.address for spec in group.meters if spec.template == "dlt645-2007"]
    assert len(set(numbers)) == len(numbers)


def test_the_demo_account_is_as_told(group: Property) -> None:
    plan = group.accounts[0]
    (spec,) = plan.meters
    assert (plan.account, plan.site, spec.meter, spec.gateway) == (
        DEMO.account,
        DEMO.site,
        DEMO.meter,
        DEMO.gateway,
    )
    assert (spec.address, spec.template) == (DEMO.address, DEMO.template)
    assert spec.load == ConstantLoad(DEMO.power_w)
    assert plan.tariff.components == {"supply": {"all": [DEMO.price]}}
    assert f"{plan.first_recharge_fen / 100:.2f}" == DEMO.first_recharge


def test_the_demo_account_runs_out_first_and_some_soon_after(group: Property) -> None:
    demo, *others = group.accounts
    assert runs_out_after_minutes(demo) == 5
    soon = sorted(runs_out_after_minutes(plan) for plan in others if plan.first_recharge_fen < 1000)
    assert 6 <= len(soon) <= 20
    assert soon[0] > 10
    assert soon[-1] <= 121
    assert {plan.site for plan in others if plan.first_recharge_fen < 1000} == {"S1", "S2", "S3"}


def test_power_fits_the_meters(group: Property) -> None:
    for spec in group.meters:
        noon = ORIGIN_MS + 4 * HOUR_MS
        busiest = max(spec.load.power_mw(noon + hour * HOUR_MS) for hour in range(7 * 24)) // spec.ratio
        assert 0 < busiest < 32_767_000


def test_yearly_consumption_is_spread(group: Property) -> None:
    yearly = {spec.load.yearly_wh for spec in group.meters if isinstance(spec.load, ShapeLoad)}
    assert len(yearly) > 990


def test_the_same_seed_draws_the_same_group(group: Property) -> None:
    again = lay_out(PropertySize(), origin_ms=ORIGIN_MS)
    assert [told(spec) for spec in again.meters] == [told(spec) for spec in group.meters]
    recharges = [plan.first_recharge_fen for plan in group.accounts]
    assert [plan.first_recharge_fen for plan in again.accounts] == recharges


def test_another_seed_draws_another_group_around_the_same_demo_account(group: Property) -> None:
    other = lay_out(PropertySize(seed=2), origin_ms=ORIGIN_MS)
    differing = sum(told(a) != told(b) for a, b in zip(group.meters, other.meters, strict=True))
    assert differing > 990
    assert told(other.meters[0]) == told(group.meters[0])


@pytest.mark.parametrize(
    ("sites", "gateways", "meters"),
    [(1, 1, 1), (1, 1, 247), (2, 2, 2), (3, 4, 10), (7, 9, 100), (1, 99, 99)],
)
def test_other_sizes(sites: int, gateways: int, meters: int) -> None:
    group = lay_out(PropertySize(sites, gateways, meters), origin_ms=ORIGIN_MS)
    assert (len(group.sites), len(group.gateways), len(group.meters)) == (sites, gateways, meters)
    assert group.meters[0].meter == DEMO.meter
    assert group.accounts[0].account == DEMO.account
    registrations = [plan.registration for plan in group.gateways]
    for text in registrations:
        assert [other for other in registrations if other.startswith(text)] == [text]


@pytest.mark.parametrize(
    ("sites", "gateways", "meters"),
    [(0, 1, 1), (2, 1, 5), (1, 5, 4), (1, 1, 248), (1, 100, 1000)],
)
def test_sizes_that_do_not_fit_are_refused(sites: int, gateways: int, meters: int) -> None:
    with pytest.raises(FleetError):
        PropertySize(sites, gateways, meters)
