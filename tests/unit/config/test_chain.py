"""Tests of the table [chain]: one endpoint or several."""

from __future__ import annotations

import pytest

from oracle.core.errors import ConfigError
from tests.unit.config.texts import MINIMAL, Load

SEVERAL = 'rpc_urls = ["http://a/${KEY}", "https://b/x"]\nws_url = "wss://a/${KEY}"\nagreement = 2'


def test_several_endpoints(read: Load) -> None:
    chain = read(MINIMAL, ('rpc_url = "http://127.0.0.1:8545"', SEVERAL), env={"KEY": "s3cret"}).chain
    assert chain.endpoints == ("http://a/s3cret", "https://b/x")
    assert (chain.ws_url, chain.agreement, chain.rpc_url) == ("wss://a/s3cret", 2, None)
    assert "s3cret" not in repr(chain)
    assert read().chain.endpoints == ("http://127.0.0.1:8545",)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("", "chain: needs either 'rpc_url', or several endpoints in 'rpc_urls'"),
        ("rpc_urls = []", "chain: needs either 'rpc_url', or several endpoints in 'rpc_urls'"),
        ('rpc_url = "http://a"\nrpc_urls = ["http://b"]', "chain: needs either 'rpc_url', or several"),
        ('rpc_urls = ["http://a", "http://a"]', "has an endpoint twice"),
        ('rpc_urls = ["http://a", "nothing"]', "chain.rpc_urls[1]: is not a valid URL; write it as https://host/path"),
        ('rpc_urls = ["http://${KEY}/"]', "chain.rpc_urls[0]: the environment variable KEY is not set"),
        ('rpc_url = "http://a"\nagreement = 2', "'agreement' of 2 needs as many endpoints in 'rpc_urls'"),
        (
            'rpc_url = "http://a"\nws_url = "http://a"',
            "chain.ws_url: is not a websocket URL; write it as wss://host/path",
        ),
        ('rpc_url = "http://a"\nws_url = "ws://s3cret:x/"', "chain.ws_url: is not a valid URL"),
        ('rpc_url = "http://a"\nmax_fee_gwei = 0', "chain.max_fee_gwei: must be greater than 0"),
    ],
)
def test_endpoints_that_are_wrong(read: Load, lines: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(MINIMAL, ('rpc_url = "http://127.0.0.1:8545"', lines))
    assert says in str(caught.value) and "s3cret" not in str(caught.value)
