// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title Median of a few observation times
library Median {
    /// @notice The lower median: the element at (k − 1) / 2 after sorting. Sorts in place.
    /// @dev This is an insertion sort: there are at most 31 elements, and reporters' times arrive in no order.
    function lower(uint256[] memory values) internal pure returns (uint256) {
        uint256 count = values.length;
        for (uint256 i = 1; i < count; ++i) {
            uint256 value = values[i];
            uint256 j = i;
            while (j > 0 && values[j - 1] > value) {
                values[j] = values[j - 1];
                --j;
            }
            values[j] = value;
        }
        return values[(count - 1) / 2];
    }
}
