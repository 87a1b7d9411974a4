"""`Hub`: reads one hub through an `Rpc`, and returns the package's own types.

What consumers and every submission need is a view of the hub itself. All else is read by its *lens*, a contract without
a state of its own that reads the hub's storage and knows its layout.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from oracle.chain import contract
from oracle.chain.hub.events import RoundEvent, decoded, round_event
from oracle.chain.hub.interface import hub_interface, lens_interface
from oracle.chain.hub.types import (
    Architecture,
    Committee,
    HubFeedConfig,
    HubModel,
    Proposals,
    ShadowTally,
    enum_member,
)
from oracle.chain.rpc import BlockTag, Rpc
from oracle.chain.transport.answers import Log, Receipt
from oracle.core.encoding import Feature
from oracle.core.errors import AnswerNotBelieved, ContractRejected, DeploymentError
from oracle.core.report import Report
from oracle.core.types import FeedState, HeldAnswer, HoldReason, Kind, Round, Status

_STATES_AT_ONCE = 64
"""The most states that are read in one call. Each takes 50,000 gas, and nodes allow a call only so much."""


class Hub:
    """Reads one hub.

    A hub that was found once, with its feeds, stays: nothing of it can be removed. An endpoint that no longer has it is
    not believed, because it lies, or was set back to an older state.

    Args:
        address: Checksummed.
    """

    def __init__(self, rpc: Rpc, address: str) -> None:
        self.rpc = rpc
        self.address = address
        self._configs: dict[bytes, HubFeedConfig] = {}
        self._found: frozenset[bytes] = frozenset()
        self._lens: str | None = None

    async def find(self, feeds: Mapping[str, bytes]) -> None:
        """Make sure that the hub is there and has these feeds. Call it before anything is reported.

        Args:
            feeds: Ids by name.

        Raises:
            DeploymentError: It is not there, or lacks one.
            ChainUnavailable: No answer.
        """
        for name, feed_id in feeds.items():
            try:
                await self.feed_config(feed_id)
            except ContractRejected as error:
                raise DeploymentError(
                    f"feed {name} is not in the hub at {self.address} on chain {await self.rpc.chain_id()} ({error}); "
                    "check the RPC URL and the deployment file, or run `oracle deploy`"
                ) from error
        self._found = frozenset(feeds.values())

    @contextlib.contextmanager
    def _standing(self) -> Iterator[None]:
        """Turn an error that a hub which was found can't cause into `AnswerNotBelieved`: the endpoint is at fault."""
        try:
            yield
        except (DeploymentError, ContractRejected) as error:
            is_gone = isinstance(error, DeploymentError) or (
                error.name == "UnknownFeed" and error.feed_id in self._found
            )
            if not self._found or not is_gone:
                raise
            raise AnswerNotBelieved(
                f"RPC endpoint {self.rpc.name} is not believed, as the hub and its feeds were there before: {error}"
            ) from error

    async def feed_state(self, feed_id: bytes, block: BlockTag = "latest") -> FeedState:
        """Return a feed's state on-chain, with the constants that features need.

        Raises:
            ContractRejected: The hub has no such feed.
            ChainUnavailable: No answer.
        """
        config = await self.feed_config(feed_id)
        found = await self.look("feedState", feed_id, block=block)
        with self._standing():
            return self._state(feed_id, config, found)

    async def feed_states(self, feed_ids: Sequence[bytes], block: BlockTag = "latest") -> tuple[FeedState, ...]:
        """Return the states of several feeds, in their order, all of one block. Raises as `feed_state`."""
        if len(feed_ids) > _STATES_AT_ONCE and block == "latest":
            block = await self.rpc.block_number()
        states: list[FeedState] = []
        for first in range(0, len(feed_ids), _STATES_AT_ONCE):
            states += await self._feed_states(feed_ids[first : first + _STATES_AT_ONCE], block)
        return tuple(states)

    async def _feed_states(self, feed_ids: Sequence[bytes], block: BlockTag) -> list[FeedState]:
        configs = [await self.feed_config(feed_id) for feed_id in feed_ids]
        found = await self.look("feedStates", feed_ids, block=block)
        with self._standing():
            if len(found) != len(feed_ids):
                raise DeploymentError(
                    f"the lens of the hub at {self.address} gives {len(found)} states for {len(feed_ids)}"
                )
            return list(map(self._state, feed_ids, configs, found))

    def _state(self, feed_id: bytes, config: HubFeedConfig, found: Mapping[str, Any]) -> FeedState:
        status = enum_member(Status, found["status"], self.address)
        return FeedState(
            feed_id=feed_id,
            status=status,
            paused=found["paused"],
            round_id=found["roundId"],
            answer=found["answer"],
            observed_at=found["observedAt"],
            published_at=found["publishedAt"],
            last_report_at=found["lastReportAt"],
            model_number=found["modelNumber"],
            repeats=found["repeats"],
            variance=found["variance"],
            returns=tuple(found["returns_"]),
            peers=tuple(found["peers"]),
            peer_answers=tuple(found["peerAnswers"]) if found["roundId"] else (),
            committee=found["committee"],
            held_reports=found["heldReports"],
            held=self._held(found["held"]) if status is Status.HELD else None,
            kind=config.kind,
            sigma=config.sigma,
            heartbeat=config.heartbeat,
        )

    def _held(self, held: Mapping[str, Any]) -> HeldAnswer:
        return HeldAnswer(
            reason=enum_member(HoldReason, held["reason"], self.address),
            answer=held["answer"],
            first_answer=held["firstAnswer"],
            first_observed_at=held["firstObservedAt"],
            first_seen_at=held["firstSeenAt"],
            observed_at=held["observedAt"],
            confirmations=held["confirmations"],
            model_number=held["modelNumber"],
            score_ratio=held["scoreRatio"],
            anomalies=held["anomalies"],
            anomalous_since=held["anomalousSince"],
            anomalous_seen_at=held["anomalousSeenAt"],
            first_gap=held["firstGap"],
        )

    async def feed_config(self, feed_id: bytes) -> HubFeedConfig:
        """Return the feed's terms. They never change, so they are asked for once."""
        if feed_id not in self._configs:
            found = await self.look("feedConfig", feed_id)
            with self._standing():
                self._configs[feed_id] = self._config(found)
        return self._configs[feed_id]

    def _config(self, found: Mapping[str, Any]) -> HubFeedConfig:
        return HubFeedConfig(
            description=found["description"],
            kind=enum_member(Kind, found["kind"], self.address),
            decimals=found["decimals"],
            confirmations=found["confirmations"],
            max_repeats=found["maxRepeats"],
            heartbeat=found["heartbeat"],
            max_age=found["maxAge"],
            max_skew=found["maxSkew"],
            confirm_delay=found["confirmDelay"],
            tolerance=found["tolerance"],
            max_spread=found["maxSpread"],
            sigma=found["sigma"],
            committee=found["committee"],
            peers=tuple(found["peers"]),
        )

    async def head_time(self) -> int:
        """Return the time of the latest block, unix seconds."""
        return (await self.rpc.block()).timestamp

    async def feed_ids(self, block: BlockTag = "latest") -> tuple[bytes, ...]:
        """Return the ids of all feeds, in the order in which they were added."""
        return tuple(await self.look("feedIds", block=block))

    async def committee_count(self, block: BlockTag = "latest") -> int:
        """Return the number of committees that the hub has; `committee` takes 1 to this number."""
        return int(await self.look("committeeCount", block=block))

    async def committee(self, number: int, block: BlockTag = "latest") -> Committee:
        """Return a committee. Raises: ContractRejected if no committee has this number."""
        found = await self.look("committee", number, block=block)
        return Committee(
            number=number,
            reporters=tuple(found["reporters"]),
            quorum=found["quorum"],
            epoch=found["epoch"],
            proposed=tuple(found["proposedReporters"]),
            proposed_quorum=found["proposedQuorum"] or None,
            active_from=found["proposedFrom"] or None,
        )

    async def aggregator(self, feed_id: bytes, block: BlockTag = "latest") -> str | None:
        """Return the address of the linked Chainlink adapter; None if there is none."""
        found: str = await self.read("aggregator", feed_id, block=block)
        return found if int(found, 16) else None

    async def proposals(self, feed_id: bytes, block: BlockTag = "latest") -> Proposals:
        """Return the proposals for a feed."""
        found = await self.look("proposals", feed_id, block=block)
        return Proposals(
            model=found["model"] or None,
            model_from=found["modelFrom"] or None,
            unpause_from=found["unpauseFrom"] or None,
            previous_model=found["previousModel"] or None,
            previous_until=found["previousUntil"] or None,
        )

    async def shadow(self, feed_id: bytes) -> ShadowTally | None:
        """Return the tally of the proposed model; None if no model is proposed."""
        found = await self.look("shadow", feed_id)
        if not found["modelNumber"]:
            return None
        return ShadowTally(
            model_number=found["modelNumber"],
            reports=found["reports"],
            compared=found["compared"],
            disagreements=found["disagreements"],
            min_compared=found["minCompared"],
            max_disagreements=found["maxDisagreements"],
        )

    async def features(
        self,
        feed_id: bytes,
        answer: int,
        observed_at: int,
        *,
        spread: int = 0,
        count: int = 1,
        peer_answers: Sequence[int] = (),
    ) -> tuple[int, ...]:
        """Return the features by which the feed's active model would judge a candidate now, in its order.

        Args:
            spread: The spread of the reporters' answers, in thousandths of sigma.
            count: How many reporters have an answer.
            peer_answers: The peers' answers in the same report, in the order of `FeedState.peers`.
        """
        return tuple(await self.look("features", feed_id, answer, observed_at, spread, count, peer_answers))

    async def report_digest(self, report: Report, answers: Sequence[int], readings: bytes) -> bytes:
        """Return the EIP-712 digest that a reporter signs, as the lens computes it.

        Args:
            readings: The hash of the reporter's readings, as a `ReporterSignature` has it.
        """
        of = (report.committee, report.epoch, report.observed_at, report.feed_ids, report.round_ids)
        digest: bytes = await self.look("reportDigest", *of, answers, readings)
        return digest

    async def model_count(self, block: BlockTag = "latest") -> int:
        """Return the number of models that the hub has; `model` takes 1 to this number."""
        return int(await self.look("modelCount", block=block))

    async def model(self, number: int, block: BlockTag = "latest") -> HubModel:
        """Return a model. Raises: ContractRejected if no model has this number."""
        found = await self.look("model", number, block=block)
        return HubModel(found["modelHash"], found["architectureId"], found["artifactHash"], found["scoreUnit"])

    async def architecture_count(self, block: BlockTag = "latest") -> int:
        """Return the number of architectures that the hub has."""
        return int(await self.look("architectureCount", block=block))

    async def architecture(self, architecture_id: int, block: BlockTag = "latest") -> Architecture:
        """Return an architecture. Raises: ContractRejected if no architecture has this id."""
        found = await self.look("architecture", architecture_id, block=block)
        return Architecture(
            features=tuple(enum_member(Feature, code, self.address) for code in found["features"]),
            outputs=found["outputs"],
            binds_model=found["bindsModel"],
            batch_sizes=tuple(found["batchSizes"]),
            verifiers=tuple(found["verifiers"]),
            code_hashes=tuple(found["codeHashes"]),
        )

    async def round(self, feed_id: bytes, round_id: int, block: BlockTag = "latest") -> Round | None:
        """Return a past round; None if there is no round with this id."""
        found = await self.read("getRound", feed_id, round_id, block=block)
        if not found["publishedAt"]:
            return None
        return Round(
            round_id=round_id,
            answer=found["answer"],
            observed_at=found["observedAt"],
            published_at=found["publishedAt"],
            model_number=found["modelNumber"],
            score_ratio=found["scoreRatio"],
            spread=found["spread"],
            count=found["count"],
        )

    async def rounds(self, feed_id: bytes, first: int = 1, last: int | None = None) -> list[Round]:
        """Return the rounds `first` to `last` (default: the latest), both included."""
        if last is None:
            last = (await self.feed_state(feed_id)).round_id
        found = [await self.round(feed_id, round_id) for round_id in range(first, last + 1)]
        return [each for each in found if each is not None]

    async def would_write(self, calldata: bytes) -> bool:
        """Return whether a call of `submitIfNewer` would write something in the next block. Nothing is sent.

        Args:
            calldata: The call, as `encode_submission` makes it.

        Raises:
            ContractRejected: It would revert; the message is the decoded reason.
            ChainUnavailable: No answer.
        """
        interface = hub_interface()

        def doubt(answer: bytes) -> str:
            return "" if len(answer) == 32 else f"{self.address} answers something else to submitIfNewer"

        with self._standing():
            found = await self.rpc.call(
                self.address, calldata, block="pending", decode=interface.decode_error, doubt=doubt
            )
        return bool(interface.decode_output("submitIfNewer", found))

    async def logs(self, first: int, last: int, feed_id: bytes | None = None) -> list[RoundEvent]:
        """Return the event of every report in blocks `first` to `last`, both included, oldest first.

        Args:
            first: The first block.
            last: The last block.
            feed_id: The feed whose reports are wanted; None: all.
        """
        interface = hub_interface()
        topics = [[interface.topic("RoundAccepted"), interface.topic("RoundHeld")]]
        if feed_id is not None:
            topics.append([feed_id])
        return self._round_events(await self.rpc.logs(self.address, first, last, topics))

    async def feed_logs(self, feed_id: bytes, first: int, last: int) -> list[RoundEvent]:
        """Return the event of every report of one feed in blocks `first` to `last`, both included, oldest first."""
        interface = hub_interface()
        topics = [[interface.topic("RoundAccepted"), interface.topic("RoundHeld")], [feed_id]]
        return self._round_events(await self.rpc.logs(self.address, first, last, topics))

    def decode_outcome(self, receipt: Receipt) -> list[RoundEvent]:
        """Return the events of the reports that a transaction carried, in its order."""
        return self._round_events(receipt.logs)

    def decode_shadows(self, receipt: Receipt) -> list[tuple[bytes, int]]:
        """Return feed id and round of each shadow report that a transaction carried, in its order.

        Raises:
            ChainUnavailable: The node's log is malformed.
        """
        found = [decoded(log) for log in receipt.logs if log.address == self.address]
        return [(each[1]["feedId"], each[1]["roundId"]) for each in found if each and each[0] == "ShadowScored"]

    def _round_events(self, logs: Sequence[Log]) -> list[RoundEvent]:
        with self._standing():
            return [event for log in logs if log.address == self.address and (event := round_event(log)) is not None]

    async def lens(self) -> str:
        """Return the address of the lens that the hub names. It never changes, so it is asked for once."""
        if self._lens is None:
            found: str = await self.read("lens")
            with self._standing():
                if not int(found, 16):
                    raise DeploymentError(
                        f"the contract at {self.address} names no lens, so it is no hub of this release: check the "
                        "address and the deployment file"
                    )
            self._lens = found
        return self._lens

    async def look(self, function: str, *arguments: Any, block: BlockTag = "latest") -> Any:
        """Call one of the lens's views of this hub. Raises as `read`."""
        lens = await self.lens()
        with self._standing():
            return await contract.read(
                self.rpc, lens_interface(), lens, function, self.address, *arguments, block=block
            )

    async def read(self, function: str, *arguments: Any, block: BlockTag = "latest") -> Any:
        """Call one of the hub's views.

        Raises:
            ContractRejected: It reverted, with the decoded reason.
            DeploymentError: There is no hub at the address.
            AnswerNotBelieved: The same, where it was found before.
            ChainUnavailable: No answer.
        """
        with self._standing():
            return await contract.read(self.rpc, hub_interface(), self.address, function, *arguments, block=block)
