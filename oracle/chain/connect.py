"""The configured chain: one endpoint, or a pool of them, behind an `Rpc`."""

from __future__ import annotations

from oracle.chain.listener import ChainListener
from oracle.chain.rpc import Rpc
from oracle.chain.transport.endpoints import Endpoints, PoolPolicy
from oracle.config import ChainConfig, EndpointsConfig


def connect(chain: ChainConfig, listener: ChainListener | None = None) -> Rpc:
    """Return the configured chain.

    Raises:
        ConfigError: A URL is not one.
    """
    return pool(chain, chain.rpc_timeout_s, listener=listener)


def pool(config: EndpointsConfig, timeout: float, *, attempts: int = 3, listener: ChainListener | None = None) -> Rpc:
    """Return a chain by its configured endpoints.

    Args:
        timeout: Seconds for one request to one of them.
        attempts: How often a request is tried where there is only one.
        listener: Notified of failovers.

    Raises:
        ConfigError: A URL is not one.
    """
    urls = config.endpoints
    if len(urls) == 1:
        return Rpc(urls[0], config.chain_id, timeout=timeout, attempts=attempts)
    policy = PoolPolicy(config.agreement, config.max_head_lag, fail_back_s=config.fail_back_after_s)
    return Rpc(Endpoints(urls, config.chain_id, policy, listener=listener, timeout=timeout))
