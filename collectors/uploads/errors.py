"""What is wrong with an upload."""


class UploadError(ValueError):
    """An upload that cannot be used; nothing of it is taken.

    Attributes:
        field: Where, such as `readings[3].register`; empty where it is no JSON object at all.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}" if field else reason)
        self.field = field
        self.reason = reason
