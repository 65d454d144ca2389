"""Signatures of commands: HMAC-SHA256 over the command's canonical bytes, with its gateway's key.

Canonical bytes are those of RFC 8785 (JSON Canonicalization Scheme) of the object without its `signature`: names
sorted, no blanks, UTF-8, only quotes, backslashes and control characters escaped. A command holds texts, whole
numbers, truth values and objects of these, so that numbers need no more than their digits.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Final

SIGNATURE: Final = "signature"
"""The name of the member that is not signed itself."""


def canonical_bytes(fields: Mapping[str, object]) -> bytes:
    """What is signed of a command.

    Raises:
        UnicodeEncodeError: A text has half of a surrogate pair, which no UTF-8 holds.

    >>> canonical_bytes({"v": 1, "meter": "M1", "repeat": False, "signature": "00"})
    b'{"meter":"M1","repeat":false,"v":1}'
    """
    signed = {name: value for name, value in fields.items() if name != SIGNATURE}
    return json.dumps(signed, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def sign(key: bytes, fields: Mapping[str, object]) -> str:
    """The signature of a command: 64 hexadecimal digits, small letters."""
    return hmac.new(key, canonical_bytes(fields), hashlib.sha256).hexdigest()


def is_signed(key: bytes, fields: Mapping[str, object]) -> bool:
    """Whether a command carries the signature that its gateway's key gives."""
    found = fields.get(SIGNATURE)
    if not isinstance(found, str) or not found.isascii():
        return False
    try:
        return hmac.compare_digest(found, sign(key, fields))
    except UnicodeEncodeError:
        return False
