"""Meters on and off the wall: installing, replacing, assigning tariffs."""

from streams.core.bandregisters import begin
from streams.core.consumption import final_bands, judge_final
from streams.core.crediting import may_open, may_reopen, open_credit, reopen_credit, reopening_refused
from streams.core.line import Line
from streams.core.localtime import month_of
from streams.core.meter import Care, Kind, Meter, copy_of, register_end
from streams.core.meterinfo import MeterInfo
from streams.core.orders import AssignTariff, InstallMeter, NamedQuantities, ReplaceMeter
from streams.core.outcome import MeterInstalled
from streams.core.posting import plan_fits, plan_kept_parts, post_plan, write_down
from streams.core.routes import is_route
from streams.core.units import Quantity

_UNIT_OF = {Kind.ELECTRICITY: "kWh", Kind.WATER: "m3"}
_RATIO_MAX = 100_000


def install_meter(line: Line, order: InstallMeter) -> None:
    """Hang a new meter on an account."""
    books = line.books
    account = books.accounts.by_id.get(order.account)
    tariff = -1 if order.tariff is None else books.tariffs.by_name.get(order.tariff)
    if account is None or tariff is None:
        return line.refuse("unknown", order.meter)
    if books.accounts.infos[account].closed:
        return line.refuse("closed", order.meter)
    if order.meter in books.meters.by_id:
        return line.refuse("conflict", order.meter)
    kind = Kind[order.kind.upper()]
    register = order.register.scaled(3)
    digits = 0 if order.digits is None else order.digits
    max_rate = _max_rate(kind, order.max_kw, order.max_m3h)
    if (
        (tariff >= 0 and books.tariffs[tariff].unit != _UNIT_OF[kind])
        or not 1 <= order.ratio <= _RATIO_MAX
        or not (order.digits is None or 1 <= digits <= 9)
        or max_rate is None
        or register is None
        or not 0 <= register < register_end(digits)
        or not is_route(order.gateway, order.address)
        or not may_open(books, order, account)
        or not _may_have(order.band_registers, kind, digits)
    ):
        return line.refuse("invalid", order.meter)
    if books.meters.routes.number_at(order.gateway, order.address) >= 0:
        # Its readings would be charged to this meter's account from now on.
        return line.refuse("conflict", order.meter)
    info = MeterInfo(order.meter, order.gateway, order.address, order.template)
    number = books.meters.add(info)
    setup = books.meters.setup.rows[number]
    setup["kind"], setup["ratio"], setup["digits"] = kind, order.ratio, digits
    setup["wrap"], setup["max_rate"] = register_end(digits), max_rate
    _give_bands(line, number, order.band_registers)
    _begin(line, number, account=account, register=register, replaces=None)
    if tariff >= 0:
        books.meters.assign(number, tariff, line.at)
    else:
        books.meters.note_tariff(number)
    open_credit(line, order, number)


def replace_meter(line: Line, order: ReplaceMeter) -> None:
    """Charge the old meter up to its final register and put a new one into its seat (P21, P22)."""
    books = line.books
    number = books.meters.by_id.get(order.meter)
    if number is None:
        return line.refuse("unknown", order.meter)
    setup = books.meters.setup.rows[number]
    if setup["care"] & Care.CLOSED:
        return line.refuse("closed", order.meter)
    if order.new_meter in books.meters.by_id:
        return line.refuse("conflict", order.meter)
    kind = Kind(int(setup["kind"]))
    ratio = int(setup["ratio"]) if order.ratio is None else order.ratio
    digits = int(setup["digits"]) if order.digits is None else order.digits
    max_rate = _max_rate(kind, order.max_kw, order.max_m3h)
    register, final = order.register.scaled(3), order.final.scaled(3)
    was = books.meters.infos[number]
    gateway = was.gateway if order.gateway is None else order.gateway
    address = was.address if order.address is None else order.address
    if (
        not 1 <= ratio <= _RATIO_MAX
        or not (1 <= digits <= 9 or order.digits is None)
        or max_rate is None
        or register is None
        or not 0 <= register < register_end(digits)
        or not is_route(gateway, address)
        or not may_reopen(books, order, number)
        or not _may_have(order.band_registers, kind, digits)
    ):
        return line.refuse("invalid", order.meter)
    old = books.meters.load(number)
    kept_until = books.tariffs.priced_until.copy()
    judgement = judge_final(
        old,
        books.tariffs,
        register=-1 if final is None else final,
        at=line.at,
        bands=final_bands(old, order.final_bands),
    )
    reason = "invalid"
    if judgement is not None and line.fits(old.account, -judgement.amount):
        reason = reopening_refused(books, order, number, due=judgement.amount)
    if reason != "invalid" and books.meters.routes.number_at(gateway, address) not in (-1, number):
        reason = "conflict"
    if judgement is None or reason:
        books.tariffs.priced_until = kept_until
        return line.refuse(reason, order.meter)
    route = (gateway, address)
    _put_in_seat(line, old, order, route, ratio=ratio, digits=digits, max_rate=max_rate, register=register)
    write_down(line, old, judgement, register=old.register, read_at=old.read_at)
    reopen_credit(line, order, number, books.meters.by_id[order.new_meter])


