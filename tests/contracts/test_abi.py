"""What the package carries of the contracts is what their sources say."""

from __future__ import annotations

import pytest

from oracle.chain import compiled
from oracle.errors import DeploymentError


@pytest.fixture(scope="module")
def fresh() -> dict[str, compiled.Compiled]:
    return compiled.compile_contracts()


@pytest.mark.parametrize("name", compiled.SOURCES)
def test_packaged_contract_is_in_sync(name: str, fresh: dict[str, compiled.Compiled]) -> None:
    assert compiled.load(name) == fresh[name], "run scripts/export_abi.py"


@pytest.mark.parametrize("name", compiled.SOURCES)
def test_fits_a_chain(name: str) -> None:
    assert 0 < len(compiled.load(name).runtime) <= compiled.MAX_RUNTIME_BYTES


def test_code_matches_whatever_its_immutables_are() -> None:
    contract = compiled.load("ZkAggregator")
    assert contract.immutables
    code = bytearray(contract.runtime)
    for offset, length in contract.immutables:
        code[offset : offset + length] = b"\x01" * length
    assert contract.matches(bytes(code))
    start, length = contract.immutables[-1]
    code[start + length] ^= 1
    assert not contract.matches(bytes(code))
    assert not contract.matches(bytes(code[:-1]))


def test_unknown_contract() -> None:
    with pytest.raises(DeploymentError, match="no readable contract Nothing"):
        compiled.load("Nothing")
