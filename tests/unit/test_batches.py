"""Batches beside the message-by-message decoder: same changes, same cursors, same refusals, wherever one cuts."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.batch import CHANGE_FIELDS
from replicator.change import Change, Op
from replicator.errors import FeedBroken, HadrianError, TableUnfit
from replicator.position import Cursor, Lsn, TimelineHistory
from replicator.postgres import batches, tuples
from replicator.postgres.batches import Batches
from replicator.postgres.few_rows import few_rows
from replicator.postgres.pgoutput import Begin, Commit, Unchanged, decode
from replicator.postgres.shape import TextWanted
from replicator.postgres.transactions import Transactions
from tests.fixtures.pgoutput_messages import Column, Sent, begin, commit, delete, insert, relation, truncate, update

# A busy machine is not an error.
_PATIENT = settings(deadline=None)

_OID = 7
_START = Cursor(Lsn(100), 0)
_EPOCH_US = 946_684_800_000_000  # from 1970 to 2000
_NUMERIC_10_2 = (10 << 16 | 2) + 4


@dataclass(frozen=True)
class _Kind:
    """A column: its values' text, and what a reader is to get for it."""

    oid: int
    modifier: int
    texts: st.SearchStrategy[str]
    meant: Callable[[str], object]


_KINDS = {
    "id": _Kind(20, -1, st.integers(-(2**63), 2**63 - 1).map(str), int),
    "v": _Kind(25, -1, st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20), str),
    "n": _Kind(1700, _NUMERIC_10_2, st.decimals(-99999999, 99999999, places=2).map(lambda n: f"{n:f}"), Decimal),
    "b": _Kind(16, -1, st.sampled_from("tf"), "t".__eq__),
    "raw": _Kind(
        17, -1, st.binary(max_size=9).map(lambda raw: "\\x" + raw.hex()), lambda text: bytes.fromhex(text[2:])
    ),
}
_SHAPES = [("id", "v"), ("id", "n", "v"), ("id", "b", "raw", "v"), ("v",), ()]


def _columns(names: Sequence[str]) -> list[Column]:
    return [(name, _KINDS[name].oid, _KINDS[name].modifier) for name in names]


@st.composite
def _rows(draw: st.DrawFn, names: Sequence[str], *, unchanged: bool = False) -> list[Sent]:
    left = [st.just(Unchanged.TOAST)] if unchanged else []
    return [draw(st.one_of(st.none(), _KINDS[name].texts, *left)) for name in names]


@st.composite
def _changes(draw: st.DrawFn, oid: int, names: Sequence[str]) -> bytes:
    rows = _rows(names)
    whole = st.sampled_from([b"O", b"K"])
    return draw(
        st.one_of(
            st.builds(insert, st.just(oid), rows),
            st.builds(update, st.just(oid), rows),
            st.builds(update, st.just(oid), _rows(names, unchanged=True), rows),
            st.builds(update, st.just(oid), rows, rows, kind=st.just(b"K")),
            st.builds(delete, st.just(oid), rows, kind=whole),
            st.just(truncate(oid, 99)),
        )
    )


@st.composite
def _logs(draw: st.DrawFn) -> list[list[bytes]]:
    """Draw transactions in commit order, of two tables whose columns change in between."""
    log: list[list[bytes]] = []
    end = int(_START.lsn)
    shapes: dict[int, Sequence[str]] = {}
    for number in range(draw(st.integers(0, 5))):
        commit_lsn = end + draw(st.integers(0, 3))
        end = commit_lsn + draw(st.integers(1, 9))
        messages = [begin(commit_lsn, xid=number, commit_time_us=draw(st.integers(0, 10**15)))]
        for _ in range(draw(st.integers(0, 5))):
            oid = draw(st.sampled_from([_OID, _OID, _OID + 1]))
            if oid not in shapes or draw(st.integers(0, 3)) == 0:
                shapes[oid] = draw(st.sampled_from(_SHAPES))
                messages.append(relation(oid, _columns(shapes[oid]), name=f"t{oid}"))
            if draw(st.integers(0, 5)) == 0:
                messages.append(b"Mwhatever it says")
            messages.append(draw(_changes(oid, shapes[oid])))
        log.append([*messages, commit(commit_lsn, end)])
    return log


