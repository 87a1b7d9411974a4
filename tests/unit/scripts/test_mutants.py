"""Mutation tests: operators on Solidity, all mutants in one text, and a campaign with an engine that is made up."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from oracle.chain.local import toolchain
from oracle.chain.local.solc import compile_standard
from scripts.mutants import __main__ as command
from scripts.mutants.campaign import Results, Trial, run, sample
from scripts.mutants.interface import Engine, Workspace
from scripts.mutants.listed import Equivalents, WrongList
from scripts.mutants.mutant import Mutant, Outcome, Verdict, numbered
from scripts.mutants.report import Tally, count
from scripts.mutants.solidity.operators import Change, Form, changes
from scripts.mutants.solidity.schema import FIRST, blamed, combined, impure

SOURCE = """// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// A × in a comment: trees count bytes.
contract Small {
    uint256 internal constant MOST = 10;
    uint256 private total;
    address private owner;

    error TooMuch(uint256 value);
    event Added(uint256 value);

    modifier onlyOwner_() {
        if (msg.sender != owner) revert TooMuch(0);
        _;
    }

    function add(uint256 value) external onlyOwner_ returns (uint256 sum) {
        if (value > MOST && value != 77) revert TooMuch(value);
        sum = total + value;
        total = sum;
        emit Added(value);
    }

    function half(uint256 value) external pure returns (uint256 word) {
        assembly ("memory-safe") {
            if lt(value, 8) { word := shr(1, value) }
        }
    }

    function sign(int256 value) external pure returns (int256) {
        return value < 0 ? -1 : int256(1);
    }
}
"""


@pytest.fixture(scope="module")
def found() -> list[Change]:
    request = {
        "language": "Solidity",
        "sources": {"Small.sol": {"content": SOURCE}},
        "settings": {"outputSelection": {"*": {"": ["ast"]}}},
    }
    return changes("Small.sol", SOURCE, compile_standard(request, "0.8.30")["sources"]["Small.sol"]["ast"])


def made(found: Sequence[Change], operator: str) -> set[tuple[str, str]]:
    return {
        (" ".join(each.mutant.original.split()), each.mutant.replacement)
        for each in found
        if each.mutant.operator == operator
    }


def test_operators(found: list[Change]) -> None:
    assert made(found, "boundary") >= {
        ("value > MOST", "value >= MOST"),
        ("value < 0", "value <= 0"),
        ("lt(value, 8)", "iszero(gt(value, 8))"),
    }
    assert made(found, "operand dropped") == {
        ("value > MOST && value != 77", "value > MOST"),
        ("value > MOST && value != 77", "value != 77"),
    }
    assert ("total + value", "total - value") in made(found, "arithmetic")
    assert ("shr(1, value)", "shl(1, value)") in made(found, "arithmetic")
    # A bound is changed where it is used.
    assert {("MOST", "(MOST + 1)"), ("MOST", "(MOST - 1)"), ("77", "78"), ("-1", "(-1 + 1)")} <= made(found, "constant")
    assert made(found, "modifier") == {("onlyOwner_", "")}
    assert made(found, "branches swapped") == {("value < 0 ? -1 : int256(1)", "value < 0 ? int256(1) : -1")}
    assert {("emit Added(value);", "{}"), ("total = sum;", "{}"), ("word := shr(1, value)", "{}")} <= made(
        found, "removed"
    )
    assert {replacement for _, replacement in made(found, "condition")} == {"true", "false", "1", "0"}
    # A constant's own declaration is left alone: its uses are changed.
    assert not [each for each in found if each.mutant.function == "Small" and each.mutant.operator == "constant"]


def test_each_mutant_fits_its_text_and_has_a_key_of_its_own(found: list[Change]) -> None:
    keys = {each.mutant.key for each in found}
    assert len(keys) == len(found) > 30
    for each in found:
        mutated = each.mutant.applied(SOURCE)
        assert mutated != SOURCE
        assert SOURCE[: each.mutant.start].count("\n") == each.mutant.line - 1


def test_a_key_stays_when_lines_move_and_other_functions_change(found: list[Change]) -> None:
    one = next(each.mutant for each in found if each.mutant.operator == "boundary")
    moved = Mutant(one.file, one.function, one.operator, one.start + 9, one.end + 9, 99, one.original, one.replacement)
    assert moved.key == one.key
    with pytest.raises(ValueError, match="not the text"):
        moved.applied(SOURCE)
    again = numbered([one, moved])
    assert [each.number for each in again] == [0, 1]
    assert again[1].key == one.key + " #1"


def test_all_mutants_compile_in_one_text(found: list[Change]) -> None:
    chosen = {number: each for number, each in enumerate(found) if each.form is not Form.ALONE}
    pieces = combined(SOURCE, chosen)
    text = impure("".join(piece.text for piece in pieces))
    assert " pure" not in text
    for number in chosen:
        assert str(FIRST + number) in text
    request = {
        "language": "Solidity",
        "sources": {"Small.sol": {"content": text}},
        "settings": {"outputSelection": {"*": {"*": ["evm.bytecode.object"]}}, "evmVersion": "cancun"},
    }
    # It raises if the compiler refuses.
    output = compile_standard(request, "0.8.30")
    assert output["contracts"]["Small.sol"]["Small"]["evm"]["bytecode"]["object"]
    # A place that the compiler complains of leads to its mutants.
    joined = "".join(piece.text for piece in pieces)
    position = joined.index(str(FIRST + 3))
    assert 3 in blamed(pieces, position)
    assert blamed(pieces, 0) == ()


def test_pure_in_a_comment_stays() -> None:
    assert impure("// pure\nfunction f() pure {} /* pure */") == "// pure\nfunction f() view {} /* pure */"


# --- a campaign ---------------------------------------------------------------------------------------------


class MadeUpEngine(Engine):
    """Mutants of a file of digits, one for each. Even ones survive, 9 does not compile."""

    name = "made-up"
    batch = 2

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.tried: list[str] = []
        self.tests = "1"

    def files(self) -> list[str]:
        return ["digits.txt"]

    def mutants(self, file: str) -> list[Mutant]:
        text = (self.root / file).read_text()
        return numbered(Mutant(file, "all", "digit", at, at + 1, 1, digit, "x") for at, digit in enumerate(text))

    def tests_digest(self, file: str) -> str:
        return self.tests

    def workspace(self, folder: Path) -> Workspace:
        return MadeUpWorkspace(self)


class MadeUpWorkspace(Workspace):
    """A workspace that looks at the digit."""

    def __init__(self, engine: MadeUpEngine) -> None:
        self.engine = engine
        self.loaded: set[str] = set()

    def load(self, file: str, mutants: Sequence[Mutant]) -> None:
        self.loaded = {each.key for each in mutants}

    def attempt(self, mutant: Mutant) -> Verdict:
        assert mutant.key in self.loaded
        self.engine.tried.append(mutant.original)
        if mutant.original == "9":
            return Verdict(Outcome.INVALID, "compiler")
        return Verdict(Outcome.SURVIVED) if int(mutant.original) % 2 == 0 else Verdict(Outcome.KILLED, "test")

    def close(self) -> None:
        self.loaded = set()


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MadeUpEngine:
    (tmp_path / "digits.txt").write_text("123459")
    made_up = MadeUpEngine(tmp_path)
    monkeypatch.setattr(command, "ENGINES", {"made-up": lambda _: made_up})
    monkeypatch.setattr(toolchain, "build_dir", lambda: tmp_path / "build")
    return made_up


def test_a_run_that_was_stopped_goes_on(engine: MadeUpEngine, tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    mutants = engine.mutants("digits.txt")
    said: list[Trial] = []
    run(engine, mutants[:3], Results(engine, path), jobs=2, folder=tmp_path, said=lambda each, *_: said.append(each))
    assert sorted(engine.tried) == ["1", "2", "3"]
    assert len(said) == 3
    results = Results(engine, path)
    assert [results.verdict(each) is not None for each in mutants] == [True] * 3 + [False] * 3
    # Another test may kill what survived, and no other verdict.
    engine.tests = "2"
    results = Results(engine, path)
    assert [results.verdict(each) is not None for each in mutants[:3]] == [True, False, True]
    assert results.survived_before(mutants[1])
    # Another text makes other mutants.
    (tmp_path / "digits.txt").write_text("12345")
    assert Results(engine, path).verdict(mutants[0]) is None


def test_the_score_and_the_exit_code(engine: MadeUpEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["made-up", "--jobs", "1"]) == 1
    report = json.loads((tmp_path / "build/mutants/made-up.json").read_text())
    assert report["total"]["mutants"] == 5
    assert (report["total"]["killed"], report["total"]["survived"], report["total"]["score"]) == (3, 2, 0.6)
    assert len(report["survivors"]) == 2
    folder = tmp_path / "tests/mutants"
    folder.mkdir(parents=True)
    entries = [f'[[equivalent]]\nkey = "{key}"\nreason = "equal"\n' for key in report["survivors"]]
    (folder / "made-up.toml").write_text("\n".join(entries))
    engine.tried.clear()
    assert command.main(["made-up"]) == 0
    assert engine.tried == []
    assert "survived:" not in capsys.readouterr().out.split("100.0%")[-1]
    # An entry whose mutant is gone.
    (tmp_path / "digits.txt").write_text("13459")
    assert command.main(["made-up"]) == 1
    assert "there is no such mutant" in capsys.readouterr().err


def test_a_listed_mutant_that_a_test_kills(
    engine: MadeUpEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "tests/mutants"
    folder.mkdir(parents=True)
    key = engine.mutants("digits.txt")[0].key
    (folder / "made-up.toml").write_text(f'[[equivalent]]\nkey = "{key}"\nreason = "equal"\n')
    assert command.main(["made-up", "--equivalent"]) == 1
    assert engine.tried == ["1"]
    assert "listed as equivalent, but killed" in capsys.readouterr().out


def test_survivors_alone_are_tried_again(engine: MadeUpEngine) -> None:
    command.main(["made-up"])
    engine.tried.clear()
    engine.tests = "2"
    command.main(["made-up", "--survivors"])
    assert sorted(engine.tried) == ["2", "4"]


def test_a_sample_is_the_same_with_the_same_seed(engine: MadeUpEngine) -> None:
    mutants = engine.mutants("digits.txt")
    assert sample(mutants, 3, 7) == sample(mutants, 3, 7)
    assert len(sample(mutants, 3, 7)) == 3
    assert sample(mutants, 99, 7) == mutants
    assert len({tuple(each.key for each in sample(mutants, 3, seed)) for seed in range(9)}) > 1


@pytest.mark.parametrize(
    "text",
    ['[[equivalent]]\nkey = "a"', '[[equivalent]]\nreason = "b"', '[[equivalent]]\nkey="a"\nreason="b"\n' * 2, "["],
)
def test_a_list_without_reasons_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "tests/mutants").mkdir(parents=True)
    (tmp_path / "tests/mutants/solidity.toml").write_text(text)
    with pytest.raises(WrongList):
        Equivalents.read(tmp_path, "solidity")


def test_the_confidence_interval() -> None:
    tally = Tally(mutants=200, killed=95, survived=5)
    low, high = tally.interval
    assert low == pytest.approx(0.8882, abs=1e-3)
    assert high == pytest.approx(0.9785, abs=1e-3)
    assert Tally().interval == (0.0, 1.0)
    assert count([], [], []).total.score == 1.0


@pytest.mark.parametrize("engine_name", ["solidity", "python"])
def test_the_lists_of_this_project_have_reasons(engine_name: str, project_root: Path) -> None:
    Equivalents.read(project_root, engine_name)
