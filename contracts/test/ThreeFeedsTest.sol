// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IZkOracle} from "../src/interfaces/IZkOracle.sol";
import {OracleTest} from "./OracleTest.sol";

/// @dev Reports of three feeds of one committee.
abstract contract ThreeFeedsTest is OracleTest {
    function _addThree() internal returns (bytes32[] memory ids) {
        ids = new bytes32[](3);
        ids[0] = feedId;
        vm.startPrank(ADMIN);
        ids[1] = _addFeed("BTC / USD", IZkOracle.Kind.RELATIVE, solo);
        ids[2] = _addFeed("spread", IZkOracle.Kind.ABSOLUTE, solo);
        vm.stopPrank();
        _sort(ids);
    }

    /// @dev All of them are due, with scores below zero.
    function _draftOfThree(bytes32[] memory ids) internal view returns (Draft memory) {
        (int128[] memory answers, int256[] memory scores) = (new int128[](3), new int256[](3));
        for (uint256 i = 0; i < 3; ++i) {
            // forge-lint: disable-next-line(unsafe-typecast) -- it fits
            (answers[i], scores[i]) = (PRICE + int128(int256(i * 100)), -1 - int256(i));
        }
        return _draftOf(ids, answers, scores, 1);
    }
}