def _sent(log: Sequence[Sequence[bytes]], after: Cursor) -> list[bytes]:
    """Do what the server does: send what commits at the cursor or behind, with the descriptions that it needs."""
    descriptions = [message for one in log for message in one if message[:1] == b"R"]
    later = [one for one in log if int.from_bytes(one[0][1:9], "big") >= after.lsn]
    known = descriptions[: len(descriptions) - sum(message[:1] == b"R" for one in later for message in one)]
    return [*known, *(message for one in later for message in one)]


def _reference(messages: Sequence[bytes], after: Cursor) -> list[tuple[Change, Begin]]:
    transactions = Transactions(after, TimelineHistory(1))
    found: list[tuple[Change, Begin]] = []
    started: Begin | None = None
    for data in messages:
        message = decode(data)
        changes = list(transactions.take(message))
        if isinstance(message, Begin):
            assert not changes
            started = message
        assert started is not None or not changes
        found += [(change, started) for change in changes if started is not None]
        assert not (isinstance(message, Commit) and started is None)
    return found


def _expected(messages: Sequence[bytes], after: Cursor) -> list[dict[str, object]]:
    return [
        {
            **{name: None if text is None else _KINDS[name].meant(text) for name, text in change.values.items()},
            "_op": str(change.op),
            "_lsn": int(change.after.lsn),
            "_seq": change.after.seq,
            "_xid": started.xid,
            "_commit_time": started.commit_time_us + _EPOCH_US,
        }
        for change, started in _reference(messages, after)
    ]


def _read(*portions: Sequence[bytes], after: Cursor = _START, skip: int = 0) -> list[pa.RecordBatch]:
    reader = Batches(after, lambda _: None, skip=skip)
    return [batch for portion in portions for batch in reader.take(portion)]


def _rows_of(read: Sequence[pa.RecordBatch]) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for batch in read:
        batch.validate(full=True)
        microseconds = batch.column("_commit_time").cast(pa.int64()).to_pylist()
        for row, instant in zip(batch.drop_columns("_commit_time").to_pylist(), microseconds, strict=True):
            # The reference says nothing of a truncated table's columns.
            named = {name: value for name, value in row.items() if name.startswith("_") or row["_op"] != Op.TRUNCATE}
            rows.append({**named, "_commit_time": instant})
    return rows


def _take(*messages: bytes, after: Cursor = _START) -> list[dict[str, object]]:
    return _rows_of(_read([begin(100), *messages, commit(100, 110)], after=after))


@_PATIENT
@given(_logs(), st.data())
def test_the_changes_and_cursors_are_those_of_the_reference(log: list[list[bytes]], data: st.DataObject) -> None:
    """From every cursor, and wherever the messages are cut, the rows are the same."""
    cursors = [_START, *(change.after for change, _ in _reference(_sent(log, _START), _START))]
    after = data.draw(st.sampled_from(cursors))
    messages = _sent(log, after)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(messages)), max_size=4)))
    portions = [messages[start:end] for start, end in itertools.pairwise([0, *cuts, len(messages)])]
    assert _rows_of(_read(*portions, after=after)) == _expected(messages, after)
    # Nor does a row wait that need not.
    reader, transactions = Batches(after, lambda _: None), Transactions(after, TimelineHistory(1))
    for portion in portions:
        changes = [change for message in portion for change in transactions.take(decode(message))]
        assert sum(batch.num_rows for batch in reader.take(portion)) == len(changes)


_ROWS = (b"I", b"U", b"D", b"T")


