// SPDX-License-Identifier: MIT
pragma solidity >=0.8.20 <0.9.0;

import {IHalo2Verifier} from "./IHalo2Verifier.sol";

/// @title Verifies one inference of a model that is cut into several circuits
/// @notice Each circuit proves one segment of the model. Segment i publishes the Poseidon hash of its output, and
/// segment i + 1 publishes the hash of its input. Both are the *boundary* between the two. The first segment takes the
/// model's inputs, the last one gives its outputs.
///
///     instances of segment i = [boundary i − 1] ++ [H(weights of i)] ++ inputs or outputs ++ [boundary i]
///
/// Some parts are absent: there is no boundary before the first segment or after the last one, only the first has
/// inputs, only the last has outputs, and there is no hash of weights that are in the verifier's key.
/// @dev A chain of proofs is a proof of the whole. Both sides of a boundary get the same number, and Poseidon is
/// collision resistant, so each segment took exactly the value that the one before it computed. The first took inputs
/// within the clip. By induction each segment took what the model computes from those inputs, and its circuit was built
/// for that. A segment alone proves nothing, because its circuit does not limit its input.
///
/// The contract assumes that ezkl generated the verifiers as hardened ones, for the segments of one model in order,
/// from a reference string whose secret nobody knows. It assumes that the hashes are those of the model's weights.
/// Whoever relies on this contract compares each segment's code hash and model hash with the model's artifact
/// (`split.json`, and each segment's `manifest.json`). Nothing in the contract can be changed, and no other code takes
/// a verifier's place. A verifier that is a proxy keeps its hash while what it runs may change: a comparison with the
/// artifact finds that out, because ezkl generates none.
///
/// A proof says nothing about who made it, or when, or where the inputs come from. It can be used again.
interface ISplitVerifier {
    /// @notice One segment.
    /// @param verifier The verifier of its circuit.
    /// @param codeHash keccak256 of the verifier's code, as the segment's manifest says.
    /// @param bindsModel True if its weights are private and their hash is an instance.
    /// @param modelHash The hash of its weights; 0 if it has none.
    struct Segment {
        IHalo2Verifier verifier;
        bool bindsModel;
        bytes32 codeHash;
        uint256 modelHash;
    }

    /// @notice There are no segments, or the model has no inputs or no outputs.
    error EmptyModel();
    /// @notice The clip is outside of 1 to 2^127 − 1, for which circuits are built.
    error InvalidClip(int256 clip);
    /// @notice This segment's verifier is no contract: it has no code, or it is an account that delegates (EIP-7702),
    /// whose key can replace the code.
    error NotAContract(uint256 segment);
    /// @notice The code of this segment's verifier is not the one with the given hash.
    error WrongCode(uint256 segment, bytes32 codeHash, bytes32 expected);
    /// @notice The hash is not below the field's order, or it is not zero although the segment binds none.
    error InvalidModelHash(uint256 segment, uint256 modelHash);
    /// @notice The model takes another number of inputs.
    error WrongInputCount(uint256 count, uint256 expected);
    /// @notice The model gives another number of outputs.
    error WrongOutputCount(uint256 count, uint256 expected);
    /// @notice The number of boundaries is not the number of segments − 1.
    error WrongBoundaryCount(uint256 count, uint256 expected);
    /// @notice The number of proofs is not the number of segments.
    error WrongProofCount(uint256 count, uint256 expected);
    /// @notice The input is not within ±clip, beyond which the circuits prove nothing.
    error InputOutOfRange(uint256 index, int256 value);
    /// @notice The output is not one of the circuit's integers, whose magnitude is below 2^127.
    error OutputOutOfRange(uint256 index, int256 value);
    /// @notice The boundary is not below the field's order.
    error BoundaryOutOfRange(uint256 index, uint256 value);
    /// @notice The segment's verifier does not accept its proof of this statement.
    error ProofRejected(uint256 segment);

    /// @notice The number of the model's inputs.
    function inputCount() external view returns (uint256 count);
    /// @notice The number of the model's outputs.
    function outputCount() external view returns (uint256 count);

    /// @notice The bound of the inputs, which are within ±clip.
    function clip() external view returns (int256 bound);

    /// @notice The number of segments.
    function segmentCount() external view returns (uint256 count);
    /// @notice One segment, in the model's order.
    function segment(uint256 index) external view returns (Segment memory found);

    /// @notice Reverts unless the proofs show that the model gives these outputs for these inputs.
    /// @param inputs Integers x · 2^inputScale, as the model's manifest says.
    /// @param outputs Integers y · 2^outputScale, likewise.
    /// @param boundaries The numbers that `oracle model prove` wrote. Any numbers do for which the proofs hold.
    /// @param proofs One proof for each segment.
    /// @return isProven Always true.
    function verify(
        int256[] calldata inputs,
        int256[] calldata outputs,
        uint256[] calldata boundaries,
        bytes[] calldata proofs
    ) external view returns (bool isProven);
}
