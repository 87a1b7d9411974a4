// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AggregatorV3Interface} from "../src/interfaces/AggregatorV2V3Interface.sol";
import {FeedRegistryInterface} from "../src/interfaces/IZkFeedRegistry.sol";

/// @title A consumer that walks back through a feed's rounds, in the style of Synthetix' Chainlink node
/// @notice It lowers the round id by one until a round is too old, or does not exist. The feed has to end the walk by
/// reverting. Earlier phases of a proxy or a registry are out of its reach, since their ids do not continue those of
/// this phase. `meanOfAll` walks all phases, with the functions that a registry has for it.
contract MeanPrice {
    error IntervalTooLong(uint256 interval);

    /// @notice The mean answer of the rounds that were published within the last `interval` seconds. The latest round
    /// counts however old it is.
    /// @return answer The mean, rounded towards zero.
    /// @return rounds The number of those rounds.
    function mean(AggregatorV3Interface feed, uint256 interval) external view returns (int256 answer, uint256 rounds) {
        uint256 since = _since(interval);
        uint80 roundId;
        (roundId, answer,,,) = feed.latestRoundData();
        rounds = 1;
        while (roundId > 0) {
            try feed.getRoundData(--roundId) returns (uint80, int256 past, uint256, uint256 updatedAt, uint80) {
                if (updatedAt < since) break;
                answer += past;
                ++rounds;
            } catch {
                break;
            }
        }
        // forge-lint: disable-next-item(unsafe-typecast) -- a count
        answer /= int256(rounds);
    }

    /// @notice The same as `mean`, for a pair's current phase.
    function meanOf(FeedRegistryInterface registry, address base, address quote, uint256 interval)
        external
        view
        returns (int256 answer, uint256 rounds)
    {
        uint256 since = _since(interval);
        uint80 roundId;
        (roundId, answer,,,) = registry.latestRoundData(base, quote);
        rounds = 1;
        while (roundId > 0) {
            try registry.getRoundData(base, quote, --roundId) returns (
                uint80, int256 past, uint256, uint256 updatedAt, uint80
            ) {
                if (updatedAt < since) break;
                answer += past;
                ++rounds;
            } catch {
                break;
            }
        }
        // forge-lint: disable-next-item(unsafe-typecast) -- a count
        answer /= int256(rounds);
    }

    /// @notice The mean answer of all rounds of a pair, in all of its phases.
    function meanOfAll(FeedRegistryInterface registry, address base, address quote)
        external
        view
        returns (int256 answer, uint256 rounds)
    {
        uint80 roundId = type(uint80).max;
        while ((roundId = registry.getPreviousRoundId(base, quote, roundId)) != 0) {
            answer += registry.getAnswer(base, quote, roundId);
            ++rounds;
        }
        // forge-lint: disable-next-item(unsafe-typecast) -- a count
        answer /= int256(rounds);
    }

    function _since(uint256 interval) internal view returns (uint256) {
        if (interval > block.timestamp) revert IntervalTooLong(interval);
        return block.timestamp - interval;
    }
}