@_PATIENT
@given(_logs().filter(bool), st.data())
def test_what_the_reference_refuses_is_refused(log: list[list[bytes]], data: st.DataObject) -> None:
    """A message that was damaged never gives rows that the reference would not, and no error but ours."""
    messages = [message for one in log for message in one]
    index = data.draw(st.integers(0, len(messages) - 1))
    place = data.draw(st.integers(0, len(messages[index]) - 1))
    byte = data.draw(st.sampled_from([0, 1, 2, *b"nutbNOKBCRIUDT1{"]))
    damaged = [messages[index][:place], messages[index][:place] + bytes([byte]) + messages[index][place + 1 :]]
    for message in damaged:
        sent = [*messages[:index], message, *messages[index + 1 :]]
        try:
            found = _rows_of(_read(sent))
        except HadrianError:
            continue
        try:
            reference = _reference(sent, _START)
        except FeedBroken as error:
            # A row waits, unread, until it is known whether it was its transaction's last; and an old row's encoding is
            # the one thing that may be passed over.
            waits = message[:1] in _ROWS and not any(one[:1] in (*_ROWS, b"C") for one in messages[index + 1 :])
            assert waits or (message[:1], "not UTF-8" in str(error)) == (b"U", True)  # noqa: PT017
            continue
        # Of types and times the reference knows nothing.
        assert len(found) == len(reference) if message[:1] in b"RB" else found == _expected(sent, _START)


@_PATIENT
@given(_logs().filter(bool), st.data())
def test_few_rows_are_read_as_many_are(log: list[list[bytes]], data: st.DataObject) -> None:
    """Whole transactions that are read message by message, damaged ones too, or they are left to the other way."""
    damaged = data.draw(st.integers(0, len(log) - 1))
    for number, one in enumerate(log):
        many = Batches(_START, lambda _: None)
        described = [message for message in one if message[:1] == b"R"]
        many.take(described)
        rows = [message for message in one if message[:1] not in b"RM"]
        if number == damaged:
            index = data.draw(st.integers(0, len(rows) - 1))
            place = data.draw(st.integers(0, len(rows[index]) - 1))
            byte = data.draw(st.sampled_from([0, 1, 2, *b"nutbNOKBCIUDT"]))
            rows[index] = rows[index][:place] + bytes([byte]) + rows[index][place + 1 :]
        refused: type[HadrianError] | None = None
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(batches, "MOST_MESSAGES", 0)
            try:
                expected = many.take(rows)
            except HadrianError as error:
                refused = type(error)
        try:
            found = few_rows(rows, 0, many._shapes)
        except TableUnfit as error:
            assert refused is type(error)  # noqa: PT017
            continue
        assert found is None or (refused is None and not many._held and found == expected)


def test_what_a_small_transaction_has_is_no_exception() -> None:
    """Rows of every kind, of two tables, with values from an old row, are read message by message."""
    reader = Batches(_START, lambda _: None)
    reader.take([relation(_OID, _columns(("id", "v"))), relation(_OID + 1, _columns(("id",)), name="u")])
    rows = [
        insert(_OID, ("1", "a")), update(_OID, ("2", Unchanged.TOAST), ("1", "long")), insert(_OID + 1, ("1",)),
        update(_OID, ("3", "b"), ("2", None), kind=b"K"), delete(_OID, ("3", "b")),
        delete(_OID, ("3", None), kind=b"K"),
    ]  # fmt: skip
    messages = [
        begin(100),
        *rows,
        commit(100, 110),
        begin(111),
        commit(111, 112),
        begin(113),
        rows[0],
        commit(113, 114),
    ]
    found = few_rows(messages, 0, reader._shapes)
    assert found is not None
    assert [batch.num_rows for batch in found] == [2, 1, 4]
    assert [(row["_lsn"], row["_seq"]) for row in _rows_of(found)][-2:] == [(110, 0), (114, 0)]


_ROW = insert(_OID, ("1", "a"))


