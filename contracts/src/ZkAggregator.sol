// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AggregatorInterface, AggregatorV3Interface} from "./interfaces/AggregatorV2V3Interface.sol";
import {IZkAggregator} from "./interfaces/IZkAggregator.sol";
import {IZkAggregatorFactory} from "./interfaces/IZkAggregatorFactory.sol";
import {IZkOracle} from "./interfaces/IZkOracle.sol";
import {Code} from "./libraries/Code.sol";
import {HubReader} from "./libraries/HubReader.sol";

/// @title One feed of the hub behind Chainlink's V2 and V3 interfaces
contract ZkAggregator is IZkAggregator {
    string private constant NO_DATA = "No data present";
    /// @dev The answers of an uptime feed.
    int256 private constant UP = 0;
    int256 private constant DOWN = 1;
    uint256 private constant ROUND_DATA_BYTES = 160;

    IZkOracle private immutable _hub;
    bytes32 private immutable _feedId;
    uint8 private immutable _decimals;
    /// @dev Not a constant, since a function that returns one is pure, and Chainlink's `version` is a view.
    uint256 private immutable _version;
    Mode private immutable _mode;
    uint32 private immutable _bound;
    address private immutable _uptimeFeed;
    uint32 private immutable _grace;

    /// @dev The factory deploys the adapter and says for which feed, and on which terms. So the creation code is the
    /// same for all adapters.
    constructor() {
        Terms memory wanted;
        (_hub, _feedId, wanted) = IZkAggregatorFactory(msg.sender).parameters();
        _check(wanted);
        (_mode, _bound, _uptimeFeed, _grace) = (wanted.mode, wanted.bound, wanted.uptimeFeed, wanted.grace);
        _decimals = HubReader.config(_hub, _feedId).decimals();
        _version = 2;
    }

    /// @inheritdoc IZkAggregator
    function announce(uint32 roundId, int128 answer, uint32 observedAt, address startedBy) external override {
        if (msg.sender != address(_hub)) revert OnlyHub(msg.sender);
        emit NewRound(roundId, startedBy, observedAt);
        emit AnswerUpdated(answer, roundId, block.timestamp);
    }

    /// @inheritdoc AggregatorV3Interface
    function latestRoundData()
        external
        view
        override
        returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound)
    {
        (uint32 id, IZkOracle.Round memory round, bytes memory refusal) = _latest();
        if (refusal.length != 0) {
            assembly ("memory-safe") {
                revert(add(refusal, 32), mload(refusal))
            }
        }
        return (id, round.answer, round.observedAt, round.publishedAt, id);
    }

    /// @inheritdoc AggregatorV3Interface
    function getRoundData(uint80 roundId_)
        external
        view
        override
        returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound)
    {
        IZkOracle.Round memory round = _round(roundId_);
        if (round.publishedAt == 0) revert(NO_DATA);
        return (roundId_, round.answer, round.observedAt, round.publishedAt, roundId_);
    }

    /// @inheritdoc IZkAggregator
    function latestScored() external view override returns (ScoredRound memory scored) {
        IZkOracle.Round memory round;
        (scored.roundId, round, scored.status, scored.paused, scored.stale) = _hub.latestWithStatus(_feedId);
        if (scored.roundId == 0) revert(NO_DATA);
        scored.answer = round.answer;
        scored.observedAt = round.observedAt;
        scored.publishedAt = round.publishedAt;
        scored.scoreRatio = round.scoreRatio;
        (scored.spread, scored.count) = (round.spread, round.count);
        scored.modelNumber = round.modelNumber;
        IZkOracle.Model memory judge = HubReader.model(_hub, round.modelNumber);
        (scored.modelHash, scored.artifactHash) = (judge.modelHash, judge.artifactHash);
    }

    /// @inheritdoc AggregatorInterface
    function latestAnswer() external view override returns (int256 answer) {
        (, IZkOracle.Round memory round, bytes memory refusal) = _latest();
        return refusal.length == 0 ? round.answer : int256(0);
    }

    /// @inheritdoc AggregatorInterface
    function latestTimestamp() external view override returns (uint256 timestamp) {
        (, IZkOracle.Round memory round, bytes memory refusal) = _latest();
        return refusal.length == 0 ? round.publishedAt : 0;
    }

    /// @inheritdoc AggregatorInterface
    function latestRound() external view override returns (uint256 roundId) {
        (uint32 id,, bytes memory refusal) = _latest();
        return refusal.length == 0 ? id : 0;
    }

    /// @inheritdoc AggregatorInterface
    function getAnswer(uint256 roundId) external view override returns (int256 answer) {
        return _round(roundId).answer;
    }

    /// @inheritdoc AggregatorInterface
    function getTimestamp(uint256 roundId) external view override returns (uint256 timestamp) {
        return _round(roundId).publishedAt;
    }

    /// @inheritdoc AggregatorV3Interface
    function description() external view override returns (string memory text) {
        return HubReader.description(_hub, _feedId);
    }

    /// @inheritdoc AggregatorV3Interface
    function decimals() external view override returns (uint8 places) {
        return _decimals;
    }

    /// @inheritdoc AggregatorV3Interface
    function version() external view override returns (uint256 number) {
        return _version;
    }

    /// @inheritdoc IZkAggregator
    function hub() external view override returns (IZkOracle hub_) {
        return _hub;
    }

    /// @inheritdoc IZkAggregator
    function feedId() external view override returns (bytes32 feedId_) {
        return _feedId;
    }

    /// @inheritdoc IZkAggregator
    function terms() external view override returns (Terms memory terms_) {
        return Terms(_mode, _bound, _uptimeFeed, _grace);
    }

    /// @dev The latest round, and the error by which V3 withholds it; no bytes if the terms allow to give it.
    function _latest() private view returns (uint32 roundId, IZkOracle.Round memory round, bytes memory refusal) {
        IZkOracle.Status status;
        bool paused;
        bool stale;
        (roundId, round, status, paused, stale) = _hub.latestWithStatus(_feedId);
        if (roundId == 0) {
            refusal = abi.encodeWithSignature("Error(string)", NO_DATA);
        } else if (_mode == Mode.STRICT) {
            refusal = _sequencerRefusal();
            if (refusal.length == 0 && (status != IZkOracle.Status.OK || paused || stale)) {
                refusal = abi.encodeWithSelector(AnswerUnavailable.selector, status, paused, stale);
            }
        } else if (_mode == Mode.LAST_GOOD) {
            refusal = _sequencerRefusal();
            if (refusal.length == 0 && block.timestamp > uint256(round.observedAt) + _bound) {
                refusal = abi.encodeWithSelector(AnswerTooOld.selector, round.observedAt, _bound);
            }
        }
    }

    /// @dev The error of a sequencer that is down, or has been up for no longer than the grace period; no bytes if it is
    /// up, or if no uptime feed is set. Whatever the uptime feed answers, this does not revert, and neither does V2.
    function _sequencerRefusal() private view returns (bytes memory refusal) {
        if (_uptimeFeed == address(0)) return refusal;
        (bool isRead, int256 answer, uint256 upSince) = _readUptime(_uptimeFeed);
        if (!isRead || answer != UP) return abi.encodeWithSelector(SequencerDown.selector);
        // On some chains, `startedAt` is 0 until the feed has heard from the sequencer.
        if (upSince == 0 || upSince > block.timestamp || block.timestamp - upSince <= _grace) {
            return abi.encodeWithSelector(GracePeriodNotOver.selector, upSince, _grace);
        }
    }

    /// @dev All zero if there is no round with this id. An id beyond 32 bits names no round.
    function _round(uint256 roundId) private view returns (IZkOracle.Round memory none) {
        if (roundId > type(uint32).max) return none;
        // forge-lint: disable-next-item(unsafe-typecast) -- bounded above
        return _hub.getRound(_feedId, uint32(roundId));
    }

    /// @dev Refuses terms that do not fit each other. Terms without effect are refused too, so that two adapters with the
    /// same behaviour are one.
    function _check(Terms memory wanted) private view {
        if ((wanted.mode == Mode.LAST_GOOD) != (wanted.bound != 0)) revert InvalidTerms("bound");
        if (wanted.uptimeFeed == address(0)) {
            if (wanted.grace != 0) revert InvalidTerms("grace");
            return;
        }
        if (wanted.mode == Mode.PLAIN || !Code.isContract(wanted.uptimeFeed)) revert InvalidTerms("uptimeFeed");
        // Somebody may have taken the feed of a price for the one of the sequencer. Every price would mean "down".
        (bool isRead, int256 answer,) = _readUptime(wanted.uptimeFeed);
        if (!isRead || (answer != UP && answer != DOWN)) revert InvalidTerms("uptimeFeed");
    }

    /// @dev Reads an uptime feed, and does not revert with it.
    function _readUptime(address feed) private view returns (bool isRead, int256 answer, uint256 startedAt) {
        // slither-disable-next-line low-level-calls -- a typed call would revert with a feed that answers anything else
        (bool isOk, bytes memory data) = feed.staticcall(abi.encodeCall(AggregatorV3Interface.latestRoundData, ()));
        if (!isOk || data.length < ROUND_DATA_BYTES) return (false, 0, 0);
        (, answer, startedAt,,) = abi.decode(data, (uint256, int256, uint256, uint256, uint256));
        isRead = true;
    }
}
