// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Features} from "./Features.sol";

/// @title The public instances of a proof
/// @notice `[H(model)] ++ x[0] ++ … ++ x[B−1] ++ s[0] ++ … ++ s[B−1]`, integers as elements of BN254's scalar field.
library Instances {
    /// @notice Order r of BN254's scalar field.
    uint256 internal constant FIELD_MODULUS = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001;
    /// @notice The circuit's integers are below this in magnitude.
    int256 internal constant SCORE_BOUND = 2 ** 127;

    /// @notice A signed integer as a field element, negatives as r − |value|.
    /// @dev Defined for |value| < r; callers stay below 2^127.
    function toField(int256 value) internal pure returns (uint256) {
        unchecked {
            // forge-lint: disable-next-item(unsafe-typecast) -- a negative value wraps, and the sum wraps back
            return value < 0 ? FIELD_MODULUS + uint256(value) : uint256(value);
        }
    }

    /// @notice Whether a score is one of the circuit's integers, so that its field element means it and nothing else.
    function isScore(int256 value) internal pure returns (bool) {
        return -SCORE_BOUND < value && value < SCORE_BOUND;
    }

    /// @notice Writes one feature vector of `length` into `instances` at `offset`: the candidate's move, the ring's
    /// newest length − 2, the gap.
    function writeWindow(
        uint256[] memory instances,
        uint256 offset,
        uint256 length,
        int256 move,
        uint256 ring,
        uint256 gap
    ) internal pure {
        instances[offset] = toField(move);
        uint256 last = length - 1;
        for (uint256 i = 1; i < last; ++i) {
            instances[offset + i] = toField(Features.at(ring, i - 1));
        }
        instances[offset + last] = gap;
    }

    /// @notice Copies `length` instances, from `source` on, to `target`.
    function repeat(uint256[] memory instances, uint256 source, uint256 target, uint256 length) internal pure {
        for (uint256 i = 0; i < length; ++i) {
            instances[target + i] = instances[source + i];
        }
    }

    /// @notice The largest score in thousandths of the model's unit, saturated to 48 bits.
    function scoreRatio(int256 score, uint128 unit) internal pure returns (int48) {
        int256 ratio = score * 1_000 / int256(uint256(unit));
        if (ratio > type(int48).max) return type(int48).max;
        if (ratio < type(int48).min) return type(int48).min;
        // forge-lint: disable-next-item(unsafe-typecast) -- bounded above
        return int48(ratio);
    }
}
