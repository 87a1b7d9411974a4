// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title The features that a model sees, derived from the feeds' own history and the signed report
/// @notice `oracle/core/encoding.py` computes the same, truncating division included; both sides are tested with
/// `tests/vectors/features.json`. A *move* is in thousandths of a feed's sigma, a *gap* in thousandths of its
/// heartbeat. Both are clipped to ±`CLIP`, so that a circuit can prove every possible vector.
/// @dev An architecture lists its features, a byte each. A later hub adds a feature as a new entry of this list.
library Features {
    /// @dev The move of the candidate from the last accepted answer. Every architecture has it.
    uint256 internal constant MOVE = 0;
    /// @dev The time since the last accepted round, at least one heartbeat.
    uint256 internal constant GAP = 1;
    /// @dev The distance between the lowest and the highest answer of the report.
    uint256 internal constant SPREAD = 2;
    /// @dev The number of reporters that have an answer.
    uint256 internal constant COUNT = 3;
    /// @dev The running variance of the accepted moves, with a long memory.
    uint256 internal constant VARIANCE = 4;
    /// @dev The moves of the first and of the second peer since the feed's own last round; 0 if not measurable.
    uint256 internal constant PEER_MOVE = 5;
    /// @dev 1 if the peer's move can be measured and is not clipped, else 0.
    uint256 internal constant PEER_SEEN = 7;
    /// @dev The last accepted moves, from the newest on.
    uint256 internal constant PAST = 16;

    int256 internal constant CLIP = 32_767;
    uint256 internal constant GAP_ONE = 1_000;
    uint256 internal constant RING_SIZE = 12;
    uint256 internal constant MAX_PEERS = 2;
    /// @dev The codes are below this.
    uint256 internal constant CODES = PAST + RING_SIZE;
    /// @dev A list is packed into one word.
    uint256 internal constant MAX_LENGTH = 32;
    /// @dev The memory of the variance: it forgets 1/64 of itself with each round.
    uint256 internal constant MEMORY_BITS = 6;
    uint256 internal constant VARIANCE_FRACTION_BITS = 17;
    /// @dev The variance of a feed without moves: one sigma², which is 1,000 thousandths.
    uint32 internal constant VARIANCE_ONE = 1_000 << 17;

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

    /// @notice A peer's move since the round of the feed that it is a peer of.
    /// @return moved Clipped; 0 if it can't be measured, because an answer of a relative peer is zero or less.
    /// @return isSeen True if it can be measured and is not clipped.
    function peerMove(bool relative, uint256 sigma, int256 answer, int256 base)
        internal
        pure
        returns (int256 moved, bool isSeen)
    {
        if (relative && (answer <= 0 || base <= 0)) return (0, false);
        moved = move(relative, sigma, answer, base);
        // forge-lint: disable-next-line(unsafe-typecast) -- a positive constant
        isSeen = magnitude(moved) < uint256(CLIP);
    }

    /// @notice Time since the last accepted observation, in [GAP_ONE, CLIP].
    /// @dev It is never below one heartbeat. An early report is one that a large move triggered, and with its true gap
    /// it would always be held.
    function gap(uint256 observedAt, uint256 lastObservedAt, uint256 heartbeat) internal pure returns (uint256) {
        // The caller has checked that the report is later, and a heartbeat is not zero.
        uint256 ratio;
        unchecked {
            ratio = (observedAt - lastObservedAt) * 1_000 / heartbeat;
        }
        if (ratio < GAP_ONE) return GAP_ONE;
        // forge-lint: disable-next-item(unsafe-typecast) -- a positive constant
        return ratio > uint256(CLIP) ? uint256(CLIP) : ratio;
    }

    /// @notice The variance after one more accepted move: exponentially weighted, per heartbeat, in thousandths of
    /// sigma², with 17 binary digits after the point.
    /// @dev One move counts for at most CLIP thousandths. So the variance stays below 2^15 · 2^17.
    function nextVariance(uint256 variance, int256 moved, uint256 gap_) internal pure returns (uint32) {
        unchecked {
            // forge-lint: disable-next-item(unsafe-typecast) -- a square
            uint256 square = uint256(moved * moved) / gap_;
            // forge-lint: disable-next-item(unsafe-typecast) -- a positive constant
            if (square > uint256(CLIP)) square = uint256(CLIP);
            // forge-lint: disable-next-item(unsafe-typecast) -- below 2^32, see above
            return uint32(variance - (variance >> MEMORY_BITS) + (square << (VARIANCE_FRACTION_BITS - MEMORY_BITS)));
        }
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

    /// @notice The distance between the lowest and the highest answer of a report, clipped.
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