def _put_in_seat(
    line: Line,
    old: Meter,
    order: ReplaceMeter,
    route: tuple[str, str],
    *,
    ratio: int,
    digits: int,
    max_rate: int,
    register: int,
) -> None:
    """Close the old meter; the new one takes over the seat with its tariffs, supply and position."""
    meters = line.books.meters
    was = meters.infos[old.number]
    gateway, address = route
    number = meters.add(
        MeterInfo(
            meter=order.new_meter,
            gateway=gateway,
            address=address,
            template=was.template if order.template is None else order.template,
            replaces=old.number,
            assignments=was.assignments,
        )
    )
    meters.setup.rows[number] = meters.setup.rows[old.number]
    setup = meters.setup.rows[number]
    setup["ratio"], setup["digits"], setup["wrap"] = ratio, digits, register_end(digits)
    setup["care"] = setup["held_register"] = setup["held_at"] = 0
    if order.max_kw is not None or order.max_m3h is not None:
        setup["max_rate"] = max_rate
    _give_bands(line, number, order.band_registers)
    _begin(line, number, account=old.account, register=register, replaces=old.number)
    new = meters.load(number)
    new.positions = copy_of(old).positions
    meters.store(new, at=line.at)
    old.closed = True
    meters.store(old, at=line.at)
    meters.note_tariff(number)


def assign_tariff(line: Line, order: AssignTariff) -> None:
    """Give a meter another tariff from now on, or its first from its installation on (P14)."""
    books = line.books
    number = books.meters.by_id.get(order.meter)
    tariff = books.tariffs.by_name.get(order.tariff)
    if number is None or tariff is None:
        return line.refuse("unknown", order.meter)
    setup = books.meters.setup.rows[number]
    if setup["care"] & Care.CLOSED:
        return line.refuse("closed", order.meter)
    if books.tariffs[tariff].unit != _UNIT_OF[Kind(int(setup["kind"]))]:
        return line.refuse("invalid", order.meter)
    info = books.meters.infos[number]
    kept, kept_until = info.assignments, books.tariffs.priced_until.copy()
    books.meters.assign(number, tariff, line.at)
    plan = plan_kept_parts(books, tariff, meter=number)
    if not plan_fits(line, plan):
        info.assignments = kept
        books.meters.note_tariff(number)
        books.tariffs.priced_until = kept_until
        return line.refuse("invalid", order.meter)
    post_plan(line, plan)


def _begin(line: Line, number: int, *, account: int, register: int, replaces: int | None) -> None:
    """Start a meter at a register and say so."""
    meters = line.books.meters
    setup, info = meters.setup.rows[number], meters.infos[number]
    meters.seat(number, account=account, replaces=replaces)
    setup["installed_at"] = line.at
    hot = meters.hot.rows[number]
    hot["register"], hot["read_at"] = register, line.at
    if replaces is None:
        setup["month"] = month_of(line.at)
    meters.hot.touch(number)
    line.touch(account)
    line.books.journal.meters.append(
        MeterInstalled(
            position=line.position,
            at=line.at,
            number=number,
            meter=info.meter,
            account=account,
            kind=Kind(int(setup["kind"])).name.lower(),
            register=register,
            ratio=int(setup["ratio"]),
            gateway=info.gateway,
            address=info.address,
            template=info.template,
            replaces=replaces,
            digits=int(setup["digits"]),
        )
    )


def _may_have(given: NamedQuantities | None, kind: Kind, digits: int) -> bool:
    """Whether a meter can have these band registers."""
    if given is None:
        return True
    return kind is Kind.ELECTRICITY and begin(given, wrap=register_end(digits)) is not None


def _give_bands(line: Line, number: int, given: NamedQuantities | None) -> None:
    """Have a new meter begin with the band registers that its order names."""
    if given is None:
        return
    meters = line.books.meters
    setup = meters.setup.rows[number]
    meters.infos[number].bands = begin(given, wrap=int(setup["wrap"]))
    setup["care"] |= Care.BANDS


def _max_rate(kind: Kind, max_kw: Quantity | None, max_m3h: Quantity | None) -> int | None:
    """W or litres per hour, 0 for no limit; None where the limit is invalid or of the other kind."""
    own, other = (max_kw, max_m3h) if kind is Kind.ELECTRICITY else (max_m3h, max_kw)
    if other is not None:
        return None
    if own is None:
        return 0
    rate = own.scaled(3)
    return rate if rate is not None and rate > 0 else None
