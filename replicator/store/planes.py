"""Numbers in a form that compresses: what changed since an earlier state, and bytes of the same weight side by side.

Two states of a model some steps apart differ by little, number by number. Taken as integers, the nearest floats are
one apart, so the *difference* of their bit patterns is small, and its sign is put into the lowest bit (zigzag), so that
small differences of either sign have zeros above. In *planes* all first bytes come first, then all second bytes, and so
on: the highest, exponents or zeros, compress well, and the lowest, noise, are left alone at no cost. A float's sign,
which stands above its exponent and would spoil two bytes, is *turned* to the lowest place first.

Every bit comes back: integers wrap around, and no number is looked at as a float.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[Any]


def difference(plain: bytes | memoryview, base: bytes | memoryview, width: int) -> Numbers:
    """Return what is to be added to one state's numbers for another's, zigzag.

    Args:
        plain: numbers of `width` bytes, lowest first.
        base: as many.
        width: 2, 4 or 8.
    """
    signed = np.dtype(f"<i{width}")
    change: Numbers = np.frombuffer(plain, signed) - np.frombuffer(base, signed)
    signs = change >> (8 * width - 1)
    change <<= 1
    change ^= signs
    return change


def restored(zigzag: Numbers, base: bytes | memoryview, width: int) -> Numbers:
    """Return the numbers that differ so from a base, in the place of what is given."""
    signs = zigzag & 1
    np.negative(signs, out=signs)
    zigzag >>= 1
    zigzag ^= signs
    zigzag += np.frombuffer(base, f"<u{width}")
    return zigzag


def turned(plain: bytes | memoryview, width: int) -> Numbers:
    """Return each number with its highest bit, the sign of a float, as its lowest: its exponent is then one byte."""
    numbers: Numbers = np.frombuffer(plain, f"<u{width}")
    highest = numbers >> (8 * width - 1)
    numbers = numbers << 1
    numbers |= highest
    return numbers


def turned_back(numbers: Numbers, width: int) -> Numbers:
    """Return what `turned` was given, in the place of what it returned."""
    highest = numbers << (8 * width - 1)
    numbers >>= 1
    numbers |= highest
    return numbers


def planes(numbers: Numbers, width: int) -> bytes:
    """Return every number's first byte, then every second byte, and so on."""
    parts = [numbers]
    # Halves of numbers, halves of those: a processor takes many at once so, where it takes single bytes one by one.
    while (width := width // 2) > 0:
        parts = [half.astype(f"<u{width}") for part in parts for half in (part, part >> (8 * width))]
    return b"".join(part.data for part in parts)


def joined(content: bytes, width: int) -> Numbers:
    """Return the numbers, unsigned, whose bytes lie in planes."""
    parts: npt.NDArray[Any] = np.frombuffer(content, np.uint8).reshape(width, -1)
    # Neighbours at a time, for the same reason.
    while len(parts) > 1:
        bits = 8 * parts.itemsize
        wider = parts[1::2].astype(f"<u{2 * parts.itemsize}")
        wider <<= bits
        wider |= parts[::2]
        parts = wider
    numbers: Numbers = parts[0]
    return numbers
