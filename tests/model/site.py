"""One site's ledger, one line at a time: every order and the reading, in the order of the text.

Each `_take_…` first checks, in the order of P7, and changes something only when nothing is refused any more.
After the line, `_settle` says what it meant for notices and supply (P25, P30).

Decided here, where the text leaves it open:

- An id that another site has makes a line malformed only when the line would be taken otherwise: a refused line
  creates nothing (P1).
- A balance that would not fit into 64 bits of nano-yuan refuses the line `invalid`, whatever kind it is: a money
  order, a reading, a final, and a `set_tariff` or `assign_tariff` that prices kept consumption. It is the last
  check of all. Such a reading leaves accepted value, held reading and flags as they were (Width).
- A meter that a replacement took out of use is `closed` for readings and orders, like one of a closed account.
- `replace_meter` without `ratio`, `digits` or max takes those of the old meter, as every field that the order
  leaves out; the defaults of P5 are those of `install_meter`.
- An account without recharge and deduction isn't wanted off by the balance rule, so `restore` isn't refused
  `arrears` there (P24, P33).
- Parts without consumption are kept and priced like others; they count for `retroactive` (P13, P15).
- A replacement takes over the tariff history as it is then. When it is empty, the new meter's first tariff holds
  from the new meter's installation, and what the old one left unpriced stays so (P14, P22).
- Finals are charged in the order of installation, whatever their order in the line (P30).
"""

from dataclasses import replace
from fractions import Fraction

from tests.model import fees, records, refusal
from tests.model.account import NEW_SITE, Account, build_policy
from tests.model.bands import Shared, build_bands, share_out
from tests.model.bands import build_told as build_told_bands
from tests.model.credit import MeterCredit, Told, build_opening, build_told
from tests.model.meter import Command, Meter, build_device
from tests.model.money import Till
from tests.model.output import Events
from tests.model.pricing import PriceBook, Quote, quote
from tests.model.reading import Accepted, Alarming, Ignored, is_newer, judge_final, judge_reading
from tests.model.records import Line, Malformed
from tests.model.refusal import Refused, refuse_if
from tests.model.sales import Sales
from tests.model.supply import decide, repeat
from tests.model.tariff import UNIT_OF_KIND, Tariff, build_version
from tests.model.texts import MINUTE, parse_time

FUTURE_AFTER = 15 * MINUTE

Owners = dict[tuple[str, str], "Site"]
"""The site of every ("account" or "meter", id) of the file."""


