"""What is remembered of a comparison by keys that was cut off."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.errors import BadInput
from replicator.known_ranges import Known, KnownRanges
from replicator.position import Lsn

_KEYS = st.one_of(st.none(), st.tuples(st.text(), st.text()))
_RANGES = st.dictionaries(
    _KEYS, st.builds(Known, _KEYS, st.one_of(st.none(), st.integers(0, 9)), st.builds(Lsn, st.just(7)))
)


@given(ranges=_RANGES)
def test_what_is_kept_is_known_to_the_next(
    ranges: dict[tuple[str, str] | None, Known], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever characters a key has, and not for another table or another definition of it."""
    path = tmp_path_factory.mktemp("known") / "state"
    first = KnownRanges(path, "a b")
    with contextlib.suppress(KeyboardInterrupt), first.kept():
        for above, known in ranges.items():
            first.of("t", "as it is").keep(above, known)
        raise KeyboardInterrupt
    again = KnownRanges(path, "a b")
    assert {above: again.of("t", "as it is").behind(above) for above in ranges} == ranges
    assert not any(again.of("t", "altered").behind(above) for above in ranges)
    assert not any(again.of("u", "as it is").behind(above) for above in ranges)


@pytest.mark.parametrize("content", ["x\n", '{"pair": "a b"}\n{"oid": 1}\n', "[]\n", '{"pair": "b a"}\n'])
def test_a_file_that_is_none_of_ours_is_refused_and_kept(tmp_path: Path, content: str) -> None:
    """Neither another kind of comparison's file nor another pair's is written to."""
    state = tmp_path / "state"
    state.write_text(content)
    with pytest.raises(BadInput):
        KnownRanges(state, "a b")
    assert state.read_text() == content
