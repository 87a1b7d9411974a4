"""The table of the slowest tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import slowest_tests

REPORT = """<?xml version="1.0"?><testsuites><testsuite>{cases}</testsuite></testsuites>"""
CASE = '<testcase classname="tests.unit.core.test_{at}" name="test_it" time="{at}.26"/>'


def test_the_slowest_are_written_between_the_marks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    report, page = tmp_path / "report.xml", tmp_path / "README.md"
    report.write_text(REPORT.format(cases="".join(CASE.format(at=at) for at in range(12))))
    page.write_text(f"# Title\n\n{slowest_tests.BEGIN}old\n{slowest_tests.END}\nThe end.\n")
    monkeypatch.setattr(slowest_tests, "PAGE", page)
    for _ in range(2):
        assert slowest_tests.main([str(report)]) == 0
        text = page.read_text()
        assert text.startswith("# Title\n\n") and text.endswith("\nThe end.\n") and "old" not in text
        lines = text.splitlines()[3:-3]
        assert lines[2] == "| 11.3 | `tests/unit/core/test_11.py::test_it` |"
        assert len(lines) == 2 + slowest_tests.COUNT
    assert capsys.readouterr().out.splitlines()[: len(lines)] == lines


def test_a_page_without_marks_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no place for the table"):
        slowest_tests.with_table("# Title\n", [])


def test_the_page_has_the_marks() -> None:
    assert slowest_tests.BEGIN in slowest_tests.PAGE.read_text()
