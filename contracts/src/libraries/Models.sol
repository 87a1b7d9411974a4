// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IZkOracle} from "../interfaces/IZkOracle.sol";
import {Features} from "./Features.sol";
import {Instances} from "./Instances.sol";
import {Circuit, CircuitSlot} from "./Slots.sol";
import {Store, StoredModel} from "./Store.sol";

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
        Store storage store,
        uint8 features,
        uint8 outputs,
        bool bindsModel,
        bool hasSpread,
        uint16[] calldata batchSizes,
        address[] calldata verifiers
    ) external returns (uint32 architectureId) {
        // The spread takes the place of a past move, and at least one past move has to remain.
        if (features < Features.MIN_LENGTH + (hasSpread ? 1 : 0) || features > Features.MAX_LENGTH) {
            revert IZkOracle.InvalidArchitecture("features");
        }
        if (outputs == 0) revert IZkOracle.InvalidArchitecture("outputs");
        uint256 count = batchSizes.length;
        if (count == 0 || count > MAX_CIRCUITS) revert IZkOracle.InvalidArchitecture("batchSizes");
        if (verifiers.length != count) revert IZkOracle.InvalidArchitecture("verifiers");
        architectureId = ++store.architectureCount;
        uint256 previous = 0;
        for (uint256 i = 0; i < count; ++i) {
            if (batchSizes[i] <= previous || batchSizes[i] > MAX_BATCH) {
                revert IZkOracle.InvalidArchitecture("batchSizes");
            }
            previous = batchSizes[i];
            if (verifiers[i].code.length == 0) revert IZkOracle.VerifierHasNoCode(verifiers[i]);
            store.codeHashes[key(architectureId, i)] = verifiers[i].codehash;
            // forge-lint: disable-next-item(unsafe-typecast) -- at most MAX_CIRCUITS
            store.shapes[key(architectureId, i)] =
                CircuitSlot.pack(verifiers[i], bindsModel, hasSpread, features, outputs, uint8(count), batchSizes[i]);
        }
        emit IZkOracle.ArchitectureAdded(architectureId, architecture(store, architectureId));
    }

    function addModel(
        Store storage store,
        uint256 modelHash,
        uint32 architectureId,
        bytes32 artifactHash,
        uint128 scoreUnit,
        IZkOracle.Probe calldata probe
    ) external returns (uint16 modelNumber) {
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
        store.models[modelNumber] =
            StoredModel({modelHash: modelHash, artifactHash: artifactHash, architectureId: architectureId});
        for (uint256 i = 0; i < first.count(); ++i) {
            (Circuit circuit, bool fits) = store.shapes[key(architectureId, i)].withScoreUnit(scoreUnit);
            if (!fits) revert IZkOracle.InvalidModel("scoreUnit");
            store.circuits[key(modelNumber, i)] = circuit;
            _proveProbe(circuit, modelHash, probe, i);
        }
        emit IZkOracle.ModelAdded(modelNumber, model(store, modelNumber));
    }

    function architecture(Store storage store, uint32 architectureId)
        public
        view
        returns (IZkOracle.Architecture memory found)
    {
        Circuit circuit = _firstShape(store, architectureId);
        uint256 count = circuit.count();
        found.features = circuit.features();
        found.outputs = circuit.outputs();
        found.bindsModel = circuit.bindsModel();
        found.hasSpread = circuit.hasSpread();
        found.batchSizes = new uint16[](count);
        found.verifiers = new address[](count);
        found.codeHashes = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            circuit = store.shapes[key(architectureId, i)];
            found.batchSizes[i] = circuit.batchSize();
            found.verifiers[i] = circuit.verifier();
            found.codeHashes[i] = store.codeHashes[key(architectureId, i)];
        }
    }

    function model(Store storage store, uint16 modelNumber) public view returns (IZkOracle.Model memory) {
        requireModel(store, modelNumber);
        StoredModel storage found = store.models[modelNumber];
        return IZkOracle.Model({
            modelHash: found.modelHash,
            architectureId: found.architectureId,
            artifactHash: found.artifactHash,
            scoreUnit: store.circuits[key(modelNumber, 0)].scoreUnit()
        });
    }

    function requireModel(Store storage store, uint16 modelNumber) internal view {
        if (modelNumber == 0 || modelNumber > store.modelCount) revert IZkOracle.UnknownModel(modelNumber);
    }

    function _firstShape(Store storage store, uint32 architectureId) private view returns (Circuit circuit) {
        circuit = store.shapes[key(architectureId, 0)];
        if (circuit.count() == 0) revert IZkOracle.UnknownArchitecture(architectureId);
    }

    function _requireProbe(Circuit circuit, IZkOracle.Probe calldata probe) private pure {
        if (probe.proofs.length != circuit.count()) revert IZkOracle.InvalidModel("probe.proofs");
        if (probe.window.length != circuit.features()) revert IZkOracle.InvalidModel("probe.window");
        for (uint256 i = 0; i < probe.window.length; ++i) {
            if (probe.window[i] > Features.CLIP || probe.window[i] < -Features.CLIP) {
                revert IZkOracle.InvalidModel("probe.window");
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
        // slither-disable-next-line unused-return -- the probe's verdict does not matter, only that it is proven
        Instances.writeScores(instances, circuit, 0, 0, probe.scores);
        Instances.pad(instances, circuit, 1);
        Instances.requireAccepted(circuit.verifier(), data);
    }
}
