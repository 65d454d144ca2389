"""What is wrong with an upload."""


class UploadError(ValueError):
    """An upload that cannot be used; nothing of it is taken, but rounds in front of one too large for the topic.

    Attributes:
        field: Where, such as `readings[3].register`; empty where it is no JSON object at all. What no text can be
            written of, a name's half of a surrogate pair, is escaped: it goes into an answer and the log.
    """

    def __init__(self, field: str, reason: str) -> None:
        self.field = field.encode(errors="backslashreplace").decode()
        self.reason = reason
        super().__init__(f"{self.field}: {reason}" if field else reason)
