// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AggregatorV2V3Interface} from "./AggregatorV2V3Interface.sol";
import {IZkOracle} from "./IZkOracle.sol";

/// @title One feed of the hub behind Chainlink's V2 and V3 interfaces
/// @notice Consumers of Chainlink's feeds work unchanged. Ids start at 1, `startedAt` is the observation's time,
/// `updatedAt` the block's time, and `answeredInRound` the round itself. Where there is no data, V3 reverts with "No
/// data present" and V2 returns 0.
///
/// A *strict* adapter is for consumers that check neither age nor status. While the feed is held, stale or paused, its
/// `latestRoundData` reverts with `AnswerUnavailable`, and V2's `latest…` return 0. Past rounds stay readable.
interface IZkAggregator is AggregatorV2V3Interface {
    /// @notice The latest round, the model that judged it, and the status that says whether to use it.
    /// @param observedAt Median of the reporters' observation times, unix seconds; `publishedAt` is the block's.
    /// @param scoreRatio The largest score in thousandths of the model's score unit. It is at most 0 if the model
    /// called the answer normal, and above 0 if a regime change was confirmed.
    /// @param modelHash Hash of the model's weights; 0 if the verifying key holds them. `artifactHash` names the
    /// circuit.
    struct ScoredRound {
        uint32 roundId;
        int128 answer;
        uint32 observedAt;
        uint32 publishedAt;
        int24 scoreRatio;
        uint16 modelNumber;
        uint256 modelHash;
        bytes32 artifactHash;
        IZkOracle.Status status;
        bool paused;
        bool stale;
    }

    /// @notice A strict adapter gives no answer while the feed is held, paused or stale.
    error AnswerUnavailable(IZkOracle.Status status, bool paused, bool stale);
    /// @notice Only the hub may call `announce`.
    error OnlyHub(address caller);

    function hub() external view returns (IZkOracle);
    function feedId() external view returns (bytes32);
    function strict() external view returns (bool);

    /// @notice The latest round with its score and the feed's status. A strict adapter gives it too: it withholds only
    /// what consumers read without a check. Reverts with "No data present" if there is no round.
    function latestScored() external view returns (ScoredRound memory);

    /// @notice Emits Chainlink's events for a round that the hub has just written.
    /// @param startedBy The transmitter that submitted the round.
    function announce(uint32 roundId, int128 answer, uint32 observedAt, address startedBy) external;
}
