// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AggregatorInterface, AggregatorV3Interface} from "./interfaces/AggregatorV2V3Interface.sol";
import {IZkAggregator} from "./interfaces/IZkAggregator.sol";
import {IZkAggregatorFactory} from "./interfaces/IZkAggregatorFactory.sol";
import {IZkOracle} from "./interfaces/IZkOracle.sol";

/// @title One feed of the hub behind Chainlink's V2 and V3 interfaces
contract ZkAggregator is IZkAggregator {
    /// @inheritdoc IZkAggregator
    IZkOracle public immutable override hub;
    /// @inheritdoc IZkAggregator
    bytes32 public immutable override feedId;
    /// @inheritdoc IZkAggregator
    bool public immutable override strict;
    /// @inheritdoc AggregatorV3Interface
    uint8 public immutable override decimals;
    /// @inheritdoc AggregatorV3Interface
    uint256 public constant override version = 1;

    /// @dev The factory deploys the adapter and says for which feed. So the creation code is the same for all feeds.
    constructor() {
        (hub, feedId, strict) = IZkAggregatorFactory(msg.sender).parameters();
        decimals = hub.feedConfig(feedId).decimals;
    }

    /// @inheritdoc IZkAggregator
    function announce(uint32 roundId, int128 answer, uint32 observedAt, address startedBy) external {
        if (msg.sender != address(hub)) revert OnlyHub(msg.sender);
        emit NewRound(roundId, startedBy, observedAt);
        emit AnswerUpdated(answer, roundId, block.timestamp);
    }

    /// @inheritdoc AggregatorV3Interface
    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        (uint32 roundId, IZkOracle.Round memory round, IZkOracle.Status status, bool paused, bool stale) =
            hub.latestWithStatus(feedId);
        if (roundId == 0) revert("No data present");
        if (strict && !_isAvailable(status, paused, stale)) revert AnswerUnavailable(status, paused, stale);
        return _roundData(roundId, round);
    }

    /// @inheritdoc AggregatorV3Interface
    function getRoundData(uint80 roundId) external view returns (uint80, int256, uint256, uint256, uint80) {
        IZkOracle.Round memory round = _round(roundId);
        if (round.publishedAt == 0) revert("No data present");
        return _roundData(roundId, round);
    }

    /// @inheritdoc IZkAggregator
    function latestScored() external view override returns (ScoredRound memory scored) {
        IZkOracle.Round memory round;
        (scored.roundId, round, scored.status, scored.paused, scored.stale) = hub.latestWithStatus(feedId);
        if (scored.roundId == 0) revert("No data present");
        scored.answer = round.answer;
        scored.observedAt = round.observedAt;
        scored.publishedAt = round.publishedAt;
        scored.scoreRatio = round.scoreRatio;
        scored.modelNumber = round.modelNumber;
        IZkOracle.Model memory judge = hub.model(round.modelNumber);
        (scored.modelHash, scored.artifactHash) = (judge.modelHash, judge.artifactHash);
    }

    /// @inheritdoc AggregatorInterface
    function latestAnswer() external view returns (int256) {
        (, IZkOracle.Round memory round) = _latest();
        return round.answer;
    }

    /// @inheritdoc AggregatorInterface
    function latestTimestamp() external view returns (uint256) {
        (, IZkOracle.Round memory round) = _latest();
        return round.publishedAt;
    }

    /// @inheritdoc AggregatorInterface
    function latestRound() external view returns (uint256 roundId) {
        (roundId,) = _latest();
    }

    /// @inheritdoc AggregatorInterface
    function getAnswer(uint256 roundId) external view returns (int256) {
        return _round(roundId).answer;
    }

    /// @inheritdoc AggregatorInterface
    function getTimestamp(uint256 roundId) external view returns (uint256) {
        return _round(roundId).publishedAt;
    }

    /// @inheritdoc AggregatorV3Interface
    function description() external view returns (string memory) {
        return hub.feedConfig(feedId).description;
    }

    /// @dev All zero if there is no round, or if the adapter withholds it.
    function _latest() internal view returns (uint32 roundId, IZkOracle.Round memory round) {
        IZkOracle.Status status;
        bool paused;
        bool stale;
        (roundId, round, status, paused, stale) = hub.latestWithStatus(feedId);
        if (strict && !_isAvailable(status, paused, stale)) {
            IZkOracle.Round memory none;
            return (0, none);
        }
    }

    /// @dev All zero if there is no round with this id. An id beyond 32 bits names no round.
    function _round(uint256 roundId) internal view returns (IZkOracle.Round memory none) {
        if (roundId > type(uint32).max) return none;
        // forge-lint: disable-next-item(unsafe-typecast) -- bounded above
        return hub.getRound(feedId, uint32(roundId));
    }

    function _isAvailable(IZkOracle.Status status, bool paused, bool stale) internal pure returns (bool) {
        return status == IZkOracle.Status.OK && !paused && !stale;
    }

    function _roundData(uint80 roundId, IZkOracle.Round memory round)
        internal
        pure
        returns (uint80, int256, uint256, uint256, uint80)
    {
        return (roundId, round.answer, round.observedAt, round.publishedAt, roundId);
    }
}
