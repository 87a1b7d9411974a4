"""Write what became of a folder of models into a document, from the report of `oracle bench models`.

    python -m scripts.model_tables peer build/bench-models.json docs/performance.md
    python -m scripts.model_tables exports build/bench-exports.json docs/performance.md

A document has a line `<!-- models:NAME -->` before each table and `<!-- /models:NAME -->` after it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from oracle.bench.suite.table import markdown, summary
from scripts.bench_tables import Report, TablesError, fill

COMMANDS = {
    "peer": "oracle bench models FOLDER",
    "exports": "make bench-models",
}
"""The tables by name, with the command that measures each."""


def table(report: Report, command: str) -> str:
    """Return the counts and medians, all models in a part that opens, and where it was measured."""
    counts = [f"- {each}" for each in summary(report)]
    folded = ["<details><summary>Each model</summary>", "", markdown(report), "", "</details>"]
    return "\n".join([*counts, "", *folded, "", _measured(report, command)])


def _measured(report: Report, command: str) -> str:
    about, versions, options = report["machine"], report["versions"], report["options"]
    arguments = "" if options["defaults"] else " --no-defaults" if options["prove"] else " --search-only"
    busy = about["load_before"] > 0.5
    return (
        f"{about['cpu']}, {about['cores']} cores, {about['memory_gb']} GB; Python {versions['python']}, ezkl "
        f"{versions['ezkl']}; commit {versions.get('commit', 'unknown')}, {report['measured_at'][:10]}, "
        f"`{command}{arguments}`, {report['seconds'] / 60:.0f} minutes; at most {options['seconds']:g} s and "
        f"{options['memory'] / 2**30:g} GiB for a model. "
        + (
            f"Other work was running (load {about['load_before']} at the start): the ratio of CPU holds, that of times "
            "is too large, and seconds are too long."
            if busy
            else "Nothing else was running."
        )
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the table that the arguments ask for; return the exit code."""
    parser = argparse.ArgumentParser(description="Write what became of a folder of models into a document.")
    parser.add_argument("table", choices=COMMANDS, help="the table to write")
    parser.add_argument("report", type=Path, help="the report of `oracle bench models`")
    parser.add_argument("document", type=Path, help="the document to write into")
    given = parser.parse_args(arguments)
    tables: dict[str, Callable[[Report], str]] = {
        name: lambda report, command=command: table(report, command)  # type: ignore[misc]
        for name, command in COMMANDS.items()
    }
    try:
        report = json.loads(given.report.read_text(encoding="utf-8"))
        text = given.document.read_text(encoding="utf-8")
        filled = fill(text, report, str(given.document), [given.table], tables=tables, marker="models")
        given.document.write_text(filled, encoding="utf-8")
    except (OSError, ValueError, TablesError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
