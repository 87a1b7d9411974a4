"""Tests of the hub's errors in words: each has a sentence that names its arguments."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.abi import function_abi_to_4byte_selector, get_abi_input_types

from oracle.chain.hub import hub_interface

ADDRESS = "0x5FbDB2315678afecb367f032d93F642f64180aa3"

_ERRORS: dict[str, Any] = {entry["name"]: entry for entry in hub_interface().abi if entry["type"] == "error"}

_SAMPLES = {"uint": 7, "int": -7, "bytes32": b"\x05" * 32, "address": ADDRESS.lower(), "string": "sigma", "bool": True}


def _error(entry: Any, values: list[Any]) -> bytes:
    return function_abi_to_4byte_selector(entry) + encode(get_abi_input_types(entry), values)


@pytest.mark.parametrize("entry", _ERRORS.values(), ids=_ERRORS.keys())
def test_every_error_of_the_hub_is_in_words(entry: Any) -> None:
    values = [next(v for k, v in _SAMPLES.items() if part["type"].startswith(k)) for part in entry["inputs"]]
    revert = hub_interface().decode_error(_error(entry, values))
    assert revert is not None
    assert revert.name == entry["name"]
    assert revert.message.startswith(entry["name"])
    assert "{" not in revert.message


def test_hints_name_arguments_that_there_are() -> None:
    hints = hub_interface().hints
    assert len(hints) > 10
    for name, hint in hints.items():
        told = {part["name"]: f"<{part['name']}>" for part in _ERRORS[name]["inputs"]}
        assert "{" not in hint.format(**told)


def test_malformed_error_arguments() -> None:
    revert = hub_interface().decode_error(_error(_ERRORS["WrongRound"], [b"\x07" * 32, 5, 6])[:40])
    assert revert is not None
    assert revert.message == "WrongRound: with malformed arguments"
