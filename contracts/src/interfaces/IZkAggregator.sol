// SPDX-License-Identifier: MIT
pragma solidity >=0.8.20 <0.9.0;

import {AggregatorV2V3Interface} from "./AggregatorV2V3Interface.sol";
import {IZkOracle} from "./IZkOracle.sol";

/// @title One feed of the hub behind Chainlink's V2 and V3 interfaces
/// @notice Consumers of Chainlink's feeds work unchanged. All adapters of a feed have the same rounds; an adapter's
/// terms decide when it gives the latest one. Where it gives none, V3 reverts and says why, and V2 returns 0 and never
/// reverts. Past rounds stay readable, whatever the terms: `getRoundData`, `getAnswer` and `getTimestamp` give any
/// accepted round.
///
/// In every mode, round ids start at 1 and have no gaps, `startedAt` is the time of the observation, `updatedAt` the
/// time of the block that wrote the round, and `answeredInRound` the round itself. An adapter never makes an answer
/// look younger than it is.
interface IZkAggregator is AggregatorV2V3Interface {
    /// @notice The rule by which an adapter gives the latest round.
    /// PLAIN: always, as Chainlink's feeds do. The consumer checks its time.
    /// STRICT: only while the feed is neither held nor paused nor stale. For consumers that check nothing, and to which
    /// a revert does no harm.
    /// LAST_GOOD: whatever the feed's state, while its observation is no older than `bound`. For consumers that should
    /// live through a hold, but not for ever.
    enum Mode {
        PLAIN,
        STRICT,
        LAST_GOOD
    }

    /// @notice The terms of an adapter. They are fixed, and its address follows from them.
    /// @param bound LAST_GOOD: the largest age of an observation, in seconds, above 0. Otherwise 0.
    /// @param uptimeFeed The chain's feed of its sequencer's uptime, as Chainlink runs them on rollups; 0: none. STRICT
    /// and LAST_GOOD give no latest answer while it calls the sequencer down, nor soon after. PLAIN takes none.
    /// @param grace Seconds after the sequencer came back in which there is still no latest answer; 0 without a feed.
    struct Terms {
        Mode mode;
        uint32 bound;
        address uptimeFeed;
        uint32 grace;
    }

    /// @notice The latest round, the model that judged it, and the status that says whether to use it.
    /// @param observedAt The report's time, unix seconds; `publishedAt` is the block's.
    /// @param scoreRatio The largest score in thousandths of the model's score unit. It is at most 0 if the model
    /// called the answer normal, and above 0 if a regime change was confirmed.
    /// @param spread The distance of the reporters' lowest and highest answer, in thousandths of sigma.
    /// @param count The number of reporters that gave an answer.
    /// @param modelHash Hash of the model's weights; 0 if the verifying key holds them. `artifactHash` names the
    /// circuit.
    struct ScoredRound {
        uint32 roundId;
        int128 answer;
        uint32 observedAt;
        uint32 publishedAt;
        int24 scoreRatio;
        uint16 spread;
        uint8 count;
        uint16 modelNumber;
        uint256 modelHash;
        bytes32 artifactHash;
        IZkOracle.Status status;
        bool paused;
        bool stale;
    }

    /// @notice A STRICT adapter gives no answer while the feed is held, paused or stale.
    error AnswerUnavailable(IZkOracle.Status status, bool paused, bool stale);
    /// @notice A LAST_GOOD adapter gives no answer that was observed more than `bound` seconds ago.
    error AnswerTooOld(uint256 observedAt, uint256 bound);
    /// @notice The chain's sequencer is down, or its uptime feed does not say that it is up.
    error SequencerDown();
    /// @notice The sequencer is up again, but not yet for longer than the grace period.
    error GracePeriodNotOver(uint256 upSince, uint256 grace);
    /// @notice The named term does not fit the others, or the uptime feed is none.
    error InvalidTerms(string term);
    /// @notice Only the hub may call `announce`.
    error OnlyHub(address caller);

    /// @notice The hub that holds the feed.
    function hub() external view returns (IZkOracle hub_);
    /// @notice The feed's id in the hub.
    function feedId() external view returns (bytes32 feedId_);
    /// @notice When the adapter gives the latest round.
    function terms() external view returns (Terms memory terms_);

    /// @notice The latest round with its score and the feed's status, whatever the terms: they withhold only what
    /// consumers read without a check. Reverts with "No data present" if there is no round.
    function latestScored() external view returns (ScoredRound memory scored);

    /// @notice Emits Chainlink's events for a round that the hub has just written.
    /// @param startedBy The transmitter that submitted the round.
    function announce(uint32 roundId, int128 answer, uint32 observedAt, address startedBy) external;
}
