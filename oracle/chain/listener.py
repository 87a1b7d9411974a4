"""A listener that the chain's side tells of its work, for metrics. Each part writes its own log."""

from __future__ import annotations


class ChainListener:
    """Ignores every event; override the methods of interest. They must not raise."""

    def replaced(self) -> None:
        """A stuck transaction was signed again with higher fees."""

    def sent_again(self) -> None:
        """A transaction that the node had forgotten was sent to it again."""

    def filled(self) -> None:
        """A transfer of nothing to oneself was sent, so that later nonces can be mined."""

    def spent(self, wei: int, limit: int | None) -> None:
        """Transactions have cost so much in the last 24 hours, with what is set aside.

        Args:
            wei: What counts now.
            limit: What may count; None: anything.
        """

    def endpoints(self, healthy: int, configured: int) -> None:
        """So many of the configured RPC endpoints are healthy now."""

    def failed_over(self) -> None:
        """Another endpoint is asked from now on."""

    def disagreed(self) -> None:
        """Endpoints gave different answers where they have to agree."""
