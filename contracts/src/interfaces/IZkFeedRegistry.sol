// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AggregatorV2V3Interface} from "./AggregatorV2V3Interface.sol";

/// @title Chainlink's FeedRegistryInterface
/// @notice From base and quote to a feed, under one address. Tokens are named by their addresses, and what has none as
/// Chainlink's `Denominations` does: ETH is 0xEeee…EEeE, a currency its ISO 4217 number (USD: 840).
/// @dev A pair's feeds follow each other in *phases*, numbered from 1. A round id here is `phaseId << 64 | the feed's
/// round id`, so that ids increase when the feed is replaced.
interface FeedRegistryInterface {
    /// @param startingAggregatorRoundId The feed's own id of the phase's first round: its latest when it was confirmed.
    /// @param endingAggregatorRoundId Of the phase's last round; 0 while the phase is the current one.
    struct Phase {
        uint16 phaseId;
        uint80 startingAggregatorRoundId;
        uint80 endingAggregatorRoundId;
    }

    event FeedProposed(
        address indexed asset,
        address indexed denomination,
        address indexed proposedAggregator,
        address currentAggregator,
        address sender
    );
    event FeedConfirmed(
        address indexed asset,
        address indexed denomination,
        address indexed latestAggregator,
        address previousAggregator,
        uint16 nextPhaseId,
        address sender
    );

    // V3 of the pair's current feed. All revert with "Feed not found" for a pair that has none.

    function decimals(address base, address quote) external view returns (uint8);
    function description(address base, address quote) external view returns (string memory);
    function version(address base, address quote) external view returns (uint256);
    function latestRoundData(address base, address quote)
        external
        view
        returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound);
    /// @notice A round of whichever feed its phase had.
    function getRoundData(address base, address quote, uint80 _roundId)
        external
        view
        returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound);

    // V2 of the pair's current feed.

    function latestAnswer(address base, address quote) external view returns (int256 answer);
    function latestTimestamp(address base, address quote) external view returns (uint256 timestamp);
    function latestRound(address base, address quote) external view returns (uint256 roundId);
    /// @notice Zero if there is no such round, phase or pair.
    function getAnswer(address base, address quote, uint256 roundId) external view returns (int256 answer);
    /// @notice Zero if there is no such round, phase or pair.
    function getTimestamp(address base, address quote, uint256 roundId) external view returns (uint256 timestamp);

    // What is listed.

    function getFeed(address base, address quote) external view returns (AggregatorV2V3Interface aggregator);
    /// @notice Zero if the pair has no such phase.
    function getPhaseFeed(address base, address quote, uint16 phaseId)
        external
        view
        returns (AggregatorV2V3Interface aggregator);
    /// @notice Whether any pair has it as its current feed.
    function isFeedEnabled(address aggregator) external view returns (bool);
    /// @notice Reverts with "Phase does not exist" if the pair has no such phase.
    function getPhase(address base, address quote, uint16 phaseId) external view returns (Phase memory phase);

    // Rounds across phases.

    /// @notice Reverts with "Feed not found for round" for an id that is in no phase's range.
    function getRoundFeed(address base, address quote, uint80 roundId)
        external
        view
        returns (AggregatorV2V3Interface aggregator);
    /// @notice First and last round id of a phase; of the current one, up to now. An end below the start: no round yet.
    /// Reverts with "Phase does not exist" if the pair has no such phase.
    function getPhaseRange(address base, address quote, uint16 phaseId)
        external
        view
        returns (uint80 startingRoundId, uint80 endingRoundId);
    /// @notice The round before, of this phase or an earlier one; 0 if there is none.
    function getPreviousRoundId(address base, address quote, uint80 roundId)
        external
        view
        returns (uint80 previousRoundId);
    /// @notice The round after, of this phase or a later one; 0 if there is none yet.
    function getNextRoundId(address base, address quote, uint80 roundId) external view returns (uint80 nextRoundId);

    // Changes, by the owner.

    function proposeFeed(address base, address quote, address aggregator) external;
    function confirmFeed(address base, address quote, address aggregator) external;

    // What is proposed. Ids are the proposed feed's own. Reading it reverts with "No proposed aggregator present" if
    // there is none.

    /// @notice Zero if nothing is proposed.
    function getProposedFeed(address base, address quote)
        external
        view
        returns (AggregatorV2V3Interface proposedAggregator);
    function proposedGetRoundData(address base, address quote, uint80 roundId)
        external
        view
        returns (uint80 id, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound);
    function proposedLatestRoundData(address base, address quote)
        external
        view
        returns (uint80 id, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound);

    /// @notice Zero for a pair that never had a feed.
    function getCurrentPhaseId(address base, address quote) external view returns (uint16 currentPhaseId);
}

/// @title A lookup of feeds by base and quote, in the manner of Chainlink's FeedRegistry
/// @notice The owner decides which feed a pair has, and nothing else: no answer passes through storage here, and every
/// change, the first feed of a pair included, stands in the open for `changeDelay` seconds before it can be confirmed.
/// A pair that was listed stays listed; past rounds stay readable through the feeds that wrote them.
///
/// Reading is as in Chainlink's registry, with three differences: a phase without a round has no range, instead of one
/// that holds round 0; a feed that withholds its latest round (a strict adapter of a held feed) keeps its range; and a
/// feed that two pairs share stays enabled until both have replaced it.
/// @dev Assumes of a feed that its round ids have no gaps and increase. Feeds are trusted to answer for their own pair:
/// one that reverts makes reading its pair revert, never replacing it.
interface IZkFeedRegistry is FeedRegistryInterface {
    event FeedProposalWithdrawn(
        address indexed asset, address indexed denomination, address indexed proposedAggregator, address sender
    );

    /// @notice `proposeFeed` named the feed that the pair has.
    error AlreadyCurrent(address aggregator);
    /// @notice `confirmFeed` or `withdrawFeed` named another feed than the proposed one, or none is proposed.
    error NotProposed(address aggregator);
    /// @notice The proposal has not stood for `changeDelay` seconds.
    error TooEarly(uint64 confirmableFrom);
    /// @notice The proposed feed is no contract.
    error HasNoCode(address aggregator);
    /// @notice The proposed feed's answers have other decimals than those of the feed that it would replace.
    error DecimalsDiffer(uint8 proposed, uint8 current);
    /// @notice The proposed feed's round ids leave no room for a phase: it is a proxy, which has phases of its own.
    error RoundIdTooLarge(uint256 roundId);
    /// @notice The proposed feed has no latest answer, and so can't replace one that consumers rely on.
    error NoAnswer(address aggregator);

    /// @notice Seconds from a proposal to its earliest confirmation. Fixed.
    function changeDelay() external view returns (uint32);
    /// @notice When the proposal can be confirmed, unix seconds; 0: nothing is proposed.
    function confirmableFrom(address base, address quote) external view returns (uint64);

    /// @notice Takes a proposal back. Another proposal for the pair does so too, and its delay starts anew.
    function withdrawFeed(address base, address quote, address aggregator) external;
}
