// SPDX-License-Identifier: MIT
pragma solidity >=0.8.20 <0.9.0;

import {AggregatorV2V3Interface} from "./AggregatorV2V3Interface.sol";

/// @title Chainlink's FeedRegistryInterface
/// @notice The registry finds a feed by base and quote. Tokens are named by their addresses. Whatever has no address is
/// named as in Chainlink's `Denominations`: ETH is 0xEeee…EEeE, a currency is its ISO 4217 number (USD: 840).
/// @dev A pair's feeds follow each other in *phases*, numbered from 1. A round id of the registry is `phaseId << 64 |
/// the feed's round id`, so that ids increase when the feed is replaced.
interface FeedRegistryInterface {
    /// @param startingAggregatorRoundId The feed's own id of the phase's first round: the latest round when it was
    /// confirmed.
    /// @param endingAggregatorRoundId The feed's own id of the phase's last round; 0 while the phase is the current
    /// one.
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

    // V3 of the pair's current feed. All functions revert with "Feed not found" for a pair that has none.

    function decimals(address base, address quote) external view returns (uint8 places);
    function description(address base, address quote) external view returns (string memory text);
    function version(address base, address quote) external view returns (uint256 number);
    function latestRoundData(address base, address quote)
        external
        view
        returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound);
    /// @notice A round of the feed that its phase had.
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

    // Feeds, phases and rounds.

    function getFeed(address base, address quote) external view returns (AggregatorV2V3Interface aggregator);
    /// @notice Zero if the pair has no such phase.
    function getPhaseFeed(address base, address quote, uint16 phaseId)
        external
        view
        returns (AggregatorV2V3Interface aggregator);
    /// @notice True if any pair has this feed as its current one.
    function isFeedEnabled(address aggregator) external view returns (bool isEnabled);
    /// @notice Reverts with "Phase does not exist" if the pair has no such phase.
    function getPhase(address base, address quote, uint16 phaseId) external view returns (Phase memory phase);

    // Rounds across phases.

    /// @notice Reverts with "Feed not found for round" for an id that is in no phase's range.
    function getRoundFeed(address base, address quote, uint80 roundId)
        external
        view
        returns (AggregatorV2V3Interface aggregator);
    /// @notice First and last round id of a phase, up to now if it is the current one. If the end is below the start,
    /// the phase has no round yet. Reverts with "Phase does not exist" if the pair has no such phase.
    function getPhaseRange(address base, address quote, uint16 phaseId)
        external
        view
        returns (uint80 startingRoundId, uint80 endingRoundId);
    /// @notice The id of the round before this one, in this phase or an earlier one; 0 if there is none.
    function getPreviousRoundId(address base, address quote, uint80 roundId)
        external
        view
        returns (uint80 previousRoundId);
    /// @notice The id of the round after this one, in this phase or a later one; 0 if there is none yet.
    function getNextRoundId(address base, address quote, uint80 roundId) external view returns (uint80 nextRoundId);

    // Changes, which only the owner makes.

    function proposeFeed(address base, address quote, address aggregator) external;
    function confirmFeed(address base, address quote, address aggregator) external;

    // Proposals. Round ids are the proposed feed's own. Reading reverts with "No proposed aggregator present" if there
    // is none.

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
/// @notice The owner decides which feed a pair has, and nothing else. No answer passes through storage here. Every
/// change stands in the open for `changeDelay` seconds before it can be confirmed, and so does the first feed of a
/// pair. A pair that was listed stays listed. Past rounds stay readable through the feeds that wrote them.
///
/// Reading is as in Chainlink's registry, with three differences. A phase without a round has no range, instead of one
/// that holds round 0. A feed that withholds its latest round (a strict adapter of a held feed) keeps its range. A feed
/// that two pairs share stays enabled until both have replaced it.
/// @dev The registry assumes that a feed's round ids increase and have no gaps. It trusts each feed to answer for its
/// own pair. If a feed reverts, so does reading its pair.
///
/// Whatever a listed feed does, it can be replaced: nothing that it answers decides on its replacement. The registry
/// asks it for the rounds of its phase alone, in calls of at most 80,000 gas each, and takes an answer of any other
/// form for none. A pair keeps the decimals of its first feed, which the registry recorded.
interface IZkFeedRegistry is FeedRegistryInterface {
    event FeedProposalWithdrawn(
        address indexed asset, address indexed denomination, address indexed proposedAggregator, address sender
    );

    /// @notice The pair already has the proposed feed.
    error AlreadyCurrent(address aggregator);
    /// @notice `confirmFeed` or `withdrawFeed` named a feed other than the proposed one, or none is proposed.
    error NotProposed(address aggregator);
    /// @notice The proposal has not stood for `changeDelay` seconds.
    error TooEarly(uint64 confirmableFrom);
    /// @notice The proposed feed is no contract: it has no code, or it is an account that delegates (EIP-7702), whose
    /// key can replace the code.
    error NotAContract(address aggregator);
    /// @notice The proposed feed does not tell its latest round or its decimals as Chainlink's interfaces say, within
    /// its 80,000 gas.
    error UnreadableFeed(address aggregator);
    /// @notice The proposed feed's answers have other decimals than the pair, whose decimals are those of its first
    /// feed.
    error DecimalsDiffer(uint8 proposed, uint8 current);
    /// @notice The proposed feed's round ids leave no room for a phase. It is a proxy, which has phases of its own.
    error RoundIdTooLarge(uint256 roundId);
    /// @notice The proposed feed has no latest answer, so it can't replace one that consumers rely on.
    error NoAnswer(address aggregator);
    /// @notice The call has too little gas left to give a feed what it may use. Without this error, a feed that works
    /// would look like one that fails.
    error TooLittleGas(uint256 left, uint256 needed);

    /// @notice Seconds from a proposal to its earliest confirmation. The delay is fixed.
    function changeDelay() external view returns (uint32 delay);
    /// @notice The time from which the proposal can be confirmed, unix seconds; 0: nothing is proposed.
    function confirmableFrom(address base, address quote) external view returns (uint64 time);

    /// @notice Withdraws a proposal. Another proposal for the pair replaces it too, and starts the delay anew.
    function withdrawFeed(address base, address quote, address aggregator) external;
}
