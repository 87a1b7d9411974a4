"""Tests that the pages of contracts, errors and metrics are what the code says, and that a change of it is noticed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from eth_utils.abi import function_signature_to_4byte_selector

from oracle.app.claim_service.metrics import ClaimMetrics
from oracle.core.metrics import Counter, Distribution, Gauge
from scripts import contract_reference, error_reference, metric_reference
from scripts.contract_reference import Declaration, Interface, parse


@pytest.fixture(scope="module")
def found() -> list[Interface]:
    """The interfaces of the project, compiled once."""
    return contract_reference.interfaces()


def all_of(interfaces: list[Interface]) -> list[Declaration]:
    return [declaration for each in interfaces for declaration in each.declarations]


def test_the_pages_of_contracts_and_errors_are_what_the_code_says(
    project_root: Path, found: list[Interface], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contract_reference, "interfaces", lambda: found)
    monkeypatch.setattr(error_reference, "interfaces", lambda: found)
    for made in (contract_reference, error_reference):
        assert made.PAGE.read_text(encoding="utf-8") == made.page(), f"run `python -m {made.__name__}`"


def test_no_interface_is_left_out(project_root: Path, found: list[Interface]) -> None:
    files = {path.stem for path in (project_root / "contracts/src/interfaces").glob("*.sol")}
    assert set(contract_reference.ORDER) == files
    sources = "".join(path.read_text() for path in (project_root / "contracts/src/interfaces").glob("*.sol"))
    for keyword in ("function", "event", "error"):
        there = [each.name for each in all_of(found) if each.kind == f"{keyword.title()}Definition"]
        assert sorted(there) == sorted(re.findall(rf"^    {keyword} (\w+)\(", sources, re.MULTILINE))


def test_every_error_says_what_it_means(found: list[Interface]) -> None:
    errors = [each for each in all_of(found) if each.kind == "ErrorDefinition"]
    assert len(errors) > 90
    assert [each.code for each in errors if not each.natspec.text] == []


def test_selectors_are_those_of_the_signatures(found: list[Interface]) -> None:
    """Structs, enums and contracts count by what they are made of."""
    selectors = {each.name: each.selector for each in all_of(found) if each.kind != "EventDefinition"}
    assert (
        selectors["getPriceNoOlderThan"]
        == "0x" + function_signature_to_4byte_selector("getPriceNoOlderThan(bytes32,uint256)").hex()
    )
    assert selectors["FeedHeld"] == "0x" + function_signature_to_4byte_selector("FeedHeld(bytes32)").hex()
    submission = "(uint16,uint32,uint32,uint32,bytes32[],uint32[],(bytes32,bytes32,bytes32)[],bytes,bytes,bytes,bytes)"
    assert selectors["submit"] == "0x" + function_signature_to_4byte_selector(f"submit({submission})").hex()
    assert [each.code for each in all_of(found) if each.kind == "FunctionDefinition" and not each.selector] == []


SOURCE = """// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

/// @title A box
/// @notice Keeps a number.
///
/// It has *one*.
/// @dev For those who build on it.
interface IBox {
    // Boxes are made once.
    /// @notice Put a number in.
    /// @param number The number [wei], which
    /// may be 0.
    /// @return before The one before.
    function put(uint256 number) external returns (uint256 before);

    /// @notice Too large.
    error TooLarge(uint256 number);
}
"""


def test_a_comment_is_read_to_its_end() -> None:
    [box] = contract_reference.interfaces({"IBox.sol": SOURCE})
    assert (box.natspec.title, box.natspec.text) == (
        "A box",
        ("Keeps a number.", "It has *one*.", "For those who build on it."),
    )
    put, too_large = box.declarations
    assert put.group == "Boxes are made once." and not too_large.group
    assert put.natspec.params == {"number": "The number [wei], which may be 0."}
    assert put.natspec.returns == {"before": "The one before."}
    shown = contract_reference._section(box)
    assert "- `number`: The number \\[wei\\], which may be 0.\n" in shown and "It has *one*." in shown
    assert "| `TooLarge(uint256 number)` | `0x" in shown


def test_a_comment_without_tags_is_a_notice() -> None:
    assert parse("Only\nthis.") == parse("@notice Only this.")


def test_the_page_of_metrics_has_all_of_them(project_root: Path) -> None:
    page = metric_reference.page()
    assert (project_root / "docs/metrics.md").read_text(encoding="utf-8") == page, (
        "run `python -m scripts.metric_reference`"
    )
    claims = ClaimMetrics(["credit"], lambda: (0, 0, 0), lambda: False)
    names = [each.value for each in (*Counter, *Distribution, *Gauge)]
    names += re.findall(r"^# TYPE (\w+) (?!gauge\n# HELP \w+_created)", claims.exposition().decode(), re.MULTILINE)
    documented = re.findall(r"^\| `(oracle_\w+)` \|", page, re.MULTILINE)
    assert sorted(documented) == sorted(each for each in set(names) if not each.endswith("_created"))
