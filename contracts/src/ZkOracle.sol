// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {
    AccessControlDefaultAdminRules
} from "@openzeppelin/contracts/access/extensions/AccessControlDefaultAdminRules.sol";
import {Create2} from "@openzeppelin/contracts/utils/Create2.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

import {IZkAggregator} from "./interfaces/IZkAggregator.sol";
import {IZkAggregatorFactory} from "./interfaces/IZkAggregatorFactory.sol";
import {IZkOracle} from "./interfaces/IZkOracle.sol";
import {Adapters} from "./libraries/Adapters.sol";
import {Answers} from "./libraries/Answers.sol";
import {Changes} from "./libraries/Changes.sol";
import {Features} from "./libraries/Features.sol";
import {Holds} from "./libraries/Holds.sol";
import {Instances} from "./libraries/Instances.sol";
import {Models} from "./libraries/Models.sol";
import {Shadows} from "./libraries/Shadows.sol";
import {Circuit, Config, HeldSlots, PackedRound, PeerSlot, RoundSlot, Track} from "./libraries/Slots.sol";
import {Committee, Feed, Store, StoredModel, Stores} from "./libraries/Store.sol";

/// @title The hub of a verifiable oracle
/// @dev No reentrancy guard is needed. Verifiers are reached by STATICCALL. The only other contracts that a submission
/// calls are adapters: their code follows from their address, and the calls come after all effects.
contract ZkOracle is IZkOracle, AccessControlDefaultAdminRules, EIP712 {
    /// @notice May pause, cancel proposals and roll a model back. It can neither unpause nor set anything.
    bytes32 public constant GUARDIAN_ROLE = keccak256("GUARDIAN_ROLE");
    bytes32 public constant REPORT_TYPEHASH = keccak256(
        "Report(uint32 committee,uint32 epoch,uint32 observedAt,bytes32[] feedIds,uint32[] roundIds,int128[] answers,bytes32[] readings)"
    );

    /// @notice The most feeds that a report lists, references included.
    uint256 internal constant MAX_FEEDS = 96;

    /// @notice The longest proof, in bytes. ezkl's proofs have 2 to 4 kB.
    uint256 internal constant MAX_PROOF_BYTES = 16_384;

    /// @dev One listed feed, after it is read and before it is settled. `isDue` is false for a reference, of which only
    /// the terms and the answer are read. `slot` is where the feed is stored.
    struct Listed {
        bytes32 feedId;
        bytes32 slot;
        Config config;
        Track track;
        PackedRound last;
        bool isDue;
        uint32 roundId;
        int128 answer;
        uint256 spread;
        uint256 count;
        uint256 firstPeer;
        uint256 secondPeer;
        int256 move;
        uint256 gap;
        uint8 repeats;
        int256[] scores;
        int256 score;
        bool accepted;
    }

    /// @inheritdoc IZkOracle
    uint32 public immutable override changeDelay;
    /// @inheritdoc IZkOracle
    IZkAggregatorFactory public immutable override aggregatorFactory;
    /// @inheritdoc IZkOracle
    address public immutable override lens;
    bytes32 private immutable _aggregatorCodeHash;

    /// @dev The first architecture that was added in this transaction; 0: none. No model may use it yet.
    uint32 private transient _firstNewArchitecture;

    modifier onlyGuardianOrAdmin() {
        if (msg.sender != defaultAdmin()) _checkRole(GUARDIAN_ROLE);
        _;
    }

    /// @param admin Holder of DEFAULT_ADMIN_ROLE; a handover is in two steps, `changeDelay_` apart.
    /// @param guardian Holder of GUARDIAN_ROLE; zero: none yet.
    /// @param changeDelay_ Seconds from the proposal of a change to its earliest activation.
    /// @param factory Deploys the feeds' adapters.
    /// @param lens_ Reads the hub's storage for everybody who does not want to. The hub does not rely on it.
    constructor(address admin, address guardian, uint32 changeDelay_, IZkAggregatorFactory factory, address lens_)
        AccessControlDefaultAdminRules(changeDelay_, admin)
        EIP712("ZkOracle", "2")
    {
        changeDelay = changeDelay_;
        aggregatorFactory = factory;
        // slither-disable-next-line missing-zero-check -- zero means that no lens is named
        lens = lens_;
        _aggregatorCodeHash = factory.initCodeHash();
        if (guardian != address(0)) _grantRole(GUARDIAN_ROLE, guardian);
    }

    // Submission

    /// @inheritdoc IZkOracle
    function submit(Submission calldata submission) external override {
        _submit(submission);
    }

    /// @inheritdoc IZkOracle
    function submitIfNewer(Submission calldata submission) external override returns (bool written) {
        if (_isThere(submission)) return false;
        _submit(submission);
        return true;
    }

    /// @inheritdoc IZkOracle
    function submitShadow(Submission calldata submission) external override {
        (Listed[] memory listed,) = _judge(submission, true);
        for (uint256 i = 0; i < listed.length; ++i) {
            Listed memory each = listed[i];
            if (!each.isDue) continue;
            Shadows.record(
                Shadows.Report({
                    feedId: each.feedId,
                    roundId: each.roundId,
                    answer: each.answer,
                    observedAt: submission.observedAt,
                    modelNumber: submission.modelNumber,
                    anomalous: each.score > 0,
                    scores: each.scores
                })
            );
        }
    }

    function _submit(Submission calldata submission) internal {
        // 1–5
        (Listed[] memory listed, Circuit circuit) = _judge(submission, false);
        (uint32 observedAt, uint16 modelNumber) = (submission.observedAt, submission.modelNumber);
        uint128 unit = circuit.scoreUnit();
        // 6  write the rounds, or hold the answers
        for (uint256 i = 0; i < listed.length; ++i) {
            if (listed[i].isDue) _settle(listed[i], observedAt, modelNumber, unit);
        }
        // 7  Chainlink's events, from the feeds' adapters: calls come after all effects
        for (uint256 i = 0; i < listed.length; ++i) {
            if (listed[i].accepted) _announce(listed[i], observedAt);
        }
    }

    /// @dev True if each feed that is due has the round, or a report that is at least as late. An unknown feed has
    /// neither, so it reverts later, with a reason.
    function _isThere(Submission calldata submission) internal view returns (bool isThere) {
        if (submission.roundIds.length != submission.feedIds.length) revert MalformedSubmission();
        for (uint256 i = 0; i < submission.feedIds.length; ++i) {
            uint32 roundId = submission.roundIds[i];
            if (roundId == 0) continue;
            Feed storage feed = Stores.get().feeds[submission.feedIds[i]];
            if (feed.config.isEmpty()) return false;
            uint32 latest = feed.track.roundId();
            bool isWritten = roundId <= latest;
            if (!isWritten && submission.observedAt > _lastReportAt(feed, feed.config, feed.rounds[latest])) {
                return false;
            }
            isThere = true;
        }
    }

    /// @dev Reverts unless the report is fresh, signed and proven. All rules that need no signature come first, so that
    /// losing a race is cheap.
    /// @param isShadow True if the proposed models of the feeds judge the report, instead of the active ones.
    function _judge(Submission calldata submission, bool isShadow)
        internal
        view
        returns (Listed[] memory listed, Circuit circuit)
    {
        uint256 due;
        // 1  the committee, the listed feeds, their rounds and times
        Committee storage committee = _committee(submission);
        (listed, due) = _list(submission, isShadow);
        // 2  the smallest of the model's circuits that the feeds fit
        circuit = _circuitFor(submission.modelNumber, due);
        if (submission.scores.length != due * circuit.outputs() * 16) revert MalformedSubmission();
        // 3  signatures, and the median of each feed
        uint256[] memory answers = _readSignatures(submission, committee);
        _readAnswers(submission.medians, listed, answers, committee.quorum);
        // 4  features and scores
        (bytes memory call, uint256[] memory instances) = _state(submission, listed, circuit);
        Instances.pad(instances, circuit, due);
        // 5  the hub wrote the statement itself; a proof of anything else fails
        Instances.requireAccepted(circuit.verifier(), call);
    }

    function _committee(Submission calldata submission) internal view returns (Committee storage committee) {
        uint256 length = submission.feedIds.length;
        if (length == 0) revert NothingDue();
        uint256 rows = submission.signatures.length;
        bool isWhole = submission.roundIds.length == length && submission.medians.length == length
            && submission.answers.length == 16 * length * rows;
        if (!isWhole || length > MAX_FEEDS) revert MalformedSubmission();
        if (submission.proof.length > MAX_PROOF_BYTES) revert ProofTooLong(submission.proof.length, MAX_PROOF_BYTES);
        committee = Changes.committee(Stores.get(), submission.committee);
        uint32 epoch = committee.epoch;
        if (submission.epoch != epoch) revert WrongEpoch(submission.committee, submission.epoch, epoch);
        if (rows > Changes.MAX_REPORTERS) revert TooManySignatures(rows);
    }

    /// @dev Reads the listed feeds, and checks everything that does not depend on signatures.
    /// @return listed The listed feeds.
    /// @return due The number of them that are judged.
    function _list(Submission calldata submission, bool isShadow)
        internal
        view
        returns (Listed[] memory listed, uint256 due)
    {
        bytes32[] calldata feedIds = submission.feedIds;
        uint32[] calldata roundIds = submission.roundIds;
        (uint16 modelNumber, uint32 observedAt) = (submission.modelNumber, submission.observedAt);
        uint32 committee = submission.committee;
        listed = new Listed[](feedIds.length);
        bytes32 previous = 0;
        for (uint256 i = 0; i < listed.length; ++i) {
            bytes32 feedId = feedIds[i];
            if (feedId <= previous) revert FeedsNotAscending(feedId);
            previous = feedId;
            Feed storage feed = Stores.get().feeds[feedId];
            Listed memory each = listed[i];
            Config config = feed.config;
            (each.feedId, each.config) = (feedId, config);
            if (config.isEmpty()) revert UnknownFeed(feedId);
            if (config.committee() != committee) revert WrongCommittee(feedId, committee, config.committee());
            uint32 roundId = roundIds[i];
            if (roundId == 0 || (isShadow && !_isProposed(feed, modelNumber))) continue;
            if (config.paused()) revert FeedPaused(feedId);
            if (!isShadow && config.modelNumber() != modelNumber) {
                revert ModelNotActive(feedId, modelNumber, config.modelNumber());
            }
            Track track = feed.track;
            uint32 latest = track.roundId();
            unchecked {
                ++due;
                if (roundId != latest + 1) revert WrongRound(feedId, roundId, latest + 1);
            }
            PackedRound last = feed.rounds[latest];
            (each.isDue, each.roundId, each.track, each.last) = (true, roundId, track, last);
            each.slot = Stores.slotOf(feed);
            _requireFresh(observedAt, feedId, feed, config, last, isShadow);
        }
        if (due == 0) revert NothingDue();
    }

    /// @dev A proposal that has expired is none. It does not hinder the report's other feeds.
    function _isProposed(Feed storage feed, uint16 modelNumber) internal view returns (bool) {
        uint64 from = feed.proposals.modelFrom;
        return from != 0 && feed.proposals.model == modelNumber && !Changes.isExpired(from);
    }

    /// @dev A report must be newer than the feed's last one. While a feed is held, its next round keeps its number, and
    /// no signature may confirm what it has already said.
    function _requireFresh(
        uint32 observedAt,
        bytes32 feedId,
        Feed storage feed,
        Config config,
        PackedRound last,
        bool isShadow
    ) internal view {
        unchecked {
            uint32 lastReportAt = _lastReportAt(feed, config, last);
            if (isShadow && feed.shadow.observedAt > lastReportAt) lastReportAt = feed.shadow.observedAt;
            if (observedAt <= lastReportAt) revert ObservationNotNewer(feedId, observedAt, lastReportAt);
            (uint256 earliest, uint256 latest) = config.times(block.timestamp);
            if (observedAt > latest) revert ObservationInFuture(feedId, observedAt, latest);
            if (observedAt < earliest) revert ObservationTooOld(feedId, observedAt, earliest);
        }
    }

    function _circuitFor(uint16 modelNumber, uint256 due) internal view returns (Circuit circuit) {
        uint256 index = 0;
        do {
            circuit = Stores.get().circuits[Models.key(modelNumber, index++)];
            if (due <= circuit.batchSize()) return circuit;
        } while (index < circuit.count());
        if (circuit.count() == 0) revert UnknownModel(modelNumber);
        revert NoCircuitForBatch(due);
    }

    /// @dev Reverts unless each signature is of another reporter, and of exactly this report.
    /// @return answers A word for each answer, row by row.
    function _readSignatures(Submission calldata submission, Committee storage committee)
        internal
        view
        returns (uint256[] memory answers)
    {
        answers = Answers.unpack(submission.answers);
        // The report without a reporter's own part. Each reporter's digest is made in this place.
        bytes memory content = abi.encode(
            REPORT_TYPEHASH,
            submission.committee,
            submission.epoch,
            submission.observedAt,
            Answers.hash(submission.feedIds),
            Answers.hash(submission.roundIds),
            bytes32(0),
            bytes32(0)
        );
        bytes32 domain = _domainSeparatorV4();
        uint256 columns = submission.feedIds.length;
        Signature[] calldata signatures = submission.signatures;
        uint256 seen = 0;
        for (uint256 j = 0; j < signatures.length; ++j) {
            Signature calldata signature = signatures[j];
            bytes32 digest = Answers.digest(content, Answers.hashRow(answers, j, columns), signature.readings);
            // A malformed signature recovers to zero, which is no reporter.
            // slither-disable-next-line unused-return -- why a signature is malformed does not matter
            (address signer,,) =
                ECDSA.tryRecover(MessageHashUtils.toTypedDataHash(domain, digest), signature.r, signature.vs);
            uint256 position = committee.positions[signer];
            if (position == 0) revert NotAReporter(submission.committee, signer);
            if (seen & (1 << position) != 0) revert DuplicateReporter(submission.committee, signer);
            seen |= 1 << position;
        }
    }

    /// @dev Sets each feed's answer (the median: the element at k / 2 of k, as in Chainlink's OCR), spread and count.
    /// With a quorum of 2f + 1, the median is within the honest answers as long as at most f lie.
    function _readAnswers(bytes calldata medians, Listed[] memory listed, uint256[] memory answers, uint256 quorum)
        internal
        pure
    {
        for (uint256 i = 0; i < listed.length; ++i) {
            Listed memory each = listed[i];
            (int128 answer, int256 lowest, int256 highest, uint256 count, bool isMedian) =
                Answers.summarise(answers, i, listed.length, uint8(medians[i]));
            if (count < quorum) revert QuorumNotMet(each.feedId, count, quorum);
            if (!isMedian) revert NotTheMedian(each.feedId);
            (each.answer, each.count) = (answer, count);
            if (lowest == highest) continue;
            Config config = each.config;
            uint256 spread = Features.spread(config.relative(), config.sigma(), lowest, highest);
            uint256 maxSpread = config.maxSpread();
            if (maxSpread != 0 && spread > maxSpread) revert SpreadTooWide(each.feedId, spread, maxSpread);
            each.spread = spread;
        }
    }

    /// @dev Writes the statement: the features of each feed that is due, and the scores that are claimed for it.
    function _state(Submission calldata submission, Listed[] memory listed, Circuit circuit)
        internal
        view
        returns (bytes memory call, uint256[] memory instances)
    {
        StoredModel storage model = Stores.get().models[submission.modelNumber];
        bytes32 list = model.features;
        (call, instances) = Instances.openCall(circuit, circuit.bindsModel() ? model.modelHash : 0, submission.proof);
        uint256[] memory table = new uint256[](Features.CODES);
        (bytes calldata scores, bytes32[] calldata feedIds) = (submission.scores, submission.feedIds);
        uint32 observedAt = submission.observedAt;
        uint256 index = 0;
        for (uint256 i = 0; i < listed.length; ++i) {
            Listed memory each = listed[i];
            if (!each.isDue) continue;
            _derive(observedAt, feedIds, each, listed, table);
            Instances.writeWindow(instances, circuit, index, list, table, each.track.ring());
            (each.scores, each.score) = Instances.writeScores(instances, circuit, index, each.feedId, scores);
            unchecked {
                ++index;
            }
        }
    }

    /// @dev Derives all features of one feed but the past moves, which are in its track. A first answer has nothing to
    /// be measured against.
    function _derive(
        uint32 observedAt,
        bytes32[] calldata feedIds,
        Listed memory each,
        Listed[] memory listed,
        uint256[] memory table
    ) internal view {
        Config config = each.config;
        int128 answer = each.answer;
        int256 moved = 0;
        uint256 gap = Features.GAP_ONE;
        if (each.roundId == 1) {
            if (config.relative() && answer <= 0) revert AnswerOutOfRange(each.feedId, answer);
        } else {
            PackedRound last = each.last;
            int128 base = last.answer();
            moved = Features.move(config.relative(), config.sigma(), answer, base);
            gap = _gap(observedAt, each);
            if (answer == base) each.repeats = Holds.saturated(last.repeats());
        }
        (each.move, each.gap) = (moved, gap);
        table[Features.MOVE] = Instances.toField(moved);
        table[Features.GAP] = gap;
        table[Features.SPREAD] = each.spread;
        table[Features.COUNT] = each.count;
        table[Features.VARIANCE] = each.track.variance() >> Features.VARIANCE_FRACTION_BITS;
        // One table serves all feeds. A feed never sees a peer that it does not have, nor one of the feed before it.
        Instances.clearPeers(table);
        if (config.peers() != 0) _derivePeers(feedIds, each, listed, table);
    }

    /// @dev The time since the last round. While an anomalous answer is held, one near it keeps its gap: otherwise the
    /// model's allowance, which grows with the gap, would accept by waiting what it has called anomalous.
    function _gap(uint32 observedAt, Listed memory each) internal view returns (uint256) {
        Config config = each.config;
        if (config.held()) {
            Feed storage feed = Stores.feedAt(each.slot);
            uint256 rest = feed.heldRest;
            bool isAnomalous = HeldSlots.reason(rest) == HoldReason.ANOMALOUS;
            if (isAnomalous && Holds.isNear(config, each.answer, HeldSlots.firstAnswer(feed.heldAnswers))) {
                return HeldSlots.firstGap(rest);
            }
        }
        return Features.gap(observedAt, each.last.observedAt(), config.heartbeat());
    }

    /// @dev The peers' moves since the feed's own last round. Peers are signed with the feed, due or not, so nobody
    /// chooses whether they are seen; and no verdict of this submission is among the features.
    function _derivePeers(
        bytes32[] calldata feedIds,
        Listed memory each,
        Listed[] memory listed,
        uint256[] memory table
    ) internal view {
        Feed storage feed = Stores.feedAt(each.slot);
        uint256 count = each.config.peers();
        for (uint256 k = 0; k < count; ++k) {
            uint256 kept = feed.peers[k];
            uint256 found = Answers.indexOf(feedIds, PeerSlot.half(kept));
            if (found == listed.length) revert PeerMissing(each.feedId, PeerSlot.id(kept, feed.peerRests, k));
            Listed memory peer = listed[found];
            (Config config, int128 answer) = (peer.config, peer.answer);
            if (k == 0) each.firstPeer = PeerSlot.withAnswer(kept, answer);
            else each.secondPeer = PeerSlot.withAnswer(kept, answer);
            // Before the feed's first round, nothing is kept that a peer's move could be measured from.
            if (each.roundId == 1) continue;
            (int256 moved, bool isSeen) =
                Features.peerMove(config.relative(), config.sigma(), answer, PeerSlot.answer(kept));
            table[Features.PEER_MOVE + k] = Instances.toField(moved);
            if (isSeen) table[Features.PEER_SEEN + k] = 1;
        }
    }

    /// @dev Writes a round or a hold.
    function _settle(Listed memory each, uint32 observedAt, uint16 modelNumber, uint128 scoreUnit) internal {
        int24 ratio = Instances.scoreRatio(each.score, scoreUnit);
        HoldReason reason = Holds.reasonFor(each.config, each.answer, each.repeats, each.move, each.score);
        if (reason != HoldReason.NONE) {
            bool isConfirmed = Holds.hold(
                Holds.Report({
                    feedId: each.feedId,
                    roundId: each.roundId,
                    answer: each.answer,
                    observedAt: observedAt,
                    modelNumber: modelNumber,
                    scoreRatio: ratio,
                    gap: each.gap,
                    reason: reason,
                    scores: each.scores
                })
            );
            if (!isConfirmed) return;
        }
        each.accepted = true;
        Feed storage feed = Stores.feedAt(each.slot);
        (Config config, Track track) = (each.config, each.track);
        uint32 roundId = each.roundId;
        if (config.held()) feed.config = config.withHeld(false);
        uint32 variance = track.variance();
        if (roundId != 1) variance = Features.nextVariance(variance, each.move, each.gap);
        feed.track = track.push(each.move, variance, roundId);
        uint256 peers = config.peers();
        if (peers > 0) feed.peers[0] = each.firstPeer;
        if (peers > 1) feed.peers[1] = each.secondPeer;
        feed.rounds[roundId] = RoundSlot.pack(
            each.answer, observedAt, block.timestamp, modelNumber, ratio, each.repeats, each.spread, each.count
        );
        emit RoundAccepted(
            each.feedId,
            roundId,
            each.answer,
            observedAt,
            modelNumber,
            each.scores,
            reason != HoldReason.NONE,
            msg.sender
        );
    }

    function _announce(Listed memory each, uint32 observedAt) internal {
        if (!each.config.linked()) return;
        IZkAggregator(_aggregatorOf(each.feedId)).announce(each.roundId, each.answer, observedAt, msg.sender);
    }

    // Reading. Everything that consumers do not read is read from storage: see `IZkOracleLens`.

    /// @inheritdoc IZkOracle
    function extsload(bytes32[] calldata slots) external view override returns (bytes32[] memory words) {
        words = new bytes32[](slots.length);
        for (uint256 i = 0; i < slots.length; ++i) {
            bytes32 slot = slots[i];
            bytes32 word;
            assembly ("memory-safe") {
                word := sload(slot)
            }
            words[i] = word;
        }
    }

    /// @inheritdoc IZkOracle
    function aggregator(bytes32 feedId) external view override returns (address adapter) {
        return _feed(feedId).config.linked() ? _aggregatorOf(feedId) : address(0);
    }

    /// @inheritdoc IZkOracle
    function isStale(bytes32 feedId) external view override returns (bool stale) {
        (,,,, stale) = latestWithStatus(feedId);
    }

    /// @inheritdoc IZkOracle
    function getRound(bytes32 feedId, uint32 roundId) external view override returns (Round memory round) {
        return Stores.get().feeds[feedId].rounds[roundId].unpack();
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
        Config config = Stores.get().feeds[feedId].config;
        if (config.paused()) revert FeedPaused(feedId);
        if (config.held()) revert FeedHeld(feedId);
        (answer, observedAt) = (round.answer, round.observedAt);
        // Within the allowed skew, an observation may be ahead of the block. Its age is then 0.
        if (block.timestamp > observedAt && block.timestamp - observedAt > age) {
            revert PriceTooOld(feedId, observedAt, age);
        }
    }

    // Administration: the roles are checked here. `Models` and `Changes` do the work, with the same parameters: see `_run`.

    /// @inheritdoc IZkOracle
    function addCommittee(address[] calldata, uint8) external override onlyRole(DEFAULT_ADMIN_ROLE) returns (uint32) {
        _run(address(Changes), Changes.addCommittee.selector);
    }

    /// @inheritdoc IZkOracle
    function addArchitecture(bytes calldata, uint8, bool, uint16[] calldata, address[] calldata)
        external
        override
        onlyRole(DEFAULT_ADMIN_ROLE)
        returns (uint32)
    {
        if (_firstNewArchitecture == 0) _firstNewArchitecture = Stores.get().architectureCount + 1;
        _run(address(Models), Models.addArchitecture.selector);
    }

    /// @inheritdoc IZkOracle
    function addModel(uint256, uint32 architectureId, bytes32, uint128, Probe calldata)
        external
        override
        onlyRole(DEFAULT_ADMIN_ROLE)
        returns (uint16)
    {
        if (_firstNewArchitecture != 0 && architectureId >= _firstNewArchitecture) {
            revert InvalidModel("architectureId");
        }
        _run(address(Models), Models.addModel.selector);
    }

    /// @inheritdoc IZkOracle
    function addFeed(FeedConfig calldata, uint16) external override onlyRole(DEFAULT_ADMIN_ROLE) returns (bytes32) {
        _run(address(Changes), Changes.addFeed.selector);
    }

    /// @inheritdoc IZkOracle
    function linkAggregator(bytes32) external override onlyRole(DEFAULT_ADMIN_ROLE) {
        _run(address(Changes), Changes.linkAggregator.selector);
    }

    /// @inheritdoc IZkOracle
    function proposeModel(bytes32, uint16, uint32, uint32) external override onlyRole(DEFAULT_ADMIN_ROLE) {
        _run(address(Changes), Changes.proposeModel.selector);
    }

    /// @inheritdoc IZkOracle
    function activateModel(bytes32) external override onlyRole(DEFAULT_ADMIN_ROLE) {
        _run(address(Changes), Changes.activateModel.selector);
    }

    /// @inheritdoc IZkOracle
    function cancelModel(bytes32) external override onlyGuardianOrAdmin {
        _run(address(Changes), Changes.cancelModel.selector);
    }

    /// @inheritdoc IZkOracle
    function rollbackModel(bytes32) external override onlyGuardianOrAdmin {
        _run(address(Changes), Changes.rollbackModel.selector);
    }

    /// @inheritdoc IZkOracle
    function proposeReporters(uint32, address[] calldata, uint8) external override onlyRole(DEFAULT_ADMIN_ROLE) {
        _run(address(Changes), Changes.proposeReporters.selector);
    }

    /// @inheritdoc IZkOracle
    function activateReporters(uint32) external override onlyRole(DEFAULT_ADMIN_ROLE) {
        _run(address(Changes), Changes.activateReporters.selector);
    }

    /// @inheritdoc IZkOracle
    function cancelReporters(uint32) external override onlyGuardianOrAdmin {
        _run(address(Changes), Changes.cancelReporters.selector);
    }

    /// @inheritdoc IZkOracle
    function pause(bytes32) external override onlyGuardianOrAdmin {
        _run(address(Changes), Changes.pause.selector);
    }

    /// @inheritdoc IZkOracle
    function proposeUnpause(bytes32) external override onlyRole(DEFAULT_ADMIN_ROLE) {
        _run(address(Changes), Changes.proposeUnpause.selector);
    }

    /// @inheritdoc IZkOracle
    function unpause(bytes32) external override onlyRole(DEFAULT_ADMIN_ROLE) {
        _run(address(Changes), Changes.unpause.selector);
    }

    /// @dev Runs a library's function with the parameters of the present call, on the hub's storage, and ends the call
    /// with its answer. The compiler links the library, so its address is part of the hub's code and can't be changed.
    /// The parameters are not decoded and encoded again, which would take 4 kB of code.
    function _run(address library_, bytes4 selector) private {
        assembly ("memory-safe") {
            let free := mload(0x40)
            calldatacopy(free, 0, calldatasize())
            mstore(free, or(selector, and(mload(free), sub(shl(224, 1), 1))))
            let isOk := delegatecall(gas(), library_, free, calldatasize(), 0, 0)
            returndatacopy(free, 0, returndatasize())
            if isOk { return(free, returndatasize()) }
            revert(free, returndatasize())
        }
    }

    /// @dev Who is admin no longer, after a handover or by renouncing, is no guardian either. It would otherwise keep a role
    /// that nobody remembers. A new admin grants the role to whom it trusts.
    function _revokeRole(bytes32 role, address account) internal override returns (bool isRevoked) {
        if (role == DEFAULT_ADMIN_ROLE) super._revokeRole(GUARDIAN_ROLE, account);
        return super._revokeRole(role, account);
    }

    /// @dev Whoever takes the admin's key could otherwise make handovers immediate first.
    function _changeDefaultAdminDelay(uint48 newDelay) internal override {
        if (newDelay < changeDelay) revert HandoverTooShort(newDelay, changeDelay);
        super._changeDefaultAdminDelay(newDelay);
    }

    /// @dev An unknown feed has an all-zero configuration; a known one has a heartbeat.
    function _feed(bytes32 feedId) internal view returns (Feed storage feed) {
        feed = Stores.get().feeds[feedId];
        if (feed.config.isEmpty()) revert UnknownFeed(feedId);
    }

    /// @dev The time of the latest report, accepted or held.
    function _lastReportAt(Feed storage feed, Config config, PackedRound last) internal view returns (uint32) {
        return config.held() ? HeldSlots.observedAt(feed.heldRest) : last.observedAt();
    }

    function _status(Config config, Track track) internal pure returns (Status) {
        return config.held() ? Status.HELD : track.roundId() == 0 ? Status.EMPTY : Status.OK;
    }

    /// @dev The address at which the factory deploys the feed's adapter. Computing it is cheaper than reading a stored
    /// one.
    function _aggregatorOf(bytes32 feedId) internal view returns (address) {
        return Create2.computeAddress(Adapters.salt(this, feedId), _aggregatorCodeHash, address(aggregatorFactory));
    }
}