@pytest.mark.parametrize(
    "messages",
    [
        [begin(1), _ROW + b"x", commit(1, 2)],
        [begin(1), _ROW[:-1], commit(1, 2)],
        [begin(1), update(_OID, ("1", Unchanged.TOAST)), commit(1, 2)],
        [begin(1), update(_OID, ("1", Unchanged.TOAST), ("1", None), kind=b"K"), commit(1, 2)],
        [begin(1), delete(_OID, ("1", Unchanged.TOAST)), commit(1, 2)],
        [begin(1), _ROW.replace(b"N\0\2", b"X\0\2"), commit(1, 2)],
        [begin(1), _ROW.replace(b"N\0\2", b"O\0\2"), commit(1, 2)],
        [begin(1), insert(_OID, ("1",)), commit(1, 2)],
        [begin(1), insert(_OID + 1, ("1", "a")), commit(1, 2)],
        [begin(1), truncate(_OID), commit(1, 2)],
        [_ROW, begin(1), commit(1, 2)],
        [begin(1), begin(1), commit(1, 2)],
        [begin(1), _ROW, commit(1, 2) + b"x"],
        [begin(1) + b"x", _ROW, commit(1, 2)],
        [begin(1), _ROW],
        [b""],
    ],
)  # fmt: skip
def test_what_is_out_of_the_ordinary_is_left_to_who_knows_it(messages: list[bytes]) -> None:
    """It is never guessed at."""
    reader = Batches(_START, lambda _: None)
    reader.take([relation(_OID, _columns(("id", "v")))])
    assert few_rows([begin(1), _ROW, commit(1, 2)], 0, reader._shapes) is not None
    assert few_rows(messages, 0, reader._shapes) is None


@pytest.mark.parametrize("portion_bytes", [1, 100, 1000])
def test_a_portion_ends_anywhere(monkeypatch: pytest.MonkeyPatch, portion_bytes: int) -> None:
    """Many messages at once are read in portions of bounded size, without a seam."""
    messages = [begin(100), relation(_OID, _columns(("id", "v")))]
    messages += [insert(_OID, (str(number), "x" * number)) for number in range(50)]
    messages.append(commit(100, 110))
    monkeypatch.setattr(batches, "_PORTION_BYTES", portion_bytes)
    read = _read(messages)
    assert len(read) > 1
    assert _rows_of(read) == _expected(messages, _START)


