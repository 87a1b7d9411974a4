// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IHalo2Verifier} from "../interfaces/IHalo2Verifier.sol";
import {IZkOracle} from "../interfaces/IZkOracle.sol";
import {Features} from "./Features.sol";
import {Circuit} from "./Slots.sol";

/// @title The public instances of a proof
/// @notice `[H(model)] ++ x[0] ++ … ++ x[B−1] ++ s[0] ++ … ++ s[B−1]`, integers as elements of BN254's scalar field.
library Instances {
    /// @notice Order r of BN254's scalar field.
    uint256 internal constant FIELD_MODULUS = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001;
    /// @notice The magnitude of every integer of the circuit is below this.
    int256 internal constant SCORE_BOUND = 2 ** 127;

    /// @notice A signed integer as a field element. A negative one is r − |value|.
    /// @dev Defined for |value| < r; callers stay below 2^127.
    function toField(int256 value) internal pure returns (uint256) {
        unchecked {
            // forge-lint: disable-next-item(unsafe-typecast) -- a negative value wraps, and the sum wraps back
            return value < 0 ? FIELD_MODULUS + uint256(value) : uint256(value);
        }
    }

    /// @notice Encodes a call of `verifyProof`. Its instances are still zero, except for the model's hash if the
    /// circuit binds one. The caller writes the other instances in place.
    /// @dev The bytes are those of a typed call, but made in place: for a batch of 16 the compiler's encoder copies 300
    /// words one by one. The layout is the one that a hardened verifier demands: the proof at 0x40, the instances after
    /// it.
    /// @return data selector ++ 0x40 ++ offset of the instances ++ proof, padded to words ++ instances.
    /// @return instances Points into `data`.
    function openCall(Circuit circuit, uint256 modelHash, bytes calldata proof)
        internal
        pure
        returns (bytes memory data, uint256[] memory instances)
    {
        unchecked {
            bool binds = circuit.bindsModel();
            uint256 count = head(circuit) + circuit.batchSize() * (uint256(circuit.features()) + circuit.outputs());
            uint256 padded = (proof.length + 0x1f) & ~uint256(0x1f);
            data = new bytes(0x84 + padded + count * 0x20);
            bytes4 selector = IHalo2Verifier.verifyProof.selector;
            assembly ("memory-safe") {
                let start := add(data, 0x20)
                mstore(start, selector)
                mstore(add(start, 0x04), 0x40)
                mstore(add(start, 0x24), add(0x60, padded))
                mstore(add(start, 0x44), proof.length)
                calldatacopy(add(start, 0x64), proof.offset, proof.length)
                instances := add(start, add(0x64, padded))
                mstore(instances, count)
                if binds { mstore(add(instances, 0x20), modelHash) }
            }
        }
    }

    /// @notice Reverts unless the verifier accepts the proof. A revert, a `false`, and no answer at all mean no.
    /// @param data The call from `openCall`, with the instances filled in.
    function requireAccepted(address verifier, bytes memory data) internal view {
        bool isValid;
        assembly ("memory-safe") {
            // An account without code answers nothing. `isValid` is true only if the answer is exactly one word of 1.
            isValid := staticcall(gas(), verifier, add(data, 0x20), mload(data), 0x00, 0x20)
            isValid := and(isValid, and(eq(returndatasize(), 0x20), eq(mload(0x00), 1)))
        }
        if (!isValid) revert IZkOracle.ProofRejected();
    }

    /// @notice The index of the first window among the instances.
    function head(Circuit circuit) internal pure returns (uint256) {
        return circuit.bindsModel() ? 1 : 0;
    }

    /// @notice Repeats the last of `count` windows and its scores until the circuit's batch is full.
    function pad(uint256[] memory instances, Circuit circuit, uint256 count) internal pure {
        uint256 batch = circuit.batchSize();
        if (count == batch) return;
        uint256 length = circuit.features();
        uint256 outputs = circuit.outputs();
        uint256 windows = head(circuit);
        uint256 scores = windows + batch * length;
        for (uint256 i = count; i < batch; ++i) {
            repeat(instances, windows + (count - 1) * length, windows + i * length, length);
            repeat(instances, scores + (count - 1) * outputs, scores + i * outputs, outputs);
        }
    }

    /// @notice Writes the scores of the `index`-th window. Reverts unless each is one of the circuit's integers. Then its
    /// field element stands for that score and no other.
    /// @param packed Big-endian int128. The caller has checked that all windows' scores are there.
    /// @return scores The scores of the window.
    /// @return largest The largest of them.
    function writeScores(
        uint256[] memory instances,
        Circuit circuit,
        uint256 index,
        bytes32 feedId,
        bytes calldata packed
    ) internal pure returns (int256[] memory scores, int256 largest) {
        unchecked {
            uint256 outputs = circuit.outputs();
            uint256 offset = head(circuit) + uint256(circuit.batchSize()) * circuit.features() + index * outputs;
            scores = new int256[](outputs);
            largest = type(int256).min;
            for (uint256 i = 0; i < outputs; ++i) {
                int256 score = scoreAt(packed, index * outputs + i);
                if (score == -SCORE_BOUND) revert IZkOracle.ScoreOutOfRange(feedId, score);
                if (score > largest) largest = score;
                scores[i] = score;
                instances[offset + i] = toField(score);
            }
        }
    }

    /// @notice The `index`-th of packed scores. The caller has checked that it is there.
    function scoreAt(bytes calldata scores, uint256 index) internal pure returns (int256 score) {
        assembly ("memory-safe") {
            score := signextend(15, shr(128, calldataload(add(scores.offset, mul(index, 16)))))
        }
    }

    /// @notice Writes the `index`-th window: the listed features, in order.
    /// @dev Past moves come from the ring. Their sign bits are flipped at once: a move is then an unsigned number, 2^15
    /// too large, and one ADDMOD takes it to the field. The caller has made room for the circuit's windows.
    /// @param list Codes of features, from the highest byte on.
    /// @param table All other features, as field elements, by their codes. It has zeros for past moves.
    /// @param ring The past moves, with the newest in the low 16 bits.
    function writeWindow(
        uint256[] memory instances,
        Circuit circuit,
        uint256 index,
        bytes32 list,
        uint256[] memory table,
        uint256 ring
    ) internal pure {
        unchecked {
            uint256 modulus = FIELD_MODULUS;
            uint256 length = circuit.features();
            uint256 offset = head(circuit) + index * length;
            assembly ("memory-safe") {
                let target := add(instances, mul(add(offset, 1), 0x20))
                let entries := add(table, 0x20)
                let offset16 := sub(modulus, 0x8000)
                ring := xor(ring, 0x800080008000800080008000800080008000800080008000)
                for { let i := 0 } lt(i, length) { i := add(i, 1) } {
                    let code := byte(i, list)
                    // PAST is 16: the moves have the codes from there on.
                    switch lt(code, 16)
                    case 1 { mstore(target, mload(add(entries, shl(5, code)))) }
                    default {
                        mstore(target, addmod(and(shr(shl(4, sub(code, 16)), ring), 0xffff), offset16, modulus))
                    }
                    target := add(target, 0x20)
                }
            }
        }
    }

    /// @notice Makes all features of peers 0. They are next to each other in a table of features.
    function clearPeers(uint256[] memory table) internal pure {
        uint256 first = Features.PEER_MOVE;
        uint256 count = 2 * Features.MAX_PEERS;
        assembly ("memory-safe") {
            // Beyond the calldata there are zeros.
            calldatacopy(add(add(table, 0x20), shl(5, first)), calldatasize(), shl(5, count))
        }
    }

    /// @notice Writes packed features into `instances` from `offset` on. Each is a big-endian int16. The caller has
    /// made room for `packed.length / 2` of them.
    /// @return fits True if all of them are within ±Features.CLIP.
    function writePacked(uint256[] memory instances, uint256 offset, bytes calldata packed)
        internal
        pure
        returns (bool fits)
    {
        uint256 modulus = FIELD_MODULUS;
        fits = true;
        assembly ("memory-safe") {
            let target := add(instances, mul(add(offset, 1), 0x20))
            let end := add(packed.offset, packed.length)
            for { let source := packed.offset } lt(source, end) { source := add(source, 2) } {
                let value := signextend(1, shr(240, calldataload(source)))
                // Only the int16 −2^15 is not.
                fits := and(fits, iszero(eq(value, not(0x7fff))))
                mstore(target, add(value, and(modulus, sar(255, value))))
                target := add(target, 0x20)
            }
        }
    }

    /// @notice Copies `length` instances from `source` to `target`. The caller has made room.
    function repeat(uint256[] memory instances, uint256 source, uint256 target, uint256 length) internal pure {
        assembly ("memory-safe") {
            mcopy(
                add(instances, mul(add(target, 1), 0x20)),
                add(instances, mul(add(source, 1), 0x20)),
                mul(length, 0x20)
            )
        }
    }

    /// @notice The largest score in thousandths of the model's unit, rounded up and saturated to 24 bits. So it is above
    /// zero exactly if the score is, whatever the unit.
    function scoreRatio(int256 score, uint128 unit) internal pure returns (int24) {
        // |score| < 2^127, and a unit is not zero. The division truncates toward zero.
        int256 ratio;
        unchecked {
            int256 divisor = int256(uint256(unit));
            ratio = (score > 0 ? score * 1_000 + divisor - 1 : score * 1_000) / divisor;
        }
        if (ratio > type(int24).max) return type(int24).max;
        if (ratio < type(int24).min) return type(int24).min;
        // forge-lint: disable-next-item(unsafe-typecast) -- bounded above
        return int24(ratio);
    }
}
