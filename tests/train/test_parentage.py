"""A rank ends with its agent, also when the agent ended before the rank could ask to be told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from tests.fixtures.command import environment

_END = "from trainer import parentage; parentage.end_with_agent(); print('ready', flush=True); "


def test_a_rank_whose_agent_has_ended_already_ends_at_once() -> None:
    """It finds another parent than the agent that started it."""
    script = f"{_END} import sys; sys.stdin.read()"
    argv = [sys.executable, "-c", script]
    mine = subprocess.run(
        argv, env=environment(HADRIAN_AGENT=str(os.getpid())), input="", capture_output=True, text=True, check=False
    )
    assert (mine.returncode, mine.stdout) == (0, "ready\n")
    orphan = subprocess.run(
        argv, env=environment(HADRIAN_AGENT="1"), input="", capture_output=True, text=True, check=False
    )
    assert orphan.returncode == 1
    assert "has ended" in orphan.stderr
    assert orphan.stdout == ""


def test_a_rank_ends_when_its_agent_is_killed() -> None:
    """The kernel sees to it: no signal handler of the agent runs."""
    rank = f"{_END} import sys; sys.stdin.read()"
    agent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {rank!r}], stdin=sys.stdin)"
    with subprocess.Popen(
        [sys.executable, "-c", agent], env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGKILL)
        assert process.stdout.read() == ""  # the rank held the other end of the pipe
