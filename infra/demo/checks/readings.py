"""Checks: every reading that a meter gave is in ClickHouse, once and unchanged."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from infra.demo.checks.check import Check, examples


class Source(NamedTuple):
    """Where a reading came in: a frame of a record of `meter.frames`."""

    partition: int
    offset: int
    line: int


class Shown(NamedTuple):
    """What a frame says: the register in Wh (or litres), and when it was read, virtual ms."""

    meter: str
    register: int
    read_at: int


class Refused(NamedTuple):
    """A reading that the ledger refused.

    Attributes:
        subject: Gateway and address that it came from, or the meter.
        posting: Offset of the posting that says so; postings are in the order of the ledger's work.
    """

    source: Source
    reason: str
    subject: str
    posting: int


def check_once(
    sent: Mapping[Source, Shown], stored: Sequence[tuple[Source, Shown]], refused: Sequence[Refused]
) -> Check:
    """Every reading sent is in ClickHouse once, as a reading with the same values or as one that was refused.

    Args:
        sent: Decoded from `meter.frames`, from its beginning.
        stored: The rows of `readings`.
        refused: The rows of `refusals` that frames caused.
    """
    found = Counter([source for source, _ in stored] + [refusal.source for refusal in refused])
    faults = {
        "missing": sent.keys() - found.keys(),
        "not only once": {source for source, times in found.items() if times > 1},
        "never sent": found.keys() - sent.keys(),
        "changed": {source for source, shown in stored if source in sent and sent[source] != shown},
    }
    told = [f"{len(places):,} {fault}: {examples(sorted(places))}" for fault, places in faults.items() if places]
    counts = f"{len(sent):,} sent = {len(stored):,} stored + {len(refused):,} refused"
    return Check(
        "every reading sent is in ClickHouse once",
        bool(sent) and not told,
        "; ".join([counts, *(told or ["none missing, none twice"])]),
    )


def check_refused(refused: Sequence[Refused], installed: Mapping[str, int]) -> Check:
    """Readings were refused only while nobody had installed their meter.

    Args:
        installed: By gateway and address, the offset of the posting that installed the meter, in the same partition.
    """
    wrong = [
        refusal
        for refusal in refused
        if refusal.reason != "unknown" or refusal.posting >= installed.get(refusal.subject, refusal.posting + 1)
    ]
    strangers = {refusal.subject for refusal in refused} - installed.keys()
    told = f"{len(refused):,} read before their meters were installed"
    if wrong:
        told = f"{len(wrong):,} refused wrongly: " + examples(
            f"{refusal.subject or refusal.source} {refusal.reason}" for refusal in wrong
        )
    elif strangers:
        told += f"; never installed: {examples(sorted(strangers))}"
    return Check("only readings of meters not yet installed are refused", not (wrong or strangers), told)


def check_protocols(counts: Mapping[str, int], protocols: Mapping[str, str]) -> Check:
    """Readings came by every protocol.

    Args:
        counts: Readings in ClickHouse by device template.
        protocols: Each template's protocol.
    """
    by_protocol = dict.fromkeys(sorted(set(protocols.values())), 0)
    for template, count in counts.items():
        by_protocol[protocols[template]] += count
    told = ", ".join(
        f"{protocol} {count:,}{_templates(protocol, counts, protocols)}" for protocol, count in by_protocol.items()
    )
    return Check("readings are decoded from both protocols", all(by_protocol.values()), told)


def check_damaged(damaged: Sequence[Source]) -> Check:
    """No frame was damaged: the virtual lines are clean."""
    told = f"{len(damaged):,}: {examples(damaged)}" if damaged else "none"
    return Check("frames that could not be decoded", not damaged, told)


def _templates(protocol: str, counts: Mapping[str, int], protocols: Mapping[str, str]) -> str:
    spoken = sorted(template for template in counts if protocols[template] == protocol != template)
    return f" ({', '.join(f'{template} {counts[template]:,}' for template in spoken)})" if spoken else ""