class Site:
    """A ledger of its own: tariffs, accounts, meters, order ids and time."""

    def __init__(self, owners: Owners, events: Events) -> None:
        self.owners = owners
        self.events = events
        self.now: int | None = None
        self.policy = NEW_SITE
        self.book = PriceBook({}, {})
        self.priced_until: dict[str, int] = {}
        """By tariff: the latest end of a part that it priced."""
        self.accounts: dict[str, Account] = {}
        self.meters: dict[str, Meter] = {}
        self.till = Till()
        self.sales = Sales(self.accounts, self.meters, self.till, self.events)
        self._start_line()

    def _start_line(self) -> None:
        self.balances_before = {each.account_id: each.balance for each in self.accounts.values()}
        self.money_kind: dict[str, str] = {}
        self.asked: tuple[Meter, str] | None = None
        self.reported: tuple[Meter, str | None] | None = None
        self.told: list[tuple[Meter, str, str]] = []
        """What meters are told beside their supply: action and reason."""
        self.closing = ""

    def take(self, line: Line) -> None:
        """Take a line.

        Raises:
            Malformed: It would create an id that another site has.
        """
        before = line.at if self.now is None else self.now
        self.now = max(before, line.at)
        self._start_line()
        self._charge_fees(before, self.now)
        try:
            self._take_record(line, self.now)
        except Refused as refused:
            self.events.add_refusal(line.number, refused.reason)
        self._settle(self.now)

    def _take_record(self, line: Line, now: int) -> None:
        match line.record:
            case records.SetTariff() as order:
                self._take_set_tariff(order)
            case records.SetCalendar() as order:
                self._take_set_calendar(order)
            case records.OpenAccount() as order:
                self._take_open_account(order, line)
            case records.InstallMeter() as order:
                self._take_install_meter(order, line, now)
            case records.SetPolicy() as order:
                self._take_set_policy(order)
            case records.SetFee() as order:
                self._take_set_fee(order, now)
            case records.AssignTariff() as order:
                self._take_assign_tariff(order, now)
            case records.ReplaceMeter() as order:
                self._take_replace_meter(order, line, now)
            case records.Sell() as order:
                self._take_sell(order)
            case records.SettleSale() as order:
                self._take_settle_sale(order)
            case records.Control() as order:
                self._take_control(order)
            case records.CloseAccount() as order:
                self._take_close_account(order, now)
            case records.Tick():
                pass
            case records.Reading() as reading:
                self._take_reading(reading, now)
            case money_order:
                kind = self.till.take(money_order, self.accounts, self.policy)
                if kind is not None:
                    self.money_kind[money_order.account] = kind

    # Who and what a line names

    def _account(self, account_id: str) -> Account:
        refuse_if(account_id not in self.accounts, "unknown")
        return self.accounts[account_id]

    def _meter(self, meter_id: str) -> Meter:
        refuse_if(meter_id not in self.meters, "unknown")
        return self.meters[meter_id]

    def _refuse_closed(self, meter: Meter) -> None:
        refuse_if(meter.is_replaced or self.accounts[meter.account_id].is_closed, "closed")

    def _claim(self, kind: str, new_id: str, *, line: Line, field: str) -> None:
        owner = self.owners.setdefault((kind, new_id), self)
        if owner is not self:
            raise Malformed(line.number, field, "another site has this id")

    # Tariffs

    def _take_set_tariff(self, order: records.SetTariff) -> None:
        known = self.book.tariffs.get(order.tariff)
        version = build_version(order)
        refuse_if(known is None and len(self.book.tariffs) == 1000, "invalid")
        refuse_if(known is not None and known.unit != order.unit, "invalid")
        refuse_if(version.start < self.priced_until.get(order.tariff, version.start), "retroactive")
        tariff = (known or Tariff(order.unit, ())).with_version(version)
        self._take_book(self.book.with_tariff(order.tariff, tariff))

    def _take_set_calendar(self, order: records.SetCalendar) -> None:
        refuse_if(not order.days, "invalid")
        calendar = self.book.calendar
        refuse_if(len({**calendar, **order.days}) > 40_000, "invalid")
        for day, day_type in order.days.items():
            usual = "workday" if day.isoweekday() <= 5 else "weekend"
            begins = parse_time(f"{day.isoformat()}T00:00:00+08:00")
            for name, tariff in self.book.tariffs.items():
                knows = any(version.tells_day_types_apart for version in tariff.versions)
                is_priced = begins < self.priced_until.get(name, begins)
                refuse_if(knows and is_priced and calendar.get(day, usual) != day_type, "retroactive")
        self.book = replace(self.book, calendar={**calendar, **order.days})

    def _take_assign_tariff(self, order: records.AssignTariff, now: int) -> None:
        meter = self._meter(order.meter)
        refuse_if(order.tariff not in self.book.tariffs, "unknown")
        self._refuse_closed(meter)
        self._refuse_other_kind(order.tariff, meter.device.kind)
        self._take_book(self.book.with_assignment(meter, now, order.tariff))

    def _refuse_other_kind(self, tariff: str, kind: str) -> None:
        refuse_if(self.book.tariffs[tariff].unit != UNIT_OF_KIND[kind], "invalid")

    def _take_book(self, book: PriceBook) -> None:
        """Change to another book, and price what it covers of the consumption that was kept."""
        kept = [
            (meter, interval)
            for meter in self.meters.values()
            if not self.accounts[meter.account_id].is_closed
            for interval in meter.open_intervals
        ]
        kept.sort(key=lambda each: each[1].start)
        retried = quote(book, kept)
        self._refuse_unless_fits(retried)
        self.book = book
        for meter, _ in kept:
            meter.open_intervals = []
        self._charge(retried)

    # Charging

    def _refuse_unless_fits(self, quoted: Quote) -> None:
        for account_id, amount in quoted.amounts().items():
            self.accounts[account_id].refuse_unless_fits(-amount)

    def _charge(self, quoted: Quote) -> None:
        for segment in quoted.segments:
            meter = segment.meter
            meter.amount += segment.amount
            meter.by_band[segment.band] += segment.quantity
            meter.by_tier.update(dict(segment.by_tier))
            meter.by_component.update(segment.by_component)
            for cycle in segment.cycles():
                meter.by_cycle[cycle] += segment.quantity
            self.accounts[meter.account_id].deducted += segment.amount
            until = self.priced_until.get(segment.tariff, segment.end)
            self.priced_until[segment.tariff] = max(until, segment.end)
        for meter, interval in quoted.intervals:
            if interval.open_parts:
                meter.open_intervals.append(interval)

    def _quote(self, ends: list[tuple[Meter, Accepted]]) -> Quote:
        intervals = [(meter, interval) for meter, accepted in ends for interval in _shared(meter, accepted).intervals]
        quoted = quote(self.book, intervals)
        self._refuse_unless_fits(quoted)
        return quoted

    def _accept(self, ends: list[tuple[Meter, Accepted]], quoted: Quote, now: int) -> None:
        """Move the accepted values and charge what was quoted for the intervals that end there."""
        strange = []
        for meter, accepted in ends:
            if accepted.bands is not None:
                shared = _shared(meter, accepted)
                meter.bands = shared.charged
                strange += [meter] if shared.is_strange else []
            meter.register, meter.accepted_at = accepted.register, accepted.interval.end
            meter.held = None
            meter.consumption += accepted.interval.consumption
            if accepted.is_rollover:
                meter.flags["rollover"] += 1
        self._charge(quoted)
        for meter, _ in ends:
            if meter in strange:
                self.events.add_alarm(now, meter.meter_id, "bands")
            if any(interval.unpriced() > 0 for of, interval in quoted.intervals if of is meter):
                self.events.add_alarm(now, meter.meter_id, "unpriced")

    # Accounts and meters

    def _take_open_account(self, order: records.OpenAccount, line: Line) -> None:
        known = self.accounts.get(order.account)
        refuse_if(known is not None and known.is_closed, "closed")
        refuse_if(known is not None, "conflict")
        self._claim("account", order.account, line=line, field="account")
        self.accounts[order.account] = Account(order.account)

    def _take_install_meter(self, order: records.InstallMeter, line: Line, now: int) -> None:
        account = self._account(order.account)
        refuse_if(order.tariff is not None and order.tariff not in self.book.tariffs, "unknown")
        refuse_if(account.is_closed, "closed")
        refuse_if(order.meter in self.meters, "conflict")
        device = build_device(order, order.kind)
        if order.tariff is not None:
            self._refuse_other_kind(order.tariff, order.kind)
        bands = build_bands(order.band_registers, device)
        opening = build_opening(order.remaining, order.count)
        refuse_if(account.has_credit_in_meter, "invalid")
        credit = None
        if order.credit == "platform":
            refuse_if(opening != Told(None, None), "invalid")
        else:
            refuse_if(bool(account.meters) or account.balance != 0, "invalid")
            refuse_if(any(fee.is_awaited(now) for fee in account.fixed_fees.values()), "invalid")
            credit = MeterCredit(opening.remaining or 0, opening.count or 0)
        self._claim("meter", order.meter, line=line, field="meter")
        meter = Meter(order.meter, order.account, device, now, device.register, now, credit=credit, bands=bands)
        self.meters[order.meter] = meter
        account.meters.append(order.meter)
        if credit is not None:
            account.has_credit_in_meter = True
            account.adjusted += credit.remaining
        assignments = () if order.tariff is None else ((now, order.tariff),)
        self.book = self.book.with_assignments(order.meter, assignments)

    def _take_replace_meter(self, order: records.ReplaceMeter, line: Line, now: int) -> None:
        old = self._meter(order.meter)
        self._refuse_closed(old)
        refuse_if(order.new_meter in self.meters, "conflict")
        device = build_device(order, old.device.kind, old.device)
        opening = build_opening(order.remaining, order.count)
        refuse_if(old.credit is None and opening != Told(None, None), "invalid")
        account = self.accounts[old.account_id]
        bands = build_bands(order.band_registers, device)
        finals = [(old, _final(old, order.final, order.final_bands, now))]
        quoted = self._quote(finals)
        if opening.remaining is not None:
            due = quoted.amounts()[old.account_id]
            refuse_if(abs(opening.remaining - (account.balance - due)) > refusal.LARGEST_BALANCE, "invalid")
        refuse_if(account.pending > 0, "pending")
        self._claim("meter", order.new_meter, line=line, field="new_meter")
        self._accept(finals, quoted, now)
        old.is_replaced = True
        new = Meter(order.new_meter, old.account_id, device, now, device.register, now, replaces=old, bands=bands)
        new.desired, new.last_command = old.desired, old.last_command
        new.is_manual, new.is_retained = old.is_manual, old.is_retained
        if old.credit is not None:
            if new.is_retained:
                self.told.append((new, "retain", "retain"))
            new.credit = MeterCredit(old.credit.remaining, old.credit.count, old.credit.differed)
            if opening.count is not None:
                new.credit.count = opening.count
            if opening.remaining is not None:
                new.credit.remaining, new.credit.differed = opening.remaining, False
                account.adjusted += opening.remaining - account.balance
        self.meters[order.new_meter] = new
        in_use = account.meters
        in_use[in_use.index(old.meter_id)] = new.meter_id
        self.book = self.book.with_assignments(new.meter_id, self.book.assignments[old.meter_id])

    def _take_close_account(self, order: records.CloseAccount, now: int) -> None:
        account = self._account(order.account)
        for meter_id in (*order.finals, *order.finals_of_bands):
            self._meter(meter_id)
        refuse_if(account.is_closed, "closed")
        refuse_if(any(meter_id not in account.meters for meter_id in order.finals), "invalid")
        refuse_if(any(meter_id not in order.finals for meter_id in order.finals_of_bands), "invalid")
        finals = [
            (
                self.meters[meter_id],
                _final(self.meters[meter_id], order.finals[meter_id], order.finals_of_bands.get(meter_id), now),
            )
            for meter_id in account.meters
            if meter_id in order.finals
        ]
        refuse_if(len(finals) < len(account.meters), "incomplete")
        quoted = self._quote(finals)
        refuse_if(account.pending > 0, "pending")
        self._accept(finals, quoted, now)
        account.is_closed = True
        self.closing = account.account_id
        if account.balance > 0:
            account.refunded += account.balance
            self.money_kind[account.account_id] = "refunded"

    # Fees

    def _charge_fees(self, after: int, until: int) -> None:
        """Charge what fell due since the last line, before anything else of this one."""
        charges = []
        for place, account in enumerate(self.accounts.values()):
            for name, fee in account.fixed_fees.items():
                dues = [] if account.is_closed else fee.dues(after, until)
                charges += [(time, place, name, amount) for time, amount in fees.charged_together(dues)]
                fee.charged_until = dues[-1][0] if dues else fee.charged_until
        for _, place, _, amount in sorted(charges):
            list(self.accounts.values())[place].charge_fee(amount)

    def _take_set_fee(self, order: records.SetFee, now: int) -> None:
        account = self._account(order.account)
        refuse_if(account.is_closed, "closed")
        amount = refusal.money(order.amount)
        refuse_if(amount < 0 or account.has_credit_in_meter, "invalid")
        old = account.fixed_fees.get(order.fee, fees.Fee())
        refuse_if(old.charged_until is not None and order.start <= old.charged_until, "retroactive")
        fee = old.changed(fees.Rate(order.start, amount, order.period))
        dues = fee.dues(order.start - 1, now)
        refuse_if(fee.ahead(now) > fees.MOST_AHEAD, "invalid")
        account.refuse_unless_fits(-sum(due for _, due in dues))
        account.fixed_fees[order.fee] = fee
        for time, due in fees.charged_together(dues):
            account.charge_fee(due)
            fee.charged_until = time

    # Sales into meters

    def _take_sell(self, order: records.Sell) -> None:
        self.till.refuse_repeat(order)
        meter = self._meter(order.meter)
        self._refuse_closed(meter)
        self.sales.sell(order, meter, self.policy)

    def _take_settle_sale(self, order: records.SettleSale) -> None:
        self.till.refuse_repeat(order)
        confirmed = self.sales.settle(order)
        if confirmed is not None:
            self.money_kind[confirmed.account_id] = "recharged"

    # Policy and control

    def _take_set_policy(self, order: records.SetPolicy) -> None:
        account = None if order.account is None else self._account(order.account)
        refuse_if(account is not None and account.is_closed, "closed")
        policy = build_policy(order)
        if account is None:
            self.policy = policy.over(self.policy)
        else:
            account.set_policy(policy)

    def _take_control(self, order: records.Control) -> None:
        meter = self._meter(order.meter)
        self._refuse_closed(meter)
        account = self.accounts[meter.account_id]
        match order.action:
            case "sync_time":
                self.told.append((meter, "sync_time", "manual"))
                return
            case "cut":
                refuse_if(meter.is_retained, "retained")
                meter.is_manual = True
            case "restore":
                refuse_if(account.is_wanted_off(account.effective_policy(self.policy)), "arrears")
                meter.is_manual = False
            case "retain":
                meter.is_retained = True
                meter.is_manual = False
            case "release":
                meter.is_retained = False
        self.asked = (meter, order.action)
        if meter.credit is not None and order.action in ("retain", "release"):
            self.told.append((meter, order.action, "retain" if order.action == "retain" else "manual"))

    # Readings

    def _take_reading(self, reading: records.Reading, now: int) -> None:
        meter = self._meter(reading.meter)
        self._refuse_closed(meter)
        says_news = is_newer(meter, reading.read_at)
        try:
            self._judge_reading(meter, reading, now)
        finally:
            # A meter that was tampered with may well show a register that cannot be.
            if says_news and reading.read_at <= now + FUTURE_AFTER:
                for condition in meter.conditions.risen(reading):
                    self.events.add_alarm(now, meter.meter_id, condition)

    def _judge_reading(self, meter: Meter, reading: records.Reading, now: int) -> None:
        """Take a reading in, or refuse it."""
        register = meter.device.take_register(reading.register)
        told = Told(None, None) if meter.credit is None else build_told(reading)
        bands = build_told_bands(meter, reading.band_registers, lacking="incomplete")
        time = reading.read_at
        if time > now + FUTURE_AFTER:
            meter.flags["future"] += 1
            raise Refused("future")
        match judge_reading(meter, register, time):
            case Ignored() as ignored:
                meter.flags[ignored.flag] += 1
                return
            case Alarming() as alarming:
                self.sales.refuse_unless_fits(meter, told, due=0)
                meter.held = alarming.held
                meter.flags[alarming.flag] += 1
                self.events.add_alarm(now, meter.meter_id, alarming.flag)
            case Accepted() as accepted:
                ends = [(meter, replace(accepted, bands=bands))]
                quoted = self._quote(ends)
                self.sales.refuse_unless_fits(meter, told, due=quoted.amounts()[meter.account_id])
                self._accept(ends, quoted, now)
        # Only now: a reading that was refused, because its price did not fit, says nothing of supply.
        self.reported = (meter, reading.supply)
        if meter.credit is not None:
            tolerance = self.accounts[meter.account_id].effective_policy(self.policy).credit_tolerance
            if self.sales.mirror(meter, meter.credit, told, tolerance=tolerance, now=now):
                self.money_kind[meter.account_id] = "recharged"

    # What the line meant

    def _settle(self, now: int) -> None:
        for account in self.accounts.values():
            account_id = account.account_id
            policy = account.effective_policy(self.policy)
            if account_id in self.money_kind:
                self.events.add_notice(now, account_id, self.money_kind[account_id])
            level = policy.level_passed(self.balances_before.get(account_id, 0), account.balance)
            if level == "arrears" or (level is not None and self.closing != account_id):
                self.events.add_notice(now, account_id, level)
            for meter_id in account.meters:
                self._judge(self.meters[meter_id], account, now)
        self.sales.send(now)
        for meter, action, reason in self.told:
            self.events.add_command(meter.meter_id, Command(now, action, reason), is_repeat=False)
        if self.reported is not None:
            meter, supply = self.reported
            again = repeat(meter, supply, now)
            if again is not None:
                meter.last_command = again
                self.events.add_command(meter.meter_id, again, is_repeat=True)

    def _judge(self, meter: Meter, account: Account, now: int) -> None:
        asked = self.asked[1] if self.asked is not None and self.asked[0] is meter else None
        change = decide(meter, account, account.effective_policy(self.policy), asked=asked, now=now)
        if change is None:
            return
        meter.desired = "off" if change.action == "cut" else "on"
        meter.last_command = Command(now, change.action, change.reason)
        self.events.add_command(meter.meter_id, meter.last_command, is_repeat=False)
        self.events.add_notice(now, account.account_id, "cut" if change.action == "cut" else "restored")


def _shared(meter: Meter, accepted: Accepted) -> Shared:
    if accepted.bands is None:
        return Shared([accepted.interval], {}, is_strange=False)
    return share_out(meter, accepted.interval, accepted.bands)


def _final(meter: Meter, value: Fraction, bands: dict[str, Fraction] | None, now: int) -> Accepted:
    """A final register with the band registers, if they are told."""
    accepted = judge_final(meter, value, now)
    if bands is None:
        return accepted
    refuse_if(meter.bands is None, "invalid")
    return replace(accepted, bands=build_told_bands(meter, bands, lacking="invalid"))
