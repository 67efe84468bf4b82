"""The error tree: one root, and every error says what to do next.

    HadrianError
    ├── BadInput               a value the user gave cannot be used
    ├── NodeUnreachable        a DSN does not answer
    ├── NodeLost               a node that was answering has gone: wait for a takeover, then go on
    │   └── RecoveryConflict   a standby cancelled a query that kept replay from going on
    ├── TakeoverTimedOut       no node took over for minutes
    ├── NotPermitted           the role lacks a privilege
    ├── QueryTimedOut          a query took, or waited for a lock, longer than it may
    ├── NotConfigured          the server's settings or version rule the request out
    │   ├── SlotInUse          somebody else reads from the slot
    │   └── RunInUse           somebody trains the run
    ├── SchemaMissing          Hadrian's own tables are absent or older than this program
    ├── DiskFull               a node has no room left
    ├── QuotaExceeded          a run, or the whole store, may not take more
    ├── TableUnfit             a table cannot be fed (no key, values that would be missing)
    ├── FeedBroken             the log can no longer give the rows after a cursor
    │   └── TimelineForked     the cursor lies past the point where the timeline forked
    ├── StoreCorrupt           bytes read back do not have the digest they were stored under
    │   └── PageCorrupt        a server finds a page of its own damaged
    ├── KeyMissing             a key of the store's chunks is not at hand
    ├── ArtifactMissing        no such artifact or checkpoint in this database
    ├── AlreadyThere           a name that must be unique is taken
    ├── ReplayDiverged         a replayed step did not give the bits its journal recorded
    └── ProcessFailed          a program Hadrian started (postgres, a trainer) ended in error

`hint` is a command to run or a setting to change; the command line prints it after the message.
"""

from __future__ import annotations


class HadrianError(Exception):
    """The root: anything Hadrian raises on purpose.

    Args:
        message: what is wrong, and where, in one line without secrets.
        hint: what to do about it, one imperative; falls back to the class's own.
    """

    hint: str = "run the command again with --help"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(" ".join(message.split()))
        if hint is not None:
            self.hint = " ".join(hint.split())


class BadInput(HadrianError):
    """A value the user gave cannot be used."""

    hint = "correct the value and run the command again"


class NodeUnreachable(HadrianError):
    """A DSN does not answer."""

    hint = "check host, port and that the server is up (pg_isready)"


class NodeLost(HadrianError):
    """A node that was answering has gone; work may go on once another has taken over."""

    hint = "promote the standby, or start the node again"


class RecoveryConflict(NodeLost):
    """A standby cancelled a query that kept replay from going on; the node is there."""

    hint = "run the command again, or have the standby wait longer (max_standby_streaming_delay)"


class TakeoverTimedOut(HadrianError):
    """No node took over for minutes."""

    hint = "promote a standby and start again: the run goes on from its newest checkpoint"


class NotPermitted(HadrianError):
    """The role lacks a privilege."""

    hint = "grant the privilege, or connect as another role"


class QueryTimedOut(HadrianError):
    """A query took, or waited for a lock, longer than it may; the node cancelled it."""

    hint = "give it more time, or ask when the node is less busy"


class NotConfigured(HadrianError):
    """The server's settings or version rule the request out."""

    hint = "change the setting named above and restart the server"


class SlotInUse(NotConfigured):
    """Somebody else reads from the slot."""

    hint = "stop the run that reads it, then run the command again"


class RunInUse(NotConfigured):
    """Somebody trains the run."""

    hint = "stop hadrian train, then run the command again"


class SchemaMissing(HadrianError):
    """Hadrian's own tables are absent or older than this program."""

    hint = "run: hadrian schema install"


class DiskFull(HadrianError):
    """A node has no room left; nothing was half-written."""

    hint = "free or add disk space on the node, then run the command again"


class QuotaExceeded(HadrianError):
    """A run, or the whole store, would take more than it may; the artifact does not exist."""

    hint = "see what takes how much: hadrian store quota show"


class TableUnfit(HadrianError):
    """A table cannot be fed: rows could not be told apart, or values would be missing."""

    hint = "give the table a primary key and REPLICA IDENTITY FULL"


class FeedBroken(HadrianError):
    """The log can no longer give the rows after a cursor."""

    hint = "create the feed again, and start a new run on it"


class TimelineForked(FeedBroken):
    """The cursor lies past the point where the timeline forked: it has seen what never happened.

    Attributes:
        fork_lsn: where it forked; None if the node's timeline does not descend from the cursor's at all.
        cursor: the cursor.
    """

    hint = "resume from a checkpoint taken at or before the fork"

    def __init__(self, message: str, *, fork_lsn: int | None, cursor: object) -> None:
        super().__init__(message)
        self.fork_lsn = fork_lsn
        self.cursor = cursor


class StoreCorrupt(HadrianError):
    """Bytes read back do not have the digest they were stored under."""

    hint = "see what is hit, and what is whole: hadrian checkpoint verify RUN --all --node URL, on each node"


class PageCorrupt(StoreCorrupt):
    """A server finds a page of its own damaged: its disk did not keep what was written."""

    hint = "read from another node meanwhile, and check this node's storage"


class KeyMissing(HadrianError):
    """A key of the store's chunks is not at hand; nothing was written, nothing is damaged."""

    hint = "set HADRIAN_STORE_KEYS to the file that has it"


class ArtifactMissing(HadrianError):
    """No such artifact or checkpoint in this database."""

    hint = "list what is there: hadrian checkpoint list"


class AlreadyThere(HadrianError):
    """A name that must be unique is taken."""

    hint = "choose another name"


class ReplayDiverged(HadrianError):
    """A replayed step did not give the bits its journal recorded."""

    hint = "compare torch version, CPU type and tensor-parallel degree with the machine that ran the step first"


class ProcessFailed(HadrianError):
    """A program Hadrian started ended in error."""

    hint = "read the log named above"
