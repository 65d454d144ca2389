"""The templates that a process knows: those that come with Sluice, and the operator's own.

A template is a data file in `templates/`, or in the folder of that name in the data directory.
"""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from collectors.wire.template import Template
from collectors.wire.template_file import TemplateError, read_template

__all__ = ["TEMPLATES", "TEMPLATES_FOLDER", "Template", "TemplateError", "load_templates", "read_template"]

TEMPLATES_FOLDER: Final = "templates"
"""In the data directory: the operator's own."""


def _read_all(folder: Any) -> dict[str, Template]:
    """The templates of a folder, one a file and called as it, by name."""
    found = sorted(
        (entry for entry in folder.iterdir() if entry.name.endswith(".toml")), key=lambda entry: str(entry.name)
    )
    templates = [read_template(entry.name.removesuffix(".toml"), entry.read_text("utf-8")) for entry in found]
    return {template.name: template for template in templates}


_SHIPPED_FOLDER: Any = files("collectors.wire") / "templates"
_SHIPPED = _read_all(_SHIPPED_FOLDER)
_KNOWN = dict(_SHIPPED)

TEMPLATES: Final[Mapping[str, Template]] = MappingProxyType(_KNOWN)
"""The templates that this process knows, by name: those that come with Sluice and those of `load_templates`."""


def load_templates(folder: Path) -> None:
    """Know the templates of a folder, which need not be there, beside those that come with Sluice.

    For the start of a process: what frames mean must not change under it.

    Raises:
        TemplateError: One cannot be used, or is called as one that comes with Sluice; then none is taken.
    """
    try:
        found = _read_all(folder) if folder.is_dir() else {}
    except TemplateError as error:
        raise TemplateError(f"{folder}: {error}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise TemplateError(f"{folder} cannot be read: {error}") from error
    for name in found:
        if name in _SHIPPED:
            file = f"{name}.toml"
            raise TemplateError(f"{folder / file} is called as {_SHIPPED_FOLDER / file}, which comes with Sluice")
        if not (name.isascii() and 0 < len(name) <= 255):
            raise TemplateError(f"{folder}: {name!r} is no name for a template: 1 to 255 characters of ASCII")
    for name in _KNOWN.keys() - _SHIPPED.keys() - found.keys():
        del _KNOWN[name]
    _KNOWN.update(found)
