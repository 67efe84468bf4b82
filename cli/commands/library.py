"""`hadrian library`: the files that functions are in, kept in the database and put where they belong."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli import progress, render
from cli.options import Output, examples, format_option, node_option, primary_option

if TYPE_CHECKING:
    from replicator.store.library import File, Version

_PRIMARY = "postgresql://user@a:5432/database"
_STANDBY = "postgresql://user@b:5432/database"
_INSTALL = f"hadrian library install geo --node {_STANDBY} --to /opt/pg/lib"
_CHECK = f"hadrian library check --node {_STANDBY} --in /opt/pg/lib"

_existing = click.Path(exists=True, file_okay=False, path_type=Path)


@click.group(
    no_args_is_help=False,
    epilog=examples(f"hadrian library push geo geo.so geo.jar --primary {_PRIMARY}", _INSTALL, _CHECK),
)
def command() -> None:
    """Keep the files of functions in C or Java in the database, and put them on every node.

    The log has a function's definition and not the file it is in: shared object or jar. After a takeover it fails on a
    node that lacks the file. What is pushed here flows to every standby as rows do, and is installed from there.
    """


@command.command(epilog=examples(f"hadrian library push geo geo.so geo.jar --primary {_PRIMARY}"))
@click.argument("name")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@primary_option
@format_option
def push(name: str, files: tuple[Path, ...], primary: str, output: Output) -> None:
    """Store FILEs as the newest version of library NAME.

    A version holds all its files: give those that did not change too, they cost nothing. If the newest version holds
    the same files already, none is made. Standbys have it once they have replayed the commit (hadrian library list).
    """
    from cli.findings import size
    from replicator import engines
    from replicator.store import library

    with progress.progress("push", sum(path.stat().st_size for path in files if path.is_file())) as advance:
        pushed = library.push(engines.database(primary), name, files, progress=advance)
    if output == "json":
        render.as_json(pushed)
    elif pushed.new:
        render.line(
            f"library {pushed.library}: {_count(pushed.files)}, {size(pushed.written.plain_bytes)}; "
            f"{size(pushed.written.stored_bytes)} sent"
        )
    else:
        render.line(f"library {pushed.library} holds the same files already; nothing to do")


@command.command("list", epilog=examples(f"hadrian library list --node {_STANDBY} --format json"))
@node_option
@format_option
def list_libraries(node: str, output: Output) -> None:
    """List the versions of each library with their files, the newest first.

    On a standby it shows what would be there after a takeover.
    """
    from replicator import engines
    from replicator.store import library

    database = engines.database(node)
    found = [(version, library.files(database, version)) for version in library.found(database)]
    if output == "json":
        render.as_json({"libraries": [_described(version, files) for version, files in found]})
        return
    rows = [
        (str(version), file.name, file.size, file.sha256.hex()[:12], version.created_at)
        for version, files in found
        for file in files
    ]
    render.table("", ("library", "file", "size", "sha256", "created_at"), rows)


@command.command(epilog=examples(_INSTALL))
@click.argument("name", metavar="NAME[/VERSION]")
@node_option
@click.option("--to", "directory", metavar="DIR", required=True, type=_existing, help="Where the server looks for it.")
@click.option("--force", is_flag=True, help="Replace files that have other content or execute bits.")
@format_option
def install(name: str, node: str, directory: Path, force: bool, output: Output) -> None:
    """Put the files of library NAME into a directory of this machine: of the newest version, unless one is given.

    Every byte is checked before a file gets its name, so there is the old file or the new one, never a part. A file
    that is the same already is left alone. Sessions that have loaded the old file go on with that until they end.

    On PostgreSQL the directory is what pg_config --pkglibdir says, or one of dynamic_library_path; on Db2 it is
    sqllib/function, or where the routine's definition says.
    """
    from replicator import engines
    from replicator.store import library, library_files

    database = engines.database(node)
    version = library.named(database, name)
    files = library.files(database, version)
    with progress.progress("install", version.size) as advance:
        before = library_files.install(database, files, directory, force=force, progress=advance)
    done = [(one.file.name, _DONE[one.state]) for one in before]
    if output == "json":
        entries = [{"name": file, "done": what} for file, what in done]
        render.as_json({"library": version.name, "version": version.number, "files": entries})
    else:
        render.table("", ("library", "file", "done"), [(str(version), *row) for row in done])


_DONE = {"absent": "written", "differs": "replaced", "same": "left alone"}


@command.command(epilog=examples(_CHECK))
@click.argument("name", metavar="[NAME[/VERSION]]", required=False)
@node_option
@click.option("--in", "directory", metavar="DIR", required=True, type=_existing, help="Where the server looks for it.")
@format_option
def check(name: str | None, node: str, directory: Path, output: Output) -> int:
    """Compare a directory of this machine with library NAME, or with the newest version of every library.

    Exit code 1 unless each file is there with the same content and execute bits.
    """
    from replicator import engines
    from replicator.store import library, library_files

    database = engines.database(node)
    versions = library.newest(database) if name is None else [library.named(database, name)]
    compared = [
        (version, one)
        for version in versions
        for one in library_files.compare(directory, library.files(database, version))
    ]
    if output == "json":
        render.as_json(
            {
                "files": [
                    {"library": version.name, "version": version.number, "name": one.file.name, "state": one.state}
                    for version, one in compared
                ]
            }
        )
    else:
        rows = [(str(version), one.file.name, one.state) for version, one in compared]
        render.table("", ("library", "file", "state"), rows)
    return 0 if all(one.state == "same" for _, one in compared) else 1


def _count(files: int) -> str:
    return "1 file" if files == 1 else f"{files} files"


def _described(version: Version, files: list[File]) -> dict[str, object]:
    return {
        "name": version.name,
        "version": version.number,
        "size": version.size,
        "created_at": version.created_at,
        "files": [
            {"name": file.name, "size": file.size, "mode": f"{file.mode:04o}", "sha256": file.sha256} for file in files
        ],
    }
