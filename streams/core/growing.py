"""A structured array that grows at its end and remembers which of its pages were written."""

import numpy as np
from numpy.typing import NDArray

PAGE_SHIFT = 8
PAGE_ROWS = 1 << PAGE_SHIFT


class GrowingRows:
    """Rows of one dtype in page order; `rows` is the live part and is written in place by its users."""

    def __init__(self, dtype: np.dtype[np.void]) -> None:
        self._store = np.zeros(PAGE_ROWS, dtype)
        self._count = 0
        self.touched = np.zeros(1, np.bool_)
        """By page: whether it was written since `take_dirty`."""
        self.rows: NDArray[np.void] = self._store[:0]

    def __len__(self) -> int:
        return self._count

    def append(self) -> int:
        """A further row, zeroed; its number."""
        self._reserve(self._count + 1)
        self.touch(self._count - 1)
        return self._count - 1

    def touch(self, row: int) -> None:
        """Note that a row was written."""
        self.touched[row >> PAGE_SHIFT] = True

    def take_dirty(self) -> dict[int, bytes]:
        """The pages written since the last call, as bytes."""
        pages = {
            page: self.rows[page * PAGE_ROWS : (page + 1) * PAGE_ROWS].tobytes()
            for page in np.flatnonzero(self.touched).tolist()
        }
        self.touched[:] = False
        return pages

    def put_page(self, page: int, rows: NDArray[np.void]) -> None:
        """Lay a page's rows in, as read back."""
        end = page * PAGE_ROWS + len(rows)
        self._reserve(max(end, self._count))
        self.rows[end - len(rows) : end] = rows

    def _reserve(self, count: int) -> None:
        if count > len(self._store):
            store = np.zeros(max(count, 2 * len(self._store)), self._store.dtype)
            store[: self._count] = self._store[: self._count]
            self._store = store
            touched = np.zeros(-(-len(store) // PAGE_ROWS), np.bool_)
            touched[: len(self.touched)] = self.touched
            self.touched = touched
        self._count = count
        self.rows = self._store[:count]
