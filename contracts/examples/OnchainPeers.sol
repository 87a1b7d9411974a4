// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title A detector with a peer that the chain evaluates itself, without any proof
/// @notice It computes the default model (a polynomial of the trainer `oracle/detectors/trainers/peers.py`, with one peer
/// and three past moves) from what a hub derives, in the same integers. Everybody can read its weights from its code, so
/// everybody can compute how far a lie may go. The benchmark measures what a proof costs beside it.
/// @dev With the moves x (now) and x_1 … x_3, the peer's move y, the variance v, the gap g and the scale p:
///
///     limit = g · (floor + past · Σ x_i² + variance · v)
///     own   = 2^p · x²                             − limit
///     peer  = square · x² − product · x · y − peerSquare · y² − limit      if the peer is seen
///
/// The weights are immutable, so that they are a part of the code and need no storage. Nothing overflows: a square is at
/// most 2^30, and each side of a difference stays below 2^130.
contract OnchainPeers {
    uint256 private immutable _floor;
    uint256 private immutable _past;
    uint256 private immutable _variance;
    uint256 private immutable _square;
    int256 private immutable _product;
    uint256 private immutable _peerSquare;
    uint256 private immutable _scale;

    /// @param floor The least variance that the limit allows for.
    /// @param past Weight of the three past moves' squares in the limit.
    /// @param variance Weight of the running variance in the limit.
    /// @param square Weight of the move's square, where the peer is seen.
    /// @param product Weight of the product of both moves, which is taken from it.
    /// @param peerSquare Weight of the peer's square, which is taken from it too.
    /// @param scale The weights are multiples of 2^-scale.
    constructor(
        uint64 floor,
        uint64 past,
        uint64 variance,
        uint64 square,
        int64 product,
        uint64 peerSquare,
        uint8 scale
    ) {
        (_floor, _past, _variance) = (floor, past, variance);
        (_square, _product, _peerSquare, _scale) = (square, product, peerSquare, scale);
    }

    /// @notice True if the model objects to the move.
    /// @param ring The last accepted moves, an int16 each, with the newest in the low bits.
    /// @param move The move now.
    /// @param variance The feed's running variance.
    /// @param peerMove The peer's move since the feed's last accepted round.
    /// @param peerSeen True if that was measured.
    /// @param gap The time since the last accepted round, in thousandths of a heartbeat.
    function held(uint256 ring, int16 move, uint16 variance, int16 peerMove, bool peerSeen, uint16 gap)
        external
        view
        returns (bool)
    {
        (int256 own, int256 peer) = scores(ring, move, variance, peerMove, gap);
        return own > 0 || (peerSeen && peer > 0);
    }

    /// @notice The model's two scores, times 2^scale. A positive one is an objection; the second counts if the peer is
    /// seen.
    function scores(uint256 ring, int16 move, uint16 variance, int16 peerMove, uint16 gap)
        public
        view
        returns (int256 own, int256 peer)
    {
        // forge-lint: disable-start(unsafe-typecast) -- the truncations take an entry from the word; all sums are small
        unchecked {
            int256 first = int16(uint16(ring));
            int256 second = int16(uint16(ring >> 16));
            int256 third = int16(uint16(ring >> 32));
            uint256 squares = uint256(first * first + second * second + third * third);
            int256 limit = int256(gap * (_floor + _past * squares + _variance * variance));
            int256 x = move;
            int256 y = peerMove;
            own = ((x * x) << _scale) - limit;
            peer = x * (int256(_square) * x - _product * y) - int256(_peerSquare) * y * y - limit;
        }
        // forge-lint: disable-end(unsafe-typecast)
    }
}
