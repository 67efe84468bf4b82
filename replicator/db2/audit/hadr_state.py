"""The state of HADR: whether the standby keeps up, what a commit waits for, and which table spaces are whole."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

from replicator.db2.audit.catalog import Unanswered
from replicator.db2.audit.check import Check, Couple
from replicator.db2.subject import Subject
from replicator.rule import Finding, Grade

_LOSING = {"ASYNC": Subject.ASYNC, "SUPERASYNC": Subject.SUPERASYNC}
# Source: IBM Db2 documentation, monitor element hadr_flags.
_BLOCKED = ("STANDBY_RECV_BLOCKED", "STANDBY_LOG_DEVICE_FULL", "STANDBY_KEY_ROTATION_ERROR")
_REPLAY_STOPPED = "STANDBY_TABLESPACE_ERROR"


def serves_reads(couple: Couple) -> bool:
    """Return whether the standby is open for reads, which it is if it has answered. Raises: Unanswered."""
    return couple.standby is not None or any(row.reads_on_standby_enabled == "Y" for row in couple.primary.streams)


def _pair_state(couple: Couple) -> Iterator[Finding]:
    for row in couple.primary.streams:
        yield from _standing(couple, row)
        yield from _promised(couple, row)


def _standing(couple: Couple, row: SimpleNamespace) -> Iterator[Finding]:
    where, standby = couple.primary.where, _standby(row)
    flags = (row.hadr_flags or "").split()
    # Source: IBM Db2 documentation, Db2 HADR database states: under SUPERASYNC there is no peer state.
    wanted = "REMOTE_CATCHUP" if row.hadr_syncmode == "SUPERASYNC" else "PEER"
    told = [] if row.hadr_state == wanted else [f"in state {row.hadr_state or 'unknown'}"]
    if row.hadr_connect_status != "CONNECTED":
        told.append(f"{(row.hadr_connect_status or 'not connected').lower()}")
    told += [flag for flag in flags if flag in _BLOCKED]
    if told:
        since = row.hadr_connect_status_time
        yield couple.rules[Subject.PAIR_STATE].found(standby, where, ", ".join(told), size=_gap(row), since=since)
    if _REPLAY_STOPPED in flags:
        yield couple.rules[Subject.TABLE_SPACE_REPLAY].found(f"(which, {standby} knows)", where)


def _promised(couple: Couple, row: SimpleNamespace) -> Iterator[Finding]:
    """Compare what a commit waits for with what somebody may take it to promise."""
    where = couple.primary.where
    if row.hadr_syncmode in _LOSING:
        rule = couple.rules[_LOSING[row.hadr_syncmode]]
        yield rule.found(f"the pair with {_standby(row)}", where, grade=Grade.SHOULD, size=_gap(row))
    elif row.peer_window == 0:
        yield couple.rules[Subject.PEER_WINDOW].found(couple.primary.database, where, "0", grade=Grade.SHOULD)
    if row.standby_replay_delay:
        delay = f"{row.standby_replay_delay // 1000} s"
        yield couple.rules[Subject.REPLAY_DELAY].found(f"standby {_standby(row)}", where, delay)


def _reads(couple: Couple) -> Iterator[Finding]:
    if serves_reads(couple):
        rule = couple.rules[Subject.READ_ISOLATION]
        yield rule.found("a feed from the standby", couple.nodes[-1].where, grade=Grade.MAY)


def _table_spaces(couple: Couple) -> Iterator[Finding]:
    for node in couple.nodes:
        yield from couple.objects(node, "catalog/table_space_states")


def _containers(couple: Couple) -> Iterator[Finding]:
    ours = couple.primary.ask("catalog/containers")
    theirs = ours if couple.standby is None else couple.standby.ask("catalog/containers")
    instances = _instances(couple)
    there = {_anywhere(row.container_name, instances) for row in theirs}
    for row in ours:
        if _anywhere(row.container_name, instances) not in there:
            name = f"{row.tbsp_name} ({row.container_name})"
            yield couple.rules[Subject.TABLE_SPACE].found(name, couple.nodes[-1].where, grade=Grade.MUST)
    for node, rows in zip(couple.nodes, (ours, theirs), strict=False):
        for row in rows:
            if row.accessible == 0:
                detail = f"without its container {row.container_name}"
                yield couple.rules[Subject.TABLE_SPACE_STATE].found(row.tbsp_name, node.where, detail)


def _instances(couple: Couple) -> tuple[str, ...]:
    try:
        rows = couple.primary.streams
    except Unanswered:
        return ()
    return tuple({name for row in rows for name in (row.primary_instance, row.standby_instance) if name})


def _anywhere(path: str, instances: tuple[str, ...]) -> str:
    """Return a path with the instance's name left open: a storage path's directories carry each node's own."""
    return "/".join("*" if part in instances else part for part in path.split("/"))


def _standby(row: SimpleNamespace) -> str:
    return row.standby_member_host or f"number {row.standby_id}"


def _gap(row: SimpleNamespace) -> int | None:
    """Return how many bytes of log the standby has not replayed, None where it is not known."""
    return None if row.hadr_log_gap is None else row.hadr_log_gap + (row.standby_recv_replay_gap or 0)


_SEE_MONITOR = "grant execute on function sysproc.{function} to user {{user}}"

CHECKS = (
    Check("the state of HADR", _pair_state, _SEE_MONITOR.format(function="mon_get_hadr")),
    Check("whether the standby serves reads", _reads, _SEE_MONITOR.format(function="mon_get_hadr")),
    Check("states of table spaces", _table_spaces, _SEE_MONITOR.format(function="mon_get_tablespace")),
    Check("containers of table spaces", _containers, _SEE_MONITOR.format(function="mon_get_container")),
)
