"""The translation between IBM's client and Apache Derby, without either: bytes in, bytes out."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fixtures import drda_rewriting as rewriting
from tests.fixtures.drda import (
    CHAINED,
    LONGEST,
    OBJECT,
    REPLY,
    REQUEST,
    SAME_CORRELATOR,
    DrdaError,
    Dss,
    Item,
    Stream,
    complete,
    decode,
    items,
    join,
)
from tests.fixtures.drda_rewriting import Conversation, Refusal, Script
from tests.fixtures.drda_rows import EXTDTA, FDODSC, FDODTA, SQLDTA, expand, split

codes = st.integers(0, 0xFFFF)
structures = st.builds(
    Dss,
    st.sampled_from([0, CHAINED, SAME_CORRELATOR, CHAINED | SAME_CORRELATOR]),
    st.sampled_from([REQUEST, REPLY, OBJECT]),
    st.integers(0, 0xFFFF),
    st.lists(st.tuples(codes, st.binary(max_size=40)), min_size=1, max_size=3).map(join),
)


def statement(text: str) -> Item:
    """Return a SQLSTT."""
    return rewriting.SQLSTT, b"\0" + struct.pack(">I", len(text)) + text.encode() + b"\xff"


def prepared(conversation: Conversation, text: str) -> str:
    """Let a client prepare a statement and return what Derby hears."""
    command = Dss(CHAINED | SAME_CORRELATOR, REQUEST, 1, join([(rewriting.PRPSQLSTT, b"")]))
    sent = conversation.from_client(command.encode() + Dss(0, OBJECT, 1, join([statement(text)])).encode())
    code, body = list(Stream().feed(sent))[-1].items[0]
    return body[5:-1].decode() if code == rewriting.SQLSTT else ""


def card(code: int, state: str, message: bytes) -> bytes:
    """Return a SQLCARD's body as Derby sends it."""
    texts = b"".join(struct.pack(">H", len(text)) + text for text in (b"DB", message, b""))
    return (
        struct.pack(">Bi5s8s", 0, code, state.encode(), b"CSS10140") + b"\0" + bytes(24) + b" " * 11 + texts + b"\xff"
    )


def answered(conversation: Conversation, *content: Item, correlator: int = 1, flags: int = 0) -> list[Dss]:
    """Let Derby send one structure and return what the client hears."""
    return list(Stream().feed(conversation.from_server(Dss(flags, OBJECT, correlator, join(content)).encode())))


def error_of(body: bytes) -> tuple[int, str]:
    """Return an error area's SQLCODE and SQLSTATE."""
    _, code, state, _ = struct.unpack(">Bi5s8s", body[:18])
    return code, state.decode()


# Framing


@given(st.lists(st.tuples(codes, st.binary(max_size=40)), max_size=4))
def test_objects_come_back_as_they_went(content: list[Item]) -> None:
    """Objects that were joined are taken apart again."""
    assert list(items(join(content))) == content


@pytest.mark.parametrize("size", [LONGEST - 5, LONGEST - 4, LONGEST - 3, 1 << 20])
def test_an_object_longer_than_a_short_length_tells_comes_back(size: int) -> None:
    """A longer length is used where it must be, and what follows is found."""
    content = [(1, bytes(size)), (2, b"next")]
    assert list(items(join(content))) == content


@given(structures)
def test_a_structure_comes_back_as_it_went(dss: Dss) -> None:
    """A structure that was encoded is decoded again, flags and correlator included."""
    assert decode(dss.encode()) == dss


@pytest.mark.parametrize("size", [LONGEST - 7, LONGEST - 6, LONGEST - 5, 2 * LONGEST, 3 * LONGEST])
def test_a_structure_that_fills_more_than_one_segment_comes_back(size: int) -> None:
    """The segments are put together again, on either side of each bound."""
    dss = Dss(0, OBJECT, 7, bytes(size))
    assert decode(dss.encode()) == dss


