"""This machine, and the versions of what is measured."""

from __future__ import annotations

import contextlib
import platform
import re
from pathlib import Path
from typing import Any

import psutil

from oracle.bench.commands import git_command, output_of
from oracle.chain.local import toolchain
from oracle.core.errors import Fatal, ToolMissing
from oracle.core.version import __version__
from oracle.proving.artifact.verifier import SOLC_VERSION
from oracle.proving.engine.version import ezkl_version


def machine() -> dict[str, Any]:
    """Return what this machine is, and how busy it was before the benchmark."""
    model = ""
    with contextlib.suppress(OSError):
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
        model = found[1].strip() if found else ""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "cpu": model or platform.processor() or platform.machine(),
        "cores": psutil.cpu_count() or 1,
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "load_before": round(psutil.getloadavg()[0], 2),
    }


def cpu_seconds(pid: int | None, ended: bool = False) -> float:
    """Return the seconds of CPU that a process took so far; 0 without one.

    Args:
        pid: The process.
        ended: True to count those of its children, too, that have ended.
    """
    if pid is None:
        return 0.0
    times = psutil.Process(pid).cpu_times()
    children = times.children_user + times.children_system if ended else 0.0
    return float(times.user + times.system + children)


def versions() -> dict[str, str]:
    """Return the versions of what is measured."""
    found = {
        "oracle": __version__,
        "python": platform.python_version(),
        "ezkl": ezkl_version(),
        "anvil": toolchain.anvil().version,
        "solc": f"{toolchain.contracts_solc_version()} (hub), {SOLC_VERSION} (verifiers)",
    }
    with contextlib.suppress(ToolMissing, Fatal):
        found["commit"] = output_of([git_command(), "rev-parse", "--short=12", "HEAD"], toolchain.project_root())
    return found
