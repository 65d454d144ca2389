"""The ledger's journal as the sink goes through it: in each partition batch after batch, none passed over."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from sinks.clickhouse.tables import Posted
from sinks.errors import GapError
from streams.postings import Inputs


@dataclass(frozen=True, slots=True)
class LedgerBatch:
    """A batch of the ledger: its number in the partition, and what it took of the partition's inputs."""

    sequence: int
    inputs: Inputs

    def follows(self, other: Self) -> bool:
        """Whether it is the next after another: by its number, and since it goes on in the inputs where that ended."""
        return (self.sequence, self.inputs.frames.first, self.inputs.orders.first) == (
            other.sequence + 1,
            other.inputs.frames.next,
            other.inputs.orders.next,
        )


class Journal:
    """The last batch of each partition that was come to.

    Offsets alone do not tell a topic that was made anew, or whose end was lost, once it has grown beyond the place that
    the sink had come to: then what lies before that place would never be written. Nor do numbers alone, since a batch
    often takes as many offsets as the one before it. A batch of the same inputs is the same batch: the ledger decides
    by nothing else.

    Args:
        batches: Partition -> the last batch of which postings are written.
    """

    def __init__(self, batches: Mapping[int, LedgerBatch]) -> None:
        self._last = dict(batches)

    def follow(self, posted: Sequence[Posted]) -> None:
        """Go on to these postings, those of a partition in order; a batch may have several.

        Raises:
            GapError: One is not of the batch before it, nor of the next.
        """
        for each in posted:
            batch = LedgerBatch(each.postings.sequence, each.postings.inputs)
            last = self._last.get(each.partition, batch)
            if batch != last and not batch.follows(last):
                raise GapError(
                    f"partition {each.partition}, offset {each.offset}: {_told(batch)} follows {_told(last)}: "
                    "postings are missing, or the topic is not the one that was read before"
                )
            self._last[each.partition] = batch


def _told(batch: LedgerBatch) -> str:
    frames, orders = batch.inputs.frames, batch.inputs.orders
    return f"batch {batch.sequence} (frames {frames.first} to {frames.next}, orders {orders.first} to {orders.next})"
