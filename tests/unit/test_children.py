"""Python processes that the package starts import nothing from the folder that somebody works in."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import oracle
from oracle.chain.local import solc
from oracle.core.errors import ToolMissing

PACKAGE = Path(oracle.__file__).parent
PLANTED = "raise SystemExit('planted code has run')\n"


def interpreters() -> list[tuple[str, ast.List]]:
    """Return each command of the package that begins with this Python, with its place."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.List) and node.elts and ast.unparse(node.elts[0]) == "sys.executable":
                found.append((f"{path.relative_to(PACKAGE)}:{node.lineno}", node))
    return found


def test_each_child_leaves_the_current_folder_alone() -> None:
    commands = interpreters()
    assert len(commands) >= 4
    assert [where for where, node in commands if ast.unparse(node.elts[1]) != "'-P'"] == []


def test_a_package_that_lies_in_the_current_folder_is_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "planted.py").write_text(PLANTED)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(solc, "_DOWNLOAD_CODE", "import planted")
    with pytest.raises(ToolMissing, match="No module named 'planted'"):
        solc._download("0.8.20")
