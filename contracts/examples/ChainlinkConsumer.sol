// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AggregatorV3Interface} from "../src/interfaces/AggregatorV2V3Interface.sol";

/// @title A consumer that knows only Chainlink's interface and nothing of this oracle
/// @notice It makes the checks that any Chainlink feed needs. A strict adapter behind the interface also withholds the
/// answer while the feed is held or paused.
contract ChainlinkConsumer {
    AggregatorV3Interface public immutable FEED;
    /// @notice Seconds for which an answer is good.
    uint256 public immutable MAX_AGE;

    error AnswerTooOld(uint256 updatedAt);
    error AnswerNotPositive(int256 answer);

    constructor(AggregatorV3Interface feed, uint256 maxAge) {
        FEED = feed;
        MAX_AGE = maxAge;
    }

    /// @notice The price in 18 decimals.
    function price() external view returns (uint256) {
        (, int256 answer,, uint256 updatedAt,) = FEED.latestRoundData();
        if (block.timestamp > updatedAt + MAX_AGE) revert AnswerTooOld(updatedAt);
        if (answer <= 0) revert AnswerNotPositive(answer);
        // forge-lint: disable-next-item(unsafe-typecast) -- positive
        return uint256(answer) * 10 ** (18 - FEED.decimals());
    }
}