def test_rows_that_no_batch_can_hold_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before a place is counted wrongly, and with the way out."""
    monkeypatch.setattr(tuples, "_MOST_BYTES", 100)
    with pytest.raises(TableUnfit, match="more than one batch can hold"):
        _take(relation(_OID, _columns(("v",))), insert(_OID, ("x" * 100,)))


def test_a_header_in_front_of_each_message_is_passed_over() -> None:
    """Messages may come as the stream sent them, uncopied."""
    messages = [begin(100), relation(_OID, _columns(("id",))), insert(_OID, ("1",)), commit(100, 110)]
    framed = [b"w" + bytes(24) + message for message in messages]
    assert _rows_of(_read(framed, skip=25)) == _expected(messages, _START)


def test_a_change_of_columns_begins_a_batch() -> None:
    """Each batch has the columns its rows had, and a description that is repeated begins none."""
    narrow, wide = relation(_OID, _columns(("id",))), relation(_OID, _columns(("id", "v")))
    sent = [begin(100), narrow, insert(_OID, ("1",)), narrow, insert(_OID, ("2",)), wide, insert(_OID, ("3", "c"))]
    read = _read([*sent, commit(100, 110)])
    assert [(batch.schema.names[:-5], batch.num_rows) for batch in read] == [(["id"], 2), (["id", "v"], 1)]


def test_a_batch_says_which_table_and_types_it_has() -> None:
    """The schema names the table and each column's PostgreSQL type, and every batch's last columns are the same."""
    (batch,) = _read([begin(1), relation(_OID, _columns(("id", "n"))), insert(_OID, ("1", "2")), commit(1, 2)])
    assert batch.schema.metadata == {b"table": b"public.t"}
    assert batch.schema.field("n").metadata == {b"postgres_type": b"numeric(10,2)"}
    assert batch.schema.names[-5:] == [field.name for field in CHANGE_FIELDS]


def test_a_value_left_out_of_an_update_comes_from_the_old_row() -> None:
    """With REPLICA IDENTITY FULL the old row holds what TOAST did not send again, NULL too."""
    described = relation(_OID, _columns(("id", "v")))
    long = update(_OID, ("2", Unchanged.TOAST), ("1", "long"))
    null = update(_OID, ("3", Unchanged.TOAST), ("1", None))
    rows = _take(described, insert(_OID, ("1", "a")), long, null)
    assert [(row["id"], row["v"]) for row in rows] == [(1, "a"), (2, "long"), (3, None)]


@pytest.mark.parametrize(
    ("old", "kind"),
    [(None, b"O"), (("1", Unchanged.TOAST), b"O"), (("1", None), b"K")],
    ids=["no old row", "left out of it", "only a key"],
)
def test_a_value_left_out_everywhere_makes_the_table_unfit(old: Sequence[Sent] | None, kind: bytes) -> None:
    """An unknown value is never passed off as NULL, and the table and the column are named."""
    with pytest.raises(TableUnfit, match=r"public\.t: .* v ") as raised:
        _take(relation(_OID, _columns(("id", "v"))), update(_OID, ("1", Unchanged.TOAST), old, kind=kind))
    assert raised.value.hint == "run: alter table public.t replica identity full"


@pytest.mark.parametrize("seq", [2, 3])
def test_a_cursor_behind_its_transactions_last_row_breaks_the_feed(seq: int) -> None:
    """A transaction with no more rows than the cursor has consumed is not the one that it stood in."""
    with pytest.raises(FeedBroken, match="behind the last row"):
        _take(
            relation(_OID, _columns(("id",))),
            insert(_OID, ("1",)),
            insert(_OID, ("2",)),
            after=Cursor(_START.lsn, seq),
        )


def test_a_cursor_in_a_transaction_that_is_not_there_breaks_the_feed() -> None:
    """The rows of another transaction are not passed over for those of one that was lost."""
    with pytest.raises(FeedBroken, match="no transaction that commits at 0/5F"):
        _take(relation(_OID, _columns(("id",))), insert(_OID, ("1",)), after=Cursor(Lsn(95), 1))


@pytest.mark.parametrize(
    "messages",
    [
        [relation(_OID, _columns(("id",))), insert(_OID, ("1",))],
        [begin(1), begin(2)],
        [commit(1, 2)],
        [begin(1), commit(1, 2), commit(1, 2)],
        [begin(1), relation(_OID, _columns(("id",))), commit(1, 2), insert(_OID, ("1",)), begin(3), commit(3, 4)],
    ],
    ids=["no beginning", "two beginnings", "only an end", "two ends", "between two"],
)
def test_rows_outside_of_a_transaction_break_the_feed(messages: list[bytes]) -> None:
    """What has no transaction has no cursor."""
    with pytest.raises(FeedBroken):
        _read(messages, [begin(8), relation(_OID, _columns(("id",))), insert(_OID, ("1",)), commit(8, 9)])


@pytest.mark.parametrize("index", range(7))
def test_a_message_with_bytes_behind_it_or_too_few_breaks_the_feed(index: int) -> None:
    """What follows a message's end is never dropped in silence, and no message borrows from the next."""
    columns, row = _columns(("id", "v")), ("1", "a")
    rows = [insert(_OID, row), update(_OID, row, row), delete(_OID, row), truncate(_OID)]
    messages = [begin(100), relation(_OID, columns), *rows, commit(100, 110)]
    assert len(_rows_of(_read(messages))) == len(rows)
    for wrong in (messages[index] + b"x", messages[index][:-1], b""):
        with pytest.raises(FeedBroken):
            _read([*messages[:index], wrong, *messages[index + 1 :]])


