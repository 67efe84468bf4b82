"""One reader of rows as they are committed, in a process of its own, which notes when it has each in its hands.

It is told on standard input what to read, says `ready` once it has the round's first row, and prints a list of
[number, seconds on the machine's monotonic clock] behind the round's last.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

Job = dict[str, Any]

_NUMBER = re.compile(rb"#(\d+)#")


def hadrian(job: Job) -> Iterator[list[int]]:
    """Yield the numbers of each Arrow batch."""
    from replicator.follow import Feed

    with Feed("tick", [job["url"]], aside=True) as feed:
        while True:
            if (batch := feed.read(1)) is not None:
                yield batch.column("id").to_pylist()


def pg_recvlogical(job: Job) -> Iterator[list[int]]:
    """Yield the numbers in whatever bytes come through the pipe."""
    with subprocess.Popen(job["argv"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        rest = b""
        try:
            while data := os.read(process.stdout.fileno(), 1 << 16):
                rest += data
                found = list(_NUMBER.finditer(rest))
                if found:
                    yield [int(match[1]) for match in found]
                    rest = rest[found[-1].end() :]
        finally:
            process.terminate()


READERS = {"hadrian": hadrian, "pg_recvlogical": pg_recvlogical}


def main() -> None:
    """Read one round."""
    job = json.load(sys.stdin)
    seen: list[tuple[int, float]] = []
    reading = READERS[sys.argv[1]](job)
    for numbers in reading:
        now = time.monotonic()
        seen += [(number, now) for number in numbers if number >= job["first"]]
        if job["first"] in numbers:
            print("ready", flush=True)  # noqa: T201 - its output
        if seen and seen[-1][0] >= job["last"]:
            break
    reading.close()
    print(json.dumps(seen), flush=True)  # noqa: T201 - its output


if __name__ == "__main__":
    main()
