// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IHalo2Verifier} from "./interfaces/IHalo2Verifier.sol";
import {ISplitVerifier} from "./interfaces/ISplitVerifier.sol";
import {Code} from "./libraries/Code.sol";
import {Instances} from "./libraries/Instances.sol";

/// @title Verifies one inference of a model that is cut into several circuits
contract SplitVerifier is ISplitVerifier {
    uint256 private immutable _inputCount;
    uint256 private immutable _outputCount;
    int256 private immutable _clip;

    Segment[] private _segments;

    /// @param segments The model's segments, in order.
    /// @param inputs The number of integers that the first segment takes.
    /// @param outputs The number of integers that the last segment gives.
    /// @param bound The bound of the inputs.
    constructor(Segment[] memory segments, uint256 inputs, uint256 outputs, int256 bound) {
        if (segments.length == 0 || inputs == 0 || outputs == 0) revert EmptyModel();
        if (bound < 1 || bound >= Instances.SCORE_BOUND) revert InvalidClip(bound);
        for (uint256 i = 0; i < segments.length; ++i) {
            Segment memory each = segments[i];
            if (!Code.isContract(address(each.verifier))) revert NotAContract(i);
            _requireCode(i, each);
            if (each.bindsModel ? each.modelHash >= Instances.FIELD_MODULUS : each.modelHash != 0) {
                revert InvalidModelHash(i, each.modelHash);
            }
            _segments.push(each);
        }
        (_inputCount, _outputCount, _clip) = (inputs, outputs, bound);
    }

    /// @inheritdoc ISplitVerifier
    function inputCount() external view override returns (uint256 count) {
        return _inputCount;
    }

    /// @inheritdoc ISplitVerifier
    function outputCount() external view override returns (uint256 count) {
        return _outputCount;
    }

    /// @inheritdoc ISplitVerifier
    function clip() external view override returns (int256 bound) {
        return _clip;
    }

    /// @inheritdoc ISplitVerifier
    function segmentCount() external view override returns (uint256 count) {
        return _segments.length;
    }

    /// @inheritdoc ISplitVerifier
    function segment(uint256 index) external view override returns (Segment memory found) {
        return _segments[index];
    }

    /// @inheritdoc ISplitVerifier
    function verify(
        int256[] calldata inputs,
        int256[] calldata outputs,
        uint256[] calldata boundaries,
        bytes[] calldata proofs
    ) external view override returns (bool isProven) {
        uint256 last = _segments.length - 1;
        if (boundaries.length != last) revert WrongBoundaryCount(boundaries.length, last);
        if (proofs.length != last + 1) revert WrongProofCount(proofs.length, last + 1);
        uint256[] memory taken = _inputs(inputs);
        uint256[] memory given = _outputs(outputs);
        for (uint256 i = 0; i <= last; ++i) {
            uint256[] memory right = i == last ? given : _boundary(boundaries, i);
            if (!_accepts(i, proofs[i], taken, right)) revert ProofRejected(i);
            taken = right;
        }
        return true;
    }

    function _inputs(int256[] calldata inputs) private view returns (uint256[] memory elements) {
        if (inputs.length != _inputCount) revert WrongInputCount(inputs.length, _inputCount);
        elements = new uint256[](inputs.length);
        for (uint256 i = 0; i < inputs.length; ++i) {
            if (inputs[i] > _clip || inputs[i] < -_clip) revert InputOutOfRange(i, inputs[i]);
            elements[i] = Instances.toField(inputs[i]);
        }
    }

    function _outputs(int256[] calldata outputs) private view returns (uint256[] memory elements) {
        if (outputs.length != _outputCount) revert WrongOutputCount(outputs.length, _outputCount);
        elements = new uint256[](outputs.length);
        for (uint256 i = 0; i < outputs.length; ++i) {
            if (outputs[i] >= Instances.SCORE_BOUND || outputs[i] <= -Instances.SCORE_BOUND) {
                revert OutputOutOfRange(i, outputs[i]);
            }
            elements[i] = Instances.toField(outputs[i]);
        }
    }

    function _boundary(uint256[] calldata boundaries, uint256 index) private pure returns (uint256[] memory elements) {
        if (boundaries[index] >= Instances.FIELD_MODULUS) revert BoundaryOutOfRange(index, boundaries[index]);
        elements = new uint256[](1);
        elements[0] = boundaries[index];
    }

    /// @dev On some chains, a contract that destroys itself can be created again with other code.
    function _requireCode(uint256 index, Segment memory each) private view {
        bytes32 codeHash = address(each.verifier).codehash;
        if (codeHash != each.codeHash) revert WrongCode(index, codeHash, each.codeHash);
    }

    /// @dev Returns true if segment `index` proves that it gives `right` for `left`: integers at the model's ends,
    /// hashes between segments.
    function _accepts(uint256 index, bytes calldata proof, uint256[] memory left, uint256[] memory right)
        private
        view
        returns (bool)
    {
        Segment memory each = _segments[index];
        _requireCode(index, each);
        uint256[] memory instances = new uint256[]((each.bindsModel ? 1 : 0) + left.length + right.length);
        // The hash of an input comes before the hash of the weights; an input itself comes after it.
        uint256 at = 0;
        if (each.bindsModel) instances[index == 0 ? at++ : left.length] = each.modelHash;
        at = _copy(left, instances, at);
        if (each.bindsModel && index != 0) ++at;
        _copy(right, instances, at);
        return _accepts(each.verifier, proof, instances);
    }

    function _copy(uint256[] memory source, uint256[] memory target, uint256 at) private pure returns (uint256) {
        for (uint256 i = 0; i < source.length; ++i) {
            target[at++] = source[i];
        }
        return at;
    }

    /// @dev The compiler makes the canonical encoding, the only one that a hardened verifier takes. A revert, a
    /// `false`, and anything but one word of 1 mean no.
    function _accepts(IHalo2Verifier verifier, bytes calldata proof, uint256[] memory instances)
        private
        view
        returns (bool)
    {
        // slither-disable-next-line low-level-calls -- a typed call would revert if the answer is not one word
        (bool isOk, bytes memory answer) =
            address(verifier).staticcall(abi.encodeCall(IHalo2Verifier.verifyProof, (proof, instances)));
        return isOk && answer.length == 32 && abi.decode(answer, (uint256)) == 1;
    }
}
