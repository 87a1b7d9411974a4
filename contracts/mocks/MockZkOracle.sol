// SPDX-License-Identifier: MIT
pragma solidity >=0.8.20 <0.9.0;

import {IZkAggregator} from "../src/interfaces/IZkAggregator.sol";
import {IZkOracle} from "../src/interfaces/IZkOracle.sol";
import {IZkOracleLens} from "../src/interfaces/IZkOracleLens.sol";
import {NotMockedOracle} from "./NotMocked.sol";

/// @title A hub for tests, whose feeds can be put into every state that a feed of the real one can be in
/// @notice There are no reporters, models and proofs: whoever calls says what comes. What consumers read, the errors and
/// the events are those of the real hub, for the same states; the oracle's own tests compare both. A feed that was added
/// is EMPTY. `report` accepts an answer, `hold` holds one back, `confirm` makes the held one a round, `pause` and
/// `unpause` pause it, and time makes it stale, or `makeStale` where a test can't move time. The mock is its own lens.
/// @dev For tests only: anyone may call everything.
contract MockZkOracle is NotMockedOracle {
    struct MockFeed {
        FeedConfig config;
        address aggregator;
        uint16 modelNumber;
        bool paused;
        uint8 heldReports;
        uint32 roundId;
        uint64 unpauseFrom;
        Held held;
    }

    /// @notice The largest score of a normal and of an anomalous answer, in thousandths of the model's score unit.
    int24 public constant NORMAL = -250;
    int24 public constant ANOMALOUS = 1_500;
    /// @notice The scores in events: with a score unit of a million, they are those above.
    int256 internal constant SCORE_PER_THOUSANDTH = 1_000;
    uint8 internal constant COUNT = 3;

    mapping(bytes32 feedId => MockFeed feed) internal _feeds;
    mapping(bytes32 feedId => mapping(uint32 roundId => Round round)) internal _rounds;
    mapping(uint16 modelNumber => Model judge) internal _models;
    bytes32[] internal _feedIds;
    uint32 internal _changeDelay;

    constructor() {
        _models[1] = Model(uint256(keccak256("model")) >> 8, 1, keccak256("artifact"), 1_000_000);
    }

    // What a test does with a feed.

    /// @notice Adds a feed of prices with a heartbeat of an hour: it is stale 70 minutes after its last observation.
    /// @return feedId keccak256 of the description, for instance "ETH / USD".
    function addFeed(string memory description, uint8 decimals) public returns (bytes32 feedId) {
        FeedConfig memory config;
        (config.description, config.decimals, config.kind) = (description, decimals, Kind.RELATIVE);
        (config.heartbeat, config.maxAge, config.maxSkew) = (1 hours, 10 minutes, 30);
        (config.confirmations, config.confirmDelay, config.tolerance) = (2, 15 minutes, 2_000);
        (config.sigma, config.committee, config.peers) = (10_000, 1, new bytes32[](0));
        return _addFeed(config, 1);
    }

    /// @inheritdoc IZkOracle
    /// @dev The terms are not checked.
    function addFeed(FeedConfig calldata config, uint16 modelNumber) external override returns (bytes32 feedId) {
        return _addFeed(config, modelNumber);
    }

    /// @notice Accepts an answer that is observed now, or a second after the last report if that is later. It ends a
    /// hold.
    function report(bytes32 feedId, int128 answer) external returns (uint32 roundId) {
        return report(feedId, answer, _nextTime(feedId));
    }

    /// @notice Accepts an answer that was observed at this time. Reverts as the hub does if the feed is paused, the
    /// time is out of the feed's bounds or not after the last report's, or if a price is not above zero.
    function report(bytes32 feedId, int128 answer, uint32 observedAt) public returns (uint32 roundId) {
        _requireReportable(feedId, observedAt);
        return _accept(feedId, answer, observedAt, NORMAL, false, COUNT);
    }

    /// @notice Accepts a round with every field chosen, and checks nothing. The event says "confirmed" if its score is
    /// above zero.
    function reportRound(bytes32 feedId, Round memory round) external returns (uint32 roundId) {
        _known(feedId);
        return _write(feedId, round, round.scoreRatio > 0);
    }

    /// @notice Holds back an answer that the model calls anomalous, observed now.
    function hold(bytes32 feedId, int128 answer) external {
        hold(feedId, answer, HoldReason.ANOMALOUS);
    }

    /// @notice Holds back an answer. Further ones near it, for the same reason, count as its confirmations. The mock never
    /// ends a hold by itself: `confirm` or `report` does.
    function hold(bytes32 feedId, int128 answer, HoldReason reason) public {
        uint32 observedAt = _nextTime(feedId);
        _requireReportable(feedId, observedAt);
        require(reason != HoldReason.NONE, "an answer is held for a reason");
        _hold(feedId, answer, observedAt, reason);
    }

    /// @notice Makes the held answer a round: reports over time have confirmed the jump. Its `scoreRatio` is above zero.
    function confirm(bytes32 feedId) external returns (uint32 roundId) {
        uint32 observedAt = _nextTime(feedId);
        _requireReportable(feedId, observedAt);
        Held storage held = _feeds[feedId].held;
        require(held.reason == HoldReason.ANOMALOUS, "no anomalous answer is held");
        return _accept(feedId, held.answer, observedAt, ANOMALOUS, true, COUNT);
    }

    /// @notice Makes the latest round so old that the feed is stale, as if time had passed. It changes the round's times:
    /// a test that can move time had better do that.
    function makeStale(bytes32 feedId) external {
        MockFeed storage feed = _known(feedId);
        if (feed.roundId == 0) revert NoData(feedId);
        Round storage latest = _rounds[feedId][feed.roundId];
        uint32 time = uint32(block.timestamp - feed.config.heartbeat - feed.config.maxAge - 1);
        if (latest.observedAt > time) latest.observedAt = time;
        if (latest.publishedAt > time) latest.publishedAt = time;
    }

    /// @inheritdoc IZkOracle
    function pause(bytes32 feedId) external override {
        MockFeed storage feed = _known(feedId);
        (feed.paused, feed.unpauseFrom) = (true, 0);
        emit Paused(feedId);
    }

    /// @inheritdoc IZkOracle
    function proposeUnpause(bytes32 feedId) external override {
        MockFeed storage feed = _known(feedId);
        if (!feed.paused) revert NotPaused(feedId);
        feed.unpauseFrom = uint64(block.timestamp) + _changeDelay;
        emit UnpauseProposed(feedId, feed.unpauseFrom);
    }

    /// @notice Unpauses a feed. Unlike the real hub, it asks for no proposal and no delay.
    function unpause(bytes32 feedId) external override {
        MockFeed storage feed = _known(feedId);
        if (!feed.paused) revert NotPaused(feedId);
        (feed.paused, feed.unpauseFrom) = (false, 0);
        emit Unpaused(feedId);
    }

    /// @notice Links an adapter: from now on, it emits Chainlink's events for each round.
    function link(bytes32 feedId, IZkAggregator adapter) external {
        MockFeed storage feed = _known(feedId);
        if (feed.aggregator != address(0)) revert AggregatorAlreadyLinked(feedId);
        feed.aggregator = address(adapter);
        emit AggregatorLinked(feedId, address(adapter));
    }

    /// @notice Sets a model, and makes it the one that judges the feed.
    function setModel(bytes32 feedId, uint16 modelNumber, Model memory judge) external {
        _known(feedId).modelNumber = modelNumber;
        _models[modelNumber] = judge;
    }

    function setChangeDelay(uint32 delay) external {
        _changeDelay = delay;
    }

    /// @notice A report as an operator serves it (`GET /v1/update/FEED`): calldata of `submitIfNewer`, for a consumer that
    /// brings its own. It is good only for the feed's next round, and only as it is.
    function update(bytes32 feedId, int128 answer, uint32 observedAt) external view returns (bytes memory served) {
        MockFeed storage feed = _known(feedId);
        Submission memory made;
        (made.modelNumber, made.committee, made.epoch) = (feed.modelNumber, feed.config.committee, 1);
        made.observedAt = observedAt;
        made.feedIds = new bytes32[](1);
        made.roundIds = new uint32[](1);
        made.signatures = new Signature[](1);
        (made.feedIds[0], made.roundIds[0]) = (feedId, feed.roundId + 1);
        made.answers = abi.encodePacked(answer);
        made.medians = hex"00";
        made.scores = abi.encodePacked(int128(NORMAL * SCORE_PER_THOUSANDTH));
        made.proof = _proof(made);
        return abi.encodeCall(IZkOracle.submitIfNewer, (made));
    }

    // Submission: what is above comes as calldata. A score above zero holds the answer.

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

    // Reading.

    /// @inheritdoc IZkOracle
    function isStale(bytes32 feedId) public view override returns (bool stale) {
        MockFeed storage feed = _known(feedId);
        uint256 observedAt = _rounds[feedId][feed.roundId].observedAt;
        return feed.roundId == 0 || block.timestamp > observedAt + feed.config.heartbeat + feed.config.maxAge;
    }

    /// @inheritdoc IZkOracle
    function getRound(bytes32 feedId, uint32 roundId) external view override returns (Round memory round) {
        return _rounds[feedId][roundId];
    }

    /// @inheritdoc IZkOracle
    function latestRound(bytes32 feedId) public view override returns (uint32 roundId, Round memory round) {
        roundId = _known(feedId).roundId;
        if (roundId == 0) revert NoData(feedId);
        round = _rounds[feedId][roundId];
    }

    /// @inheritdoc IZkOracle
    function latestWithStatus(bytes32 feedId)
        external
        view
        override
        returns (uint32 roundId, Round memory round, Status status, bool paused, bool stale)
    {
        MockFeed storage feed = _known(feedId);
        (roundId, status, paused, stale) = (feed.roundId, _status(feed), feed.paused, isStale(feedId));
        round = _rounds[feedId][roundId];
    }

    /// @inheritdoc IZkOracle
    function getPriceNoOlderThan(bytes32 feedId, uint256 age)
        external
        view
        override
        returns (int128 answer, uint32 observedAt)
    {
        (, Round memory round) = latestRound(feedId);
        MockFeed storage feed = _feeds[feedId];
        if (feed.paused) revert FeedPaused(feedId);
        if (feed.held.reason != HoldReason.NONE) revert FeedHeld(feedId);
        (answer, observedAt) = (round.answer, round.observedAt);
        if (block.timestamp > observedAt && block.timestamp - observedAt > age) {
            revert PriceTooOld(feedId, observedAt, age);
        }
    }

    /// @inheritdoc IZkOracle
    function aggregator(bytes32 feedId) external view override returns (address adapter) {
        return _known(feedId).aggregator;
    }

    /// @inheritdoc IZkOracle
    function lens() external view override returns (address reader) {
        return address(this);
    }

    /// @inheritdoc IZkOracle
    function changeDelay() external view override returns (uint32 delay) {
        return _changeDelay;
    }

    // The lens. It reads this hub, whichever it is asked for.

    /// @inheritdoc IZkOracleLens
    function feedIds(IZkOracle) external view override returns (bytes32[] memory ids) {
        return _feedIds;
    }

    /// @inheritdoc IZkOracleLens
    function feedConfig(IZkOracle, bytes32 feedId) external view override returns (FeedConfig memory config) {
        return _known(feedId).config;
    }

    /// @inheritdoc IZkOracleLens
    function model(IZkOracle, uint16 modelNumber) external view override returns (Model memory found) {
        found = _models[modelNumber];
        if (found.architectureId == 0) revert UnknownModel(modelNumber);
    }

    /// @inheritdoc IZkOracleLens
    function feedStates(IZkOracle, bytes32[] calldata ids) external view override returns (FeedState[] memory states) {
        states = new FeedState[](ids.length);
        for (uint256 i = 0; i < ids.length; ++i) {
            states[i] = _state(ids[i]);
        }
    }

    /// @inheritdoc IZkOracleLens
    function feedState(IZkOracle, bytes32 feedId) external view override returns (FeedState memory state) {
        return _state(feedId);
    }

    // Details

    function _addFeed(FeedConfig memory config, uint16 modelNumber) internal returns (bytes32 feedId) {
        feedId = keccak256(bytes(config.description));
        MockFeed storage feed = _feeds[feedId];
        if (feed.config.heartbeat != 0) revert FeedExists(feedId);
        if (config.heartbeat == 0) revert InvalidConfig("heartbeat");
        (feed.config, feed.modelNumber) = (config, modelNumber);
        _feedIds.push(feedId);
        emit FeedAdded(feedId, config, modelNumber);
    }

    function _requireReportable(bytes32 feedId, uint32 observedAt) internal view {
        MockFeed storage feed = _known(feedId);
        if (feed.paused) revert FeedPaused(feedId);
        uint32 last = _lastReportAt(feedId, feed);
        if (observedAt <= last) revert ObservationNotNewer(feedId, observedAt, last);
        uint256 latest = block.timestamp + feed.config.maxSkew;
        if (observedAt > latest) revert ObservationInFuture(feedId, observedAt, latest);
        uint256 earliest = block.timestamp > feed.config.maxAge ? block.timestamp - feed.config.maxAge : 0;
        if (observedAt < earliest) revert ObservationTooOld(feedId, observedAt, earliest);
    }

    function _nextTime(bytes32 feedId) internal view returns (uint32 time) {
        uint32 last = _lastReportAt(feedId, _known(feedId));
        time = uint32(block.timestamp);
        if (time <= last) time = last + 1;
    }

    function _lastReportAt(bytes32 feedId, MockFeed storage feed) internal view returns (uint32) {
        return feed.held.reason == HoldReason.NONE ? _rounds[feedId][feed.roundId].observedAt : feed.held.observedAt;
    }

    function _accept(bytes32 feedId, int128 answer, uint32 observedAt, int24 ratio, bool confirmed, uint8 count)
        internal
        returns (uint32 roundId)
    {
        MockFeed storage feed = _feeds[feedId];
        if (feed.config.kind == Kind.RELATIVE && answer <= 0) revert AnswerOutOfRange(feedId, answer);
        Round memory round;
        (round.answer, round.observedAt, round.publishedAt) = (answer, observedAt, uint32(block.timestamp));
        (round.modelNumber, round.scoreRatio, round.count) = (feed.modelNumber, ratio, count);
        return _write(feedId, round, confirmed);
    }

    function _write(bytes32 feedId, Round memory round, bool confirmed) internal returns (uint32 roundId) {
        MockFeed storage feed = _feeds[feedId];
        roundId = ++feed.roundId;
        delete feed.held;
        _rounds[feedId][roundId] = round;
        emit RoundAccepted(
            feedId,
            roundId,
            round.answer,
            round.observedAt,
            round.modelNumber,
            _scores(round.scoreRatio),
            confirmed,
            msg.sender
        );
        if (feed.aggregator != address(0)) {
            IZkAggregator(feed.aggregator).announce(roundId, round.answer, round.observedAt, msg.sender);
        }
    }

    function _hold(bytes32 feedId, int128 answer, uint32 observedAt, HoldReason reason) internal {
        MockFeed storage feed = _feeds[feedId];
        Held memory held = feed.held;
        uint32 seenAt = uint32(block.timestamp);
        if (held.reason == reason && _isNear(feed.config, answer, held.firstAnswer)) {
            if (held.confirmations != type(uint8).max) ++held.confirmations;
        } else {
            (held.firstAnswer, held.firstObservedAt, held.firstSeenAt) = (answer, observedAt, seenAt);
            (held.firstGap, held.confirmations) = (_gap(feedId, feed, observedAt), 0);
        }
        (held.reason, held.answer, held.observedAt) = (reason, answer, observedAt);
        (held.modelNumber, held.scoreRatio) = (feed.modelNumber, reason == HoldReason.ANOMALOUS ? ANOMALOUS : NORMAL);
        if (reason == HoldReason.ANOMALOUS) {
            if (held.anomalies == 0) (held.anomalousSince, held.anomalousSeenAt) = (observedAt, seenAt);
            if (held.anomalies != type(uint16).max) ++held.anomalies;
        }
        feed.held = held;
        unchecked {
            ++feed.heldReports;
        }
        _emitHeld(feedId, feed.roundId + 1, held);
    }

    /// @dev True if two answers are within the feed's tolerance of each other.
    function _isNear(FeedConfig storage config, int256 answer, int256 first) internal view returns (bool) {
        int256 unit = int256(uint256(config.sigma));
        if (config.kind == Kind.RELATIVE) {
            if (answer <= 0 || first <= 0) return false;
            unit *= answer < first ? answer : first;
        }
        int256 moved = (answer - first) * (config.kind == Kind.RELATIVE ? int256(1e9) : int256(1e3)) / unit;
        return (moved < 0 ? -moved : moved) <= int256(uint256(config.tolerance));
    }

    /// @dev The time since the last round, in thousandths of the heartbeat, clipped.
    function _gap(bytes32 feedId, MockFeed storage feed, uint32 observedAt) internal view returns (uint16) {
        if (feed.roundId == 0) return 1_000;
        uint256 gap = (uint256(observedAt) - _rounds[feedId][feed.roundId].observedAt) * 1_000 / feed.config.heartbeat;
        return uint16(gap < 1_000 ? 1_000 : gap > 32_767 ? 32_767 : gap);
    }

    function _emitHeld(bytes32 feedId, uint32 roundId, Held memory held) internal {
        emit RoundHeld(
            feedId,
            roundId,
            held.answer,
            held.observedAt,
            held.modelNumber,
            _scores(held.scoreRatio),
            held.reason,
            held.confirmations,
            msg.sender
        );
    }

    function _submit(Submission calldata submission) internal {
        _check(submission);
        uint256 columns = submission.feedIds.length;
        uint256 due = 0;
        for (uint256 i = 0; i < columns; ++i) {
            if (submission.roundIds[i] == 0) continue;
            int128 answer = _int128(submission.answers, uint8(submission.medians[i]) * columns + i);
            int128 score = _int128(submission.scores, due++);
            if (score > 0) {
                _hold(submission.feedIds[i], answer, submission.observedAt, HoldReason.ANOMALOUS);
            } else {
                uint8 count = uint8(submission.signatures.length);
                _accept(submission.feedIds[i], answer, submission.observedAt, NORMAL, false, count);
            }
        }
    }

    /// @dev The hub's rules, in its order, as far as a mock can have them. Signatures are not looked at.
    function _check(Submission calldata submission) internal view {
        uint256 columns = submission.feedIds.length;
        if (columns == 0) revert NothingDue();
        bool isWhole = submission.roundIds.length == columns && submission.medians.length == columns
            && submission.answers.length == 16 * columns * submission.signatures.length;
        if (!isWhole) revert MalformedSubmission();
        uint256 due = 0;
        for (uint256 i = 0; i < columns; ++i) {
            if (i != 0 && submission.feedIds[i] <= submission.feedIds[i - 1]) {
                revert FeedsNotAscending(submission.feedIds[i]);
            }
            _checkFeed(submission, submission.feedIds[i], submission.roundIds[i]);
            if (submission.roundIds[i] != 0) ++due;
        }
        if (due == 0) revert NothingDue();
        if (submission.scores.length != 16 * due) revert MalformedSubmission();
        for (uint256 i = 0; i < columns; ++i) {
            if (uint8(submission.medians[i]) >= submission.signatures.length) {
                revert NotTheMedian(submission.feedIds[i]);
            }
        }
        if (keccak256(submission.proof) != keccak256(_proof(submission))) revert ProofRejected();
    }

    function _checkFeed(Submission calldata submission, bytes32 feedId, uint32 roundId) internal view {
        MockFeed storage feed = _known(feedId);
        if (feed.config.committee != submission.committee) {
            revert WrongCommittee(feedId, submission.committee, feed.config.committee);
        }
        if (roundId == 0) return;
        if (feed.paused) revert FeedPaused(feedId);
        if (feed.modelNumber != submission.modelNumber) {
            revert ModelNotActive(feedId, submission.modelNumber, feed.modelNumber);
        }
        if (roundId != feed.roundId + 1) revert WrongRound(feedId, roundId, feed.roundId + 1);
        _requireReportable(feedId, submission.observedAt);
    }

    function _isThere(Submission calldata submission) internal view returns (bool isThere) {
        if (submission.roundIds.length != submission.feedIds.length) revert MalformedSubmission();
        for (uint256 i = 0; i < submission.feedIds.length; ++i) {
            if (submission.roundIds[i] == 0) continue;
            bytes32 feedId = submission.feedIds[i];
            MockFeed storage feed = _feeds[feedId];
            if (feed.config.heartbeat == 0) return false;
            bool isWritten = submission.roundIds[i] <= feed.roundId;
            if (!isWritten && submission.observedAt > _lastReportAt(feedId, feed)) return false;
            isThere = true;
        }
    }

    /// @dev Stands for a proof: it is good for exactly this report.
    function _proof(Submission memory submission) internal view returns (bytes memory) {
        bytes32 content = keccak256(
            abi.encode(submission.modelNumber, submission.observedAt, submission.feedIds, submission.roundIds)
        );
        return abi.encode(address(this), content, keccak256(submission.answers), keccak256(submission.scores));
    }

    function _int128(bytes calldata packed, uint256 index) internal pure returns (int128) {
        return int128(uint128(bytes16(packed[16 * index:16 * index + 16])));
    }

    function _scores(int24 ratio) internal pure returns (int256[] memory scores) {
        scores = new int256[](1);
        scores[0] = ratio * SCORE_PER_THOUSANDTH;
    }

    function _state(bytes32 feedId) internal view returns (FeedState memory state) {
        MockFeed storage feed = _known(feedId);
        Round memory latest = _rounds[feedId][feed.roundId];
        (state.status, state.paused, state.roundId) = (_status(feed), feed.paused, feed.roundId);
        (state.answer, state.observedAt, state.publishedAt) = (latest.answer, latest.observedAt, latest.publishedAt);
        (state.lastReportAt, state.modelNumber) = (_lastReportAt(feedId, feed), feed.modelNumber);
        (state.committee, state.heldReports) = (feed.config.committee, feed.heldReports);
        state.peers = feed.config.peers;
        state.peerAnswers = new int128[](state.peers.length);
        state.held = feed.held;
    }

    function _status(MockFeed storage feed) internal view returns (Status) {
        if (feed.held.reason != HoldReason.NONE) return Status.HELD;
        return feed.roundId == 0 ? Status.EMPTY : Status.OK;
    }

    function _known(bytes32 feedId) internal view returns (MockFeed storage feed) {
        feed = _feeds[feedId];
        if (feed.config.heartbeat == 0) revert UnknownFeed(feedId);
    }
}
