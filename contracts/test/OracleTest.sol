// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";
import {VmSafe} from "forge-std/Vm.sol";

import {IZkAggregator} from "../src/interfaces/IZkAggregator.sol";
import {IZkAggregatorFactory} from "../src/interfaces/IZkAggregatorFactory.sol";
import {IZkOracle} from "../src/interfaces/IZkOracle.sol";
import {IHub} from "./IHub.sol";
import {StubVerifier} from "./mocks/StubVerifier.sol";

/// @dev A hub with one model and two feeds, and the off-chain work of a reporter and a prover. The statement is built
/// here from the interface's description, not with the hub's code.
abstract contract OracleTest is Test {
    uint256 internal constant R = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001;
    uint256 internal constant MODEL_HASH = 0x1234567890abcdef;
    uint128 internal constant SCORE_UNIT = 1_000_000;
    uint8 internal constant LENGTH = 6;
    uint32 internal constant HEARTBEAT = 3_600;
    uint32 internal constant MAX_AGE = 600;
    uint32 internal constant MAX_SKEW = 30;
    uint32 internal constant CONFIRM_DELAY = 900;
    uint32 internal constant TOLERANCE = 2_000;
    uint32 internal constant DELAY = 2 days;
    int128 internal constant PRICE = 100e8;

    address internal immutable ADMIN = makeAddr("admin");
    address internal immutable GUARDIAN = makeAddr("guardian");
    address internal immutable RELAYER = makeAddr("relayer");

    IZkAggregatorFactory internal factory;
    IHub internal hub;
    StubVerifier internal verifier1;
    StubVerifier internal verifier4;
    uint32 internal architectureId;
    uint16 internal modelNumber;
    bytes32 internal feedId;
    uint256[] internal keys;
    address[] internal signers;

    function setUp() public virtual {
        vm.warp(1_700_000_000);
        hub = _newHub();
        verifier1 = new StubVerifier();
        verifier4 = new StubVerifier();
        for (uint256 i = 0; i < 3; ++i) {
            (address signer, uint256 key) = makeAddrAndKey(string(abi.encodePacked("reporter", vm.toString(i))));
            keys.push(key);
            signers.push(signer);
        }
        vm.startPrank(ADMIN);
        architectureId = _addArchitecture(1, true);
        modelNumber = _addModel(MODEL_HASH, architectureId, keccak256("artifact"), SCORE_UNIT);
        feedId = _addFeed("ETH / USD", IZkOracle.Kind.RELATIVE, 1);
        vm.stopPrank();
    }

    function _newHub() internal returns (IHub) {
        if (address(factory) == address(0)) {
            factory = IZkAggregatorFactory(deployCode("ZkAggregatorFactory.sol:ZkAggregatorFactory"));
        }
        return IHub(deployCode("ZkOracle.sol:ZkOracle", abi.encode(ADMIN, GUARDIAN, DELAY, factory)));
    }

    function _newAdapter(bytes32 id, bool strict) internal returns (IZkAggregator) {
        return IZkAggregator(factory.deploy(hub, id, strict));
    }

    /// @dev The admin adds the model, with a correct probe.
    function _addModel(uint256 modelHash, uint32 id, bytes32 artifactHash, uint128 unit) internal returns (uint16) {
        IZkOracle.Probe memory probe = _probe(modelHash, id);
        (VmSafe.CallerMode mode,,) = vm.readCallers();
        if (mode == VmSafe.CallerMode.None) vm.prank(ADMIN);
        return hub.addModel(modelHash, id, artifactHash, unit, probe);
    }

    /// @dev A calm window, and a proof of it for each of the architecture's circuits.
    function _probe(uint256 modelHash, uint32 id) internal view returns (IZkOracle.Probe memory probe) {
        IZkOracle.Architecture memory found = hub.architecture(id);
        probe.window = new int256[](found.features);
        probe.window[0] = -7;
        probe.window[found.features - 1] = 1_000;
        probe.scores = new int256[](found.outputs);
        probe.scores[0] = -1;
        probe.proofs = new bytes[](found.batchSizes.length);
        for (uint256 i = 0; i < found.batchSizes.length; ++i) {
            probe.proofs[i] = _proof(_probeInstances(modelHash, probe, found.batchSizes[i]));
        }
    }

    function _probeInstances(uint256 modelHash, IZkOracle.Probe memory probe, uint256 batch)
        internal
        pure
        returns (uint256[] memory instances)
    {
        uint256 head = modelHash == 0 ? 0 : 1;
        (uint256 length, uint256 outputs) = (probe.window.length, probe.scores.length);
        instances = new uint256[](head + batch * (length + outputs));
        if (head == 1) instances[0] = modelHash;
        for (uint256 i = 0; i < batch; ++i) {
            for (uint256 j = 0; j < length; ++j) {
                instances[head + i * length + j] = _field(probe.window[j]);
            }
            for (uint256 j = 0; j < outputs; ++j) {
                instances[head + batch * length + i * outputs + j] = _field(probe.scores[j]);
            }
        }
    }

    function _addArchitecture(uint8 outputs, bool bindsModel) internal returns (uint32) {
        (uint16[] memory sizes, address[] memory verifiers) = (new uint16[](2), new address[](2));
        (sizes[0], sizes[1]) = (1, 4);
        (verifiers[0], verifiers[1]) = (address(verifier1), address(verifier4));
        return hub.addArchitecture(LENGTH, outputs, bindsModel, false, sizes, verifiers);
    }

    function _config(string memory description, IZkOracle.Kind kind, uint8 quorum)
        internal
        pure
        returns (IZkOracle.FeedConfig memory)
    {
        return IZkOracle.FeedConfig({
            description: description,
            kind: kind,
            decimals: 8,
            quorum: quorum,
            confirmations: 2,
            maxRepeats: 0,
            heartbeat: HEARTBEAT,
            maxAge: MAX_AGE,
            maxSkew: MAX_SKEW,
            confirmDelay: CONFIRM_DELAY,
            tolerance: TOLERANCE,
            maxSpread: 0,
            sigma: kind == IZkOracle.Kind.RELATIVE ? 10_000 : 100
        });
    }

    function _addFeed(string memory description, IZkOracle.Kind kind, uint8 quorum) internal returns (bytes32) {
        return hub.addFeed(_config(description, kind, quorum), signers, modelNumber);
    }

    // The reporter's work

    function _sign(uint256 key, bytes32 id, uint32 roundId, int128 answer, uint32 observedAt)
        internal
        view
        returns (IZkOracle.Observation memory observation)
    {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, _digest(address(hub), id, roundId, answer, observedAt));
        return IZkOracle.Observation({answer: answer, observedAt: observedAt, v: v, r: r, s: s});
    }

    function _digest(address verifyingContract, bytes32 id, uint32 roundId, int128 answer, uint32 observedAt)
        internal
        view
        returns (bytes32)
    {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("ZkOracle"),
                keccak256("1"),
                block.chainid,
                verifyingContract
            )
        );
        bytes32 typeHash = keccak256("Observation(bytes32 feedId,uint32 roundId,int128 answer,uint32 observedAt)");
        bytes32 content = keccak256(abi.encode(typeHash, id, roundId, answer, observedAt));
        return keccak256(abi.encodePacked(hex"1901", domain, content));
    }

    function _now() internal view returns (uint32) {
        return uint32(vm.getBlockTimestamp());
    }

    /// @dev One report of the first reporter, observed now, for the feed's next round.
    function _update(bytes32 id, int128 answer, int256 score)
        internal
        view
        returns (IZkOracle.FeedUpdate memory update)
    {
        return _updateAt(id, answer, score, _now());
    }

    function _updateAt(bytes32 id, int128 answer, int256 score, uint32 observedAt)
        internal
        view
        returns (IZkOracle.FeedUpdate memory update)
    {
        update.feedId = id;
        update.roundId = hub.feedState(id).roundId + 1;
        update.observations = new IZkOracle.Observation[](1);
        update.observations[0] = _sign(keys[0], id, update.roundId, answer, observedAt);
        update.scores = new int256[](1);
        update.scores[0] = score;
    }

    /// @dev One report of the first `answers.length` reporters. The answers are sorted.
    function _quorumUpdate(bytes32 id, int128[] memory answers, uint32[] memory times, int256 score)
        internal
        view
        returns (IZkOracle.FeedUpdate memory update)
    {
        update = _updateAt(id, answers[0], score, times[0]);
        update.observations = new IZkOracle.Observation[](answers.length);
        for (uint256 i = 0; i < answers.length; ++i) {
            update.observations[i] = _sign(keys[i], id, update.roundId, answers[i], times[i]);
        }
    }

    /// @dev Feeds of a submission ascend.
    function _sort(bytes32[] memory ids) internal pure {
        for (uint256 i = 1; i < ids.length; ++i) {
            for (uint256 j = i; j > 0 && ids[j - 1] > ids[j]; --j) {
                (ids[j - 1], ids[j]) = (ids[j], ids[j - 1]);
            }
        }
    }

    function _one(IZkOracle.FeedUpdate memory update) internal pure returns (IZkOracle.FeedUpdate[] memory updates) {
        updates = new IZkOracle.FeedUpdate[](1);
        updates[0] = update;
    }

    // The prover's work

    function _field(int256 value) internal pure returns (uint256) {
        // forge-lint: disable-next-item(unsafe-typecast) -- neither is negative
        return value < 0 ? R - uint256(-value) : uint256(value);
    }

    /// @dev The statement, from the feeds' public history, for updates whose medians are `answers` at `times`.
    function _instances(
        IZkOracle.FeedUpdate[] memory updates,
        int128[] memory answers,
        uint32[] memory times,
        uint256 batch
    ) internal view returns (uint256[] memory instances) {
        uint256 outputs = updates[0].scores.length;
        instances = new uint256[](1 + batch * (LENGTH + outputs));
        instances[0] = MODEL_HASH;
        for (uint256 i = 0; i < batch; ++i) {
            uint256 k = i < updates.length ? i : updates.length - 1;
            int256[] memory window = _window(updates[k].feedId, answers[k], times[k]);
            for (uint256 j = 0; j < LENGTH; ++j) {
                instances[1 + i * LENGTH + j] = _field(window[j]);
            }
            for (uint256 j = 0; j < outputs; ++j) {
                instances[1 + batch * LENGTH + i * outputs + j] = _field(updates[k].scores[j]);
            }
        }
    }

    function _window(bytes32 id, int128 answer, uint32 observedAt) internal view returns (int256[] memory window) {
        IZkOracle.FeedState memory state = hub.feedState(id);
        IZkOracle.FeedConfig memory config = hub.feedConfig(id);
        window = new int256[](LENGTH);
        window[LENGTH - 1] = 1_000;
        if (state.roundId == 0) return window;
        window[0] = _move(config, answer, state.answer);
        for (uint256 i = 1; i < LENGTH - 1; ++i) {
            window[i] = state.returns_[i - 1];
        }
        uint256 gap = uint256(observedAt - state.observedAt) * 1_000 / config.heartbeat;
        window[LENGTH - 1] = int256(gap < 1_000 ? 1_000 : gap > 32_767 ? 32_767 : gap);
    }

    function _move(IZkOracle.FeedConfig memory config, int256 p, int256 q) internal pure returns (int256 moved) {
        if (config.kind == IZkOracle.Kind.ABSOLUTE) moved = (p - q) * 1_000 / int256(uint256(config.sigma));
        else if (p <= 0) moved = -32_767;
        else moved = (p - q) * 1e9 / ((p < q ? p : q) * int256(uint256(config.sigma)));
        if (moved > 32_767) return 32_767;
        if (moved < -32_767) return -32_767;
    }

    function _proof(uint256[] memory instances) internal pure returns (bytes memory) {
        return abi.encode(keccak256(abi.encode(instances)));
    }

    /// @dev The statement for one update of one observation.
    function _proofOf(IZkOracle.FeedUpdate memory update) internal view returns (bytes memory) {
        (int128[] memory answers, uint32[] memory times) = (new int128[](1), new uint32[](1));
        (answers[0], times[0]) = (update.observations[0].answer, update.observations[0].observedAt);
        return _proof(_instances(_one(update), answers, times, 1));
    }

    function _submit(IZkOracle.FeedUpdate memory update) internal {
        bytes memory proof = _proofOf(update);
        vm.prank(RELAYER);
        hub.submit(modelNumber, _one(update), proof);
    }

    /// @dev Submits one report, observed now, with a proof of it.
    function _report(bytes32 id, int128 answer, int256 score) internal virtual {
        _submit(_update(id, answer, score));
    }

    function _linked(bytes32 id) internal returns (IZkAggregator adapter) {
        adapter = _newAdapter(id, false);
        vm.prank(ADMIN);
        hub.linkAggregator(id);
    }
}