@given(st.lists(structures, max_size=4), st.lists(st.integers(1, 200), max_size=30))
def test_structures_come_whole_however_the_network_cuts_them(sent: list[Dss], cuts: list[int]) -> None:
    """A structure is given out once its last byte has come, and none is lost."""
    data = b"".join(dss.encode() for dss in sent)
    stream, received = Stream(), []
    for cut in [*cuts, len(data)]:
        received += list(stream.feed(data[:cut]))
        data = data[cut:]
    assert received == sent


@given(st.binary(max_size=300))
def test_junk_is_refused_or_waited_for(junk: bytes) -> None:
    """Whatever comes, the two directions give bytes or a DRDA error, and nothing else."""
    for side in (Conversation(Script()).from_client, Conversation(Script()).from_server):
        try:
            side(junk)
        except DrdaError:
            continue


@given(
    st.integers(0, 0xFFFF),
    st.one_of(st.binary(max_size=200), st.lists(st.tuples(codes, st.binary(max_size=40)), max_size=3).map(join)),
    st.sampled_from([0, CHAINED, SAME_CORRELATOR]),
)
def test_a_known_object_of_junk_is_refused_or_passed_on(code: int, junk: bytes, flags: int) -> None:
    """A sound frame around an object that is none gives bytes or a DRDA error."""
    known = [value for name, value in vars(rewriting).items() if name.isupper() and isinstance(value, int)]
    for choice in (code, known[code % len(known)]):
        framed = Dss(flags, OBJECT, 1, join([(choice, junk)])).encode()
        framed += Dss(0, OBJECT, 1, join([(SQLDTA, junk)])).encode()
        for side in (Conversation(Script()).from_client, Conversation(Script()).from_server):
            try:
                side(framed)
            except DrdaError:
                continue


@pytest.mark.parametrize(
    "data", [b"\0\x05\xd0\x01\0\1", b"\0\x06\xd1\x01\0\1", b"\0\0\0\0\0\0", b"\x80\x06\xd0\x01\0\x01\0\1"]
)
def test_what_is_no_structure_is_named(data: bytes) -> None:
    """A length that cannot be, or another first byte, is an error at once."""
    with pytest.raises(DrdaError, match="no data stream structure"):
        complete(data)


# What Derby is told


def test_the_catalog_s_schemas_become_those_of_the_stand_ins() -> None:
    """Derby reserves schemas whose name begins with SYS; others, and texts, stay as they are."""
    conversation = Conversation(Script())
    heard = prepared(conversation, 'select c.x, "SYSCAT".y from syscat.tables c, "SYSIBMADM".dbcfg, mysyscat.t')
    assert heard == "select c.x, XSYSCAT.y from Xsyscat.tables c, XSYSIBMADM.dbcfg, mysyscat.t"


def test_a_table_function_becomes_a_table() -> None:
    """Derby has none of Db2's monitor functions; a table of the same name stands for each."""
    heard = prepared(Conversation(Script()), "select 1 from table(mon_get_hadr(-2)) as h")
    assert heard == "select 1 from XSYSPROC.mon_get_hadr as h"


def test_what_derby_does_not_know_is_left_out() -> None:
    """Parameters of the client's that Derby would call a syntax error do not reach it."""
    sent = Conversation(Script()).from_client(
        Dss(
            0, REQUEST, 1, join([(rewriting.EXCSQLIMM, join([(0x2113, b"p"), (0x2159, b"x"), (0x210E, b"y")]))])
        ).encode()
    )
    ((_, body),) = decode(sent).items
    assert list(items(body)) == [(0x2113, b"p")]


