"""The adapters of the configuration, as terms that the contract takes."""

from __future__ import annotations

from oracle.chain.deploy.adapters import NO_FEED, AdapterMode, AdapterTerms
from oracle.config.adapters import AdapterConfig

__all__ = ["adapter_terms"]

_MODES = {"strict": AdapterMode.STRICT, "last-good": AdapterMode.LAST_GOOD}


def adapter_terms(adapter: AdapterConfig) -> AdapterTerms:
    """Return the terms of an adapter of the configuration."""
    return AdapterTerms(_MODES[adapter.mode], adapter.bound or 0, adapter.uptime_feed or NO_FEED, adapter.grace_s)
