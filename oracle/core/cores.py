"""The cores and the memory that this process may use."""

from __future__ import annotations

import math
import os
from pathlib import Path

__all__ = ["usable_cores", "usable_memory_mb"]

_CGROUP = Path("/sys/fs/cgroup")


def usable_cores(cgroup: Path = _CGROUP) -> int:
    """Return the number of cores that this process may use at once, at least 1.

    A machine has them, a scheduler's mask leaves some of them, and a container's quota leaves so much time of them.

    Args:
        cgroup: The folder in which Linux shows the quota of this process's control group.
    """
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        cores = os.cpu_count() or 1
    quota = _quota(cgroup)
    return max(1, cores if quota is None else min(cores, math.ceil(quota)))


def usable_memory_mb(cgroup: Path = _CGROUP) -> int | None:
    """Return the MiB of memory that the machine has, or that its control group may take; None if nothing tells it.

    Args:
        cgroup: The folder in which Linux shows the limits of this process's control group.
    """
    found = []
    try:
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, OSError, ValueError):  # not on Windows
        pass
    for name in ("memory.max", "memory/memory.limit_in_bytes"):  # versions 2 and 1
        try:
            found.append(int((cgroup / name).read_text(encoding="ascii")))
        except (OSError, ValueError):
            continue  # there is none, or it is "max"
    return max(1, min(found) >> 20) if found else None


def _quota(cgroup: Path) -> float | None:
    """Return the cores' time that a control group may take, in cores; None if it may take all."""
    try:
        shown = (cgroup / "cpu.max").read_text(encoding="ascii").split()  # version 2
        time, period = shown[0], shown[1]
    except (OSError, ValueError, IndexError):
        try:
            time = (cgroup / "cpu/cpu.cfs_quota_us").read_text(encoding="ascii").strip()  # version 1
            period = (cgroup / "cpu/cpu.cfs_period_us").read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            return None
    if not (time.isdecimal() and period.isdecimal() and int(time) and int(period)):
        return None  # "max" or "-1": there is no limit
    return int(time) / int(period)
