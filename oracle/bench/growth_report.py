"""The table and the plot of how proofs grow with the model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def table(found: Mapping[str, Any]) -> str:
    """Return the table for people, as docs/performance.md has it too."""
    lines = [
        "| weights | visibility | rows | k | seconds | peak memory | keys | |",
        "|--:|---|--:|--:|--:|--:|--:|---|",
    ]
    for each in found["circuits"]:
        measured = each["measured"]
        shown = measured or each["estimated"]
        cells = (
            f"{each['weights']:,}",
            each["visibility"],
            f"{each['rows']:,}",
            str(each["k"]),
            f"{shown['seconds']:,.1f}",
            f"{shown['memory_mb']:,.0f} MB",
            f"{measured['keys_s']:,.1f} s" if measured else "",
            "measured" if measured else "estimated",
        )
        lines.append(f"| {' | '.join(cells)} |")
    if "split" in found:
        of = found["split"]
        sizes = ", ".join(str(each["k"]) for each in of["segments"])
        guess = of["planned"]
        lines += [
            "",
            f"split: {of['weights']:,} {of['visibility']} weights in {len(of['segments'])} segments (k {sizes}), "
            f"{of['proofs_at_once']} at once, limit {of['memory_limit_gib']} GiB",
            f"built in {of['build_s']:,.0f} s with {of['build_memory_mb']:,.0f} MB",
            f"proven in {of['prove_s']:,.0f} s with {of['prove_memory_mb']:,.0f} MB (estimated "
            f"{guess['seconds']:,.0f} s, {guess['memory_mb']:,.0f} MB)",
            f"verified in {of['verify_s']:,.1f} s: {'holds' if of['verified'] else 'DOES NOT HOLD'}",
        ]
    return "\n".join(lines)


def draw(found: Mapping[str, Any], path: Path) -> bool:
    """Draw time and memory over weights; return False if matplotlib, of the extra `demo`, is not installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return False
    figure = Figure(figsize=(9, 4))
    for axes, name, label in zip(
        figure.subplots(1, 2), ("seconds", "memory_mb"), ("seconds per proof", "peak memory, MB"), strict=True
    ):
        for visibility, colour in (("public", "tab:blue"), ("private", "tab:red")):
            rows = [each for each in found["circuits"] if each["visibility"] == visibility]
            axes.plot(
                [each["weights"] for each in rows],
                [each["estimated"][name] for each in rows],
                linestyle="--",
                color=colour,
                alpha=0.6,
                label=f"{visibility}, estimated",
            )
            done = [each for each in rows if each["measured"]]
            axes.plot(
                [each["weights"] for each in done],
                [each["measured"][name] for each in done],
                marker="o",
                linestyle="-",
                color=colour,
                label=f"{visibility}, measured",
            )
        if "split" in found:
            of = found["split"]
            value = of["prove_s"] if name == "seconds" else of["prove_memory_mb"]
            axes.plot([of["weights"]], [value], marker="*", markersize=12, color="black", linestyle="", label="split")
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("weights")
        axes.set_ylabel(label)
        axes.grid(alpha=0.3)
    figure.axes[0].legend(fontsize=8)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Software": None})
    return True
