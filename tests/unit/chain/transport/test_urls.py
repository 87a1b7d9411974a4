"""Tests of removing what may be secret from URLs."""

from __future__ import annotations

import pytest

from oracle.chain.transport.urls import mask_url, secrets_of

SECRET = "s3cr3t-key"
URL_WITH_SECRETS = f"https://user:{SECRET}@node.example:8545/v3/{SECRET}?key={SECRET}"


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        (URL_WITH_SECRETS, "https://node.example:8545/…"),
        ("http://127.0.0.1:8545", "http://127.0.0.1:8545"),
        ("http://[::1]:8545/", "http://[::1]:8545"),
        ("https://h.example/?k=v", "https://h.example/…"),
        ("http://h:notaport/x", "<unreadable URL>"),
    ],
)
def test_masked_urls(url: str, masked: str) -> None:
    assert mask_url(url) == masked


def test_what_of_a_url_may_be_secret() -> None:
    assert SECRET in secrets_of(URL_WITH_SECRETS)
    assert "v3" not in secrets_of(URL_WITH_SECRETS), "short words would garble every message"
    assert "with space" in secrets_of("https://h.example/with%20space"), "as it is meant, too"
    assert secrets_of("http://127.0.0.1:8545") == ()
