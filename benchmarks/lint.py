"""Statements a second: `hadrian lint` beside other linters of SQL, on the same script, one core each.

The peers look for other things (locks, style), so this says what a check costs, not who finds more. Each program runs
as a whole process, pinned to one core, taking turns; the medians are compared. sqlfluff is given a smaller part of the
script, since it would take minutes.

    pip install 'hadrian-wal[lint,bench]'
    python benchmarks/lint.py --json lint.json
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import figures

STATEMENTS = 20_000
SMALL = 200  # for sqlfluff
_BLOCK = """\
create table app.account_{n} (id bigint primary key, name text not null, balance numeric(12, 2) default 0);
create index account_{n}_name on app.account_{n} (name);
alter table app.account_{n} add column created_at timestamptz default now();
insert into app.account_{n} (id, name, balance) values (1, 'first', 12.50), (2, 'second', 0);
update app.account_{n} set balance = balance + 1 where id = 2 and name like 's%';
delete from app.account_{n} where created_at < now() - interval '1 year';
comment on table app.account_{n} is 'accounts; one a customer';
grant select, insert on app.account_{n} to reader;
"""


def script(statements: int) -> str:
    """Return plain DDL and DML, eight kinds in turn."""
    return "".join(_BLOCK.format(n=n) for n in range(statements // 8))


def seconds(argv: Sequence[str]) -> float:
    """Run a program on one core and return how long it took; findings are no failure."""
    core = min(os.sched_getaffinity(0))
    began = time.perf_counter()
    done = subprocess.run(
        argv,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )
    elapsed = time.perf_counter() - began
    if done.returncode not in {0, 1}:
        raise SystemExit(f"{argv[0]} failed: {done.stderr.strip()[-300:]}")
    return elapsed


def main() -> None:
    """Measure, print a table, and write the figures."""
    parser = figures.options("Measure statements a second.", repeats=7)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        large, small = Path(folder) / "large.sql", Path(folder) / "small.sql"
        large.write_text(script(STATEMENTS))
        small.write_text(script(SMALL))
        bin_folder = Path(sys.executable).parent
        programs: dict[str, tuple[int, list[str]]] = {
            "hadrian": (STATEMENTS, [str(bin_folder / "hadrian"), "lint", str(large)]),
            "hadrian, JSON of all": (
                STATEMENTS,
                [str(bin_folder / "hadrian"), "lint", "--all", "--format", "json", str(large)],
            ),
        }
        if squawk := shutil.which("squawk", path=f"{bin_folder}:{os.environ['PATH']}"):
            programs["squawk"] = (STATEMENTS, [squawk, str(large)])
        if sqlfluff := shutil.which("sqlfluff", path=f"{bin_folder}:{os.environ['PATH']}"):
            programs["sqlfluff"] = (SMALL, [sqlfluff, "lint", "--dialect", "postgres", str(small)])
        times: dict[str, list[float]] = {name: [] for name in programs}
        for _ in range(arguments.repeats):
            for name, (_, argv) in programs.items():
                times[name].append(seconds(argv))
    rates = {name: programs[name][0] / statistics.median(taken) for name, taken in times.items()}
    for name, rate in rates.items():
        spread = f"{min(times[name]):.2f} to {max(times[name]):.2f} s"
        print(f"{name:22} {rate:12,.0f} statements/s  ({programs[name][0]:,} in {spread})")  # noqa: T201 - its output
    figures.write(
        arguments.json,
        {
            "statements_per_s": rates["hadrian"],
            "statements_per_s_all_json": rates["hadrian, JSON of all"],
            **{f"{name}_statements_per_s": rates[name] for name in ("squawk", "sqlfluff") if name in rates},
        },
    )


if __name__ == "__main__":
    main()
