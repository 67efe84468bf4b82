"""`hadrian demo` as a user meets it: what it refuses, what it says, and that it leaves nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from replicator.postgres import topology
from tests.fixtures.command import COMMAND, complaint, environment, hadrian


def test_a_model_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    """Nothing is started for it."""
    assert "cannot load a model from" in complaint(hadrian("demo", "--model", tmp_path / "absent"))


def test_a_degree_that_does_not_divide_the_heads_is_one_line_with_those_that_do(tiny_model: Path) -> None:
    """Six heads and three key/value heads can be shared by 1 or 3 ranks."""
    said = complaint(hadrian("demo", "--model", tiny_model, "--tp", "2"))
    assert "tensor_parallel 2 does not divide the model's num_key_value_heads 3" in said
    assert "degrees that do: 1, 3" in said


def test_the_demo_holds_and_says_so_as_json(tiny_model: Path, tmp_path: Path) -> None:
    """Standard output is one JSON value; the picture lies beside it; exit code 0."""
    done = subprocess.run(
        [*COMMAND, "demo", "--model", str(tiny_model), "--tp", "1", "--steps", "16", "--format", "json"],
        cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)["drills"][0]
    assert (facts["verdict"], facts["rows trained, each once"]) == ("holds", 128)
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["hot standby are up", "feed drill begins", "checkpoint at step"])
def test_an_interrupted_demo_leaves_no_process_and_no_file(
    number: signal.Signals, moment: str, tiny_model: Path, folder: Path
) -> None:
    """One line, exit code 2, whenever it comes; servers, ranks, writer, sockets and directory are gone."""
    arguments = ["demo", "--model", str(tiny_model), "--tp", "1", "--steps", "40"]
    with subprocess.Popen(
        [*COMMAND, *arguments], env=environment(TMPDIR=str(folder)), cwd=folder,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as demo:  # fmt: skip
        assert demo.stdout is not None
        assert demo.stderr is not None
        for line in demo.stdout:
            if moment in line:
                break
        family = psutil.Process(demo.pid).children(recursive=True)
        os.kill(demo.pid, number)
        errors = demo.stderr.read()
    assert (demo.returncode, errors) == (2, "hadrian: error: interrupted\n")
    assert list(folder.glob("hadrian-demo-*")) == []
    gone, alive = psutil.wait_procs(family, timeout=10)
    assert alive == [], gone
    topology.wait_until(lambda: named_after(folder) == [], "what was only just being started to end", timeout_s=20)


def named_after(folder: Path) -> list[int]:
    """Return the processes whose command line names a folder."""
    found = psutil.process_iter(["cmdline"])
    return [process.pid for process in found if str(folder) in " ".join(process.info["cmdline"] or [])]
