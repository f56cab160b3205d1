"""Running ahead of everything else on a busy machine, so that its noise is not measured.

By the system's real-time scheduling, which needs the right to it (root); for `--isolate`.
"""

import os
import sys

_PRIORITY = 10


def run_ahead(pid: int = 0, *, with_children: bool = True) -> None:
    """Let a process (this one by default) run before ordinary ones, and what it starts, too."""
    if not hasattr(os, "sched_setscheduler"):
        sys.exit("--isolate: this system has no scheduling by priority")
    policy = os.SCHED_RR if with_children else os.SCHED_RR | os.SCHED_RESET_ON_FORK
    try:
        os.sched_setscheduler(pid, policy, os.sched_param(_PRIORITY))
    except PermissionError:
        sys.exit("--isolate: not permitted here; run as root, or without it")
