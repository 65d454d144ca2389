"""The ledger's journal as the sink goes through it: in each partition batch after batch, none passed over."""

from collections.abc import Mapping, Sequence

from sinks.clickhouse.tables import Posted
from sinks.errors import GapError


class Journal:
    """The last batch of each partition that was come to.

    Offsets alone do not tell a topic that was made anew, or whose end was lost, once it has grown beyond the place that
    the sink had come to: then what lies before that place would never be written.

    Args:
        sequences: Partition -> number of the last batch of which postings are written.
    """

    def __init__(self, sequences: Mapping[int, int]) -> None:
        self._last = dict(sequences)

    def follow(self, posted: Sequence[Posted]) -> None:
        """Go on to these postings, those of a partition in order; a batch may have several.

        Raises:
            GapError: One is not of the batch before it, nor of the next.
        """
        for each in posted:
            sequence = each.postings.sequence
            last = self._last.get(each.partition, sequence)
            if sequence not in (last, last + 1):
                raise GapError(
                    f"partition {each.partition}, offset {each.offset}: batch {sequence} follows batch {last}: "
                    "postings are missing, or the topic is not the one that was read before"
                )
            self._last[each.partition] = sequence
