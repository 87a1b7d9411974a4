// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title The features that a model sees, derived from a feed's own history
/// @notice `oracle/core/encoding.py` computes the same, truncating division included; both sides are tested with
/// `tests/vectors/features.json`. A *move* is in thousandths of the feed's sigma, a *gap* in thousandths of its
/// heartbeat. Both are clipped to ±`CLIP`, so that a circuit can prove every possible vector.
/// @dev The ring of accepted moves is 14 int16, with the newest in the low bits: see `Track`.
library Features {
    int256 internal constant CLIP = 32_767;
    uint256 internal constant GAP_ONE = 1_000;
    uint256 internal constant RING_SIZE = 14;
    /// @dev The move now, at least one past move, and the gap.
    uint256 internal constant MIN_LENGTH = 3;
    uint256 internal constant MAX_LENGTH = RING_SIZE + 2;

    /// @notice The move from `base` to `answer`, clipped.
    /// @dev A relative move is measured against the smaller of the two answers, so that a fall to a tenth is as far as
    /// a tenfold rise. Against the last answer, a fall to nothing would be only −100 %. Nothing overflows: |difference|
    /// < 2^128, and min · sigma < 2^191.
    /// @param relative True if sigma is in ppm of the answer, false if it is in answer units.
    /// @param base An accepted or held answer. It is above zero if `relative` is true.
    function move(bool relative, uint256 sigma, int256 answer, int256 base) internal pure returns (int256) {
        unchecked {
            int256 difference = answer - base;
            // forge-lint: disable-next-item(unsafe-typecast) -- sigma is stored as a uint64
            int256 unit = int256(sigma);
            if (!relative) return _clip(difference * 1_000 / unit);
            if (answer <= 0) return -CLIP;
            return _clip(difference * 1e9 / ((answer < base ? answer : base) * unit));
        }
    }

    /// @notice Time since the last accepted observation, in [GAP_ONE, CLIP].
    /// @dev It is never below one heartbeat. An early report is one that a large move triggered, and with its true gap
    /// it would always be held.
    function gap(uint256 observedAt, uint256 lastObservedAt, uint256 heartbeat) internal pure returns (uint256) {
        uint256 ratio = (observedAt - lastObservedAt) * 1_000 / heartbeat;
        if (ratio < GAP_ONE) return GAP_ONE;
        // forge-lint: disable-next-item(unsafe-typecast) -- a positive constant
        return ratio > uint256(CLIP) ? uint256(CLIP) : ratio;
    }

    /// @notice Returns true if two answers are within `tolerance` of each other, seen from `base`. On a relative feed
    /// nothing is near an answer of zero or less.
    function near(bool relative, uint256 sigma, int256 answer, int256 base, uint256 tolerance)
        internal
        pure
        returns (bool)
    {
        if (relative && (answer <= 0 || base <= 0)) return false;
        return magnitude(move(relative, sigma, answer, base)) <= tolerance;
    }

    /// @notice The distance between the lowest and the highest answer of a round, clipped.
    function spread(bool relative, uint256 sigma, int256 lowest, int256 highest) internal pure returns (uint256) {
        if (lowest == highest) return 0;
        // forge-lint: disable-next-item(unsafe-typecast) -- a positive constant
        if (relative && lowest <= 0) return uint256(CLIP);
        return magnitude(move(relative, sigma, highest, lowest));
    }

    /// @notice |value|, for a value within ±CLIP.
    function magnitude(int256 value) internal pure returns (uint256) {
        // forge-lint: disable-next-item(unsafe-typecast) -- not negative
        return uint256(value < 0 ? -value : value);
    }

    /// @notice The `index`-th last accepted move; 0 is the newest.
    function at(uint256 ring, uint256 index) internal pure returns (int256) {
        // forge-lint: disable-next-item(unsafe-typecast) -- the truncation takes the entry from the word
        return int256(int16(uint16(ring >> (index * 16))));
    }

    function _clip(int256 value) private pure returns (int256) {
        return value > CLIP ? CLIP : value < -CLIP ? -CLIP : value;
    }
}
