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


def check_registry(scope: Scope) -> Check:
    """Accounts, meters and tariff versions of a site are numbered from 0 without gaps."""
    findings = []
    for table, name in _NAMES.items():
        # A tariff has a number for each of its versions.
        once = str(int(table != "tariff_versions"))
        question = _NUMBERS.replace("{table}", table).replace("{name}", name).replace("{once}", once)
        ((rows, keys, wrong, faults),) = scope.ask(question)
        found = tuple(Fault(f"site {site}, {table}", what) for site, what in faults)
        findings.append(Finding(rows, keys, wrong, found))
    return gather("registry", "accounts, meters and tariff versions are numbered without gaps", findings)
