"""All models of a folder, one after the other, each in a process of its own."""

from __future__ import annotations

import datetime as dt
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from oracle.bench.machine import machine, versions
from oracle.bench.suite.limited import Ending, run_limited
from oracle.bench.suite.subjects import Subject, find
from oracle.bench.suite.table import line, summary
from oracle.bench.suite.trial import Rules
from oracle.core.documents import read_json, write_json
from oracle.core.errors import DataError

Echo = Callable[[str], None]

CHILD = (sys.executable, "-P", "-m", "oracle.bench.suite.child")
"""The process that measures one model; the last argument is the file with what to do."""


def measure_models(
    folder: Path,
    *,
    out: Path,
    echo: Echo,
    patterns: Sequence[str] = (),
    rules: Rules | None = None,
    defaults: bool = True,
    seconds: float = 300.0,
    memory: int = 8 << 30,
    child: Sequence[str] = CHILD,
) -> dict[str, Any]:
    """Measure every model of a folder, and write a row as soon as it is known.

    A run that was stopped continues: rows of the same files, rules and limits are taken from the report.

    Args:
        folder: The models; see `subjects`.
        out: The report.
        echo: Takes lines for people.
        patterns: Only models whose names match.
        rules: What counts as right, and how often is proven.
        defaults: True to measure ezkl's defaults beside.
        seconds: Time for a model, and as much again for ezkl's defaults.
        memory: Bytes that a model's processes may take together.
        child: The command that measures one model.

    Returns:
        The report.

    Raises:
        DataError: The folder has no models, or the report is of something else.
    """
    rules = rules or Rules()
    subjects = find(folder, patterns)
    options = {**asdict(rules), "defaults": defaults, "seconds": seconds, "memory": memory}
    report = _earlier(out, options)
    rows: dict[str, Any] = report["models"]
    began = time.monotonic()
    for at, subject in enumerate(subjects, 1):
        digest = subject.digest()
        if rows.get(subject.name, {}).get("digest") == digest:
            echo(f"{at}/{len(subjects)} {line(rows[subject.name])} (measured before)")
            continue
        row = _measured(subject, rules, defaults, seconds, memory, child)
        rows[subject.name] = {**row, "digest": digest}
        echo(f"{at}/{len(subjects)} {line(row)}")
        report["seconds"] = round(report["seconds"] + time.monotonic() - began)
        began = time.monotonic()
        write_json(out, report)
    for told in summary({**report, "models": {each.name: rows[each.name] for each in subjects}}):
        echo(told)
    return report


def _earlier(out: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Return the report that is there, or a new one.

    Raises:
        DataError: The report there was measured by other rules, on another machine or with other versions.
    """
    fresh = {"machine": machine(), "versions": versions(), "options": options}
    if out.exists():
        report: dict[str, Any] = read_json(out)
        kept = {"cpu", "cores", "memory_gb", "system"}
        same = isinstance(report, dict) and "models" in report and report.get("options") == options
        same = same and report["versions"] == fresh["versions"]
        if not same or any(report["machine"][key] != fresh["machine"][key] for key in kept):
            raise DataError(
                f"{out} is of other options, another commit or another machine: move it, or name another --out"
            )
        return report
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    return {"measured_at": now, **fresh, "seconds": 0, "models": {}}


def _measured(
    subject: Subject, rules: Rules, defaults: bool, seconds: float, memory: int, child: Sequence[str]
) -> dict[str, Any]:
    """Measure one model in a process, and return its row, whatever became of the process."""
    with tempfile.TemporaryDirectory(prefix="oracle-bench-model-") as made:
        folder = Path(made)
        row_file, job = folder / "row.json", folder / "job.json"
        asked = {
            "name": subject.name,
            "onnx": str(subject.onnx.absolute()),
            "inputs": subject.inputs and str(subject.inputs.absolute()),
            "rules": asdict(rules),
            "defaults": defaults,
            "memory": memory,
            "seconds": seconds,
            "folder": made,
            "row": str(row_file),
        }
        write_json(job, asked)

        def row() -> dict[str, Any]:
            try:
                found: dict[str, Any] = read_json(row_file)
                return found
            except DataError:  # it has not written any
                return {"name": subject.name, "result": "", "doing": "starting"}

        def stage() -> int:
            return 1 if row().get("result") else 0

        ending = run_limited([*child, str(job)], folder / "log", seconds, memory, stage)
        return _ended(row(), ending, seconds, memory)


def _ended(row: dict[str, Any], ending: Ending, seconds: float, memory: int) -> dict[str, Any]:
    """Return a row with the end of its process written into the part that was not done."""
    limit = {"time": f"after {seconds:g} s", "memory": f"at {memory / 2**30:.3g} GiB"}.get(ending.why)
    if not row["result"] or "defaults" not in row:
        part = row
    else:
        part = row["defaults"] = dict(row["defaults"])
    if part.get("result"):
        return row
    doing = part.pop("doing", "") or "working"
    if limit is not None:
        part |= {"result": "stopped", "why": f"stopped {limit}, while {doing}"}
    else:
        part |= {"result": "crashed", "why": f"{ending.why or 'ended without a result'} while {doing}: {ending.words}"}
    return row
