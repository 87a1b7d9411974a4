"""Write the ten slowest tests into tests/README.md: `python -m scripts.slowest_tests build/test-report.xml`.

The report is pytest's (`--junit-xml`). A test's time includes its set-up and its end: the first test that needs a chain
or a circuit waits for it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

PAGE = Path(__file__).parent.parent / "tests" / "README.md"
BEGIN, END = "<!-- slowest-tests -->\n", "<!-- /slowest-tests -->\n"
COUNT = 10


def slowest(report: Path) -> list[tuple[float, str]]:
    """Return the slowest tests of a report: seconds and name, the slowest first."""
    found = [
        (float(case.attrib["time"]), f"{case.attrib['classname'].replace('.', '/')}.py::{case.attrib['name']}")
        for case in ElementTree.parse(report).iter("testcase")
    ]
    return sorted(found, reverse=True)[:COUNT]


def table(tests: Iterable[tuple[float, str]]) -> str:
    """Return tests as a Markdown table."""
    return "".join(
        ["| seconds | test |\n|---:|---|\n", *(f"| {seconds:.1f} | `{name}` |\n" for seconds, name in tests)]
    )


def with_table(page: str, tests: Iterable[tuple[float, str]]) -> str:
    """Return a page with another table between its marks.

    Raises:
        ValueError: The page lacks the marks.
    """
    before, mark, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not mark or not end:
        raise ValueError(f"the page has no place for the table: {BEGIN.strip()} … {END.strip()}")
    return f"{before}{BEGIN}{table(tests)}{END}{after}"


def main(arguments: list[str]) -> int:
    """Write the table, and print it."""
    (report,) = arguments
    found = slowest(Path(report))
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8"), found), encoding="utf-8")
    print(table(found), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