def test_a_statement_can_be_refused_as_db2_would() -> None:
    """The error that the client hears is the one that was asked for, with its tokens."""
    script = Script(refused={"DBCFG": Refusal(-551, "42501", ("READER", "SELECT", "DBCFG"))})
    conversation = Conversation(script)
    assert prepared(conversation, "select name from sysibmadm.dbcfg") == "refusal_0"
    complaint = card(20000, "42X01", b'Encountered "refusal_0" at line 1, column 1.\x1442X01')
    ((_, body),) = answered(conversation, (rewriting.SQLCARD, complaint))[0].items
    assert error_of(body) == (-551, "42501")
    assert b"READER\xffSELECT\xffDBCFG" in body
    assert script.seen == ["select name from sysibmadm.dbcfg"]


def test_a_statement_can_be_left_without_an_answer() -> None:
    """A server that hangs is one that never hears the question."""
    assert prepared(Conversation(Script(unanswered={"HANG"})), "select * from hang") == ""


@pytest.mark.parametrize("name", ["HADR", "A_LONGER_DATABASE_NAME"])
@pytest.mark.parametrize("encoding", [rewriting.EBCDIC, "ascii"])
def test_a_database_is_made_on_request(name: str, encoding: str) -> None:
    """Only then does its name carry Derby's attribute, in the encoding that it came in."""
    named = (rewriting.RDBNAM, name.ljust(18).encode(encoding))
    asked = Dss(0, REQUEST, 1, join([(rewriting.ACCSEC, join([named]))])).encode()
    ((_, body),) = decode(Conversation(Script(creates=True)).from_client(asked)).items
    assert [(key, value.decode(encoding).rstrip()) for key, value in items(body)] == [
        (rewriting.RDBNAM, f"{name};create=true")
    ]
    assert Conversation(Script()).from_client(asked) == asked


# What the client is told


@pytest.mark.parametrize(("derby", "db2"), rewriting.ERRORS.items())
def test_derbys_errors_become_db2s(derby: str, db2: tuple[int, str]) -> None:
    """Each state in the table gets Db2's two codes, and the message is kept short enough for the client."""
    ((_, body),) = answered(Conversation(Script()), (rewriting.SQLCARD, card(-1, derby, b"x" * 300)))[0].items
    assert error_of(body) == db2
    assert b"x" * 70 in body
    assert b"x" * 71 not in body


def test_an_error_that_is_not_in_the_table_is_passed_on() -> None:
    """Derby's own codes show that nobody has thought of that one yet."""
    ((_, body),) = answered(Conversation(Script()), (rewriting.SQLCARD, card(-1, "XYZ01", b"m")))[0].items
    assert error_of(body) == (-1, "XYZ01")


def test_a_success_is_passed_on_byte_for_byte() -> None:
    """What needs no change gets none."""
    sent = Dss(0, OBJECT, 3, join([(rewriting.SQLCARD, b"\xff")])).encode()
    assert Conversation(Script()).from_server(sent) == sent


def test_a_connection_can_be_refused_as_db2_would() -> None:
    """Instead of the welcome the client hears that the access failed, and why."""
    conversation = Conversation(Script(no_connection=Refusal(-1776, "08004", ("1",))))
    failed, why = answered(conversation, (rewriting.ACCRDBRM, join([(rewriting.TYPDEFNAM, b"QTDSQLASC")])))
    assert [code for code, _ in failed.items] == [rewriting.RDBAFLRM]
    assert [code for code, _ in why.items] == [rewriting.TYPDEFNAM, rewriting.TYPDEFOVR, rewriting.SQLCARD]
    assert error_of(why.items[-1][1]) == (-1776, "08004")


# Parameters


