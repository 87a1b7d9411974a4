// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {BitMaps} from "@openzeppelin/contracts/utils/structs/BitMaps.sol";

import {IModelCard} from "./interfaces/IModelCard.sol";
import {IZkOracle} from "./interfaces/IZkOracle.sol";
import {Code} from "./libraries/Code.sol";
import {HubReader} from "./libraries/HubReader.sol";
import {Instances} from "./libraries/Instances.sol";
import {Circuit, CircuitSlot} from "./libraries/Slots.sol";

/// @title Proven model cards
contract ModelCard is IModelCard {
    using BitMaps for BitMaps.BitMap;

    /// @dev One word. Every field but `batches` grows.
    ///
    ///     | empty 64 | falseHolds 32 | normals 32 | caught 32 | faults 32 | counted 32 | batches 32 |
    struct Tally {
        uint32 batches;
        uint32 counted;
        uint32 faults;
        uint32 caught;
        uint32 normals;
        uint32 falseHolds;
    }

    /// @dev A card. `circuit` is the hub's, without a score unit.
    ///
    ///     slot 0   tally      1   circuit      2   modelHash      3   root      4   | modelNumber 16 | hub 160 |
    ///     slot 5   batches
    struct Stored {
        Tally tally;
        Circuit circuit;
        uint256 modelHash;
        bytes32 root;
        IZkOracle hub;
        uint16 modelNumber;
        BitMaps.BitMap batches;
    }

    mapping(bytes32 cardId => Stored stored) private _cards;

    /// @inheritdoc IModelCard
    function open(IZkOracle hub, uint16 modelNumber, uint16 batchSize, bytes32 root, uint32 batches)
        external
        override
        returns (bytes32 cardId)
    {
        if (batches == 0) revert EmptyBenchmark();
        cardId = cardIdOf(hub, modelNumber, batchSize, root, batches);
        Stored storage stored = _cards[cardId];
        if (stored.tally.batches != 0) revert CardExists(cardId);
        // The hub can't change them: a model keeps its hash and its architecture, and an architecture keeps its
        // verifiers.
        IZkOracle.Model memory model = HubReader.model(hub, modelNumber);
        stored.circuit = _circuit(HubReader.architecture(hub, model.architectureId), batchSize);
        (stored.modelHash, stored.root) = (model.modelHash, root);
        (stored.hub, stored.modelNumber) = (hub, modelNumber);
        stored.tally.batches = batches;
        emit CardOpened(cardId, hub, modelNumber, batchSize, root, batches);
    }

    /// @inheritdoc IModelCard
    function submitBatch(
        bytes32 cardId,
        uint256 index,
        bytes calldata windows,
        bytes calldata labels,
        int256[] calldata scores,
        bytes32[] calldata merkleProof,
        bytes calldata proof
    ) external override {
        Stored storage stored = _cards[cardId];
        // 1  the batch is not counted yet
        uint256 batches = _known(cardId).batches;
        if (index >= batches) revert BatchOutOfRange(index, batches);
        if (stored.batches.get(index)) revert BatchAlreadyCounted(index);
        // 2  the batch is the benchmark's
        bytes32 leaf = keccak256(bytes.concat(keccak256(abi.encode(index, batches, windows, labels))));
        if (!MerkleProof.verifyCalldata(merkleProof, stored.root, leaf)) revert NotInBenchmark(index);
        // 3–4  the card wrote the statement itself; a proof of anything else fails
        uint256 held = _judge(cardId, index, windows, labels.length, scores, proof);
        // 5  count the verdicts
        stored.batches.set(index);
        uint256 faults = _count(stored, labels, held);
        emit BatchCounted(cardId, index, faults, held);
    }

    /// @inheritdoc IModelCard
    function card(bytes32 cardId) external view override returns (Card memory found) {
        Tally memory tally = _known(cardId);
        Stored storage stored = _cards[cardId];
        Circuit circuit = stored.circuit;
        return Card({
            hub: stored.hub,
            modelNumber: stored.modelNumber,
            batchSize: circuit.batchSize(),
            verifier: circuit.verifier(),
            modelHash: stored.modelHash,
            root: stored.root,
            batches: tally.batches,
            counted: tally.counted,
            faults: tally.faults,
            caught: tally.caught,
            normals: tally.normals,
            falseHolds: tally.falseHolds,
            complete: tally.counted == tally.batches
        });
    }

    /// @inheritdoc IModelCard
    function isComplete(bytes32 cardId) external view override returns (bool complete) {
        Tally memory tally = _known(cardId);
        return tally.counted == tally.batches;
    }

    /// @inheritdoc IModelCard
    function isCounted(bytes32 cardId, uint256 index) external view override returns (bool counted) {
        return _cards[cardId].batches.get(index);
    }

    /// @inheritdoc IModelCard
    function cardIdOf(IZkOracle hub, uint16 modelNumber, uint16 batchSize, bytes32 root, uint32 batches)
        public
        pure
        override
        returns (bytes32 cardId)
    {
        return keccak256(abi.encode(hub, modelNumber, batchSize, root, batches));
    }

    /// @dev Reverts unless the proof shows that the card's model gives these scores for these windows.
    /// @return held Bit i is set if the model holds the i-th window.
    function _judge(
        bytes32 cardId,
        uint256 index,
        bytes calldata windows,
        uint256 count,
        int256[] calldata scores,
        bytes calldata proof
    ) internal view returns (uint256 held) {
        Circuit circuit = _cards[cardId].circuit;
        uint256 outputs = circuit.outputs();
        if (
            count == 0 || count > circuit.batchSize() || windows.length != 2 * count * circuit.features()
                || scores.length != count * outputs
        ) revert MalformedBatch(index);
        (bytes memory data, uint256[] memory instances) = Instances.openCall(circuit, _cards[cardId].modelHash, proof);
        if (!Instances.writePacked(instances, Instances.head(circuit), windows)) revert MalformedBatch(index);
        uint256 offset = Instances.head(circuit) + uint256(circuit.batchSize()) * circuit.features();
        for (uint256 i = 0; i < scores.length; ++i) {
            if (scores[i] >= Instances.SCORE_BOUND || scores[i] <= -Instances.SCORE_BOUND) {
                revert IZkOracle.ScoreOutOfRange(cardId, scores[i]);
            }
            instances[offset + i] = Instances.toField(scores[i]);
            if (scores[i] > 0) held |= 1 << (i / outputs);
        }
        Instances.pad(instances, circuit, count);
        Instances.requireAccepted(circuit.verifier(), data);
    }

    /// @return faults Bit i is set if the i-th window is a fault.
    function _count(Stored storage stored, bytes calldata labels, uint256 held) internal returns (uint256 faults) {
        Tally memory tally = stored.tally;
        ++tally.counted;
        for (uint256 i = 0; i < labels.length; ++i) {
            bool isHeld = (held >> i) & 1 != 0;
            if (labels[i] != 0) {
                faults |= 1 << i;
                ++tally.faults;
                if (isHeld) ++tally.caught;
            } else {
                ++tally.normals;
                if (isHeld) ++tally.falseHolds;
            }
        }
        stored.tally = tally;
    }

    function _circuit(IZkOracle.Architecture memory found, uint16 batchSize) internal view returns (Circuit) {
        for (uint256 i = 0; i < found.batchSizes.length; ++i) {
            if (found.batchSizes[i] == batchSize) {
                address verifier = found.verifiers[i];
                if (!Code.isContract(verifier) || verifier.codehash != found.codeHashes[i]) {
                    revert VerifierChanged(verifier);
                }
                return CircuitSlot.pack(verifier, found.bindsModel, found.features.length, found.outputs, 1, batchSize);
            }
        }
        revert NoSuchCircuit(batchSize);
    }

    function _known(bytes32 cardId) internal view returns (Tally memory tally) {
        tally = _cards[cardId].tally;
        if (tally.batches == 0) revert UnknownCard(cardId);
    }
}
