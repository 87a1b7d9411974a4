// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IZkOracle} from "../src/interfaces/IZkOracle.sol";
import {OracleTest} from "./OracleTest.sol";
import {YesVerifier} from "./mocks/YesVerifier.sol";

/// @dev What a submission costs the hub, as a transaction: each call isolated, its slots cold. The verifiers say yes to
/// everything, so that only reaching them is counted; proofs are as long as ezkl's. `snapshots/Submit.json` holds the
/// figures: `forge test` with FORGE_SNAPSHOT_CHECK=true compares.
contract GasTest is OracleTest {
    uint256 internal constant PRIVATE_PROOF = 2_336;
    uint256 internal constant PUBLIC_PROOF = 1_856;
    uint256 internal constant FEEDS = 16;
    uint8 internal constant FULL = 16;

    uint8[3] internal quorums = [1, 3, 5];
    address internal verifier;

    function setUp() public override {
        super.setUp();
        verifier = address(new YesVerifier());
        for (uint256 i = 3; i < 5; ++i) {
            (address signer, uint256 key) = makeAddrAndKey(string.concat("reporter", vm.toString(i)));
            keys.push(key);
            signers.push(signer);
        }
    }

    /// forge-config: default.isolate = true
    function test_private_accept() public {
        _measureBatches("private", MODEL_HASH, PRIVATE_PROOF);
    }

    /// forge-config: default.isolate = true
    function test_public_accept() public {
        _measureBatches("public", 0, PUBLIC_PROOF);
    }

    /// @dev By quorum, one feed: accepted, held for the first time, held again, confirmed.
    /// forge-config: default.isolate = true
    function test_quorums() public {
        uint16 number = _model(MODEL_HASH);
        for (uint256 q = 0; q < quorums.length; ++q) {
            string memory name = string.concat("private-b1-quorum", vm.toString(quorums[q]));
            bytes32 id = _addFullFeed(name, quorums[q], number);
            bytes memory proof = _noise(PRIVATE_PROOF);
            for (int128 i = 0; i < 3; ++i) {
                _send(number, id, quorums[q], PRICE + i * 1e7, -1_000, proof);
            }
            vm.snapshotGasLastCall("Submit", string.concat(name, "-accept"));
            _send(number, id, quorums[q], 50e8, 1_000, proof);
            vm.snapshotGasLastCall("Submit", string.concat(name, "-hold"));
            _send(number, id, quorums[q], 50e8, 1_000, proof);
            vm.snapshotGasLastCall("Submit", string.concat(name, "-hold-again"));
            _send(number, id, quorums[q], 50e8, 1_000, proof);
            vm.snapshotGasLastCall("Submit", string.concat(name, "-confirm"));
            assertEq(hub.feedState(id).answer, 50e8);
        }
    }

    /// @dev What the bare verification of the same proof costs as a transaction, the verifier's own work apart.
    /// forge-config: default.isolate = true
    function test_overheadOfOneAcceptedReport() public {
        uint16 number = _model(MODEL_HASH);
        bytes32 id = _addFullFeed("overhead", 1, number);
        bytes memory proof = _noise(PRIVATE_PROOF);
        for (int128 i = 0; i < 15; ++i) {
            _send(number, id, 1, PRICE + (i % 2) * 1e7, -1_000, proof);
        }
        uint256[] memory instances = new uint256[](1 + FULL + 1);
        instances[0] = uint256(keccak256("model")) % R;
        int256[] memory window = hub.features(id, PRICE + 2e7, _now() + HEARTBEAT, 0);
        for (uint256 i = 0; i < FULL; ++i) {
            instances[1 + i] = _field(window[i]);
        }
        instances[1 + FULL] = _field(-1_000);
        // A typed call to a `view` function would be a STATICCALL, which is not isolated.
        (bool isOk,) = verifier.call(abi.encodeCall(verifier1.verifyProof, (proof, instances)));
        assertTrue(isOk);
        uint256 bare = vm.lastCallGas().gasTotalUsed;
        _send(number, id, 1, PRICE + 2e7, -1_000, proof);
        uint256 whole = vm.lastCallGas().gasTotalUsed;
        vm.snapshotValue("Submit", "private-b1-quorum1-beyond-verification", whole - bare);
        assertLe(whole - bare, 68_000);
    }

    function _measureBatches(string memory visibility, uint256 modelHash, uint256 proofBytes) internal {
        uint16 number = _model(modelHash);
        bytes memory proof = _noise(proofBytes);
        bytes32[] memory ids = new bytes32[](FEEDS);
        for (uint256 i = 0; i < FEEDS; ++i) {
            ids[i] = _addFullFeed(string.concat(visibility, vm.toString(i)), 1, number);
        }
        _sort(ids);
        // Past the first rounds, whose words were still empty.
        for (uint256 round = 0; round < 3; ++round) {
            _sendBatch(number, ids, FEEDS, proof, -1_000);
        }
        uint256[3] memory sizes = [uint256(1), 4, 16];
        for (uint256 i = 0; i < sizes.length; ++i) {
            string memory name = string.concat(visibility, "-b", vm.toString(sizes[i]));
            _sendBatch(number, ids, sizes[i], proof, -1_000);
            vm.snapshotGasLastCall("Submit", string.concat(name, "-accept"));
        }
        _sendBatch(number, ids, 16, proof, 1_000);
        vm.snapshotGasLastCall("Submit", string.concat(visibility, "-b16-hold"));
        _sendBatch(number, ids, 16, proof, 1_000);
        _sendBatch(number, ids, 16, proof, 1_000);
        vm.snapshotGasLastCall("Submit", string.concat(visibility, "-b16-confirm"));
        assertEq(uint8(hub.feedState(ids[15]).status), uint8(IZkOracle.Status.OK));
    }

    function _model(uint256 modelHash) internal returns (uint16 number) {
        (uint16[] memory sizes, address[] memory verifiers) = (new uint16[](3), new address[](3));
        (sizes[0], sizes[1], sizes[2]) = (1, 4, 16);
        (verifiers[0], verifiers[1], verifiers[2]) = (verifier, verifier, verifier);
        vm.prank(ADMIN);
        uint32 id = hub.addArchitecture(FULL, 1, modelHash != 0, false, sizes, verifiers);
        return _addModel(modelHash, id, keccak256("artifact"), SCORE_UNIT);
    }

    /// @dev With its adapter, as feeds are deployed.
    function _addFullFeed(string memory description, uint8 quorum, uint16 number) internal returns (bytes32 id) {
        vm.prank(ADMIN);
        id = hub.addFeed(_config(description, IZkOracle.Kind.RELATIVE, quorum), signers, number);
        _linked(id);
    }

    function _send(uint16 number, bytes32 id, uint8 quorum, int128 answer, int256 score, bytes memory proof) internal {
        skip(HEARTBEAT);
        (int128[] memory answers, uint32[] memory times) = (new int128[](quorum), new uint32[](quorum));
        for (uint256 i = 0; i < quorum; ++i) {
            (answers[i], times[i]) = (answer, _now());
        }
        IZkOracle.FeedUpdate[] memory updates = _one(_quorumUpdate(id, answers, times, score));
        vm.prank(RELAYER);
        hub.submit(number, updates, proof);
    }

    function _sendBatch(uint16 number, bytes32[] memory ids, uint256 count, bytes memory proof, int256 score) internal {
        skip(HEARTBEAT);
        IZkOracle.FeedUpdate[] memory updates = new IZkOracle.FeedUpdate[](count);
        for (uint256 i = 0; i < count; ++i) {
            int128 answer = score > 0 ? int128(50e8) : PRICE + int128(int256(vm.getBlockTimestamp() % 1e6));
            updates[i] = _update(ids[i], answer, score);
        }
        vm.prank(RELAYER);
        hub.submit(number, updates, proof);
    }

    function _noise(uint256 length) internal pure returns (bytes memory proof) {
        proof = new bytes(length);
        for (uint256 i = 0; i < length; ++i) {
            proof[i] = bytes1(uint8(uint256(keccak256(abi.encode(i))) | 1));
        }
    }
}
