// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {
    AccessControlDefaultAdminRules
} from "@openzeppelin/contracts/access/extensions/AccessControlDefaultAdminRules.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {IHalo2Verifier} from "./interfaces/IHalo2Verifier.sol";
import {IZkAggregator} from "./interfaces/IZkAggregator.sol";
import {IZkOracle} from "./interfaces/IZkOracle.sol";
import {Features} from "./libraries/Features.sol";
import {Instances} from "./libraries/Instances.sol";
import {Median} from "./libraries/Median.sol";
import {Circuit, CircuitSlot, Config, ConfigSlot, HeldSlots, Hot, PackedRound, RoundSlot} from "./libraries/Slots.sol";

/// @title The hub of a verifiable oracle
contract ZkOracle is IZkOracle, AccessControlDefaultAdminRules, EIP712, ReentrancyGuardTransient {
    /// @notice May pause, cancel proposals and roll a model back. Cannot unpause, nor set anything.
    bytes32 public constant GUARDIAN_ROLE = keccak256("GUARDIAN_ROLE");
    bytes32 public constant OBSERVATION_TYPEHASH =
        keccak256("Observation(bytes32 feedId,uint32 roundId,int128 answer,uint32 observedAt)");

    /// @notice Reporters of a feed, at most. As in Chainlink's OCR.
    uint256 public constant MAX_REPORTERS = 31;
    /// @notice Circuits of an architecture, at most.
    uint256 public constant MAX_CIRCUITS = 8;
    /// @notice Windows of a circuit, at most.
    uint256 public constant MAX_BATCH = 64;
    /// @notice Length of a proof in bytes, at most. ezkl's are 2 to 4 kB.
    uint256 public constant MAX_PROOF_BYTES = 16_384;
    /// @notice Seconds that a feed may let observations be ahead of the block, at most. The next report has to be later
    /// than the latest of them: by so much one reporter's wrong clock can delay the others.
    uint256 public constant LONGEST_SKEW = 1 hours;
    /// @notice Bytes of a description, at most.
    uint256 public constant MAX_DESCRIPTION_BYTES = 64;

    /// @dev Times after which a proposal may be activated; 0: nothing proposed. One word.
    struct Proposals {
        uint64 modelFrom;
        uint64 reportersFrom;
        uint64 unpauseFrom;
        uint16 model;
        uint16 previousModel;
        uint8 quorum;
    }

    /// @dev The first five are packed words: see `Slots` and `Features`. `heldAnswers` and `heldRest` mean something
    /// only while the feed is HELD: they are not cleared, since writing them again is then cheaper.
    struct Feed {
        Config config;
        Hot hot;
        uint256 ring;
        uint256 heldAnswers;
        uint256 heldRest;
        Proposals proposals;
        string description;
        address[] reporters;
        address[] proposedReporters;
        mapping(uint256 roundId => PackedRound round) rounds;
        /// 1 + the index in `reporters`; 0: not a reporter.
        mapping(address reporter => uint256 position) positions;
    }

    /// @dev `Model` in an order that leaves what a submission reads in two slots.
    struct StoredModel {
        uint256 modelHash;
        bytes32 artifactHash;
        uint128 scoreUnit;
        uint32 architectureId;
    }

    /// @dev One feed's part of a submission, between being read and being settled.
    struct Report {
        Config config;
        Hot hot;
        int128 answer;
        uint32 observedAt;
        uint32 latestObservedAt;
        int256 move;
        uint256 ring;
        uint256 gap;
    }

    /// @inheritdoc IZkOracle
    uint32 public immutable override changeDelay;
    /// @inheritdoc IZkOracle
    uint32 public override architectureCount;
    /// @inheritdoc IZkOracle
    uint16 public override modelCount;

    mapping(bytes32 feedId => Feed feed) private _feeds;
    mapping(uint256 modelNumber => StoredModel model) private _models;
    mapping(uint256 architectureId => mapping(uint256 index => Circuit circuit)) private _circuits;
    mapping(uint256 architectureId => mapping(uint256 index => bytes32 codeHash)) private _codeHashes;
    /// @dev Of an architecture whose verifying key holds the weights: the one model that it is good for.
    mapping(uint256 architectureId => uint256 modelNumber) private _onlyModels;
    bytes32[] private _feedIds;

    modifier onlyGuardianOrAdmin() {
        if (msg.sender != defaultAdmin()) _checkRole(GUARDIAN_ROLE);
        _;
    }

    /// @param admin Holder of DEFAULT_ADMIN_ROLE; a handover is in two steps, `changeDelay_` apart.
    /// @param guardian Holder of GUARDIAN_ROLE; zero: none yet.
    /// @param changeDelay_ Seconds from the proposal of a change to its earliest activation.
    constructor(address admin, address guardian, uint32 changeDelay_)
        AccessControlDefaultAdminRules(changeDelay_, admin)
        EIP712("ZkOracle", "1")
    {
        changeDelay = changeDelay_;
        if (guardian != address(0)) _grantRole(GUARDIAN_ROLE, guardian);
    }

    // Submission

    /// @inheritdoc IZkOracle
    function submit(uint16 modelNumber, FeedUpdate[] calldata updates, bytes calldata proof)
        external
        override
        nonReentrant
    {
        if (updates.length == 0) revert NoUpdates();
        if (proof.length > MAX_PROOF_BYTES) revert ProofTooLong(proof.length, MAX_PROOF_BYTES);
        // 1  the model, and the smallest of its circuits that the batch fits
        StoredModel storage judge = _models[modelNumber];
        (uint128 scoreUnit, uint32 judgeArchitecture) = (judge.scoreUnit, judge.architectureId);
        if (scoreUnit == 0) revert UnknownModel(modelNumber);
        Circuit circuit = _circuitFor(judgeArchitecture, updates.length);
        // 2–4  per feed: what was signed, when, and what the model is to see of it
        Report[] memory reports = new Report[](updates.length);
        for (uint256 i = 0; i < updates.length; ++i) {
            _requireNotAmong(updates[i].feedId, updates, i);
            reports[i] = _read(updates[i], modelNumber);
            _requireScores(updates[i], circuit.outputs());
        }
        // 5  the statement is the hub's own; the proof is for it or for nothing
        uint256[] memory instances = _statement(circuit, circuit.bindsModel() ? judge.modelHash : 0, reports, updates);
        _requireProof(circuit.verifier(), proof, instances);
        // 6  write the rounds, or hold the answers
        for (uint256 i = 0; i < updates.length; ++i) {
            _settle(updates[i], reports[i], scoreUnit);
        }
        // 7  Chainlink's events, from the feeds' adapters: calls come after all effects
        for (uint256 i = 0; i < updates.length; ++i) {
            _announce(reports[i]);
        }
    }

    function _circuitFor(uint256 architectureId, uint256 updates) internal view returns (Circuit circuit) {
        mapping(uint256 => Circuit) storage circuits = _circuits[architectureId];
        uint256 index = 0;
        do {
            circuit = circuits[index++];
            if (updates <= circuit.batchSize()) return circuit;
        } while (index < circuit.count());
        revert NoCircuitForBatch(updates);
    }

    function _requireNotAmong(bytes32 feedId, FeedUpdate[] calldata updates, uint256 count) internal pure {
        for (uint256 i = 0; i < count; ++i) {
            if (updates[i].feedId == feedId) revert DuplicateFeed(feedId);
        }
    }

    function _read(FeedUpdate calldata update, uint16 modelNumber) internal view returns (Report memory report) {
        bytes32 feedId = update.feedId;
        Feed storage feed = _feed(feedId);
        Config config = feed.config;
        Hot hot = feed.hot;
        if (hot.paused()) revert FeedPaused(feedId);
        if (hot.modelNumber() != modelNumber) revert ModelNotActive(feedId, modelNumber, hot.modelNumber());
        if (update.roundId != hot.roundId() + 1) revert WrongRound(feedId, update.roundId, hot.roundId() + 1);
        report.config = config;
        report.hot = hot;
        // 2  signatures, answer
        report.answer = _answer(feed, update, config, hot.roundId() == 0);
        // 3  freshness
        (report.observedAt, report.latestObservedAt) = _time(update, config, hot.lastReportAt());
        // 4  features
        (report.move, report.ring, report.gap) =
            _features(feed, config, hot.roundId(), report.answer, report.observedAt);
    }

    /// @dev The median of the signed answers: the element at k / 2 of k, as in Chainlink's OCR.
    function _answer(Feed storage feed, FeedUpdate calldata update, Config config, bool isFirst)
        internal
        view
        returns (int128 answer)
    {
        bytes32 feedId = update.feedId;
        Observation[] calldata observations = update.observations;
        uint256 count = observations.length;
        if (count < config.quorum()) revert QuorumNotMet(feedId, count, config.quorum());
        if (count > MAX_REPORTERS) revert TooManyObservations(feedId, count);
        uint256 seen = 0;
        for (uint256 i = 0; i < count; ++i) {
            address signer = _signer(feedId, update.roundId, observations[i]);
            uint256 position = feed.positions[signer];
            if (position == 0) revert NotAReporter(feedId, signer);
            if (seen & (1 << position) != 0) revert DuplicateReporter(feedId, signer);
            seen |= 1 << position;
        }
        for (uint256 i = 1; i < count; ++i) {
            if (observations[i - 1].answer > observations[i].answer) revert ObservationsNotSorted(feedId);
        }
        answer = observations[count / 2].answer;
        // A relative feed measures against its last accepted answer, which has to be above zero from the first one on.
        if (isFirst && config.relative() && answer <= 0) revert AnswerOutOfRange(feedId, answer);
        if (config.maxSpread() != 0) {
            uint256 spread = Features.spread(
                config.relative(), config.sigma(), observations[0].answer, observations[count - 1].answer
            );
            if (spread > config.maxSpread()) revert SpreadTooWide(feedId, spread, config.maxSpread());
        }
    }

    /// @dev Zero for a signature that is malformed, or not the canonical one of the two that there are for each.
    function _signer(bytes32 feedId, uint32 roundId, Observation calldata observation) internal view returns (address) {
        (address signer, ECDSA.RecoverError failure,) = ECDSA.tryRecover(
            observationDigest(feedId, roundId, observation.answer, observation.observedAt),
            observation.v,
            observation.r,
            observation.s
        );
        return failure == ECDSA.RecoverError.NoError ? signer : address(0);
    }

    /// @dev Every observation is newer than every one of the last report: while a feed is held its next round keeps its
    /// number, and no signature may confirm what it already said.
    /// @return median The lower median of the observation times.
    /// @return latest The latest of them.
    function _time(FeedUpdate calldata update, Config config, uint32 lastReportAt)
        internal
        view
        returns (uint32 median, uint32 latest)
    {
        bytes32 feedId = update.feedId;
        Observation[] calldata observations = update.observations;
        uint256 count = observations.length;
        uint256 highest = block.timestamp + config.maxSkew();
        uint256 lowest = block.timestamp > config.maxAge() ? block.timestamp - config.maxAge() : 0;
        uint256[] memory times = new uint256[](count);
        for (uint256 i = 0; i < count; ++i) {
            uint32 observedAt = observations[i].observedAt;
            if (observedAt <= lastReportAt) revert ObservationNotNewer(feedId, observedAt, lastReportAt);
            if (observedAt > highest) revert ObservationInFuture(feedId, observedAt, highest);
            if (observedAt < lowest) revert ObservationTooOld(feedId, observedAt, lowest);
            times[i] = observedAt;
        }
        // forge-lint: disable-next-item(unsafe-typecast) -- they were uint32
        (median, latest) = (uint32(Median.lower(times)), uint32(times[count - 1]));
    }

    function _features(Feed storage feed, Config config, uint32 roundId, int128 answer, uint32 observedAt)
        internal
        view
        returns (int256 move, uint256 ring, uint256 gap)
    {
        // Nothing to measure a first answer against. The ring is still empty: no need to load it.
        if (roundId == 0) return (0, 0, Features.GAP_ONE);
        PackedRound last = feed.rounds[roundId];
        move = Features.move(config.relative(), config.sigma(), answer, last.answer());
        ring = feed.ring;
        gap = Features.gap(observedAt, last.observedAt(), config.heartbeat());
    }

    function _requireScores(FeedUpdate calldata update, uint256 outputs) internal pure {
        int256[] calldata scores = update.scores;
        if (scores.length != outputs) revert WrongScoreCount(update.feedId, scores.length, outputs);
        for (uint256 i = 0; i < outputs; ++i) {
            if (!Instances.isScore(scores[i])) revert ScoreOutOfRange(update.feedId, scores[i]);
        }
    }

    /// @dev `[H(model)] ++ windows ++ scores`, the last feed's repeated until the circuit's batch is full.
    function _statement(Circuit circuit, uint256 modelHash, Report[] memory reports, FeedUpdate[] calldata updates)
        internal
        pure
        returns (uint256[] memory instances)
    {
        uint256 batch = circuit.batchSize();
        uint256 head = circuit.bindsModel() ? 1 : 0;
        uint256 length = circuit.features();
        uint256 outputs = circuit.outputs();
        uint256 count = reports.length;
        uint256 offset = head + batch * length;
        instances = new uint256[](offset + batch * outputs);
        if (circuit.bindsModel()) instances[0] = modelHash;
        for (uint256 i = 0; i < count; ++i) {
            Report memory report = reports[i];
            Instances.writeWindow(instances, head + i * length, length, report.move, report.ring, report.gap);
            int256[] calldata scores = updates[i].scores;
            for (uint256 j = 0; j < outputs; ++j) {
                instances[offset + i * outputs + j] = Instances.toField(scores[j]);
            }
        }
        for (uint256 i = count; i < batch; ++i) {
            Instances.repeat(instances, head + (count - 1) * length, head + i * length, length);
            Instances.repeat(instances, offset + (count - 1) * outputs, offset + i * outputs, outputs);
        }
    }

    function _requireProof(address verifier, bytes calldata proof, uint256[] memory instances) internal view {
        try IHalo2Verifier(verifier).verifyProof(proof, instances) returns (bool isValid) {
            if (!isValid) revert ProofRejected();
        } catch {
            revert ProofRejected();
        }
    }

    /// @dev Writes a round or a hold. Leaves `report.hot.status()` as the feed's new one.
    function _settle(FeedUpdate calldata update, Report memory report, uint128 scoreUnit) internal {
        int256 score = _max(update.scores);
        int48 ratio = Instances.scoreRatio(score, scoreUnit);
        // Whatever a model thinks of it: an answer that later moves can't be measured against is not written.
        bool isWritable = !report.config.relative() || report.answer > 0;
        if (score <= 0 && isWritable) {
            _accept(update, report, ratio, false);
        } else if (_hold(update, report, ratio)) {
            // Never an unwritable answer: it is near nothing.
            _accept(update, report, ratio, true);
        }
    }

    function _accept(FeedUpdate calldata update, Report memory report, int48 ratio, bool confirmed) internal {
        Feed storage feed = _feeds[update.feedId];
        report.hot = report.hot.reported(Status.OK, update.roundId, report.latestObservedAt);
        feed.hot = report.hot;
        feed.ring = Features.push(report.ring, report.move);
        feed.rounds[update.roundId] =
            RoundSlot.pack(report.answer, report.observedAt, block.timestamp, report.hot.modelNumber(), ratio);
        emit RoundAccepted(
            update.feedId,
            update.roundId,
            report.answer,
            report.observedAt,
            report.hot.modelNumber(),
            update.scores,
            confirmed
        );
    }

    /// @dev Starts a hold, or goes on with it.
    /// @return isConfirmed Whether the answer has now been confirmed often enough and for long enough: then nothing is
    /// written here.
    function _hold(FeedUpdate calldata update, Report memory report, int48 ratio) internal returns (bool isConfirmed) {
        Feed storage feed = _feeds[update.feedId];
        Config config = report.config;
        Held memory held = Held({
            answer: report.answer,
            firstAnswer: report.answer,
            firstObservedAt: report.observedAt,
            observedAt: report.observedAt,
            confirmations: 0,
            modelNumber: report.hot.modelNumber(),
            scoreRatio: ratio
        });
        if (report.hot.status() == Status.HELD) {
            Held memory before = HeldSlots.unpack(feed.heldAnswers, feed.heldRest);
            if (Features.near(config.relative(), config.sigma(), report.answer, before.firstAnswer, config.tolerance()))
            {
                held.firstAnswer = before.firstAnswer;
                held.firstObservedAt = before.firstObservedAt;
                // Saturates: a feed with 255 confirmations, or none, may be held for longer than it counts.
                held.confirmations =
                    before.confirmations == type(uint8).max ? before.confirmations : before.confirmations + 1;
                isConfirmed = config.confirmations() != 0 && held.confirmations >= config.confirmations()
                    && report.observedAt - before.firstObservedAt >= config.confirmDelay();
                if (isConfirmed) return true;
            }
        }
        report.hot = report.hot.reported(Status.HELD, report.hot.roundId(), report.latestObservedAt);
        feed.hot = report.hot;
        (feed.heldAnswers, feed.heldRest) = HeldSlots.pack(held);
        emit RoundHeld(
            update.feedId,
            update.roundId,
            report.answer,
            report.observedAt,
            report.hot.modelNumber(),
            update.scores,
            held.confirmations
        );
    }

    function _announce(Report memory report) internal {
        address linked = report.hot.aggregator();
        if (report.hot.status() != Status.OK || linked == address(0)) return;
        IZkAggregator(linked).announce(report.hot.roundId(), report.answer, report.observedAt, msg.sender);
    }

    function _max(int256[] calldata values) internal pure returns (int256 largest) {
        largest = values[0];
        for (uint256 i = 1; i < values.length; ++i) {
            if (values[i] > largest) largest = values[i];
        }
    }

    // Reading

    /// @inheritdoc IZkOracle
    function features(bytes32 feedId, int128 answer, uint32 observedAt)
        external
        view
        override
        returns (int256[] memory vector)
    {
        Feed storage feed = _feed(feedId);
        Hot hot = feed.hot;
        (int256 move, uint256 ring, uint256 gap) = _features(feed, feed.config, hot.roundId(), answer, observedAt);
        uint256 length = _circuits[_models[hot.modelNumber()].architectureId][0].features();
        vector = new int256[](length);
        vector[0] = move;
        for (uint256 i = 1; i < length - 1; ++i) {
            vector[i] = Features.at(ring, i - 1);
        }
        // forge-lint: disable-next-item(unsafe-typecast) -- clipped
        vector[length - 1] = int256(gap);
    }

    /// @inheritdoc IZkOracle
    function feedState(bytes32 feedId) external view override returns (FeedState memory state) {
        Feed storage feed = _feed(feedId);
        Hot hot = feed.hot;
        Round memory last = feed.rounds[hot.roundId()].unpack();
        state.status = hot.status();
        state.paused = hot.paused();
        state.roundId = hot.roundId();
        state.answer = last.answer;
        state.observedAt = last.observedAt;
        state.publishedAt = last.publishedAt;
        state.lastReportAt = hot.lastReportAt();
        state.modelNumber = hot.modelNumber();
        uint256 ring = feed.ring;
        for (uint256 i = 0; i < Features.RING_SIZE; ++i) {
            // forge-lint: disable-next-item(unsafe-typecast) -- stored as int16
            state.returns_[i] = int16(Features.at(ring, i));
        }
        if (hot.status() == Status.HELD) state.held = HeldSlots.unpack(feed.heldAnswers, feed.heldRest);
    }

    /// @inheritdoc IZkOracle
    function feedConfig(bytes32 feedId) external view override returns (FeedConfig memory) {
        Feed storage feed = _feed(feedId);
        Config config = feed.config;
        return FeedConfig({
            description: feed.description,
            kind: config.relative() ? Kind.RELATIVE : Kind.ABSOLUTE,
            decimals: config.decimals(),
            quorum: config.quorum(),
            confirmations: config.confirmations(),
            heartbeat: config.heartbeat(),
            maxAge: config.maxAge(),
            maxSkew: config.maxSkew(),
            confirmDelay: config.confirmDelay(),
            tolerance: config.tolerance(),
            maxSpread: config.maxSpread(),
            sigma: config.sigma()
        });
    }

    /// @inheritdoc IZkOracle
    function feedIds() external view override returns (bytes32[] memory) {
        return _feedIds;
    }

    /// @inheritdoc IZkOracle
    function reporters(bytes32 feedId) external view override returns (address[] memory) {
        return _feed(feedId).reporters;
    }

    /// @inheritdoc IZkOracle
    function aggregator(bytes32 feedId) external view override returns (address) {
        return _feed(feedId).hot.aggregator();
    }

    /// @inheritdoc IZkOracle
    function isStale(bytes32 feedId) external view override returns (bool stale) {
        (,,,, stale) = latestWithStatus(feedId);
    }

    /// @inheritdoc IZkOracle
    function getRound(bytes32 feedId, uint32 roundId) external view override returns (Round memory) {
        return _feeds[feedId].rounds[roundId].unpack();
    }

    /// @inheritdoc IZkOracle
    function latestRound(bytes32 feedId) public view override returns (uint32 roundId, Round memory round) {
        Feed storage feed = _feed(feedId);
        roundId = feed.hot.roundId();
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
        Hot hot = feed.hot;
        Config config = feed.config;
        (roundId, status, paused) = (hot.roundId(), hot.status(), hot.paused());
        if (roundId != 0) round = feed.rounds[roundId].unpack();
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
        Hot hot = _feeds[feedId].hot;
        if (hot.paused()) revert FeedPaused(feedId);
        if (hot.status() == Status.HELD) revert FeedHeld(feedId);
        (answer, observedAt) = (round.answer, round.observedAt);
        // Within the allowed skew an observation may be ahead of the block: then it is of age 0.
        if (block.timestamp > observedAt && block.timestamp - observedAt > age) {
            revert PriceTooOld(feedId, observedAt, age);
        }
    }

    /// @inheritdoc IZkOracle
    function architecture(uint32 architectureId) external view override returns (Architecture memory result) {
        Circuit circuit = _firstCircuit(architectureId);
        uint256 count = circuit.count();
        result.features = circuit.features();
        result.outputs = circuit.outputs();
        result.bindsModel = circuit.bindsModel();
        result.batchSizes = new uint16[](count);
        result.verifiers = new address[](count);
        result.codeHashes = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            circuit = _circuits[architectureId][i];
            result.batchSizes[i] = circuit.batchSize();
            result.verifiers[i] = circuit.verifier();
            result.codeHashes[i] = _codeHashes[architectureId][i];
        }
    }

    /// @inheritdoc IZkOracle
    function model(uint16 modelNumber) external view override returns (Model memory) {
        _requireModel(modelNumber);
        StoredModel storage found = _models[modelNumber];
        return Model({
            modelHash: found.modelHash,
            architectureId: found.architectureId,
            artifactHash: found.artifactHash,
            scoreUnit: found.scoreUnit
        });
    }

    /// @notice What is proposed for a feed; a time of 0: nothing.
    /// @return proposed Times from which each change may be activated, and the proposed model and quorum.
    /// @return proposedReporters The proposed reporters.
    function proposals(bytes32 feedId)
        external
        view
        returns (Proposals memory proposed, address[] memory proposedReporters)
    {
        Feed storage feed = _feed(feedId);
        return (feed.proposals, feed.proposedReporters);
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

    // Administration

    /// @inheritdoc IZkOracle
    function addArchitecture(
        uint8 features_,
        uint8 outputs,
        bool bindsModel,
        uint16[] calldata batchSizes,
        address[] calldata verifiers
    ) external override onlyRole(DEFAULT_ADMIN_ROLE) returns (uint32 architectureId) {
        if (features_ < Features.MIN_LENGTH || features_ > Features.MAX_LENGTH) {
            revert InvalidArchitecture("features");
        }
        if (outputs == 0) revert InvalidArchitecture("outputs");
        uint256 count = batchSizes.length;
        if (count == 0 || count > MAX_CIRCUITS) revert InvalidArchitecture("batchSizes");
        if (verifiers.length != count) revert InvalidArchitecture("verifiers");
        architectureId = ++architectureCount;
        uint256 previous = 0;
        bytes32[] memory codeHashes = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            if (batchSizes[i] <= previous || batchSizes[i] > MAX_BATCH) revert InvalidArchitecture("batchSizes");
            previous = batchSizes[i];
            if (verifiers[i].code.length == 0) revert VerifierHasNoCode(verifiers[i]);
            codeHashes[i] = verifiers[i].codehash;
            _codeHashes[architectureId][i] = codeHashes[i];
            // forge-lint: disable-next-item(unsafe-typecast) -- at most MAX_CIRCUITS
            _circuits[architectureId][i] =
                CircuitSlot.pack(verifiers[i], bindsModel, features_, outputs, uint8(count), batchSizes[i]);
        }
        emit ArchitectureAdded(
            architectureId,
            Architecture({
                features: features_,
                outputs: outputs,
                bindsModel: bindsModel,
                batchSizes: batchSizes,
                verifiers: verifiers,
                codeHashes: codeHashes
            })
        );
    }

    /// @inheritdoc IZkOracle
    function addModel(uint256 modelHash, uint32 architectureId, bytes32 artifactHash, uint128 scoreUnit)
        external
        override
        onlyRole(DEFAULT_ADMIN_ROLE)
        returns (uint16 modelNumber)
    {
        bool bindsModel = _firstCircuit(architectureId).bindsModel();
        if (scoreUnit == 0) revert InvalidModel("scoreUnit");
        // Zero is no hash, and the verifier refuses what is not below the field's order.
        if (bindsModel != (modelHash != 0) || modelHash >= Instances.FIELD_MODULUS) revert InvalidModel("modelHash");
        modelNumber = ++modelCount;
        if (!bindsModel) {
            if (_onlyModels[architectureId] != 0) revert InvalidModel("architectureId");
            _onlyModels[architectureId] = modelNumber;
        }
        _models[modelNumber] = StoredModel({
            modelHash: modelHash, artifactHash: artifactHash, scoreUnit: scoreUnit, architectureId: architectureId
        });
        emit ModelAdded(
            modelNumber,
            Model({
                modelHash: modelHash, architectureId: architectureId, artifactHash: artifactHash, scoreUnit: scoreUnit
            })
        );
    }

    /// @inheritdoc IZkOracle
    function addFeed(FeedConfig calldata config, address[] calldata reporters_, uint16 modelNumber)
        external
        override
        onlyRole(DEFAULT_ADMIN_ROLE)
        returns (bytes32 feedId)
    {
        uint256 length = bytes(config.description).length;
        if (length == 0 || length > MAX_DESCRIPTION_BYTES) revert InvalidConfig("description");
        if (config.sigma == 0) revert InvalidConfig("sigma");
        if (config.heartbeat == 0) revert InvalidConfig("heartbeat");
        if (config.maxAge == 0) revert InvalidConfig("maxAge");
        if (config.maxSkew > LONGEST_SKEW) revert InvalidConfig("maxSkew");
        if (int256(uint256(config.tolerance)) >= Features.CLIP) revert InvalidConfig("tolerance");
        if (int256(uint256(config.maxSpread)) >= Features.CLIP) revert InvalidConfig("maxSpread");
        _requireReporters(reporters_, config.quorum);
        _requireModel(modelNumber);
        feedId = keccak256(bytes(config.description));
        Feed storage feed = _feeds[feedId];
        if (!feed.config.isEmpty()) revert FeedExists(feedId);
        feed.config = ConfigSlot.pack(config);
        feed.hot = feed.hot.withModelNumber(modelNumber);
        feed.description = config.description;
        _setReporters(feed, reporters_);
        _feedIds.push(feedId);
        emit FeedAdded(feedId, config, reporters_, modelNumber);
    }

    /// @inheritdoc IZkOracle
    function linkAggregator(bytes32 feedId, address aggregator_) external override onlyRole(DEFAULT_ADMIN_ROLE) {
        Feed storage feed = _feed(feedId);
        Hot hot = feed.hot;
        if (hot.aggregator() != address(0)) revert AggregatorAlreadyLinked(feedId);
        IZkAggregator candidate = IZkAggregator(aggregator_);
        if (
            aggregator_.code.length == 0 || address(candidate.hub()) != address(this) || candidate.feedId() != feedId
                || candidate.strict()
        ) revert AggregatorMismatch(aggregator_);
        feed.hot = hot.withAggregator(aggregator_);
        emit AggregatorLinked(feedId, aggregator_);
    }

    /// @inheritdoc IZkOracle
    function proposeModel(bytes32 feedId, uint16 modelNumber) external override onlyRole(DEFAULT_ADMIN_ROLE) {
        Feed storage feed = _feed(feedId);
        _requireModel(modelNumber);
        // Activating it would make it its own predecessor, and leave nothing to roll back to.
        if (modelNumber == feed.hot.modelNumber()) revert InvalidModel("modelNumber");
        uint64 activeFrom = _activeFrom();
        feed.proposals.model = modelNumber;
        feed.proposals.modelFrom = activeFrom;
        emit ModelProposed(feedId, modelNumber, activeFrom);
    }

    /// @inheritdoc IZkOracle
    function activateModel(bytes32 feedId) external override onlyRole(DEFAULT_ADMIN_ROLE) {
        Feed storage feed = _feed(feedId);
        _requireActive(feed.proposals.modelFrom);
        uint16 modelNumber = feed.proposals.model;
        uint16 previous = _setModel(feed, modelNumber);
        feed.proposals.previousModel = previous;
        _clearModelProposal(feed);
        emit ModelActivated(feedId, modelNumber, previous);
    }

    /// @inheritdoc IZkOracle
    function cancelModel(bytes32 feedId) external override onlyGuardianOrAdmin {
        Feed storage feed = _feed(feedId);
        if (feed.proposals.modelFrom == 0) revert NothingProposed();
        uint16 modelNumber = feed.proposals.model;
        _clearModelProposal(feed);
        emit ModelProposalCancelled(feedId, modelNumber);
    }

    /// @inheritdoc IZkOracle
    function rollbackModel(bytes32 feedId) external override onlyGuardianOrAdmin {
        Feed storage feed = _feed(feedId);
        uint16 previous = feed.proposals.previousModel;
        if (previous == 0) revert NoPreviousModel();
        feed.proposals.previousModel = 0;
        uint16 abandoned = _setModel(feed, previous);
        emit ModelRolledBack(feedId, previous, abandoned);
    }

    /// @inheritdoc IZkOracle
    function proposeReporters(bytes32 feedId, address[] calldata reporters_, uint8 quorum)
        external
        override
        onlyRole(DEFAULT_ADMIN_ROLE)
    {
        Feed storage feed = _feed(feedId);
        _requireReporters(reporters_, quorum);
        uint64 activeFrom = _activeFrom();
        feed.proposedReporters = reporters_;
        feed.proposals.quorum = quorum;
        feed.proposals.reportersFrom = activeFrom;
        emit ReportersProposed(feedId, reporters_, quorum, activeFrom);
    }

    /// @inheritdoc IZkOracle
    function activateReporters(bytes32 feedId) external override onlyRole(DEFAULT_ADMIN_ROLE) {
        Feed storage feed = _feed(feedId);
        _requireActive(feed.proposals.reportersFrom);
        address[] memory activated = feed.proposedReporters;
        uint8 quorum = feed.proposals.quorum;
        _clearReportersProposal(feed);
        _setReporters(feed, activated);
        feed.config = feed.config.withQuorum(quorum);
        emit ReportersActivated(feedId, activated, quorum);
    }

    /// @inheritdoc IZkOracle
    function cancelReporters(bytes32 feedId) external override onlyGuardianOrAdmin {
        Feed storage feed = _feed(feedId);
        if (feed.proposals.reportersFrom == 0) revert NothingProposed();
        _clearReportersProposal(feed);
        emit ReportersProposalCancelled(feedId);
    }

    /// @inheritdoc IZkOracle
    /// @dev On a paused feed this cancels a proposed unpause.
    function pause(bytes32 feedId) external override onlyGuardianOrAdmin {
        Feed storage feed = _feed(feedId);
        _setPaused(feed, true);
        emit Paused(feedId);
    }

    /// @inheritdoc IZkOracle
    function proposeUnpause(bytes32 feedId) external override onlyRole(DEFAULT_ADMIN_ROLE) {
        Feed storage feed = _feed(feedId);
        if (!feed.hot.paused()) revert NotPaused(feedId);
        uint64 activeFrom = _activeFrom();
        feed.proposals.unpauseFrom = activeFrom;
        emit UnpauseProposed(feedId, activeFrom);
    }

    /// @inheritdoc IZkOracle
    function unpause(bytes32 feedId) external override onlyRole(DEFAULT_ADMIN_ROLE) {
        Feed storage feed = _feed(feedId);
        _requireActive(feed.proposals.unpauseFrom);
        _setPaused(feed, false);
        emit Unpaused(feedId);
    }

    function _setPaused(Feed storage feed, bool paused) internal {
        feed.hot = feed.hot.withPaused(paused);
        feed.proposals.unpauseFrom = 0;
    }

    function _setModel(Feed storage feed, uint16 modelNumber) internal returns (uint16 previous) {
        previous = feed.hot.modelNumber();
        feed.hot = feed.hot.withModelNumber(modelNumber);
    }

    function _clearModelProposal(Feed storage feed) internal {
        feed.proposals.model = 0;
        feed.proposals.modelFrom = 0;
    }

    function _clearReportersProposal(Feed storage feed) internal {
        delete feed.proposedReporters;
        feed.proposals.quorum = 0;
        feed.proposals.reportersFrom = 0;
    }

    function _setReporters(Feed storage feed, address[] memory added) internal {
        address[] memory removed = feed.reporters;
        for (uint256 i = 0; i < removed.length; ++i) {
            feed.positions[removed[i]] = 0;
        }
        for (uint256 i = 0; i < added.length; ++i) {
            feed.positions[added[i]] = i + 1;
        }
        feed.reporters = added;
    }

    /// @dev An unknown feed has an all-zero configuration; a known one has a heartbeat.
    function _feed(bytes32 feedId) internal view returns (Feed storage feed) {
        feed = _feeds[feedId];
        if (feed.config.isEmpty()) revert UnknownFeed(feedId);
    }

    function _firstCircuit(uint32 architectureId) internal view returns (Circuit circuit) {
        circuit = _circuits[architectureId][0];
        if (circuit.count() == 0) revert UnknownArchitecture(architectureId);
    }

    function _requireModel(uint16 modelNumber) internal view {
        if (_models[modelNumber].scoreUnit == 0) revert UnknownModel(modelNumber);
    }

    function _requireReporters(address[] calldata reporters_, uint8 quorum) internal pure {
        uint256 count = reporters_.length;
        if (quorum == 0 || count < quorum || count > MAX_REPORTERS) revert InvalidReporters();
        for (uint256 i = 0; i < count; ++i) {
            if (reporters_[i] == address(0)) revert InvalidReporters();
            for (uint256 j = 0; j < i; ++j) {
                if (reporters_[j] == reporters_[i]) revert InvalidReporters();
            }
        }
    }

    function _requireActive(uint64 activeFrom) internal view {
        if (activeFrom == 0) revert NothingProposed();
        if (block.timestamp < activeFrom) revert TooEarly(activeFrom);
    }

    function _activeFrom() internal view returns (uint64) {
        return uint64(block.timestamp) + changeDelay;
    }
}
