"""Draw the badges of the README from what they claim: `python -m scripts.badges`.

Each says one thing that is written, and checked, elsewhere in the tree; `tests/unit/docs/test_readme.py` fails if it is
no longer so. They are pictures of our own, so a reader's browser asks nobody for them.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from oracle import __version__

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "pictures" / "badges"

_SVG = """<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="20" role="img" aria-label="{label}: {value}">\
<title>{label}: {value}</title>\
<clipPath id="r"><rect width="{width}" height="20" rx="3"/></clipPath>\
<g clip-path="url(#r)"><rect width="{left}" height="20" fill="#444c4e"/>\
<rect x="{left}" width="{right}" height="20" fill="#0f766e"/></g>\
<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">\
<text x="{at_left}" y="14" textLength="{left_text}">{label}</text>\
<text x="{at_right}" y="14" textLength="{right_text}">{value}</text></g></svg>
"""

_LETTER = 6.6
"""The width of a letter, as a mean."""


def claims(root: Path = ROOT) -> dict[str, tuple[str, str]]:
    """Return what the badges say: the name of each, its label and its value."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    minors = sorted(int(each) for each in re.findall(r"Python :: 3\.(\d+)", "\n".join(project["classifiers"])))
    interface = (root / "contracts/src/interfaces/IZkOracle.sol").read_text(encoding="utf-8")
    [solidity] = re.findall(r"pragma solidity >=([\d.]+) ", interface)
    [(lines, branches)] = re.findall(r"--lines (\d+) --branches (\d+)", (root / "Makefile").read_text(encoding="utf-8"))
    properties = (root / "docs/properties.md").read_text(encoding="utf-8")
    [last] = re.findall(r"^## The contracts: I-1 to I-(\d+)$", properties, re.MULTILINE)
    numbered = int(last) + len(re.findall(r"^- \*\*[A-Z]-\d+\*\* ", properties, re.MULTILINE))
    return {
        "version": ("version", __version__),
        "python": ("python", f"3.{minors[0]} to 3.{minors[-1]}"),
        "solidity": ("solidity", f"{solidity} or later"),
        "properties": ("properties", f"{numbered}, each tested"),
        "coverage": ("contracts covered", f"{lines} % of lines, {branches} % of branches, at least"),
        "licence": ("licence", project["license"]),
    }


def badge(label: str, value: str) -> str:
    """Return a badge, as SVG."""
    left_text, right_text = (round(len(each) * _LETTER) for each in (label, value))
    left, right = left_text + 12, right_text + 12
    return _SVG.format(
        label=label,
        value=value,
        width=left + right,
        left=left,
        right=right,
        at_left=left / 2,
        at_right=left + right / 2,
        left_text=left_text,
        right_text=right_text,
    )


def main() -> None:
    """Write the badges."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, (label, value) in claims().items():
        (FOLDER / f"{name}.svg").write_text(badge(label, value), encoding="utf-8")


if __name__ == "__main__":
    main()
