// SPDX-License-Identifier: MIT
pragma solidity >=0.8.20 <0.9.0;

import {AggregatorInterface, AggregatorV3Interface} from "../src/interfaces/AggregatorV2V3Interface.sol";
import {IZkAggregator} from "../src/interfaces/IZkAggregator.sol";
import {IZkOracle} from "../src/interfaces/IZkOracle.sol";
import {IZkOracleLens} from "../src/interfaces/IZkOracleLens.sol";

/// @title An adapter for tests: plain, strict or last-good, of a feed of a mocked hub
/// @notice Its states are its hub's: see `MockZkOracle`. It gives and withholds what the real adapter does, with the
/// same errors; the oracle's own tests compare both. For a state of the sequencer, give it a `MockUptimeFeed`.
contract MockZkAggregator is IZkAggregator {
    IZkOracle internal immutable _hub;
    bytes32 internal immutable _feedId;
    Mode internal immutable _mode;
    uint32 internal immutable _bound;
    address internal immutable _uptimeFeed;
    uint32 internal immutable _grace;

    /// @param wanted For instance `IZkAggregator.Terms(IZkAggregator.Mode.STRICT, 0, address(0), 0)`. Terms that do not
    /// fit each other are refused as the factory refuses them.
    constructor(IZkOracle hub_, bytes32 feedId_, Terms memory wanted) {
        if ((wanted.mode == Mode.LAST_GOOD) != (wanted.bound != 0)) revert InvalidTerms("bound");
        if (wanted.uptimeFeed == address(0) && wanted.grace != 0) revert InvalidTerms("grace");
        if (wanted.uptimeFeed != address(0)) {
            if (wanted.mode == Mode.PLAIN) revert InvalidTerms("uptimeFeed");
            (bool isRead, int256 answer,) = _readUptime(wanted.uptimeFeed);
            if (!isRead || (answer != 0 && answer != 1)) revert InvalidTerms("uptimeFeed");
        }
        (_hub, _feedId, _mode, _bound) = (hub_, feedId_, wanted.mode, wanted.bound);
        (_uptimeFeed, _grace) = (wanted.uptimeFeed, wanted.grace);
        // Reverts with `UnknownFeed` if there is none.
        IZkOracleLens(hub_.lens()).feedConfig(hub_, feedId_);
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
        if (round.publishedAt == 0) revert("No data present");
        return (roundId_, round.answer, round.observedAt, round.publishedAt, roundId_);
    }

    /// @inheritdoc IZkAggregator
    function latestScored() external view override returns (ScoredRound memory scored) {
        IZkOracle.Round memory round;
        (scored.roundId, round, scored.status, scored.paused, scored.stale) = _hub.latestWithStatus(_feedId);
        if (scored.roundId == 0) revert("No data present");
        (scored.answer, scored.observedAt, scored.publishedAt) = (round.answer, round.observedAt, round.publishedAt);
        (scored.scoreRatio, scored.spread, scored.count) = (round.scoreRatio, round.spread, round.count);
        scored.modelNumber = round.modelNumber;
        IZkOracle.Model memory judge = _lens().model(_hub, round.modelNumber);
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
        return _lens().feedConfig(_hub, _feedId).description;
    }

    /// @inheritdoc AggregatorV3Interface
    function decimals() external view override returns (uint8 places) {
        return _lens().feedConfig(_hub, _feedId).decimals;
    }

    /// @inheritdoc AggregatorV3Interface
    function version() external pure override returns (uint256 number) {
        return 2;
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
    function _latest() internal view returns (uint32 roundId, IZkOracle.Round memory round, bytes memory refusal) {
        IZkOracle.Status status;
        bool paused;
        bool stale;
        (roundId, round, status, paused, stale) = _hub.latestWithStatus(_feedId);
        if (roundId == 0) return (roundId, round, abi.encodeWithSignature("Error(string)", "No data present"));
        if (_mode == Mode.PLAIN) return (roundId, round, refusal);
        refusal = _sequencerRefusal();
        if (refusal.length != 0) return (roundId, round, refusal);
        if (_mode == Mode.STRICT) {
            if (status != IZkOracle.Status.OK || paused || stale) {
                refusal = abi.encodeWithSelector(AnswerUnavailable.selector, status, paused, stale);
            }
        } else if (block.timestamp > uint256(round.observedAt) + _bound) {
            refusal = abi.encodeWithSelector(AnswerTooOld.selector, round.observedAt, _bound);
        }
    }

    function _sequencerRefusal() internal view returns (bytes memory refusal) {
        if (_uptimeFeed == address(0)) return refusal;
        (bool isRead, int256 answer, uint256 upSince) = _readUptime(_uptimeFeed);
        if (!isRead || answer != 0) return abi.encodeWithSelector(SequencerDown.selector);
        if (upSince == 0 || upSince > block.timestamp || block.timestamp - upSince <= _grace) {
            return abi.encodeWithSelector(GracePeriodNotOver.selector, upSince, _grace);
        }
    }

    function _round(uint256 roundId) internal view returns (IZkOracle.Round memory none) {
        if (roundId > type(uint32).max) return none;
        return _hub.getRound(_feedId, uint32(roundId));
    }

    function _lens() internal view returns (IZkOracleLens) {
        return IZkOracleLens(_hub.lens());
    }

    function _readUptime(address feed) internal view returns (bool isRead, int256 answer, uint256 startedAt) {
        (bool isOk, bytes memory data) = feed.staticcall(abi.encodeCall(AggregatorV3Interface.latestRoundData, ()));
        if (!isOk || data.length < 160) return (false, 0, 0);
        (, answer, startedAt,,) = abi.decode(data, (uint256, int256, uint256, uint256, uint256));
        isRead = true;
    }
}
