"""What the codecs raise: one error, for bytes that are no valid frame or record."""


class FrameError(ValueError):
    """Bytes that are not what they should be.

    Attributes:
        offset: The place of the first byte that is wrong, where it can be told; else the number of bytes.
        reason: What is wrong with it.
    """

    def __init__(self, offset: int, reason: str) -> None:
        super().__init__(f"byte {offset}: {reason}")
        self.offset = offset
        self.reason = reason
