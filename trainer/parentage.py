"""Processes that end with the one that started them, so that nothing is left when it dies.

The kernel sends a signal when the parent ends (prctl(2), PR_SET_PDEATHSIG), but only from the call on; a process
whose parent ended before has another one by then, which it can see.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

AGENT = "HADRIAN_AGENT"  # process id of the elastic agent, where it is known

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def end_with_parent(number: signal.Signals) -> None:
    """Have the kernel send us a signal when our parent ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)


def end_with_agent() -> None:
    """End when the elastic agent does, or now if it has already."""
    end_with_parent(signal.SIGKILL)
    if os.environ.get(AGENT, str(os.getppid())) != str(os.getppid()):
        sys.exit("the agent that started this rank has ended")
