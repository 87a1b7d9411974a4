"""Tests of the pinned compilers, run as forge, py-solc-x and ezkl run them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from oracle.chain.local import solc as solc_module
from oracle.chain.local import toolchain
from oracle.chain.local.solc import compile_standard, solc, standard_input
from oracle.core.errors import CompileError, ToolMissing
from tests.staying_solc import ALONE, StayingSolc

SOURCE = "// SPDX-License-Identifier: MIT\npragma solidity ^0.8.20;\n"
SEVEN = {"Seven.sol": SOURCE + "contract Seven { function get() external pure returns (uint256) { return 7; } }"}

VERSIONS = [toolchain.VERIFIER_SOLC, toolchain.contracts_solc_version()]


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compile as users do: in a process for each request."""
    monkeypatch.setattr(solc_module, "_compile", ALONE)


def run(executable: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [str(executable), *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_executable_states_its_version(version: str) -> None:
    done = run(solc(version), "--version")
    assert done.returncode == 0
    assert f"Version: {version}+commit." in done.stdout


@pytest.mark.parametrize("version", VERSIONS)
def test_a_contract_is_compiled_and_the_result_kept(
    version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = compile_standard(SEVEN, version, cache_dir=tmp_path)
    contract = output["contracts"]["Seven.sol"]["Seven"]
    assert contract["evm"]["methodIdentifiers"] == {"get()": "6d4ce63c"}
    assert len(contract["evm"]["deployedBytecode"]["object"]) > 50
    assert json.loads(contract["metadata"])["compiler"]["version"].startswith(version)
    monkeypatch.setattr(solc_module, "solc", lambda _: pytest.fail("the compiler was looked for"))
    assert compile_standard(SEVEN, version, cache_dir=tmp_path) == output


def test_a_large_output_arrives_whole() -> None:
    # A megabyte, far more than a pipe holds.
    functions = "".join(
        f"function f{i}(uint256 a) external pure returns (uint256) {{ return a + {i}; }}" for i in range(60)
    )
    request = standard_input({"Big.sol": SOURCE + f"contract Big {{ {functions} }}"}, optimizer_runs=None)
    request["settings"]["outputSelection"] = {"*": {"*": ["*"], "": ["ast"]}}
    done = run(solc(toolchain.VERIFIER_SOLC), "--standard-json", stdin=json.dumps(request))
    assert done.returncode == 0, done.stderr
    assert len(done.stdout) > 500_000
    assert "Big" in json.loads(done.stdout)["contracts"]["Big.sol"]


def test_the_compilers_own_message_is_passed_on() -> None:
    with pytest.raises(
        CompileError, match=r"solc 0\.8\.20 refused: ParserError: Expected primary expression"
    ) as caught:
        compile_standard({"Bad.sol": SOURCE + "contract Bad { uint256 x = ; }"}, "0.8.20", use_cache=False)
    assert "Bad.sol:3" in str(caught.value)
    assert "stdout" not in str(caught.value)


def test_a_missing_import_is_a_refusal_and_no_crash() -> None:
    with pytest.raises(CompileError, match=r"not found.*Absent\.sol|Absent\.sol.*not found"):
        compile_standard({"A.sol": SOURCE + 'import "./Absent.sol";'}, "0.8.20", use_cache=False)


def test_no_sources_is_a_refusal() -> None:
    with pytest.raises(CompileError, match="does not contain any sources"):
        compile_standard({}, "0.8.20", use_cache=False)


def test_a_damaged_executable_is_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(solc_module.CHOICE_VARIABLE, "npm")
    # It has a cache of its own: other tests compile with the shared one at the same time.
    monkeypatch.setattr(toolchain, "build_dir", lambda: tmp_path)
    executable = solc("0.8.20")
    code = executable.with_name("solc.cjs")
    whole = code.read_text()
    code.write_text(whole[:100])
    assert solc("0.8.20") == executable
    assert code.read_text() == whole


def test_a_release_that_is_nowhere_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(solc_module.CHOICE_VARIABLE, "npm")
    with pytest.raises(ToolMissing, match=r"solc 0\.8\.1 is missing.*make setup"):
        solc("0.8.1")


def test_the_solc_that_stays_for_other_tests_says_the_same_as_one_that_is_new() -> None:
    staying = StayingSolc()
    more = {"Eight.sol": SEVEN["Seven.sol"].replace("Seven", "Eight"), **SEVEN}
    bad = {"Bad.sol": SOURCE + "contract Bad { uint256 x = ; }"}
    version = toolchain.VERIFIER_SOLC
    try:
        first = staying.compile(standard_input(SEVEN), version)
        process = staying._process
        assert process is not None and first == ALONE(standard_input(SEVEN), version)
        with pytest.raises(CompileError) as refused:
            staying.compile(standard_input(bad), version)
        with pytest.raises(CompileError) as expected:
            ALONE(standard_input(bad), version)
        assert str(refused.value) == str(expected.value)
        # What it compiled before, and refused, changes nothing.
        assert staying.compile(standard_input(more), version) == ALONE(standard_input(more), version)
        assert staying.compile(standard_input(SEVEN), version) == first and staying._process is process
        # One that was killed is replaced.
        process.kill()
        process.wait()
        assert staying.compile(standard_input(SEVEN), version) == first and staying._process is not process
    finally:
        staying.close()
