"""Which meter in use is at which address behind which gateway."""

import numpy as np
from numpy.typing import NDArray

ADDRESS_DIGITS_MAX = 19
_ORDERS_MAX = 16_384


class Routes:
    """Numbers of a site's meters by gateway and address. Two meters in use never share a place."""

    def __init__(self) -> None:
        self._at: dict[str, dict[int, int]] = {}
        self._known: dict[tuple[str, bytes], NDArray[np.int32]] = {}

    def put(self, gateway: str, address: str, number: int) -> None:
        """Note where a meter is; one without a gateway is nowhere."""
        if gateway and address:
            self._at.setdefault(gateway, {})[int(address)] = number
            self._known.clear()

    def remove(self, gateway: str, address: str, number: int) -> None:
        """Note that a meter is no longer there, unless another has taken its place."""
        if self.number_at(gateway, address) == number:
            del self._at[gateway][int(address)]
            self._known.clear()

    def number_at(self, gateway: str, address: str) -> int:
        """The number of the meter in use at a valid address, -1 if there is none."""
        return self._at.get(gateway, {}).get(int(address), -1) if gateway and address else -1

    def numbers_at(self, gateway: str, addresses: NDArray[np.uint64]) -> NDArray[np.int32]:
        """The numbers of the meters in use at addresses behind a gateway; -1 where there is none."""
        key = (gateway, addresses.tobytes())
        known = self._known.get(key)
        if known is None:
            at = self._at.get(gateway, {})
            known = np.array([at.get(address, -1) for address in addresses.tolist()], np.int32)
            # A gateway's rounds ask for the same meters in the same order; only a few orders ever occur.
            if len(self._known) >= _ORDERS_MAX:
                self._known.clear()
            self._known[key] = known
        return known


def is_route(gateway: str, address: str) -> bool:
    """Whether a meter can have them: both or neither, the address a decimal number that fits a round's 64 bits."""
    if not gateway or not address:
        return not gateway and not address
    return address.isascii() and address.isdigit() and len(address) <= ADDRESS_DIGITS_MAX and int(address) < 1 << 63
