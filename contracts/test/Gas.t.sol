// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IZkOracle} from "../src/interfaces/IZkOracle.sol";
import {OracleTest} from "./OracleTest.sol";
import {YesVerifier} from "./mocks/YesVerifier.sol";

/// @dev The gas of a submission in the hub, as a transaction: each call is isolated, with its slots cold. The verifiers
/// accept everything, so that only the call to them counts; proofs are as long as ezkl's. `snapshots/Submit.json` has
/// the figures, and `forge test` with FORGE_SNAPSHOT_CHECK=true compares them.
contract GasTest is OracleTest {
    uint256 internal constant PRIVATE_PROOF = 2_336;
    uint256 internal constant PUBLIC_PROOF = 1_856;
    uint256 internal constant FEEDS = 16;
    uint8 internal constant FULL = 16;

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
    function test_private_quorum1() public {
        _measure("private", MODEL_HASH, PRIVATE_PROOF, 1);
    }

    /// forge-config: default.isolate = true
    function test_private_quorum3() public {
        _measure("private", MODEL_HASH, PRIVATE_PROOF, 3);
    }

    /// forge-config: default.isolate = true
    function test_private_quorum5() public {
        _measure("private", MODEL_HASH, PRIVATE_PROOF, 5);
    }

    /// forge-config: default.isolate = true
    function test_public_quorum1() public {
        _measure("public", 0, PUBLIC_PROOF, 1);
    }

    /// forge-config: default.isolate = true
    function test_public_quorum3() public {
        _measure("public", 0, PUBLIC_PROOF, 3);
    }

    /// forge-config: default.isolate = true
    function test_public_quorum5() public {
        _measure("public", 0, PUBLIC_PROOF, 5);
    }

    /// @dev The gas of bare verification of the same proof, as a transaction, without the verifier's own work.
    /// forge-config: default.isolate = true
    function test_overheadOfOneAcceptedReport() public {
        uint16 number = _model(MODEL_HASH);
        bytes32 id = _addFullFeed("overhead", 1, number);
        bytes memory proof = _noise(PRIVATE_PROOF);
        bytes32[] memory ids = new bytes32[](1);
        ids[0] = id;
        for (int128 i = 0; i < 15; ++i) {
            _send(number, ids, 1, 1, PRICE + (i % 2) * 1e7, -1_000, proof);
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
        _send(number, ids, 1, 1, PRICE + 2e7, -1_000, proof);
        uint256 whole = vm.lastCallGas().gasTotalUsed;
        vm.snapshotValue("Submit", "private-b1-quorum1-beyond-verification", whole - bare);
        assertLe(whole - bare, 68_000);
    }

    /// @dev For each batch size: accepted, held for the first time, held again, confirmed.
    function _measure(string memory visibility, uint256 modelHash, uint256 proofBytes, uint8 quorum) internal {
        uint16 number = _model(modelHash);
        bytes memory proof = _noise(proofBytes);
        bytes32[] memory ids = new bytes32[](FEEDS);
        for (uint256 i = 0; i < FEEDS; ++i) {
            ids[i] = _addFullFeed(string.concat(visibility, vm.toString(i)), quorum, number);
        }
        _sort(ids);
        // The first rounds, whose words were still empty, are past.
        for (int128 i = 0; i < 3; ++i) {
            _send(number, ids, FEEDS, quorum, PRICE + i * 1e7, -1_000, proof);
        }
        uint256[3] memory sizes = [uint256(1), 4, 16];
        uint256 calm = vm.snapshotState();
        string[3] memory outcomes = ["hold", "hold-again", "confirm"];
        for (uint256 i = 0; i < sizes.length; ++i) {
            string memory name =
                string.concat(visibility, "-b", vm.toString(sizes[i]), "-quorum", vm.toString(quorum), "-");
            // forge-lint: disable-next-line(unsafe-typecast) -- small
            int128 level = int128(int256(i + 1)) * 50e8;
            _send(number, ids, sizes[i], quorum, PRICE + 5e7, -1_000, proof);
            vm.snapshotGasLastCall("Submit", string.concat(name, "accept"));
            for (uint256 j = 0; j < outcomes.length; ++j) {
                _send(number, ids, sizes[i], quorum, level, 1_000, proof);
                vm.snapshotGasLastCall("Submit", string.concat(name, outcomes[j]));
            }
            assertEq(hub.feedState(ids[sizes[i] - 1]).answer, level);
            assertEq(uint8(hub.feedState(ids[sizes[i] - 1]).status), uint8(IZkOracle.Status.OK));
            assertTrue(vm.revertToState(calm));
        }
    }

    function _model(uint256 modelHash) internal returns (uint16 number) {
        (uint16[] memory sizes, address[] memory verifiers) = (new uint16[](3), new address[](3));
        (sizes[0], sizes[1], sizes[2]) = (1, 4, 16);
        (verifiers[0], verifiers[1], verifiers[2]) = (verifier, verifier, verifier);
        vm.prank(ADMIN);
        uint32 id = hub.addArchitecture(FULL, 1, modelHash != 0, false, sizes, verifiers);
        return _addModel(modelHash, id, keccak256("artifact"), SCORE_UNIT);
    }

    /// @dev The feed has its adapter, as deployed feeds do.
    function _addFullFeed(string memory description, uint8 quorum, uint16 number) internal returns (bytes32 id) {
        vm.prank(ADMIN);
        id = hub.addFeed(_config(description, IZkOracle.Kind.RELATIVE, quorum), signers, number);
        _linked(id);
    }

    /// @dev One report, signed by a quorum, for each of the first `count` feeds.
    function _send(
        uint16 number,
        bytes32[] memory ids,
        uint256 count,
        uint8 quorum,
        int128 answer,
        int256 score,
        bytes memory proof
    ) internal {
        skip(HEARTBEAT);
        (int128[] memory answers, uint32[] memory times) = (new int128[](quorum), new uint32[](quorum));
        for (uint256 i = 0; i < quorum; ++i) {
            (answers[i], times[i]) = (answer, _now());
        }
        IZkOracle.FeedUpdate[] memory updates = new IZkOracle.FeedUpdate[](count);
        for (uint256 i = 0; i < count; ++i) {
            updates[i] = _quorumUpdate(ids[i], answers, times, score);
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