def parameters(columns: list[tuple[int, int]], rows: list[bytes]) -> bytes:
    """Return a SQLDTA's body: a description, and rows that each begin with a zero."""
    triplets = b"".join(struct.pack(">BH", kind, length) for kind, length in columns)
    description = bytes([3 + len(triplets), 0x76, 0xD0]) + triplets + bytes.fromhex("0671e4d00001")
    return join([(FDODSC, description), (FDODTA, b"".join(b"\0" + row for row in rows))])


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), min_size=1, max_size=5))
def test_text_reaches_derby_in_utf_8(texts: list[str]) -> None:
    """Each string of the client's UTF-16 has the same characters afterwards."""
    sent = [text.encode("utf-16-be") for text in texts]
    rows = [b"\0" + struct.pack(">H", len(text) // 2) + text for text in sent]
    description, split_rows = split(parameters([(0x39, 100)], rows), [])
    assert description[3:6] == bytes.fromhex("3f7fff")
    received = [row.data[4:].decode() for row in split_rows]
    assert received == texts
    assert all(int.from_bytes(row.data[2:4], "big") == len(row.data) - 4 for row in split_rows)


def test_every_kind_of_value_keeps_its_bytes() -> None:
    """Numbers, decimals, bytes and NULL are taken apart at the right place."""
    columns = [(0x03, 4), (0x0F, 0x0502), (0x29, 10), (0x05, 2), (0x39, 10)]
    row = b"\0\0\0\0\x07" + b"\0\x12\x34\x5c" + b"\0\0\x03abc" + b"\xff" + b"\0\0\x01" + "é".encode("utf-16-be")
    _, (split_row,) = split(parameters(columns, [row]), [])
    assert split_row.data == b"\0" + row[:-5] + b"\0\0\x02" + "é".encode()


def test_large_values_follow_their_own_row() -> None:
    """A value that travels beside the row goes with it, and a character one is put into UTF-8."""
    columns = [(0xC9, 0x8004), (0xCD, 0x8004)]
    row = b"\0\0\0\0\x03" + b"\0\0\0\0\x01"
    _, rows = split(parameters(columns, [row]), [b"\0abc", b"\0" + "é".encode("utf-16-be")])
    assert rows[0].large == [b"\0abc", b"\0" + "é".encode()]
    assert rows[0].data == b"\0" + b"\0\0\0\0\x03" + b"\0\0\0\0\x02"


def test_a_large_value_that_never_comes_is_an_error() -> None:
    """A row that speaks of one more than was sent is refused."""
    with pytest.raises(DrdaError, match="a large value is missing"):
        split(parameters([(0xC9, 0x8004)], [b"\0\0\0\0\x03"]), [])


def test_rows_become_commands_and_their_replies_one() -> None:
    """Derby hears one command a row, and the client one reply, with the number that it expects, and the first error."""
    command = Dss(CHAINED | SAME_CORRELATOR, REQUEST, 5, join([(rewriting.EXCSQLSTT, b"")]))
    body = parameters([(0x03, 4)], [b"\0" + struct.pack(">i", number) for number in range(3)])
    conversation = Conversation(Script())
    sent = conversation.from_client(command.encode() + Dss(0, OBJECT, 5, join([(SQLDTA, body)])).encode())
    heard = list(Stream().feed(sent))
    assert [dss.kind for dss in heard] == [REQUEST, OBJECT] * 3
    assert [dss.correlator for dss in heard] == [0x4000, 0x4000, 0x4001, 0x4001, 5, 5]
    replies = [card(0, "     ", b""), card(-1, "23505", b"key"), card(0, "     ", b"")]
    told = [
        answered(conversation, (rewriting.SQLCARD, reply), correlator=number, flags=CHAINED if number < 7 else 0)
        for number, reply in enumerate(replies, start=5)
    ]
    assert told[:2] == [[], []]
    (last,) = told[2]
    assert last.correlator == 5
    assert error_of(last.items[0][1]) == (-803, "23505")


def test_a_command_without_parameters_is_left_alone() -> None:
    """Only parameters have rows."""
    held = [(Dss(0, REQUEST, 5, b""), (rewriting.EXCSQLSTT, b"x")), (Dss(0, OBJECT, 5, b""), (EXTDTA, b"y"))]
    sent, rows = expand(held)
    assert rows == 1
    assert [dss.items for dss in sent] == [[item] for _, item in held]
