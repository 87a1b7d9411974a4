"""Tests of addresses that a person typed."""

from __future__ import annotations

import pytest

from oracle.chain.addresses import require_address
from oracle.core.errors import ConfigError

ADDRESS = "0x5FbDB2315678afecb367f032d93F642f64180aa3"


def test_addresses() -> None:
    assert require_address(ADDRESS.lower(), "hub") == ADDRESS
    for wrong in ("", "0x12", ADDRESS.replace("F", "f", 1), ADDRESS[2:], "0x" + "g" * 40):
        with pytest.raises(ConfigError, match="hub"):
            require_address(wrong, "hub")
