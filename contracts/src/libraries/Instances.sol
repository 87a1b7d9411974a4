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
    /// @dev In assembly because this is the longest loop of a submission. The caller has made room:
    /// offset + length ≤ instances.length, and 2 ≤ length ≤ Features.MAX_LENGTH.
    function writeWindow(
        uint256[] memory instances,
        uint256 offset,
        uint256 length,
        int256 move,
        uint256 ring,
        uint256 gap
    ) internal pure {
        uint256 modulus = FIELD_MODULUS;
        assembly ("memory-safe") {
            let target := add(instances, mul(add(offset, 1), 0x20))
            let last := add(target, mul(sub(length, 1), 0x20))
            mstore(target, add(move, mul(modulus, slt(move, 0))))
            for { target := add(target, 0x20) } lt(target, last) { target := add(target, 0x20) } {
                // The newest move is in the low 16 bits.
                let value := signextend(1, ring)
                mstore(target, add(value, mul(modulus, slt(value, 0))))
                ring := shr(16, ring)
            }
            mstore(last, gap)
        }
    }

    /// @notice Copies `length` instances, from `source` on, to `target`. The caller has made room.
    function repeat(uint256[] memory instances, uint256 source, uint256 target, uint256 length) internal pure {
        assembly ("memory-safe") {
            mcopy(
                add(instances, mul(add(target, 1), 0x20)),
                add(instances, mul(add(source, 1), 0x20)),
                mul(length, 0x20)
            )
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
