// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IHalo2Verifier} from "./IHalo2Verifier.sol";

/// @title Verifies one inference of a model that is cut into several circuits
/// @notice Each circuit proves one segment of the model. Segment i publishes the Poseidon hash of what it computes,
/// segment i + 1 that of what it takes: the *boundary* between them. The first takes the model's inputs, the last gives
/// its outputs.
///
///     instances of segment i = [boundary i − 1] ++ [H(weights of i)] ++ inputs or outputs ++ [boundary i]
///
/// as far as it has them: no boundary before the first nor after the last one, no inputs but in the first, no outputs
/// but in the last, no hash of weights where they are in the verifier's key.
/// @dev Why a chain of proofs is a proof of the whole: both sides of a boundary get the same number, Poseidon is
/// collision resistant, so the value that one segment took is the value that the one before it computed. The first took
/// inputs within the clip, so by induction each took what the model computes from them, and that is what its circuit was
/// built for. Of a segment alone nothing follows: its circuit does not limit what it takes.
///
/// Assumed: the verifiers are hardened ones that ezkl generated, for the segments of one model in order, from a reference
/// string whose secret nobody knows; the hashes are those of its weights. Whoever relies on this contract checks that
/// against the model's manifest (`split.json`). Nothing of it can be changed.
///
/// A proof says nothing about who made it, when, or where the inputs come from, and it can be used again.
interface ISplitVerifier {
    /// @notice One circuit.
    /// @param verifier Its verifier.
    /// @param bindsModel Whether its weights are private, and their hash an instance.
    /// @param modelHash That hash; 0 if it has none.
    struct Segment {
        IHalo2Verifier verifier;
        bool bindsModel;
        uint256 modelHash;
    }

    /// @notice There are no segments, or the model has no inputs or no outputs.
    error EmptyModel();
    /// @notice The clip is not one that a circuit is built for: 1 to 2^127 − 1.
    error InvalidClip(int256 clip);
    /// @notice There is no code where this segment's verifier should be.
    error HasNoCode(uint256 segment);
    /// @notice The hash is not below the field's order, or there is one though the segment binds none.
    error InvalidModelHash(uint256 segment, uint256 modelHash);
    /// @notice The model takes another number of inputs.
    error WrongInputCount(uint256 count, uint256 expected);
    /// @notice The model gives another number of outputs.
    error WrongOutputCount(uint256 count, uint256 expected);
    /// @notice There is one boundary less than segments.
    error WrongBoundaryCount(uint256 count, uint256 expected);
    /// @notice There is one proof for each segment.
    error WrongProofCount(uint256 count, uint256 expected);
    /// @notice Outside of ±clip the circuits prove nothing.
    error InputOutOfRange(uint256 index, int256 value);
    /// @notice Not one of the circuit's integers, whose magnitude is below 2^127.
    error OutputOutOfRange(uint256 index, int256 value);
    /// @notice Not below the field's order.
    error BoundaryOutOfRange(uint256 index, uint256 value);
    /// @notice The segment's verifier does not accept its proof of this statement.
    error ProofRejected(uint256 segment);

    /// @notice Numbers of integers that the model takes and gives.
    function inputCount() external view returns (uint256);
    function outputCount() external view returns (uint256);

    /// @notice Inputs are in ±clip.
    function clip() external view returns (int256);

    /// @notice Circuits, in order.
    function segmentCount() external view returns (uint256);
    function segment(uint256 index) external view returns (Segment memory);

    /// @notice Reverts unless the proofs show that the model gives these outputs for these inputs.
    /// @param inputs Integers x · 2^inputScale, as the model's manifest says.
    /// @param outputs Integers y · 2^outputScale, likewise.
    /// @param boundaries What `oracle model prove` wrote; any numbers with which the proofs hold will do.
    /// @param proofs One per segment.
    /// @return Always true.
    function verify(
        int256[] calldata inputs,
        int256[] calldata outputs,
        uint256[] calldata boundaries,
        bytes[] calldata proofs
    ) external view returns (bool);
}
