"""What parts of the chain's side tell of themselves, for metrics. The log is theirs."""

from __future__ import annotations


class Listener:
    """Hears nothing; override what is of interest. Must not raise."""

    def replaced(self) -> None:
        """A stuck transaction was signed again with higher fees."""

    def sent_again(self) -> None:
        """A transaction that the node had forgotten was sent to it again."""

    def filled(self) -> None:
        """A transfer of nothing to oneself was sent, so that later nonces can be mined."""

    def endpoints(self, healthy: int, configured: int) -> None:
        """How many RPC endpoints are as they should be."""

    def failed_over(self) -> None:
        """Another endpoint is asked from now on."""

    def disagreed(self) -> None:
        """Endpoints said different things where they have to agree."""
