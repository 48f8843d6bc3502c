"""Channel codes to channel numbers, for thousands of records in one call."""

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["UNKNOWN", "ChannelDirectory"]

UNKNOWN = -1
"""The number of a code that the directory does not hold."""

FULL = 0.5  # share of places taken beyond which the directory grows: probing stays short

# Odd numbers without a pattern: 2^64 over the golden ratio, and a prime.
_MIX, _MIX_TOO = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
_HALF = np.uint64(32)

_Codes = npt.NDArray[np.uint64]
_Ints = npt.NDArray[np.int64]


@njit(cache=True, nogil=True)
def _place(first: np.uint64, second: np.uint64, keys: _Codes, taken: _Ints) -> np.int64:
    """Return where a code stands or would stand; there is always a free place (linear probing)."""
    mask = np.uint64(taken.size - 1)
    mixed = (first ^ (second * _MIX_TOO)) * _MIX
    place = (mixed ^ (mixed >> _HALF)) & mask
    while taken[place] != UNKNOWN and (keys[place, 0] != first or keys[place, 1] != second):
        place = (place + np.uint64(1)) & mask
    return np.int64(place)


@njit(cache=True, nogil=True)
def _find(code: _Codes, keys: _Codes, taken: _Ints) -> _Ints:
    numbers = np.empty(code.shape[0], np.int64)
    for i in range(code.shape[0]):
        numbers[i] = taken[_place(code[i, 0], code[i, 1], keys, taken)]
    return numbers


@njit(cache=True, nogil=True)
def _put(code: _Codes, numbers: _Ints, keys: _Codes, taken: _Ints) -> int:
    """Write codes and their numbers; return how many of them are new."""
    new = 0
    for i in range(code.shape[0]):
        place = _place(code[i, 0], code[i, 1], keys, taken)
        new += taken[place] == UNKNOWN
        keys[place, 0], keys[place, 1] = code[i, 0], code[i, 1]
        taken[place] = numbers[i]
    return new


class ChannelDirectory:
    """A hash table from the codes of `ingest.miniseed.code_of` to numbers of the caller's."""

    def __init__(self) -> None:
        self._keys = np.zeros((64, 2), np.uint64)
        self._taken = np.full(64, UNKNOWN, np.int64)
        self._held = 0

    def __len__(self) -> int:
        return self._held

    def numbers(self, code: _Codes) -> _Ints:
        """Look codes up.

        Parameters
        ----------
        code : uint64[n, 2]
            As in `ingest.miniseed.Samples`.

        Returns
        -------
        int64[n]
            Their numbers, `UNKNOWN` for those that were never added.
        """
        return np.asarray(_find(code, self._keys, self._taken))

    def add(self, code: _Codes, number: int) -> None:
        """Give a code, uint64[2], a number of 0 or above; a number that it had is replaced."""
        if number < 0:
            raise ValueError(f"{number} is no channel number: it must be 0 or above")
        if self._held + 1 > FULL * self._taken.size:
            self._grow()
        self._held += _put(code[None, :], np.array([number]), self._keys, self._taken)

    def _grow(self) -> None:
        held = np.flatnonzero(self._taken != UNKNOWN)
        keys, numbers = self._keys[held], self._taken[held]
        size = 2 * self._taken.size
        self._keys = np.zeros((size, 2), np.uint64)
        self._taken = np.full(size, UNKNOWN, np.int64)
        _put(keys, numbers, self._keys, self._taken)
