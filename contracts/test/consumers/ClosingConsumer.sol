// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AggregatorV3Interface} from "../../src/interfaces/AggregatorV2V3Interface.sol";

/// @dev A lending branch that closes for ever as soon as its feed fails or is late once. It keeps the last good price.
contract ClosingConsumer {
    AggregatorV3Interface internal immutable FEED;
    uint256 internal immutable MAX_AGE;

    bool public isClosed;
    uint256 public lastPrice;

    constructor(AggregatorV3Interface feed, uint256 maxAge) {
        (FEED, MAX_AGE) = (feed, maxAge);
    }

    /// @dev Anyone may call, for instance by borrowing.
    function fetchPrice() external returns (uint256 price) {
        if (isClosed) return lastPrice;
        try FEED.latestRoundData() returns (uint80, int256 answer, uint256, uint256 updatedAt, uint80) {
            if (answer > 0 && block.timestamp - updatedAt <= MAX_AGE) {
                // forge-lint: disable-next-line(unsafe-typecast) -- positive
                lastPrice = uint256(answer);
                return lastPrice;
            }
        } catch {}
        isClosed = true;
        return lastPrice;
    }
}
