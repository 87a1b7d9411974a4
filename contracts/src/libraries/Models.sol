// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IZkOracle} from "../interfaces/IZkOracle.sol";
import {Code} from "./Code.sol";
import {Features} from "./Features.sol";
import {Instances} from "./Instances.sol";
import {Circuit, CircuitSlot} from "./Slots.sol";
import {Store, StoredModel, Stores} from "./Store.sol";

/// @title The hub's architectures and models
/// @notice The library is deployed by itself and linked. Its address is part of the hub's code, so it can't be changed.
/// It works on the hub's storage; called directly, it has none.
library Models {
    /// @dev The most circuits of an architecture, and the most windows of a circuit.
    uint256 internal constant MAX_CIRCUITS = 8;
    uint256 internal constant MAX_BATCH = 64;

    /// @dev The key under which a circuit of a model, or of an architecture, is stored.
    function key(uint256 owner, uint256 index) internal pure returns (uint256) {
        return (owner << 8) | index;
    }

    function addArchitecture(
        bytes calldata features,
        uint8 outputs,
        bool bindsModel,
        uint16[] calldata batchSizes,
        address[] calldata verifiers
    ) external returns (uint32 architectureId) {
        Store storage store = Stores.get();
        if (outputs == 0) revert IZkOracle.InvalidArchitecture("outputs");
        _requireFeatures(features);
        IZkOracle.Architecture memory added = IZkOracle.Architecture({
            features: features,
            outputs: outputs,
            bindsModel: bindsModel,
            batchSizes: batchSizes,
            verifiers: verifiers,
            codeHashes: new bytes32[](batchSizes.length)
        });
        architectureId = ++store.architectureCount;
        // forge-lint: disable-next-item(unsafe-typecast) -- at most 32 bytes; the rest of the word is zero
        store.features[architectureId] = bytes32(features);
        _addCircuits(store, architectureId, added);
        emit IZkOracle.ArchitectureAdded(architectureId, added);
    }

    function addModel(
        uint256 modelHash,
        uint32 architectureId,
        bytes32 artifactHash,
        uint128 scoreUnit,
        IZkOracle.Probe calldata probe
    ) external returns (uint16 modelNumber) {
        Store storage store = Stores.get();
        Circuit first = _firstShape(store, architectureId);
        // Zero stands for no hash. The verifier refuses a hash that is not below the field's order.
        if (first.bindsModel() != (modelHash != 0) || modelHash >= Instances.FIELD_MODULUS) {
            revert IZkOracle.InvalidModel("modelHash");
        }
        _requireProbe(first, probe);
        modelNumber = ++store.modelCount;
        if (!first.bindsModel()) {
            if (store.onlyModels[architectureId] != 0) revert IZkOracle.InvalidModel("architectureId");
            store.onlyModels[architectureId] = modelNumber;
        }
        store.models[modelNumber] = StoredModel({
            modelHash: modelHash,
            features: store.features[architectureId],
            artifactHash: artifactHash,
            architectureId: architectureId
        });
        for (uint256 i = 0; i < first.count(); ++i) {
            (Circuit circuit, bool fits) = store.shapes[key(architectureId, i)].withScoreUnit(scoreUnit);
            if (!fits) revert IZkOracle.InvalidModel("scoreUnit");
            // A contract can vanish, and be replaced, in the transaction that made it. The hub allows no model in the
            // transaction of its architecture, so from here on the code stays.
            address verifier = circuit.verifier();
            if (verifier.codehash != store.codeHashes[key(architectureId, i)]) {
                revert IZkOracle.VerifierChanged(verifier);
            }
            store.circuits[key(modelNumber, i)] = circuit;
            _proveProbe(circuit, modelHash, probe, i);
        }
        emit IZkOracle.ModelAdded(
            modelNumber,
            IZkOracle.Model({
                modelHash: modelHash, architectureId: architectureId, artifactHash: artifactHash, scoreUnit: scoreUnit
            })
        );
    }

    function requireModel(Store storage store, uint16 modelNumber) internal view {
        if (modelNumber == 0 || modelNumber > store.modelCount) revert IZkOracle.UnknownModel(modelNumber);
    }

    function _requireFeatures(bytes calldata features) private pure {
        if (features.length == 0 || features.length > Features.MAX_LENGTH) {
            revert IZkOracle.InvalidArchitecture("features");
        }
        uint256 seen = 0;
        for (uint256 i = 0; i < features.length; ++i) {
            uint256 code = uint8(features[i]);
            bool isKnown =
                code < Features.PEER_SEEN + Features.MAX_PEERS || (code >= Features.PAST && code < Features.CODES);
            if (!isKnown || seen & (1 << code) != 0) revert IZkOracle.InvalidArchitecture("features");
            seen |= 1 << code;
        }
        if (seen & (1 << Features.MOVE) == 0) revert IZkOracle.InvalidArchitecture("features");
    }

    /// @dev Stores the circuits of an architecture, and notes their verifiers' code in it.
    function _addCircuits(Store storage store, uint32 architectureId, IZkOracle.Architecture memory added) private {
        uint256 count = added.batchSizes.length;
        if (count == 0 || count > MAX_CIRCUITS) revert IZkOracle.InvalidArchitecture("batchSizes");
        if (added.verifiers.length != count) revert IZkOracle.InvalidArchitecture("verifiers");
        uint256 previous = 0;
        for (uint256 i = 0; i < count; ++i) {
            (uint16 size, address verifier) = (added.batchSizes[i], added.verifiers[i]);
            if (size <= previous || size > MAX_BATCH) revert IZkOracle.InvalidArchitecture("batchSizes");
            previous = size;
            if (!Code.isContract(verifier)) revert IZkOracle.NoFixedCode(verifier);
            added.codeHashes[i] = verifier.codehash;
            store.codeHashes[key(architectureId, i)] = verifier.codehash;
            store.shapes[key(architectureId, i)] =
                CircuitSlot.pack(verifier, added.bindsModel, added.features.length, added.outputs, count, size);
        }
    }

    function _firstShape(Store storage store, uint32 architectureId) private view returns (Circuit circuit) {
        circuit = store.shapes[key(architectureId, 0)];
        if (circuit.count() == 0) revert IZkOracle.UnknownArchitecture(architectureId);
    }

    function _requireProbe(Circuit circuit, IZkOracle.Probe calldata probe) private pure {
        if (probe.proofs.length != circuit.count()) revert IZkOracle.InvalidModel("probe.proofs");
        if (probe.window.length != circuit.features()) revert IZkOracle.InvalidModel("probe.window");
        if (probe.scores.length != circuit.outputs()) revert IZkOracle.InvalidModel("probe.scores");
        for (uint256 i = 0; i < probe.window.length; ++i) {
            if (probe.window[i] > Features.CLIP || probe.window[i] < -Features.CLIP) {
                revert IZkOracle.InvalidModel("probe.window");
            }
        }
        for (uint256 i = 0; i < probe.scores.length; ++i) {
            if (probe.scores[i] >= Instances.SCORE_BOUND || probe.scores[i] <= -Instances.SCORE_BOUND) {
                revert IZkOracle.InvalidModel("probe.scores");
            }
        }
    }

    /// @dev The hub writes this statement itself, too: the probe contains integers, not instances.
    function _proveProbe(Circuit circuit, uint256 modelHash, IZkOracle.Probe calldata probe, uint256 index)
        private
        view
    {
        (bytes memory data, uint256[] memory instances) = Instances.openCall(circuit, modelHash, probe.proofs[index]);
        uint256 head = Instances.head(circuit);
        for (uint256 i = 0; i < probe.window.length; ++i) {
            instances[head + i] = Instances.toField(probe.window[i]);
        }
        // The probe's verdict does not matter, only that it is proven.
        uint256 scores = head + circuit.batchSize() * uint256(circuit.features());
        for (uint256 i = 0; i < probe.scores.length; ++i) {
            instances[scores + i] = Instances.toField(probe.scores[i]);
        }
        Instances.pad(instances, circuit, 1);
        Instances.requireAccepted(circuit.verifier(), data);
    }
}
