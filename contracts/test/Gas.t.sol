// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IZkOracle} from "../src/interfaces/IZkOracle.sol";
import {OracleTest} from "./OracleTest.sol";
import {YesVerifier} from "./mocks/YesVerifier.sol";

/// @dev What a submission costs beyond the bare verification, as transactions: each call isolated, its slots cold.
contract GasTest is OracleTest {
    uint256 internal constant PROOF_BYTES = 2_336;

    function setUp() public override {
        super.setUp();
        bytes memory code = address(new YesVerifier()).code;
        vm.etch(address(verifier1), code);
        vm.etch(address(verifier4), code);
        _linked(feedId);
        // Past the first rounds, whose slots were still empty.
        for (int128 i = 0; i < 3; ++i) {
            _report(feedId, PRICE + i * 1e7, -1);
            skip(HEARTBEAT);
        }
    }

    /// forge-config: default.isolate = true
    function test_overheadOfOneAcceptedReport() public {
        bytes memory proof = _noise();
        IZkOracle.FeedUpdate[] memory updates = _one(_update(feedId, 101e8, -1_000));
        (int128[] memory answers, uint32[] memory times) = (new int128[](1), new uint32[](1));
        (answers[0], times[0]) = (101e8, _now());
        uint256[] memory instances = _instances(updates, answers, times, 1);

        // A typed call to a `view` function would be a STATICCALL, which is not isolated.
        (bool isOk,) = address(verifier1).call(abi.encodeCall(verifier1.verifyProof, (proof, instances)));
        assertTrue(isOk);
        uint256 bare = vm.lastCallGas().gasTotalUsed;
        vm.prank(RELAYER);
        hub.submit(modelNumber, updates, proof);
        uint256 whole = vm.lastCallGas().gasTotalUsed;
        emit log_named_uint("gas of an accepted report beyond the bare verification", whole - bare);
        assertLe(whole - bare, 85_000);
    }

    /// forge-config: default.isolate = true
    function test_overheadOfOneHeldReport() public {
        bytes memory proof = _noise();
        IZkOracle.FeedUpdate[] memory updates = _one(_update(feedId, 10e8, 1_000));
        vm.prank(RELAYER);
        hub.submit(modelNumber, updates, proof);
        uint256 held = vm.lastCallGas().gasTotalUsed;
        // A held report writes three new words, once; later ones write over them.
        emit log_named_uint("gas of a first held report, verification apart", held);
        assertLe(held, 160_000);
    }

    function _noise() internal pure returns (bytes memory proof) {
        proof = new bytes(PROOF_BYTES);
        for (uint256 i = 0; i < PROOF_BYTES; ++i) {
            proof[i] = bytes1(uint8(uint256(keccak256(abi.encode(i))) | 1));
        }
    }
}
