// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Vm} from "forge-std/Vm.sol";

import {OneOutput, Requirement} from "../examples/ClaimConsumers.sol";
import {MockClaimRegistry} from "../mocks/MockClaimRegistry.sol";
import {NotMocked} from "../mocks/NotMocked.sol";
import {IClaimRegistry} from "../src/interfaces/IClaimRegistry.sol";
import {ClaimTest} from "./ClaimTest.sol";
import {StubVerifier} from "./mocks/StubVerifier.sol";

/// @dev The mocked registry of claims beside the real one: consumers read the same.
contract MockClaimsTest is ClaimTest {
    uint256 internal constant ISSUER_KEY = 0xA11CE;

    IClaimRegistry internal registry;
    MockClaimRegistry internal mock;
    bytes32 internal modelId;
    uint40 internal began;

    function setUp() public {
        vm.warp(1_700_000_000);
        (registry, mock) = (_registry(), new MockClaimRegistry());
        modelId = registry.proposeModel(address(new StubVerifier()), MODEL_HASH, 32, LIMIT, 2, false);
        registry.addIssuer(modelId, vm.addr(ISSUER_KEY));
        vm.warp(block.timestamp + DELAY);
        began = uint40(block.timestamp);
    }

    function test_aClaim() public {
        _assertSame();
        uint40 expiresAt = _record();
        _assertSame();
        vm.warp(expiresAt - 1);
        assertTrue(mock.isValid(ALICE, _claim().terms));
        _assertSame();
        skip(1);
        assertFalse(mock.isValid(ALICE, _claim().terms));
        _assertSame();
    }

    function test_aClaimThatIsOver() public {
        _record();
        vm.prank(vm.addr(ISSUER_KEY));
        registry.revoke(_claim().commitment);
        mock.end(ALICE, _claim().terms);
        assertFalse(mock.isValid(ALICE, _claim().terms));
        _assertSame();
    }

    function test_aClaimFromNow() public {
        IClaimRegistry.Terms memory terms = _claim().terms;
        mock.record(ALICE, terms, uint40(block.timestamp + 1 days));
        assertTrue(mock.isValid(ALICE, terms));
        assertEq(mock.recorded(ALICE, terms).issuedAt, block.timestamp);
    }

    function test_whatIsNotMocked() public {
        vm.expectRevert(abi.encodeWithSelector(NotMocked.selector, "revoke: use end"));
        mock.revoke(42);
    }

    function _claim() internal view returns (IClaimRegistry.Claim memory claim) {
        (claim.subject, claim.commitment, claim.expiresAt) = (ALICE, 42, began + 30 days);
        claim.terms = OneOutput.terms(Requirement(modelId, 1, 5, 10));
    }

    /// @dev The same claim in both, with the same event.
    function _record() internal returns (uint40 expiresAt) {
        IClaimRegistry.Claim memory claim = _claim();
        IClaimRegistry.Attestation memory attestation = _attestation(registry, ISSUER_KEY, claim);
        expiresAt = attestation.expiresAt;
        bytes memory proof = _proof(claim, 2, false);
        vm.recordLogs();
        vm.prank(ALICE);
        registry.submitClaim(claim, STATEMENT_HASH, attestation, proof);
        Vm.Log[] memory real = vm.getRecordedLogs();
        vm.recordLogs();
        mock.record(
            ALICE,
            claim.terms,
            IClaimRegistry.Recorded(vm.addr(ISSUER_KEY), attestation.expiresAt, attestation.issuedAt, claim.commitment)
        );
        Vm.Log[] memory mocked = vm.getRecordedLogs();
        assertEq(abi.encode(real[0].topics), abi.encode(mocked[0].topics));
        assertEq(real[0].data, mocked[0].data);
    }

    function _assertSame() internal view {
        IClaimRegistry.Claim memory claim = _claim();
        for (int128 lo = 4; lo < 7; ++lo) {
            for (int128 hi = 9; hi < 12; ++hi) {
                for (uint8 output = 0; output < 2; ++output) {
                    IClaimRegistry.Terms memory wanted = OneOutput.terms(Requirement(modelId, output, lo, hi));
                    _assertSameAnswer(abi.encodeCall(IClaimRegistry.isValid, (ALICE, wanted)));
                    _assertSameAnswer(abi.encodeCall(IClaimRegistry.isValid, (MALLORY, wanted)));
                    _assertSameAnswer(abi.encodeCall(IClaimRegistry.recorded, (ALICE, wanted)));
                    _assertSameAnswer(abi.encodeCall(IClaimRegistry.covers, (ALICE, wanted, claim.terms)));
                    _assertSameAnswer(abi.encodeCall(IClaimRegistry.covers, (ALICE, claim.terms, wanted)));
                }
            }
        }
        IClaimRegistry.Terms memory nothing;
        _assertSameAnswer(abi.encodeCall(IClaimRegistry.covers, (ALICE, nothing, claim.terms)));
        IClaimRegistry.Terms memory changed = OneOutput.changedAtMost(modelId, 1, 5, 7);
        _assertSameAnswer(abi.encodeCall(IClaimRegistry.covers, (ALICE, changed, claim.terms)));
    }

    function _assertSameAnswer(bytes memory call) internal view {
        (bool isOk, bytes memory answer) = address(registry).staticcall(call);
        (bool isMockOk, bytes memory mockAnswer) = address(mock).staticcall(call);
        assertTrue(isOk && isMockOk);
        assertEq(answer, mockAnswer);
    }
}
