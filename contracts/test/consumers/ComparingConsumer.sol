// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IZkAggregator} from "../../src/interfaces/IZkAggregator.sol";

/// @dev A consumer that compares the latest round with the one before, and distrusts a feed that halves in one round.
contract ComparingConsumer {
    IZkAggregator internal immutable FEED;

    constructor(IZkAggregator feed) {
        FEED = feed;
    }

    /// @dev Two consecutive rounds are more than 50% apart.
    function distrusts() public view returns (bool) {
        (uint80 roundId, int256 answer,,,) = FEED.latestRoundData();
        (, int256 before,,,) = FEED.getRoundData(roundId - 1);
        (int256 low, int256 high) = answer < before ? (answer, before) : (before, answer);
        return low * 2 < high;
    }

    /// @dev The same, but a jump that the reporters have confirmed over time is no fault of the feed.
    function distrustsUnconfirmed() external view returns (bool) {
        return distrusts() && FEED.latestScored().scoreRatio <= 0;
    }
}
