"""The process that measures one model: `python -m oracle.bench.suite.child JOB.json`.

It writes all it knows into the row's file after each step. Whatever ends it, the parent finds what was done until then.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

from oracle.bench.suite import defaults
from oracle.bench.suite.limited import end_with_parent
from oracle.bench.suite.splitting import TrialLimits
from oracle.bench.suite.subjects import Subject
from oracle.bench.suite.trial import build, rules_of
from oracle.core.documents import read_json, write_json


def main(job: Path) -> None:
    """Measure the model that a file names."""
    end_with_parent()
    warnings.simplefilter("ignore")  # frameworks' exports are full of them
    document = read_json(job)
    inputs = document["inputs"]
    subject = Subject(document["name"], Path(document["onnx"]), None if inputs is None else Path(inputs))
    rules = rules_of(document["rules"])
    folder, out = Path(document["folder"]), Path(document["row"])
    row: dict[str, Any] = {"name": subject.name, "result": "", "doing": "reading"}

    def note(facts: dict[str, Any]) -> None:
        row.update(facts)
        write_json(out, row)

    built = build(subject, rules, folder, note, TrialLimits(document["memory"], document["seconds"]))
    if document["defaults"] and rules.prove:
        tensors = defaults.tensors_of(subject, built)
        if tensors is not None:
            (folder / "defaults").mkdir()
            defaults.measure(subject, built, tensors, rules.repeat, folder / "defaults", note)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
