// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title A quadratic detector that the chain evaluates itself, without any proof
/// @notice It computes the model of `oracle/detectors/kinds/quadratic.py` from a feed's packed ring of moves, in the same
/// integers. Everybody can read its weights from its code, and a larger model would soon cost more than a proof. The
/// benchmark measures what a proof costs beside it, and `tests/vectors/quadratic.json` compares both languages.
/// @dev With moves x_0 (now), x_1 (newest in the ring) … x_n, the gap g and the scale p:
///
///     spike = 2^p · x_0²             − g · (floor + Σ past_i · x_i²)
///     drift = 2^p · (x_0 + Σ x_i)²   − g · (driftFloor + driftPast · Σ x_i²)
///
/// The weights are immutable, so that they are a part of the code and need no storage. Nothing overflows: a square is at
/// most 2^30, both sums have at most 16 terms, and each side of a difference stays below 2^130.
contract OnchainQuadratic {
    /// @dev A word holds this many weights of past moves.
    uint256 public constant MAX_PAST = 16;

    uint256 private immutable _count;
    uint256 private immutable _past;
    uint256 private immutable _floor;
    uint256 private immutable _driftPast;
    uint256 private immutable _driftFloor;
    uint256 private immutable _scale;

    error TooManyWeights(uint256 count);

    /// @param past Weights of the past moves, from the newest on.
    /// @param floor The least variance that the spike's limit allows for.
    /// @param driftPast Weight of all past moves in the drift's limit.
    /// @param driftFloor The least variance that the drift's limit allows for.
    /// @param scale The weights are multiples of 2^-scale.
    constructor(uint16[] memory past, uint64 floor, uint64 driftPast, uint64 driftFloor, uint8 scale) {
        if (past.length > MAX_PAST) revert TooManyWeights(past.length);
        uint256 packed;
        for (uint256 i = past.length; i > 0; --i) {
            packed = (packed << 16) | past[i - 1];
        }
        (_count, _past, _floor) = (past.length, packed, floor);
        (_driftPast, _driftFloor, _scale) = (driftPast, driftFloor, scale);
    }

    /// @notice True if the model objects to the move.
    /// @param ring The last accepted moves, an int16 each, with the newest in the low bits.
    /// @param move The move now.
    /// @param gap The time since the last accepted round, in thousandths of a heartbeat.
    function held(uint256 ring, int16 move, uint16 gap) external view returns (bool) {
        (int256 spike, int256 drift) = scores(ring, move, gap);
        return spike > 0 || drift > 0;
    }

    /// @notice The model's two scores, times 2^scale. A positive one is an objection.
    function scores(uint256 ring, int16 move, uint16 gap) public view returns (int256 spike, int256 drift) {
        unchecked {
            uint256 weights = _past;
            uint256 weighted = _floor;
            uint256 squares;
            int256 total = move;
            for (uint256 left = _count; left != 0; --left) {
                // forge-lint: disable-next-item(unsafe-typecast) -- the truncation takes the newest entry from the word
                int256 past = int256(int16(uint16(ring)));
                // forge-lint: disable-next-item(unsafe-typecast) -- a square
                uint256 square = uint256(past * past);
                total += past;
                squares += square;
                weighted += square * (weights & 0xffff);
                ring >>= 16;
                weights >>= 16;
            }
            int256 now_ = move;
            // forge-lint: disable-start(unsafe-typecast) -- both limits are far below 2^255
            spike = ((now_ * now_) << _scale) - int256(gap * weighted);
            drift = ((total * total) << _scale) - int256(gap * (_driftFloor + _driftPast * squares));
            // forge-lint: disable-end(unsafe-typecast)
        }
    }
}
