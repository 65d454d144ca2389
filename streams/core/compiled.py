"""What turns a loop over arrays into machine code, and where that is kept.

The functions so marked are plain Python over NumPy arrays and integers; with `NUMBA_DISABLE_JIT=1` they run as such.
Machine code is kept in `__pycache__`, so that only the first process after a change waits for it.
"""

from collections.abc import Callable
from hashlib import blake2b
from importlib.resources import files
from typing import ParamSpec, TypeVar, cast

import numba

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def _sources_digest() -> str:
    digest = blake2b(digest_size=8)
    for source in sorted(files("streams.core").iterdir(), key=lambda source: source.name):
        if source.name.endswith(".py"):
            digest.update(source.read_bytes())
    return digest.hexdigest()


# Numba tells by a function's own file whether its machine code is still right, but constants of other files are in it
# too: a folder for every state of the sources never gives out what was made from another.
_folder = files("streams.core").joinpath("__pycache__", f"compiled-{_sources_digest()}")
numba.config.CACHE_DIR = str(_folder)  # type: ignore[attr-defined]


def compiled(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """The function as machine code, made at its first call for the types of that call."""
    return cast(Callable[Parameters, Result], numba.njit(cache=True)(function))
