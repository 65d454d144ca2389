"""What a report is: what it tells, how it is made and printed."""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from analytics.question import Question

Make = Callable[[Question], pd.DataFrame]


@dataclass(frozen=True, slots=True)
class Report:
    """A report.

    Attributes:
        title: In a few words, such as a sheet's name.
        tells: In a sentence.
        make: The frame, exact.
        printed: The frame as it is printed, where that is not every digit.
    """

    title: str
    tells: str
    make: Make
    printed: Callable[[pd.DataFrame], pd.DataFrame] = lambda frame: frame
