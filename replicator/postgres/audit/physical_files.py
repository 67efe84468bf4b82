"""Files that the log names and does not hold: tablespaces' directories, libraries, extensions, files read by SQL."""

from __future__ import annotations

from collections.abc import Iterator

from replicator.postgres.audit.check import Check, Couple
from replicator.postgres.subject import Subject
from replicator.rule import Finding

_READ = "grant pg_read_server_files to {role}; grant execute on function pg_stat_file(text, boolean)"


def _tablespaces(couple: Couple) -> Iterator[Finding]:
    # A standby may have been made with its tablespaces elsewhere (pg_basebackup --tablespace-mapping).
    mapped = {tablespace.name: tablespace.location for tablespace in couple.standby.ask("catalog/tablespaces")}
    for tablespace in couple.primary.ask("catalog/tablespaces"):
        location = mapped.get(tablespace.name, tablespace.location)
        if not couple.standby.ask("catalog/has_directory", path=location)[0].present:
            yield couple.rules[Subject.TABLESPACE].found(tablespace.name, couple.standby.where, location)


def _libraries(couple: Couple) -> Iterator[Finding]:
    names = [row.library for row in couple.primary.ask("catalog/libraries")]
    if not names:  # then nobody needs the right to read files
        return
    ours, theirs = (
        {row.library: row.digest for row in node.ask("catalog/library_digests", libraries=names)}
        for node in (couple.primary, couple.standby)
    )
    for name, digest in theirs.items():
        if digest is None:
            yield couple.rules[Subject.LIBRARY].found(name, couple.standby.where, "is absent")
        elif digest != ours[name]:
            yield couple.rules[Subject.LIBRARY_BUILD].found(name, couple.standby.where)


def _extensions(couple: Couple) -> Iterator[Finding]:
    available: dict[str, list[str]] = {}
    for row in couple.standby.ask("catalog/available_extensions"):
        available.setdefault(row.name, []).append(row.version)
    for extension in couple.primary.ask("catalog/extensions"):
        versions = available.get(extension.name, [])
        if extension.version not in versions:
            has = f"has {', '.join(versions)} of it" if versions else "has none of it"
            yield couple.rules[Subject.EXTENSION_FILES].found(
                f"{extension.name} {extension.version}", couple.standby.where, has
            )


def _read_files(couple: Couple) -> Iterator[Finding]:
    tables = couple.primary.ask("catalog/file_tables")
    if not tables:
        return
    paths = sorted({table.path for table in tables})
    ours, theirs = (
        {row.path: row for row in node.ask("catalog/file_digests", paths=paths)}
        for node in (couple.primary, couple.standby)
    )
    for path in paths:
        if theirs[path].digest is None or theirs[path].digest != ours[path].digest:
            yield couple.rules[Subject.SERVER_FILE].found(path, couple.standby.where, size=ours[path].size)


DIRECTORIES = Check("directories of tablespaces", _tablespaces, f"{_READ} to {{role}};")
FILES = (
    Check(
        "libraries",
        _libraries,
        f"{_READ}, pg_read_binary_file(text), pg_config() to {{role}}; grant select on pg_config to {{role}};",
        since=110_000,
    ),
    Check("files of extensions", _extensions),
    Check(
        "files that foreign tables read",
        _read_files,
        f"{_READ}, pg_read_binary_file(text, bigint, bigint) to {{role}};",
        since=110_000,
    ),
)
TOGETHER = (DIRECTORIES, *FILES)
