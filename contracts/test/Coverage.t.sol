// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Features} from "../src/libraries/Features.sol";
import {OracleTest} from "./OracleTest.sol";

/// @dev Lines that no other suite reaches.
contract CoverageTest is OracleTest {
    function test_anEmptyFeedHasNoMovesAndOneHeartbeat() public view {
        int256[] memory window = hub.features(feedId, PRICE, uint32(block.timestamp), 0);
        assertEq(window.length, LENGTH);
        for (uint256 i = 0; i + 1 < LENGTH; ++i) {
            assertEq(window[i], 0);
        }
        assertEq(window[LENGTH - 1], int256(Features.GAP_ONE));
    }
}
