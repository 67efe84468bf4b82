"""An extension with a resource manager of its own, built from `resource_manager.c` where there is a compiler."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.fixtures.defects import catch_up
from tests.fixtures.pair import fresh_pair
from tests.rules.hands import folder, restart, wait


def resource_manager(preloaded: bool) -> bool:
    """Write a record of an extension's own kind; the standby has preloaded the extension, or has not."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler to build the resource manager with")
    with fresh_pair() as pair:
        module = folder(pair, "built") / "resource_manager.so"
        headers = pair.embedded.bin.parent / "include" / "server"
        source = Path(__file__).with_name("resource_manager.c")
        subprocess.run([compiler, "-shared", "-fPIC", "-I", headers, source, "-o", module], check=True)
        if preloaded:
            restart(pair, "b", {"shared_preload_libraries": f"'{module}'"})
        restart(pair, "a", {"shared_preload_libraries": f"'{module}'"})
        pair.run(f"create function write_record() returns void language c as '{module}'")
        catch_up(pair)
        pair.run("select write_record()")
        pair.run("create table seen (id int)")
        if preloaded:
            catch_up(pair)
            pair.fail_over()
            return pair.run("select * from seen", "b") == []
        wait(lambda: pair.embedded.postmaster("b") is None, "the standby to shut down")
        said = (pair.embedded.directory / "b.log").read_text()
        assert "resource manager with ID 128 not registered" in said
        return False
