"""A second, slow model of the ledger, written from the scenario text alone.

It shares nothing with `streams.core` and is meant to be read beside the specification: plain integers
(nano-yuan, Wh, litres, milliseconds) without any limit of width, `Fraction`s for decimals as written, one
line at a time. Rules and precisions are named where they are kept (P18 is precision 18). What the text leaves
open is settled in the docstrings of `language`, `site` and `pricing`.
"""

from tests.model.model import Model, run
from tests.model.records import Malformed

__all__ = ["Malformed", "Model", "run"]
