"""What Acrel's 4G meters put around the Modbus RTU of their line, as they see it: see `collectors.wire.acrel4g`."""

from collectors.wire.acrel4g import HEARTBEAT, PASS_THROUGH, REGISTER, REGISTER_SIZE, SERIAL_SIZE, Acrel4gCutter
from collectors.wire.acrel4g import encode_frame as encode_4g

HEARTBEAT_FRAME = encode_4g(HEARTBEAT)


def registration_of(serial: str) -> bytes:
    """The frame with which a meter says who it is; what follows the serial number is left 0."""
    return encode_4g(REGISTER, serial.encode("ascii").ljust(SERIAL_SIZE, b"\x00").ljust(REGISTER_SIZE, b"\x00"))


class Acrel4gMeterSide:
    """See `Envelope`."""

    def __init__(self) -> None:
        self._cutter = Acrel4gCutter()

    def take(self, chunk: bytes) -> tuple[bytes, bytes]:
        """See `Envelope.take`; the meter answers nothing by itself."""
        frames = self._cutter.feed(chunk)
        return b"".join(frame.payload for frame in frames if frame.command == PASS_THROUGH), b""

    def wrap(self, answer: bytes) -> bytes:
        """See `Envelope.wrap`."""
        return encode_4g(PASS_THROUGH, answer)
