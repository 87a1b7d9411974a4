"""The report on a folder of models: lines for people, and tables in Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from typing import Any

Row = Mapping[str, Any]

RESULTS = ("exact", "approximate", "refused", "failed", "stopped", "wrong", "crashed")
"""Every end that a model can come to. `failed` is an error with a reason other than the model: a tool, a proof."""

BUILT = ("exact", "approximate")

_NONE = "–"


def line(row: Row) -> str:
    """Return one line about a model."""
    told = f"{row['name']}: {row['result']}"
    if row["result"] in BUILT and "k" in row:
        count = row.get("segments")
        cut = f", {count} segment{'s' * (count != 1)}" if count else ""
        told += f"{cut}, k = {row['k']}, {_seconds(row['prove_s'])} a proof, built in {_seconds(row['build_s'])}"
    elif row.get("why"):
        told += f": {row['why'][:200]}"
    beside = row.get("defaults")
    if beside:
        told += f"; ezkl's defaults: {beside['result']}"
        if beside.get("over_ours"):
            told += f", {beside['over_ours']:g}× the time"
    return told


def summary(report: Mapping[str, Any]) -> list[str]:
    """Return what became of all models, and the medians of the ratios."""
    rows = list(report["models"].values())
    counts = {result: sum(row["result"] == result for row in rows) for result in RESULTS}
    lines = [
        f"{len(rows)} model{'s' * (len(rows) != 1)}: "
        + ", ".join(f"{count} {result}" for result, count in counts.items() if count)
    ]
    beside = [row["defaults"] for row in rows if row.get("defaults")]
    if beside:
        lines.append(f"ezkl's defaults prove {sum(each['result'] == 'proven' for each in beside)} of {len(beside)}")
    for kind in BUILT:
        chosen = [row for row in rows if row["result"] == kind and row.get("defaults", {}).get("over_ours")]
        if chosen:
            lines.append(f"{kind}: " + _medians(chosen))
    return lines


def _medians(rows: Iterable[Row]) -> str:
    rows = list(rows)
    faster = [row["defaults"]["over_ours"] for row in rows]
    cheaper = statistics.median(row["defaults"]["cpu_over_ours"] for row in rows)
    smaller = [row["defaults"]["memory_mb"] / row["memory_mb"] for row in rows]
    sooner = statistics.median(row["build_s"] / row["defaults"]["setup_s"] for row in rows)
    lighter = statistics.median(row["build_cpu_s"] / row["defaults"]["setup_cpu_s"] for row in rows)
    slow = sum(each < 2 for each in faster)
    return (
        f"proven {statistics.median(faster):.3g}× faster than with ezkl's defaults (median of {len(rows)}, "
        f"{min(faster):.3g}× to {max(faster):.3g}×; {slow} below 2×), "
        f"with {cheaper:.3g}× less CPU, "
        f"in 1/{statistics.median(smaller):.2g} of the memory; "
        f"built in {sooner:.2g} of the time of ezkl's pipeline, with {lighter:.2g} of its CPU"
    )


def reasons(report: Mapping[str, Any]) -> list[str]:
    """Return why models were not built, one line each."""
    return [f"{row['name']}: {row['result']}: {row['why']}" for row in _sorted(report) if row["result"] not in BUILT]


def built(report: Mapping[str, Any]) -> list[str]:
    """Return the names of models that became a circuit, exact or approximate."""
    return [row["name"] for row in _sorted(report) if row["result"] in BUILT]


def faults(report: Mapping[str, Any]) -> list[str]:
    """Return the names of models that were proven wrong, or whose process crashed."""
    return [row["name"] for row in _sorted(report) if row["result"] in ("wrong", "crashed")]


def markdown(report: Mapping[str, Any]) -> str:
    """Return the table of all models, in Markdown, without columns that no model has anything for."""
    rows = [_cells(row) for row in _sorted(report)]
    titles = [title for title in (rows[0] if rows else {}) if any(row[title] != _NONE for row in rows)]
    lines = ["| " + " | ".join(titles) + " |"]
    lines.append("|" + "|".join("---" if title in ("model", "result") else "--:" for title in titles) + "|")
    lines += ["| " + " | ".join(row[title] for title in titles) + " |" for row in rows]
    return "\n".join(lines)


def _cells(row: Row) -> dict[str, str]:
    """Return what the table says about a model, by the titles of its columns."""
    beside = row.get("defaults") or {}
    right = row["result"] in BUILT
    done = right and "k" in row
    return {
        "model": f"`{row['name']}`",
        "result": row["result"] if right or not row.get("why") else f"{row['result']}: {_short(row['why'])}",
        "segments": str(row["segments"]) if done and row.get("segments") else _NONE,
        "k": str(row["k"]) if done else _NONE,
        "prove": _seconds(row["prove_s"]) if done else _NONE,
        "ezkl's defaults": _beside(beside),
        "their CPU": f"{beside['cpu_over_ours']:g}×" if "cpu_over_ours" in beside else _NONE,
        "memory": _mb(row.get("memory_mb")) if done else _NONE,
        "their memory": _mb(beside.get("memory_mb")),
        "proof": f"{row['proof_bytes']:,} B" if done else _NONE,
        "built in": _seconds(row["build_s"]) if done else _NONE,
        "their set-up": _seconds(beside["setup_s"]) if "setup_s" in beside else _NONE,
        "CPU": _seconds(row["build_cpu_s"]) if done else _NONE,
        "their set-up's CPU": _seconds(beside["setup_cpu_s"]) if "setup_cpu_s" in beside else _NONE,
        "error, of what is allowed": _error(row) if right else _NONE,
    }


def _error(row: Row) -> str:
    return f"{row['error'] / row['limit']:.2g}" if row["rule"] == "tolerance" else "order"


def _sorted(report: Mapping[str, Any]) -> list[Row]:
    return sorted(report["models"].values(), key=lambda row: (RESULTS.index(row["result"]), row["name"]))


def _beside(found: Row) -> str:
    if not found:
        return _NONE
    if found.get("over_ours"):
        return f"{found['over_ours']:g}×"
    return _seconds(found["prove_s"]) if found["result"] == "proven" else str(found["result"])


def _seconds(value: float) -> str:
    return f"{value:.3f} s" if value < 1 else f"{value:.1f} s"


def _mb(value: float | None) -> str:
    return _NONE if value is None else f"{value:,.0f} MB"


def _short(why: str) -> str:
    """Return a reason without what breaks a table, and without its advice."""
    first = why.split("(1) ", 1)[-1].split(" (2) ")[0]
    return " ".join(first.replace("|", "/").split())[:160]
