// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AggregatorV2V3Interface} from "../../src/interfaces/AggregatorV2V3Interface.sol";

/// @dev A consumer that reads the answer and checks nothing.
contract ReadingConsumer {
    AggregatorV2V3Interface internal immutable FEED;

    constructor(AggregatorV2V3Interface feed) {
        FEED = feed;
    }

    // The casts check nothing, as its author did not.
    // forge-lint: disable-start(unsafe-typecast)

    /// @dev The tokens that an amount of dollars buys.
    function tokensFor(uint256 dollars) external view returns (uint256) {
        (, int256 answer,,,) = FEED.latestRoundData();
        return dollars * 1e8 / uint256(answer);
    }

    /// @dev The same by V2, where 0 means "no answer".
    function tokensForV2(uint256 dollars) external view returns (uint256) {
        return dollars * 1e8 / uint256(FEED.latestAnswer());
    }

    /// @dev The dollars that tokens are worth, by V2.
    function valueOfV2(uint256 tokens) external view returns (uint256) {
        return tokens * uint256(FEED.latestAnswer()) / 1e8;
    }

    // forge-lint: disable-end(unsafe-typecast)
}
