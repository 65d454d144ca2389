"""Names: the numbers of a site stand for one thing each, without gaps."""

from typing import Final

from analytics.audit.check import SHOWN, Check, Fault, Finding, Scope, gather

_NAMES: Final = {"accounts": "account", "meters": "meter", "tariff_versions": "tariff"}

_NUMBERS: Final = f"""
SELECT sum(rows), count(), countIf(what != ''), groupArrayIf({SHOWN})((site, what), what != '')
FROM
(
    SELECT toString(site) AS site, count() AS rows, multiIf(
        max(number) + 1 != uniqExact(number), concat(toString(max(number) + 1 - uniqExact(number)), ' are missing'),
        uniqExact((number, {{name}})) != uniqExact(number), 'a number has two names',
        {{once}} AND uniqExact({{name}}) != uniqExact(number), 'two numbers have one name',
        '') AS what
    FROM {{table}} WHERE {{finished}} GROUP BY site
)
"""


_SEATS: Final = f"""
SELECT countIf(bad), groupArrayIf({SHOWN})((site, meter, replaces), bad)
FROM
(
    SELECT toString(site) AS site, meter, replaces, (site, account, replaces) NOT IN (
        SELECT toString(site), account, meter FROM meters) AS bad
    FROM meters WHERE replaces != '' AND {{finished}}
)
"""


def check_registry(scope: Scope) -> Check:
    """Accounts, meters and tariff versions of a site are numbered from 0 without gaps; a meter replaces one that was
    there."""
    findings = []
    for table, name in _NAMES.items():
        # A tariff has a number for each of its versions.
        once = str(int(table != "tariff_versions"))
        question = _NUMBERS.replace("{table}", table).replace("{name}", name).replace("{once}", once)
        ((rows, keys, wrong, faults),) = scope.ask(question)
        found = tuple(Fault(f"site {site}, {table}", what) for site, what in faults)
        findings.append(Finding(rows, keys, wrong, found))
    ((wrong, faults),) = scope.ask(_SEATS)
    seats = tuple(
        Fault(f"site {site}, meter {meter}", f"replaces {replaces}, which its account never had")
        for site, meter, replaces in faults
    )
    findings.append(Finding(0, 0, wrong, seats))
    return gather("registry", "accounts, meters and tariff versions are numbered without gaps", findings)
