"""The experiment of docs/privacy.md: what a hidden model hides from who trains again, and from who watches."""

import json
import re
from pathlib import Path

from docs.experiments.secrecy import market, training_again, watching


def test_training_again_finds_a_model_of_which_nothing_is_hidden_and_no_other() -> None:
    found = {each.hidden: each for each in training_again(market(), count=3)}
    assert found["nothing"].deviation < 1e-6
    assert found["nothing"].safe > 0.999
    for hidden in ("vary", "budget", "data", "all"):
        assert found[hidden].deviation > 0.02, hidden
    assert found["data"].deviation > found["budget"].deviation


def test_verdicts_narrow_a_model_down_the_faster_the_better_they_are_chosen() -> None:
    nothing, probe, shadow, few, many, holds, _, _, hundred, card, *lies = watching(market(), models=16)
    assert nothing.left == probe.left == 1.0, "all accept a calm window"
    assert many.left <= min(shadow.left, holds.left)
    assert many.left <= few.left <= nothing.left
    assert card.left <= hundred.left <= nothing.left
    assert card.deviation < nothing.deviation
    assert lies[0].left <= 0.25, "five lies halve what is left, again and again"
    assert lies[0].deviation < few.deviation


def test_the_notebook_names_what_there_is(project_root: Path) -> None:
    notebook = json.loads((project_root / "docs/experiments/secrecy.ipynb").read_text(encoding="utf-8"))
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    scope: dict[str, object] = {}
    # The first cell loads the market; the others take minutes, and their functions are tested above.
    exec(cells[0], scope)
    for cell in cells[1:]:
        assert all(name in scope for name in re.findall(r"[a-z_]+(?=\()", cell) if name != "print")
