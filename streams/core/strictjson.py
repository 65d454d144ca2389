"""JSON objects as the ledger's language has them: no name twice, no NaN, nothing but an object."""

import json
from typing import Any, NoReturn

from streams.core.errors import MalformedError


def read_object(text: str | bytes) -> dict[str, Any]:
    """The JSON object that a text is.

    Raises:
        MalformedError: It is none, or one with a name twice: of two, nobody could say which one the sender meant.
    """
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_refuse)
    except MalformedError:
        raise
    except (ValueError, RecursionError) as error:
        raise MalformedError("", f"is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise MalformedError("", "is not a JSON object")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise MalformedError(name, "stands twice")
        found[name] = value
    return found


def _refuse(constant: str) -> NoReturn:
    """JSON knows no NaN and no Infinity, though Python's reader does."""
    raise ValueError(constant)
