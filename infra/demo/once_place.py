"""A data directory of its own for a checked run, so that it can be repeated and disturbs no kept demo."""

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from infra.kafka.jars import install_jars, jars_dir
from infra.settings import Settings


@dataclass(slots=True)
class OncePlace:
    """Where a run is, by its settings.

    Attributes:
        kept: Whether the directory stays when the run is over: it does until the run says otherwise.
    """

    settings: Settings
    kept: bool = True


@contextlib.contextmanager
def once_place(settings: Settings) -> Iterator[OncePlace]:
    """Make `once-<n>` in the data directory; Kafka's jars are those of the data directory."""
    folder = _fresh(settings.data_dir)
    if not settings.kafka:
        lent = jars_dir(folder)
        lent.parent.mkdir()
        lent.symlink_to(install_jars(settings.data_dir))
    place = OncePlace(settings.model_copy(update={"data_dir": folder}))
    try:
        yield place
    finally:
        if not place.kept:
            shutil.rmtree(folder)


def _fresh(data_dir: Path) -> Path:
    """The first number that is free; making the folder claims it, also against a run at the same time."""
    data_dir.mkdir(parents=True, exist_ok=True)
    for number in count(1):
        folder = data_dir / f"once-{number}"
        with contextlib.suppress(FileExistsError):
            folder.mkdir()
            return folder
    raise AssertionError("numbers do not end")
