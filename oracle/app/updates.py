"""Reports as they are served to whoever pulls: each is tried against the chain's present state before it leaves."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Protocol, TypeAlias

import structlog

from oracle.app.callers import caller_tokens
from oracle.chain.deploy import Deployment
from oracle.chain.hub import HubFeedConfig
from oracle.config import Config
from oracle.core.errors import ConfigError, ContractRejected, OracleError
from oracle.core.metrics import Counter, Metrics
from oracle.core.stages import KeptReport
from oracle.web.listener import Limits
from oracle.web.tls import Certificate
from oracle.web.updates import NothingNewer, NothingNow, ServedUpdate, UpdateEvents, serve_updates

__all__ = ["UpdateFinder", "updates_served"]

log = structlog.get_logger(__name__)

TRIED_S = 1.0
"""Seconds for which a trial counts: so often the chain is asked at most, however many ask here."""


_Trial: TypeAlias = int | NothingNewer | NothingNow
"""The end of a trial: the time until which the report is good, or why it is not served."""


class UpdateHub(Protocol):
    """The hub, as far as serving needs it."""

    @property
    def address(self) -> str:
        """Checksummed."""

    async def would_write(self, calldata: bytes) -> bool:
        """Try a call of `submitIfNewer`, and return whether it would write something now."""
        ...

    async def feed_config(self, feed_id: bytes) -> HubFeedConfig:
        """Return the feed's terms. They never change, so asking again costs nothing."""
        ...


class UpdateFinder:
    """Finds what is served of a feed: what is kept, if the chain takes it now."""

    def __init__(
        self,
        kept: Callable[[str], KeptReport | None],
        hub: UpdateHub,
        chain_id: int,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Prepare to find.

        Args:
            kept: Returns the newest report of a feed that is kept.
            hub: Tries reports.
            chain_id: The chain's id.
            clock: Unix seconds.
        """
        self._kept = kept
        self._hub = hub
        self._chain_id = chain_id
        self._clock = clock
        self._trials: dict[str, tuple[float, KeptReport, _Trial]] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def find(self, feed: str) -> ServedUpdate:
        """Return what is served of a feed.

        Raises:
            NothingNewer: The chain has it, or something newer.
            NothingNow: There is none that the chain would take now.
        """
        # Those who ask at one moment wait for one trial.
        async with self._locks.setdefault(feed, asyncio.Lock()):
            kept = self._kept(feed)
            if kept is None:
                raise NothingNow("no report was made yet; read the chain")
            trial = await self._tried(feed, kept)
        if isinstance(trial, Exception):
            raise trial.with_traceback(None)
        if self._clock() > trial:
            raise NothingNow("the newest report is too old by now")
        return ServedUpdate(kept, trial, self._hub.address, self._chain_id)

    async def _tried(self, feed: str, kept: KeptReport) -> _Trial:
        """Try a report, unless that was done just now."""
        loop = asyncio.get_running_loop()
        found = self._trials.get(feed)
        if found is not None and found[1] is kept and loop.time() - found[0] < TRIED_S:
            return found[2]
        trial = await self._try(feed, kept)
        self._trials[feed] = (loop.time(), kept, trial)
        return trial

    async def _try(self, feed: str, kept: KeptReport) -> _Trial:
        try:
            terms = await self._hub.feed_config(kept.feed_id)
            return kept.observed_at + terms.max_age if await self._hub.would_write(kept.calldata) else NothingNewer()
        except ContractRejected as error:
            return NothingNow(f"the chain would not take the newest report now: {error}")
        except OracleError as error:
            log.warning("a kept report can't be tried", feed=feed, reason=str(error))
            return NothingNow("the chain can't be asked now")


class _Counted(UpdateEvents):
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def served(self, feed: str) -> None:
        self._metrics.count(Counter.UPDATES_SERVED, feed)

    def refused(self) -> None:
        self._metrics.count(Counter.UPDATES_REFUSED, "")


@contextlib.asynccontextmanager
async def updates_served(
    config: Config,
    deployment: Deployment,
    finder: UpdateFinder,
    metrics: Metrics,
    certificate: Certificate | None,
) -> AsyncIterator[None]:
    """Serve the reports of the configured feeds that are pulled, if [updates] says where.

    Raises:
        ConfigError: The address can't be bound, a token can't be used, or a private model has no callers.
    """
    address = config.updates.address
    if address is None:
        yield
        return
    _require_callers(config, deployment)
    pulled = {each.name: deployment.feeds[each.name].feed_id for each in config.feeds if each.mode == "pull"}
    served = serve_updates(
        address,
        pulled,
        finder.find,
        callers=caller_tokens(config.updates.callers, "[updates] callers"),
        max_per_minute=config.updates.max_per_minute,
        events=_Counted(metrics),
        certificate=certificate,
        limits=Limits(config.updates.max_connections),
    )
    async with served as port:
        log.info("serving updates", host=address[0], updates_port=port, tls=certificate is not None)
        yield


def _require_callers(config: Config, deployment: Deployment) -> None:
    """Require known callers if a model on the hub is private, whatever the configuration says of the present one."""
    hidden = [number for number, model in deployment.models.items() if model.model_hash]
    if hidden and not config.updates.callers:
        raise ConfigError(
            f"[updates] callers: model {', '.join(map(str, hidden))} of the deployment is private, and each verdict "
            "that is served tells something of it: name who may ask"
        )
