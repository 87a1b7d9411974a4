"""The properties that halmos proves, and their table."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts import symbolic
from scripts.symbolic import NotProven, Proof, Property, properties, read_results, table, write


def entry(name: str, **other: object) -> dict[str, object]:
    """Return a result as halmos writes it."""
    return {"name": f"{name}(uint256)", "exitcode": 0, "num_paths": [3, 2, 0], "time": [1.5, 1.0, 0.5]} | {
        "num_bounded_loops": 0,
        **other,
    }


def test_the_table_of_the_page_is_that_of_the_files(project_root: Path) -> None:
    page = (project_root / symbolic.PAGE).read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\w+) \| `(\w+)` \| (.*?) \| ([\d.–]+) \|$", page, re.MULTILINE)
    known = properties(project_root)
    assert [(file, f"testFuzz_{name}") for file, name, *_ in rows] == [(each.file, each.name) for each in known]
    for each, (_, _, bound, seconds) in zip(known, rows, strict=True):
        if each.unproven:
            assert bound == f"fuzzed only: {each.unproven}"
        else:
            assert bound == (each.bound or "all inputs")
            assert float(seconds) < symbolic.LONGEST


def test_each_file_has_a_contract_of_its_name_and_properties_alone(project_root: Path) -> None:
    files = sorted((project_root / symbolic.FOLDER).glob("*.t.sol"))
    assert files
    for path in files:
        text = path.read_text(encoding="utf-8")
        assert f"contract {path.name.split('.')[0]}Symbolic is Test" in text
        # What halmos does not prove is not among what it proves.
        assert not re.search(r"function (?!testFuzz_)test", text)


def test_tags_above_a_property(tmp_path: Path) -> None:
    folder = tmp_path / symbolic.FOLDER
    folder.mkdir(parents=True)
    (folder / "Two.t.sol").write_text(
        "    /// @dev Says what.\n    /// @custom:bound three answers\n    function testFuzz_a(uint8 x) public {}\n"
        "    function testFuzz_b(uint8 x) public {}\n"
        "    /// @custom:unproven a division\n    function testFuzz_c(uint8 x) public {}\n"
    )
    assert properties(tmp_path) == [
        Property("Two", "testFuzz_a", bound="three answers"),
        Property("Two", "testFuzz_b"),
        Property("Two", "testFuzz_c", unproven="a division"),
    ]


@pytest.mark.parametrize(
    ("other", "failure"),
    [
        ({}, ""),
        ({"exitcode": 1}, "there is a counterexample"),
        ({"exitcode": 2}, "the solver did not end"),
        ({"exitcode": 4}, "no path comes to an end"),
        ({"exitcode": 77}, "halmos failed with 77"),
        # A proof that leaves out the rest of a loop is none.
        ({"num_bounded_loops": 1}, "a loop goes on after 256 rounds"),
    ],
)
def test_only_a_whole_proof_counts(other: dict[str, object], failure: str) -> None:
    wanted = Property("Two", "testFuzz_a")
    (proof,) = read_results([wanted], {"test_results": {"Two.t.sol:Two": [entry("testFuzz_a", **other)]}})
    assert proof == Proof(wanted, failure, 3, 1.5)


def test_a_property_that_was_not_run_is_not_proven() -> None:
    wanted = [Property("Two", "testFuzz_a"), Property("Two", "testFuzz_ab")]
    first, second = read_results(wanted, {"test_results": {"Two.t.sol:Two": [entry("testFuzz_ab")]}})
    assert (first.failure, second.failure) == ("halmos did not run it", "")


@pytest.mark.parametrize(("failure", "code"), [("", 0), ("the solver did not end", 1)])
def test_the_exit_code(failure: str, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    known = [Property("Two", "testFuzz_a"), Property("Two", "testFuzz_b", unproven="a division")]
    monkeypatch.setattr(symbolic, "properties", lambda _: known)
    monkeypatch.setattr(symbolic, "prove", lambda _, __, wanted: [Proof(each, failure, 1, 1.0) for each in wanted])
    assert symbolic.main([]) == code
    # Nothing was tried: that is no success.
    assert symbolic.main(["--only", "Nothing"]) == 1

    def fail(*_: object) -> list[Proof]:
        raise NotProven("halmos did not run")

    monkeypatch.setattr(symbolic, "prove", fail)
    assert symbolic.main([]) == 2


def test_the_table_is_put_between_its_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{symbolic.OPENING}\nold\n{symbolic.CLOSING}\nafter\n")
    known = [Property("Two", "testFuzz_a"), Property("Two", "testFuzz_b", unproven="a division")]
    write(page, table(known, [Proof(known[0], "", 3, 1.25)]))
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "| Two | `a` | all inputs | 1.2 |" in text
    assert "| Two | `b` | fuzzed only: a division | – |" in text
    page.write_text("no marks")
    with pytest.raises(NotProven, match="lacks"):
        write(page, [])
