// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {
    AccessControlDefaultAdminRules
} from "@openzeppelin/contracts/access/extensions/AccessControlDefaultAdminRules.sol";
import {Create2} from "@openzeppelin/contracts/utils/Create2.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {IZkAggregator} from "./interfaces/IZkAggregator.sol";
import {IZkAggregatorFactory} from "./interfaces/IZkAggregatorFactory.sol";
import {IZkOracle} from "./interfaces/IZkOracle.sol";
import {Adapters} from "./libraries/Adapters.sol";
import {Changes} from "./libraries/Changes.sol";
import {Features} from "./libraries/Features.sol";
import {Instances} from "./libraries/Instances.sol";
import {Median} from "./libraries/Median.sol";
import {Models} from "./libraries/Models.sol";
import {Shadows} from "./libraries/Shadows.sol";
import {Circuit, Config, HeldSlots, PackedRound, RoundSlot, Track} from "./libraries/Slots.sol";
import {Feed, Store} from "./libraries/Store.sol";

/// @title The hub of a verifiable oracle
/// @dev No reentrancy guard is needed. Verifiers are reached by STATICCALL. The only other contracts that a submission
/// calls are adapters: their code follows from their address, and the calls come after all effects.
contract ZkOracle is IZkOracle, AccessControlDefaultAdminRules, EIP712 {
    /// @notice May pause, cancel proposals and roll a model back. It can neither unpause nor set anything.
    bytes32 public constant GUARDIAN_ROLE = keccak256("GUARDIAN_ROLE");
    bytes32 public constant OBSERVATION_TYPEHASH =
        keccak256("Observation(bytes32 feedId,uint32 roundId,int128 answer,uint32 observedAt)");

    /// @notice The longest proof, in bytes. ezkl's proofs have 2 to 4 kB.
    uint256 public constant MAX_PROOF_BYTES = 16_384;

    /// @notice A hold ends although its reports agree on no level, after this many times the reports and the time that
    /// would confirm one level. Otherwise an answer that keeps moving, as in a crash, would be held for as long as it
    /// moves.
    uint256 public constant PATIENCE = 4;

    /// @dev One feed's part of a submission, after it is read and before it is settled.
    struct Report {
        Config config;
        Track track;
        uint32 roundId;
        int128 answer;
        uint32 observedAt;
        uint32 latestObservedAt;
        uint8 repeats;
        int256 move;
        uint256 spread;
        uint256 gap;
        int256 score;
        bool accepted;
    }

    /// @inheritdoc IZkOracle
    uint32 public immutable override changeDelay;
    /// @inheritdoc IZkOracle
    IZkAggregatorFactory public immutable override aggregatorFactory;
    bytes32 private immutable _aggregatorCodeHash;

    Store private _store;

    modifier onlyGuardianOrAdmin() {
        if (msg.sender != defaultAdmin()) _checkRole(GUARDIAN_ROLE);
        _;
    }

    /// @param admin Holder of DEFAULT_ADMIN_ROLE; a handover is in two steps, `changeDelay_` apart.
    /// @param guardian Holder of GUARDIAN_ROLE; zero: none yet.
    /// @param changeDelay_ Seconds from the proposal of a change to its earliest activation.
    /// @param factory Deploys the feeds' adapters.
    constructor(address admin, address guardian, uint32 changeDelay_, IZkAggregatorFactory factory)
        AccessControlDefaultAdminRules(changeDelay_, admin)
        EIP712("ZkOracle", "1")
    {
        changeDelay = changeDelay_;
        aggregatorFactory = factory;
        _aggregatorCodeHash = factory.initCodeHash();
        if (guardian != address(0)) _grantRole(GUARDIAN_ROLE, guardian);
    }

    // Submission

    /// @inheritdoc IZkOracle
    function submit(uint16 modelNumber, FeedUpdate[] calldata updates, bytes calldata proof) external override {
        // 1–5
        (Report[] memory reports, uint128 scoreUnit) = _judge(modelNumber, updates, proof, false);
        // 6  write the rounds, or hold the answers
        for (uint256 i = 0; i < updates.length; ++i) {
            _settle(updates[i], reports[i], modelNumber, scoreUnit);
        }
        // 7  Chainlink's events, from the feeds' adapters: calls come after all effects
        for (uint256 i = 0; i < updates.length; ++i) {
            _announce(updates[i].feedId, reports[i]);
        }
    }

    /// @inheritdoc IZkOracle
    function submitShadow(uint16 modelNumber, FeedUpdate[] calldata updates, bytes calldata proof) external override {
        (Report[] memory reports, uint128 scoreUnit) = _judge(modelNumber, updates, proof, true);
        for (uint256 i = 0; i < updates.length; ++i) {
            (bytes32 feedId, Report memory report) = (updates[i].feedId, reports[i]);
            Shadows.record(
                _store.feeds[feedId],
                feedId,
                report.roundId,
                report.answer,
                report.observedAt,
                report.latestObservedAt,
                Instances.scoreRatio(report.score, scoreUnit)
            );
            emit ShadowScored(feedId, report.roundId, report.answer, report.observedAt, modelNumber, updates[i].scores);
        }
    }

    /// @dev Reverts unless the updates are signed, fresh and proven.
    /// @param isShadow True if the proposed models of the feeds judge the updates, instead of the active ones.
    function _judge(uint16 modelNumber, FeedUpdate[] calldata updates, bytes calldata proof, bool isShadow)
        internal
        view
        returns (Report[] memory reports, uint128 scoreUnit)
    {
        if (updates.length == 0) revert NoUpdates();
        if (proof.length > MAX_PROOF_BYTES) revert ProofTooLong(proof.length, MAX_PROOF_BYTES);
        // 1  the smallest of the model's circuits that the batch fits
        Circuit circuit = _circuitFor(modelNumber, updates.length);
        (bytes memory data, uint256[] memory instances) =
            Instances.openCall(circuit, circuit.bindsModel() ? _store.models[modelNumber].modelHash : 0, proof);
        reports = new Report[](updates.length);
        uint256 offset = Instances.head(circuit);
        bytes32 previous = 0;
        for (uint256 i = 0; i < updates.length; ++i) {
            FeedUpdate calldata update = updates[i];
            (bytes32 feedId, Report memory report) = (update.feedId, reports[i]);
            if (feedId <= previous) revert FeedsNotAscending(feedId);
            previous = feedId;
            // 2–4  signatures, times and features
            _read(feedId, update, modelNumber, isShadow, report);
            Instances.writeWindow(instances, offset, circuit.features(), report.move, report.track.ring(), report.gap);
            offset += circuit.features();
            if (circuit.hasSpread()) Instances.writeSpread(instances, offset, report.spread);
            report.score = Instances.writeScores(instances, circuit, i, feedId, update.scores);
        }
        Instances.pad(instances, circuit, updates.length);
        // 5  the hub wrote the statement itself; a proof of anything else fails
        Instances.requireAccepted(circuit.verifier(), data);
        return (reports, circuit.scoreUnit());
    }

    function _circuitFor(uint16 modelNumber, uint256 updates) internal view returns (Circuit circuit) {
        uint256 index = 0;
        do {
            circuit = _store.circuits[Models.key(modelNumber, index++)];
            if (updates <= circuit.batchSize()) return circuit;
        } while (index < circuit.count());
        if (circuit.count() == 0) revert UnknownModel(modelNumber);
        revert NoCircuitForBatch(updates);
    }

    function _read(bytes32 feedId, FeedUpdate calldata update, uint16 modelNumber, bool isShadow, Report memory report)
        internal
        view
    {
        Feed storage feed = _store.feeds[feedId];
        Config config = feed.config;
        if (config.isEmpty()) revert UnknownFeed(feedId);
        if (config.paused()) revert FeedPaused(feedId);
        if (!isShadow) {
            if (config.modelNumber() != modelNumber) revert ModelNotActive(feedId, modelNumber, config.modelNumber());
        } else if (feed.proposals.modelFrom == 0 || feed.proposals.model != modelNumber) {
            revert ModelNotProposed(feedId, modelNumber, feed.proposals.model);
        }
        Track track = feed.track;
        uint32 roundId = track.roundId();
        if (update.roundId != roundId + 1) revert WrongRound(feedId, update.roundId, roundId + 1);
        (report.config, report.track, report.roundId) = (config, track, roundId + 1);
        PackedRound last = feed.rounds[roundId];
        // 2, 3  signatures, freshness, answer
        uint32 lastReportAt = _lastReportAt(feed, config, last);
        if (isShadow && feed.shadow.lastReportAt > lastReportAt) lastReportAt = feed.shadow.lastReportAt;
        _readObservations(feed, feedId, update, report, lastReportAt);
        // 4  features. A first answer has nothing to be measured against.
        if (roundId == 0) {
            if (config.relative() && report.answer <= 0) revert AnswerOutOfRange(feedId, report.answer);
            report.gap = Features.GAP_ONE;
            return;
        }
        report.move = Features.move(config.relative(), config.sigma(), report.answer, last.answer());
        report.gap = Features.gap(report.observedAt, last.observedAt(), config.heartbeat());
        if (report.answer == last.answer()) report.repeats = _saturated(last.repeats());
    }

    /// @dev Sets `answer` (the median: the element at k / 2 of k, as in Chainlink's OCR), `observedAt` (the lower
    /// median) and `latestObservedAt`. Every observation must be newer than all observations of the last report. While
    /// a feed is held, its next round keeps its number, and no signature may confirm what it has already said.
    function _readObservations(
        Feed storage feed,
        bytes32 feedId,
        FeedUpdate calldata update,
        Report memory report,
        uint32 lastReportAt
    ) internal view {
        Observation[] calldata observations = update.observations;
        Config config = report.config;
        uint256 count = observations.length;
        if (count < config.quorum()) revert QuorumNotMet(feedId, count, config.quorum());
        if (count > Changes.MAX_REPORTERS) revert TooManyObservations(feedId, count);
        uint256 highest = block.timestamp + config.maxSkew();
        uint256 lowest = block.timestamp > config.maxAge() ? block.timestamp - config.maxAge() : 0;
        // A single observation is its own median.
        uint256[] memory times = new uint256[](count == 1 ? 0 : count);
        uint256 seen = 0;
        int128 previous = type(int128).min;
        for (uint256 i = 0; i < count; ++i) {
            Observation calldata observation = observations[i];
            (int128 answer, uint32 observedAt) = (observation.answer, observation.observedAt);
            address signer = _signer(observationDigest(feedId, report.roundId, answer, observedAt), observation);
            uint256 position = feed.positions[signer];
            if (position == 0) revert NotAReporter(feedId, signer);
            if (seen & (1 << position) != 0) revert DuplicateReporter(feedId, signer);
            seen |= 1 << position;
            if (answer < previous) revert ObservationsNotSorted(feedId);
            previous = answer;
            _requireFresh(feedId, observedAt, lastReportAt, highest, lowest);
            if (count != 1) times[i] = observedAt;
            else (report.observedAt, report.latestObservedAt) = (observedAt, observedAt);
        }
        report.answer = observations[count / 2].answer;
        if (count == 1) return;
        // forge-lint: disable-next-item(unsafe-typecast) -- they were uint32
        (report.observedAt, report.latestObservedAt) = (uint32(Median.lower(times)), uint32(times[count - 1]));
        uint256 spread = Features.spread(config.relative(), config.sigma(), observations[0].answer, previous);
        report.spread = spread;
        uint256 maxSpread = config.maxSpread();
        if (maxSpread != 0 && spread > maxSpread) revert SpreadTooWide(feedId, spread, maxSpread);
    }

    function _requireFresh(bytes32 feedId, uint32 observedAt, uint32 lastReportAt, uint256 highest, uint256 lowest)
        internal
        pure
    {
        if (observedAt <= lastReportAt) revert ObservationNotNewer(feedId, observedAt, lastReportAt);
        if (observedAt > highest) revert ObservationInFuture(feedId, observedAt, highest);
        if (observedAt < lowest) revert ObservationTooOld(feedId, observedAt, lowest);
    }

    /// @dev Returns zero if the signature is malformed, or is the non-canonical one of the two that exist for each.
    function _signer(bytes32 digest, Observation calldata observation) internal pure returns (address) {
        // slither-disable-next-line unused-return -- the third explains the error
        (address signer, ECDSA.RecoverError failure,) =
            ECDSA.tryRecover(digest, observation.v, observation.r, observation.s);
        return failure == ECDSA.RecoverError.NoError ? signer : address(0);
    }

    /// @dev Writes a round or a hold.
    function _settle(FeedUpdate calldata update, Report memory report, uint16 modelNumber, uint128 scoreUnit) internal {
        int24 ratio = Instances.scoreRatio(report.score, scoreUnit);
        HoldReason reason = _reasonToHold(report);
        report.accepted = reason == HoldReason.NONE || _hold(update, report, modelNumber, ratio, reason);
        if (!report.accepted) return;
        Feed storage feed = _store.feeds[update.feedId];
        if (report.config.held()) feed.config = report.config.withHeld(false);
        feed.track = report.track.push(report.move, report.roundId);
        feed.rounds[report.roundId] = RoundSlot.pack(
            report.answer,
            report.observedAt,
            report.latestObservedAt,
            block.timestamp,
            modelNumber,
            ratio,
            report.repeats
        );
        emit RoundAccepted(
            update.feedId,
            report.roundId,
            report.answer,
            report.observedAt,
            modelNumber,
            update.scores,
            reason != HoldReason.NONE
        );
    }

    /// @dev Three kinds of answers are held whatever the model says: one that later moves can't be measured against,
    /// one that was repeated too often, and one whose move is clipped. A clipped move tells the model only that it is
    /// large. After a volatile time, when the model allows large moves, it would accept a move a thousand times as
    /// large.
    function _reasonToHold(Report memory report) internal pure returns (HoldReason) {
        if (report.config.relative() && report.answer <= 0) return HoldReason.NOT_POSITIVE;
        uint256 maxRepeats = report.config.maxRepeats();
        if (maxRepeats != 0 && report.repeats > maxRepeats) return HoldReason.REPEATED;
        bool isClipped = Features.magnitude(report.move) == uint256(Features.CLIP);
        return isClipped || report.score > 0 ? HoldReason.ANOMALOUS : HoldReason.NONE;
    }

    /// @dev Starts a hold, or continues it.
    /// @return isConfirmed True if the answer has now been confirmed often enough and for long enough. In that case
    /// this function writes nothing.
    function _hold(FeedUpdate calldata update, Report memory report, uint16 modelNumber, int24 ratio, HoldReason reason)
        internal
        returns (bool isConfirmed)
    {
        Feed storage feed = _store.feeds[update.feedId];
        Config config = report.config;
        Held memory held;
        if (config.held()) held = HeldSlots.unpack(feed.heldAnswers, feed.heldRest);
        bool goesOn = held.reason == reason
            && Features.near(config.relative(), config.sigma(), report.answer, held.firstAnswer, config.tolerance());
        if (goesOn) {
            held.confirmations = _saturated(held.confirmations);
        } else {
            (held.firstAnswer, held.firstObservedAt, held.confirmations) = (report.answer, report.observedAt, 0);
        }
        // Only an anomalous answer can become a new level. Answers that are held for another reason stay held, however
        // often they come.
        if (reason == HoldReason.ANOMALOUS) {
            if (held.anomalies == 0) held.anomalousSince = report.observedAt;
            if (held.anomalies != type(uint16).max) ++held.anomalies;
            if (_isConfirmed(config, held, report.observedAt)) return true;
        }
        if (!config.held()) feed.config = config.withHeld(true);
        (held.reason, held.answer, held.observedAt) = (reason, report.answer, report.observedAt);
        (held.modelNumber, held.scoreRatio) = (modelNumber, ratio);
        (feed.heldAnswers, feed.heldRest) = HeldSlots.pack(held, report.latestObservedAt);
        emit RoundHeld(
            update.feedId,
            report.roundId,
            report.answer,
            report.observedAt,
            modelNumber,
            update.scores,
            reason,
            held.confirmations
        );
    }

    /// @dev True if one level is confirmed, or if there were too many anomalies of any level for too long: then the
    /// market itself is anomalous.
    function _isConfirmed(Config config, Held memory held, uint32 observedAt) internal pure returns (bool) {
        (uint256 needed, uint256 delay) = (config.confirmations(), config.confirmDelay());
        if (held.confirmations >= needed && observedAt - held.firstObservedAt >= delay) return true;
        return held.anomalies >= PATIENCE * (needed + 1) && observedAt - held.anomalousSince >= PATIENCE * delay;
    }

    function _announce(bytes32 feedId, Report memory report) internal {
        if (!report.accepted || !report.config.linked()) return;
        IZkAggregator(_aggregatorOf(feedId)).announce(report.roundId, report.answer, report.observedAt, msg.sender);
    }

    function _saturated(uint8 count) internal pure returns (uint8) {
        return count == type(uint8).max ? count : count + 1;
    }

    // Reading

    /// @inheritdoc IZkOracle
    function features(bytes32 feedId, int128 answer, uint32 observedAt, uint16 spread)
        external
        view
        override
        returns (int256[] memory)
    {
        return Changes.features(_store, feedId, answer, observedAt, spread);
    }

    /// @inheritdoc IZkOracle
    function feedState(bytes32 feedId) external view override returns (FeedState memory state) {
        Feed storage feed = _feed(feedId);
        (Config config, Track track) = (feed.config, feed.track);
        PackedRound last = feed.rounds[track.roundId()];
        Round memory round = last.unpack();
        state.status = _status(config, track);
        state.paused = config.paused();
        state.roundId = track.roundId();
        state.answer = round.answer;
        state.observedAt = round.observedAt;
        state.publishedAt = round.publishedAt;
        state.lastReportAt = _lastReportAt(feed, config, last);
        state.modelNumber = config.modelNumber();
        state.repeats = last.repeats();
        for (uint256 i = 0; i < Features.RING_SIZE; ++i) {
            // forge-lint: disable-next-item(unsafe-typecast) -- stored as int16
            state.returns_[i] = int16(Features.at(track.ring(), i));
        }
        if (config.held()) state.held = HeldSlots.unpack(feed.heldAnswers, feed.heldRest);
    }

    /// @inheritdoc IZkOracle
    function feedConfig(bytes32 feedId) external view override returns (FeedConfig memory) {
        return Changes.feedConfig(_store, feedId);
    }

    /// @inheritdoc IZkOracle
    function feedIds() external view override returns (bytes32[] memory) {
        return _store.feedIds;
    }

    /// @inheritdoc IZkOracle
    function reporters(bytes32 feedId) external view override returns (address[] memory) {
        return _feed(feedId).reporters;
    }

    /// @inheritdoc IZkOracle
    function aggregator(bytes32 feedId) external view override returns (address) {
        return _feed(feedId).config.linked() ? _aggregatorOf(feedId) : address(0);
    }

    /// @inheritdoc IZkOracle
    function isStale(bytes32 feedId) external view override returns (bool stale) {
        (,,,, stale) = latestWithStatus(feedId);
    }

    /// @inheritdoc IZkOracle
    function getRound(bytes32 feedId, uint32 roundId) external view override returns (Round memory) {
        return _store.feeds[feedId].rounds[roundId].unpack();
    }

    /// @inheritdoc IZkOracle
    function latestRound(bytes32 feedId) public view override returns (uint32 roundId, Round memory round) {
        Feed storage feed = _feed(feedId);
        roundId = feed.track.roundId();
        if (roundId == 0) revert NoData(feedId);
        round = feed.rounds[roundId].unpack();
    }

    /// @inheritdoc IZkOracle
    function latestWithStatus(bytes32 feedId)
        public
        view
        override
        returns (uint32 roundId, Round memory round, Status status, bool paused, bool stale)
    {
        Feed storage feed = _feed(feedId);
        (Config config, Track track) = (feed.config, feed.track);
        (roundId, status, paused) = (track.roundId(), _status(config, track), config.paused());
        round = feed.rounds[roundId].unpack();
        stale = roundId == 0 || block.timestamp > uint256(round.observedAt) + config.heartbeat() + config.maxAge();
    }

    /// @inheritdoc IZkOracle
    function getPriceNoOlderThan(bytes32 feedId, uint256 age)
        external
        view
        override
        returns (int128 answer, uint32 observedAt)
    {
        (, Round memory round) = latestRound(feedId);
        Config config = _store.feeds[feedId].config;
        if (config.paused()) revert FeedPaused(feedId);
        if (config.held()) revert FeedHeld(feedId);
        (answer, observedAt) = (round.answer, round.observedAt);
        // Within the allowed skew, an observation may be ahead of the block. Its age is then 0.
        if (block.timestamp > observedAt && block.timestamp - observedAt > age) {
            revert PriceTooOld(feedId, observedAt, age);
        }
    }

    /// @inheritdoc IZkOracle
    function architectureCount() external view override returns (uint32) {
        return _store.architectureCount;
    }

    /// @inheritdoc IZkOracle
    function architecture(uint32 architectureId) external view override returns (Architecture memory) {
        return Models.architecture(_store, architectureId);
    }

    /// @inheritdoc IZkOracle
    function modelCount() external view override returns (uint16) {
        return _store.modelCount;
    }

    /// @inheritdoc IZkOracle
    function model(uint16 modelNumber) external view override returns (Model memory) {
        return Models.model(_store, modelNumber);
    }

    /// @inheritdoc IZkOracle
    function proposals(bytes32 feedId)
        external
        view
        override
        returns (Proposals memory proposed, address[] memory proposedReporters)
    {
        Feed storage feed = _feed(feedId);
        return (feed.proposals, feed.proposedReporters);
    }

    /// @inheritdoc IZkOracle
    function shadow(bytes32 feedId) external view override returns (ShadowTally memory) {
        return Shadows.tally(_feed(feedId));
    }

    /// @inheritdoc IZkOracle
    function observationDigest(bytes32 feedId, uint32 roundId, int128 answer, uint32 observedAt)
        public
        view
        override
        returns (bytes32)
    {
        return _hashTypedDataV4(keccak256(abi.encode(OBSERVATION_TYPEHASH, feedId, roundId, answer, observedAt)));
    }

    // Administration: the roles are checked here; `Models` and `Changes` do the work

    /// @inheritdoc IZkOracle
    function addArchitecture(
        uint8 features_,
        uint8 outputs,
        bool bindsModel,
        bool hasSpread,
        uint16[] calldata batchSizes,
        address[] calldata verifiers
    ) external override onlyRole(DEFAULT_ADMIN_ROLE) returns (uint32) {
        return Models.addArchitecture(_store, features_, outputs, bindsModel, hasSpread, batchSizes, verifiers);
    }

    /// @inheritdoc IZkOracle
    function addModel(
        uint256 modelHash,
        uint32 architectureId,
        bytes32 artifactHash,
        uint128 scoreUnit,
        Probe calldata probe
    ) external override onlyRole(DEFAULT_ADMIN_ROLE) returns (uint16) {
        return Models.addModel(_store, modelHash, architectureId, artifactHash, scoreUnit, probe);
    }

    /// @inheritdoc IZkOracle
    function addFeed(FeedConfig calldata config, address[] calldata reporters_, uint16 modelNumber)
        external
        override
        onlyRole(DEFAULT_ADMIN_ROLE)
        returns (bytes32)
    {
        return Changes.addFeed(_store, config, reporters_, modelNumber);
    }

    /// @inheritdoc IZkOracle
    function linkAggregator(bytes32 feedId) external override onlyRole(DEFAULT_ADMIN_ROLE) {
        Feed storage feed = _feed(feedId);
        if (feed.config.linked()) revert AggregatorAlreadyLinked(feedId);
        address adapter = _aggregatorOf(feedId);
        if (adapter.code.length == 0) revert AggregatorNotDeployed(adapter);
        feed.config = feed.config.withLinked();
        emit AggregatorLinked(feedId, adapter);
    }

    /// @inheritdoc IZkOracle
    function proposeModel(bytes32 feedId, uint16 modelNumber, uint32 minCompared, uint32 maxDistance)
        external
        override
        onlyRole(DEFAULT_ADMIN_ROLE)
    {
        Changes.proposeModel(_store, feedId, modelNumber, minCompared, maxDistance, _activeFrom());
    }

    /// @inheritdoc IZkOracle
    function activateModel(bytes32 feedId) external override onlyRole(DEFAULT_ADMIN_ROLE) {
        Changes.activateModel(_store, feedId);
    }

    /// @inheritdoc IZkOracle
    function cancelModel(bytes32 feedId) external override onlyGuardianOrAdmin {
        Changes.cancelModel(_store, feedId);
    }

    /// @inheritdoc IZkOracle
    function rollbackModel(bytes32 feedId) external override onlyGuardianOrAdmin {
        Changes.rollbackModel(_store, feedId);
    }

    /// @inheritdoc IZkOracle
    function proposeReporters(bytes32 feedId, address[] calldata reporters_, uint8 quorum)
        external
        override
        onlyRole(DEFAULT_ADMIN_ROLE)
    {
        Changes.proposeReporters(_store, feedId, reporters_, quorum, _activeFrom());
    }

    /// @inheritdoc IZkOracle
    function activateReporters(bytes32 feedId) external override onlyRole(DEFAULT_ADMIN_ROLE) {
        Changes.activateReporters(_store, feedId);
    }

    /// @inheritdoc IZkOracle
    function cancelReporters(bytes32 feedId) external override onlyGuardianOrAdmin {
        Changes.cancelReporters(_store, feedId);
    }

    /// @inheritdoc IZkOracle
    function pause(bytes32 feedId) external override onlyGuardianOrAdmin {
        Changes.pause(_store, feedId);
    }

    /// @inheritdoc IZkOracle
    function proposeUnpause(bytes32 feedId) external override onlyRole(DEFAULT_ADMIN_ROLE) {
        Changes.proposeUnpause(_store, feedId, _activeFrom());
    }

    /// @inheritdoc IZkOracle
    function unpause(bytes32 feedId) external override onlyRole(DEFAULT_ADMIN_ROLE) {
        Changes.unpause(_store, feedId);
    }

    function _activeFrom() internal view returns (uint64) {
        return uint64(block.timestamp) + changeDelay;
    }

    /// @dev An unknown feed has an all-zero configuration; a known one has a heartbeat.
    function _feed(bytes32 feedId) internal view returns (Feed storage feed) {
        feed = _store.feeds[feedId];
        if (feed.config.isEmpty()) revert UnknownFeed(feedId);
    }

    /// @dev The latest time that a reporter signed for the latest report, accepted or held.
    function _lastReportAt(Feed storage feed, Config config, PackedRound last) internal view returns (uint32) {
        return config.held() ? HeldSlots.lastReportAt(feed.heldRest) : last.latestObservedAt();
    }

    function _status(Config config, Track track) internal pure returns (Status) {
        return config.held() ? Status.HELD : track.roundId() == 0 ? Status.EMPTY : Status.OK;
    }

    /// @dev The address at which the factory deploys the feed's adapter. Computing it is cheaper than reading a stored
    /// one.
    function _aggregatorOf(bytes32 feedId) internal view returns (address) {
        return
            Create2.computeAddress(Adapters.salt(this, feedId, false), _aggregatorCodeHash, address(aggregatorFactory));
    }
}
