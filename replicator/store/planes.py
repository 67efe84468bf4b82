"""Numbers in a form that compresses: what changed since an earlier state, and bytes of the same weight side by side.

Two states of a model some steps apart differ by little, number by number. Taken as integers, the nearest floats are
one apart, so the *difference* of their bit patterns is small, and its sign is put into the lowest bit (zigzag), so that
small differences of either sign have zeros above. In *planes* all first bytes come first, then all second bytes, and so
on: the highest, signs and exponents or zeros, compress well, and the lowest, noise, are left alone at no cost.

Every bit comes back: integers wrap around, and no number is looked at as a float.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def difference(plain: bytes | memoryview, base: bytes | memoryview, width: int) -> npt.NDArray[np.uint8]:
    """Return what is to be added to one state's numbers for another's, zigzag.

    Args:
        plain: numbers of `width` bytes, lowest first.
        base: as many.
        width: 2, 4 or 8.
    """
    signed = np.dtype(f"<i{width}")
    change = np.frombuffer(plain, signed) - np.frombuffer(base, signed)
    zigzag: npt.NDArray[Any] = (change << 1) ^ (change >> (8 * width - 1))
    return zigzag.view(np.uint8)


def restored(change: npt.NDArray[np.uint8], base: bytes | memoryview, width: int) -> bytes:
    """Return the numbers that differ so from a base."""
    zigzag = change.view(f"<u{width}")
    signed = np.dtype(f"<i{width}")
    plain: npt.NDArray[Any] = (zigzag >> 1).view(signed) ^ -(zigzag & 1).view(signed)
    plain += np.frombuffer(base, signed)
    return plain.tobytes()


def planes(numbers: bytes | memoryview | npt.NDArray[np.uint8], width: int) -> bytes:
    """Return every number's first byte, then every second byte, and so on."""
    return np.frombuffer(numbers, np.uint8).reshape(-1, width).T.tobytes()


def joined(content: bytes, width: int) -> npt.NDArray[np.uint8]:
    """Return the numbers whose bytes lie in planes."""
    return np.ascontiguousarray(np.frombuffer(content, np.uint8).reshape(width, -1).T).reshape(-1)
