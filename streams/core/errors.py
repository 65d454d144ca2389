"""What the core raises: only a line that is malformed; everything else that is wrong is a refusal, a value."""


class MalformedError(ValueError):
    """A line that cannot be read as the ledger's language; nothing was changed by it.

    Attributes:
        field: The name of the field that is wrong; empty where the line is no JSON object at all.
        reason: What is wrong with it.
        line: The line's number from 1 where the caller knows it, else 0.
    """

    def __init__(self, field: str, reason: str, line: int = 0) -> None:
        super().__init__(field, reason, line)
        self.field = field
        self.reason = reason
        self.line = line

    def __str__(self) -> str:
        place = f"line {self.line}: " if self.line else ""
        name = f"field {self.field!r}: " if self.field else ""
        return f"{place}{name}{self.reason}"
