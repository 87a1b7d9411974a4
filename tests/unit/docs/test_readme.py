"""Tests of README.md: short, with badges that are true and pictures that are there."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from scripts import badges, moving_pictures


def test_the_badges_say_what_is_so(project_root: Path) -> None:
    claims = badges.claims()
    for name, claim in claims.items():
        text = (badges.FOLDER / f"{name}.svg").read_text(encoding="utf-8")
        assert text == badges.badge(*claim), "run `python -m scripts.badges`"
        assert ElementTree.fromstring(text).get("aria-label") == ": ".join(claim)
    assert sorted(claims) == sorted(path.stem for path in badges.FOLDER.iterdir())
    shown = re.findall(r"docs/pictures/badges/(\w+)\.svg", (project_root / "README.md").read_text())
    assert sorted(shown) == sorted(claims)


def test_a_badge_changes_with_what_it_claims(project_root: Path, tmp_path: Path) -> None:
    for name in ("pyproject.toml", "Makefile", "docs/properties.md", "contracts/src/interfaces/IZkOracle.sol"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text((project_root / name).read_text())
    assert badges.claims(tmp_path) == badges.claims()
    makefile = tmp_path / "Makefile"
    makefile.write_text(makefile.read_text().replace("--lines 98", "--lines 90"))
    assert badges.claims(tmp_path)["coverage"][1].startswith("90 % of lines")


def test_the_readme_is_read_in_minutes(project_root: Path) -> None:
    assert len((project_root / "README.md").read_text().split()) < 1_800


def test_pictures_are_small(project_root: Path) -> None:
    for path in (project_root / "docs/pictures").glob("*.webp"):
        assert path.stat().st_size < 1_000_000, path.name
        with Image.open(path) as picture:
            assert getattr(picture, "n_frames", 1) > 10, path.name


OUTPUT = """What a stranger can know of the model:
sp500  2008-07-01  1284.91    written  1.23 s  259,126
wti  2008-07-01  -141.06    HELD fault: negative  1.23 s  259,126
sp500  2008-07-02  1261.52    written missed fault: drift  1.19 s  243,445

Read back from the chain
3 observations: 2 written, 1 held (0 false holds, 0 true values after a
fault, 0 confirmed regime changes)
audit: 3 of 3 reports verified, with 2 proofs; 0 failed, 0 unchecked; the
verifier of 4 windows was made again from the architecture
"""


def test_the_moving_picture_has_what_the_run_has_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = moving_pictures.played(OUTPUT)
    assert [(each.feed, each.value, each.is_held, each.note) for each in lines] == [
        ("sp500", 1284.91, False, ""),
        ("wti", -141.06, True, "fault: negative"),
        ("sp500", 1261.52, False, "missed fault: drift"),
    ]
    assert moving_pictures.ending(OUTPUT) == [
        "3 observations: 2 written, 1 held",
        "audit: 3 of 3 reports verified,",
        "with 2 proofs; 0 failed",
    ]
    with pytest.raises(ValueError, match="did not run to it"):
        moving_pictures.ending("Read back from the chain\n")
    monkeypatch.setattr(moving_pictures, "FRAMES", 2)
    moving_pictures.draw_demo(OUTPUT, tmp_path / "demo.webp")
    with Image.open(tmp_path / "demo.webp") as picture:
        assert (picture.size, getattr(picture, "n_frames", 1)) == (moving_pictures.SIZE, 2)


def test_the_page_of_the_explorer_has_the_steps_of_a_check(project_root: Path) -> None:
    source = (project_root / "npm/client/src/verify/report.ts").read_text(encoding="utf-8")
    titles = source.split("const TITLES", 1)[1].split("};", 1)[0]
    page = (project_root / "docs/explorer.md").read_text(encoding="utf-8").split("| step |", 1)[1]
    assert re.findall(r'^  \w+: "(.*)",$', titles, re.MULTILINE) == re.findall(r"^\| ([A-Z].*?) \|", page, re.MULTILINE)
