"""Tests of how the claims service is set up."""

from __future__ import annotations

import pytest

from oracle.app.claim_service.run import limits_of
from oracle.config import ClaimServerConfig


@pytest.mark.attack
@pytest.mark.parametrize(
    ("listen", "behind_proxy", "each"),
    [("0.0.0.0:9470", False, 16), ("0.0.0.0:9470", True, None), ("127.0.0.1:9470", False, None)],
)
def test_no_address_can_have_all_connections(listen: str, behind_proxy: bool, each: int | None) -> None:
    """Behind a proxy, all clients have its address; on this machine, all have one."""
    server = ClaimServerConfig.model_construct(listen=listen, behind_proxy=behind_proxy, max_connections=64)
    found = limits_of(server)
    assert (found.connections, found.per_address) == (64, each)
    assert found.request_s > 50, "a stream of events is one request"