@pytest.mark.parametrize(
    "message",
    [
        insert(_OID, ("1",)),
        insert(_OID, ("1", "a", "b")),
        insert(_OID, ("1", "a")).replace(b"N\0\2", b"N\0\3"),
        insert(_OID + 1, ("1", "a")),
        update(_OID, ("1", "a"), ("1",)),
        update(_OID, ("1", "a"), ("1", "a")).replace(b"O\0\2", b"O\0\1"),
        delete(_OID, ("1", "a")).replace(b"O\0\2", b"N\0\2"),
        insert(_OID, ("1", "a")).replace(b"N\0\2", b"O\0\2"),
    ],
    ids=[
        "short",
        "long",
        "wrong count",
        "no description",
        "short old",
        "wrong old count",
        "new for old",
        "old for new",
    ],
)
def test_a_row_that_no_description_fits_breaks_the_feed(message: bytes) -> None:
    """Values are never put under columns that were not described for them."""
    with pytest.raises(FeedBroken):
        _take(relation(_OID, _columns(("id", "v"))), message)


def test_a_column_named_like_one_of_ours_makes_the_table_unfit() -> None:
    """Two columns of one name could not be told apart."""
    with pytest.raises(TableUnfit, match="column _op"):
        _take(relation(_OID, [("_op", 25, -1)]), insert(_OID, ("a",)))


@pytest.mark.parametrize(
    "message",
    [insert(_OID, (Unchanged.TOAST,)), delete(_OID, (Unchanged.TOAST,))],
    ids=["an insert", "a delete"],
)
def test_a_value_that_only_an_update_can_leave_out_makes_the_table_unfit(message: bytes) -> None:
    """It is not made an empty one where no server would leave it out."""
    with pytest.raises(TableUnfit, match="the log does not hold it"):
        _take(relation(_OID, _columns(("v",))), message)


@pytest.mark.parametrize("value", ["ab", b"ab"], ids=["text", "binary"])
def test_text_that_is_not_utf8_makes_the_table_unfit(value: Sent) -> None:
    """Bytes are not passed off as text, in either form; table and column are named, the value is not."""
    with pytest.raises(TableUnfit, match=r"public\.t: column v holds text that is not UTF-8$"):
        _take(relation(_OID, _columns(("v",))), insert(_OID, (value,)).replace(b"ab", b"a\xff"))


def test_a_value_that_arrow_cannot_hold_makes_the_table_unfit() -> None:
    """Table, column and reason are named, the value itself is not."""
    with pytest.raises(TableUnfit, match=r"public\.t: column n: NaN has no place in decimal128\(10, 2\)"):
        _take(relation(_OID, _columns(("n",))), insert(_OID, ("NaN",)))
    with pytest.raises(TableUnfit, match=r"public\.t: a value of column id does not fit int64") as raised:
        _take(relation(_OID, _columns(("id",))), insert(_OID, ("secret",)))
    assert "secret" not in str(raised.value)


def test_a_binary_value_of_a_type_that_is_read_as_text_is_told() -> None:
    """What cannot be read is refused with the way out."""
    with pytest.raises(TextWanted, match=r"column n of type numeric\(10,2\) came in binary form") as raised:
        _take(relation(_OID, _columns(("n",))), insert(_OID, (b"\0" * 8,)))
    assert raised.value.hint == "start the stream without the option binary"


def test_a_copy_made_before_an_error_reads_on() -> None:
    """Nothing of a portion that was refused is left in it: the same rows come as if that had not been tried."""
    reader = Batches(_START, lambda _: None)
    described, row = relation(_OID, _columns(("id",))), insert(_OID, ("1",))
    before = [begin(100), described, row]
    assert reader.take(before) == []
    kept = copy.copy(reader)
    wide = relation(_OID, _columns(("id", "v")))
    with pytest.raises(FeedBroken):
        reader.take([row, wide, commit(100, 110), begin(120), row, commit(120, 130)])
    rest = [row, commit(100, 110)]
    assert _rows_of(kept.take(rest)) == _expected([*before, *rest], _START)
