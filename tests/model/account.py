"""An account: its balance and what moved it, and the policy it is kept by (Accounts, Notices, P29, P32, P33)."""

from dataclasses import dataclass, field
from fractions import Fraction
from math import floor

from tests.model import refusal
from tests.model.credit import Sale
from tests.model.fees import Fee
from tests.model.records import SetPolicy
from tests.model.refusal import refuse_if
from tests.model.texts import DayRange, time_of_day


@dataclass(frozen=True)
class Policy:
    """What an account or a site has of its own; None where nothing was named yet."""

    low: tuple[int, int] | None = None
    overdraft: int | None = None
    protected: tuple[DayRange, ...] | None = None
    auto_restore: bool | None = None
    service_fee: Fraction | None = None
    """Of 1."""
    credit_tolerance: int | None = None

    def over(self, other: "Policy") -> "Policy":
        """This policy where it has a field, the other one where it has none."""
        return Policy(
            low=other.low if self.low is None else self.low,
            overdraft=other.overdraft if self.overdraft is None else self.overdraft,
            protected=other.protected if self.protected is None else self.protected,
            auto_restore=other.auto_restore if self.auto_restore is None else self.auto_restore,
            service_fee=other.service_fee if self.service_fee is None else self.service_fee,
            credit_tolerance=other.credit_tolerance if self.credit_tolerance is None else self.credit_tolerance,
        )


NEW_SITE = Policy(
    low=(20 * refusal.NANO, 5 * refusal.NANO),
    overdraft=0,
    protected=(),
    auto_restore=True,
    service_fee=Fraction(0),
    credit_tolerance=refusal.NANO,
)


def build_policy(order: SetPolicy) -> Policy:
    """The fields that an order names.

    Raises:
        Refused: `invalid`, for a reason of P32.
    """
    low = None if order.low is None else _build_low(order.low)
    overdraft = None if order.overdraft is None else refusal.money(order.overdraft)
    refuse_if(overdraft is not None and overdraft < 0, "invalid")
    refuse_if(any(day_range.is_empty for day_range in order.protected or ()), "invalid")
    tolerance = None if order.credit_tolerance is None else refusal.money(order.credit_tolerance)
    refuse_if(tolerance is not None and tolerance < 0, "invalid")
    service_fee = _build_service_fee(order.service_fee_percent)
    return Policy(low, overdraft, order.protected, order.auto_restore, service_fee, tolerance)


def _build_service_fee(percent: Fraction | None) -> Fraction | None:
    if percent is None:
        return None
    refusal.scaled(percent, 4, 4)
    refuse_if(not 0 <= percent <= 100, "invalid")
    return percent / 100


def _build_low(values: tuple[Fraction, ...]) -> tuple[int, int]:
    refuse_if(len(values) != 2, "invalid")
    low1, low2 = refusal.money(values[0]), refusal.money(values[1])
    refuse_if(not low1 >= low2 >= 0, "invalid")
    return low1, low2


@dataclass
class Account:
    """An account; amounts are nano-yuan."""

    account_id: str
    policy: Policy = field(default_factory=Policy)
    meters: list[str] = field(default_factory=list)
    """The meters in use, in the order of installation, a replacement in its predecessor's place."""
    recharged: int = 0
    refunded: int = 0
    adjusted: int = 0
    deducted: int = 0
    fees: int = 0
    """What was charged in fixed fees."""
    fixed_fees: dict[str, Fee] = field(default_factory=dict)
    service_fees: int = 0
    """What was taken of recharges, less what came back with reversals."""
    shared: int = 0
    """What it was given as the account of a public meter, less what it paid for those of others."""
    had_recharge: bool = False
    has_paid_share: bool = False
    has_credit_in_meter: bool = False
    """Whether its one meter holds the credit itself."""
    sales: list[Sale] = field(default_factory=list)
    """What was ever sold into that meter, in the order in which it was taken."""
    is_closed: bool = False

    @property
    def balance(self) -> int:
        """Recharges − refunds ± adjustments − deductions − fees − service fees ± shares, always."""
        paid = self.recharged - self.refunded + self.adjusted + self.shared
        return paid - self.deducted - self.fees - self.service_fees

    @property
    def arrears(self) -> int:
        """What the account owes."""
        return max(0, -self.balance)

    @property
    def pending(self) -> int:
        """What is sold and neither confirmed nor void."""
        return sum(sale.amount for sale in self.sales if sale.is_pending)

    def refuse_unless_fits(self, change: int) -> None:
        """Refuse a change that is, or would take the balance, outside 64 bits (Width).

        Raises:
            Refused: `invalid`.
        """
        refuse_if(not self.fits(change), "invalid")

    def fits(self, change: int) -> bool:
        """Whether a change and the balance after it are within 64 bits."""
        is_narrow = abs(change) <= refusal.LARGEST_BALANCE
        return is_narrow and refusal.SMALLEST_BALANCE <= self.balance + change <= refusal.LARGEST_BALANCE

    def charge_fee(self, amount: int) -> None:
        """Charge what is due, unless the balance would not hold it: there is nobody to refuse."""
        if self.fits(-amount):
            self.fees += amount

    def set_policy(self, policy: Policy) -> None:
        """Change the fields that a policy has."""
        self.policy = policy.over(self.policy)

    def effective_policy(self, of_site: Policy) -> "EffectivePolicy":
        """What holds for it: its own fields, else its site's, else those of a new site."""
        policy = self.policy.over(of_site).over(NEW_SITE)
        assert policy.low is not None
        assert policy.overdraft is not None
        assert policy.protected is not None
        assert policy.auto_restore is not None
        assert policy.service_fee is not None
        assert policy.credit_tolerance is not None
        return EffectivePolicy(
            policy.low,
            policy.overdraft,
            policy.protected,
            policy.auto_restore,
            policy.service_fee,
            policy.credit_tolerance,
        )

    def is_wanted_off(self, policy: "EffectivePolicy") -> bool:
        """The balance rule: spent down to the overdraft, unless there never was a recharge or a deduction.

        Nothing is wanted off whose meter holds the credit itself.
        """
        if self.has_credit_in_meter:
            return False
        has_spent = self.had_recharge or self.deducted > 0 or self.fees > 0 or self.has_paid_share
        return has_spent and self.balance <= -policy.overdraft


@dataclass(frozen=True)
class EffectivePolicy:
    """A policy with every field."""

    low: tuple[int, int]
    overdraft: int
    protected: tuple[DayRange, ...]
    auto_restore: bool
    service_fee: Fraction
    credit_tolerance: int

    def service_fee_of(self, amount: Fraction) -> int:
        """What is taken of a sale in yuan, nano-yuan: rounded to the cent, halves up."""
        return floor(amount * 100 * self.service_fee + Fraction(1, 2)) * (refusal.NANO // 100)

    def is_protected(self, time: int) -> bool:
        """Whether nobody is cut for arrears at this time."""
        return any(day_range.holds(time_of_day(time)) for day_range in self.protected)

    def level_passed(self, before: int, after: int) -> str | None:
        """The gravest level that a balance passed on its way down."""
        if before >= 0 > after:
            return "arrears"
        low1, low2 = self.low
        if before > low2 >= after:
            return "low2"
        if before > low1 >= after:
            return "low1"
        return None
