"""Tests of docs/threat-model.md and docs/properties.md: each row and property names tests, and numbers have no gap."""

from __future__ import annotations

import re
from pathlib import Path

NAMED = re.compile(r"`[\w/.]+\.(?:py|t\.sol)::(?:test|invariant|check)\w+`")


def test_every_actor_of_the_threat_model_has_tests_and_assets(project_root: Path) -> None:
    text = (project_root / "docs" / "threat-model.md").read_text()
    assets = re.findall(r"^\| \*\*(A\d+)\*\* ", text, re.MULTILINE)
    assert assets == [f"A{number}" for number in range(1, len(assets) + 1)] and len(assets) >= 10
    actors = [line for line in text.splitlines() if re.match(r"\| \*\*(?!A\d)", line) and line.count("|") == 6]
    assert len(actors) >= 20
    for row in actors:
        tests = row.split("|")[-2]
        assert NAMED.search(tests), row
    threatened = {each for row in actors for each in re.findall(r"\bA\d+\b", row)}
    assert threatened == set(assets)


def test_every_property_has_a_number_and_tests(project_root: Path) -> None:
    text = (project_root / "docs" / "properties.md").read_text()
    numbers: dict[str, list[int]] = {}
    items = re.split(r"\n(?=- \*\*[A-Z]-\d+\*\* |#)", text)
    for item in items:
        if (head := re.match(r"- \*\*([A-Z])-(\d+)\*\* ", item)) is not None:
            numbers.setdefault(head[1], []).append(int(head[2]))
            assert NAMED.search(item), item
    assert set(numbers) >= set("CGDNAVKMR")
    for letter, found in numbers.items():
        assert found == list(range(1, len(found) + 1)), letter
    last = max(int(each) for each in re.findall(r"\*\*I-(\d+)\*\*", (project_root / "docs/contracts.md").read_text()))
    assert f"## The contracts: I-1 to I-{last}\n" in text
