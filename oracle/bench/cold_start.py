"""Starts from nothing, timed: `oracle --help` as a new process, and the set-up in a fresh clone."""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from oracle.bench.commands import git_command, oracle_command, output_of
from oracle.chain.local import toolchain
from oracle.core.errors import Fatal

Echo = Callable[[str], None]


def cli_help_seconds(times: int = 5) -> float:
    """Return the median seconds of `oracle --help` as a process, after one run that warms up."""
    taken = []
    for _ in range(times + 1):
        began = time.perf_counter()
        output_of([*oracle_command(), "--help"], Path.cwd())
        taken.append(time.perf_counter() - began)
    return round(statistics.median(taken[1:]), 3)


def time_cold_setup(echo: Echo) -> dict[str, Any]:
    """Time `make setup`, then `make demo` up to the first value on-chain, in a fresh clone with empty package caches.

    Raises:
        ToolMissing: git or make is not installed.
        Fatal: One of them failed; the message has its last lines.
    """
    root = toolchain.project_root()
    with tempfile.TemporaryDirectory(prefix="oracle-cold-") as folder:
        clone, caches = Path(folder, "clone"), Path(folder, "caches")
        output_of([git_command(), "clone", "--quiet", "--no-hardlinks", str(root), str(clone)], Path(folder))
        env = {
            name: value for name, value in os.environ.items() if not name.startswith(("VIRTUAL_ENV", "MAKE", "MFLAGS"))
        }
        env |= {
            "UV_CACHE_DIR": str(caches / "uv"),
            "PIP_CACHE_DIR": str(caches / "pip"),
            "npm_config_cache": str(caches / "npm"),
            "PYTHONUNBUFFERED": "1",
            # So that the installation of this very environment is not found first.
            "PATH": os.pathsep.join(
                part for part in env.get("PATH", "").split(os.pathsep) if Path(part) != Path(sys.executable).parent
            ),
        }
        echo("cold set-up: make setup in a fresh clone")
        began = time.perf_counter()
        output_of(["make", "setup"], clone, env)
        setup = time.perf_counter() - began
        echo("cold set-up: make demo")
        began = time.perf_counter()
        first = None
        said: list[str] = []
        with subprocess.Popen(
            ["make", "demo", "ARGS=--ticks 20"],
            cwd=clone,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as demo:
            assert demo.stdout is not None
            for line in demo.stdout:
                said.append(line.strip())
                # The demonstration shows each observation as a line when nobody watches.
                if first is None and re.search(r"\s{2}written\s", line):
                    first = time.perf_counter() - began
        if demo.returncode or first is None:
            raise Fatal(
                f"`make demo` in a fresh clone failed with exit code {demo.returncode}: {' | '.join(said[-4:])}"
            )
        return {
            "cold_setup_s": round(setup, 1),
            "cold_first_value_s": round(setup + first, 1),
            "cold_demo_s": round(time.perf_counter() - began, 1),
        }
