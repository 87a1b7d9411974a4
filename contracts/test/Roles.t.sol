// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {
    IAccessControlDefaultAdminRules
} from "@openzeppelin/contracts/access/extensions/IAccessControlDefaultAdminRules.sol";
import {VmSafe} from "forge-std/Vm.sol";

import {IZkAggregator} from "../src/interfaces/IZkAggregator.sol";
import {IZkOracle} from "../src/interfaces/IZkOracle.sol";
import {IHub} from "./IHub.sol";
import {OracleTest} from "./OracleTest.sol";

/// @dev Who may call what, and that the hub alone runs what its libraries contain.
contract RolesTest is OracleTest {
    /// @dev A call that works in the state that `setUp` leaves, unless its caller may not make it.
    struct Case {
        bytes data;
        bool forGuardian;
    }

    uint16 internal second;

    /// @dev Everything is proposed, or can be proposed, so that each of the cases works.
    function setUp() public override {
        super.setUp();
        second = _addModel(99, architectureId, keccak256("second"), SCORE_UNIT);
        uint16 third = _addModel(100, architectureId, keccak256("third"), SCORE_UNIT);
        vm.startPrank(ADMIN);
        hub.proposeModel(feedId, second, 0, 0);
        skip(DELAY);
        hub.activateModel(feedId);
        hub.proposeModel(feedId, third, 0, 0);
        hub.proposeReporters(solo, signers, 3);
        hub.pause(feedId);
        hub.proposeUnpause(feedId);
        vm.stopPrank();
        _newAdapter(feedId, IZkAggregator.Mode.PLAIN);
        skip(DELAY);
    }

    function test_whoMayCallWhat() public {
        Case[] memory cases = _cases();
        bytes32 guardian = hub.GUARDIAN_ROLE();
        address former = makeAddr("former");
        vm.startPrank(ADMIN);
        hub.grantRole(guardian, former);
        hub.revokeRole(guardian, former);
        vm.stopPrank();
        address[5] memory strangers = [RELAYER, former, address(hub), signers[0], address(0)];
        for (uint256 i = 0; i < cases.length; ++i) {
            bytes32 role = cases[i].forGuardian ? guardian : bytes32(0);
            uint256 state = vm.snapshotState();
            for (uint256 j = 0; j < strangers.length; ++j) {
                _expectDenied(strangers[j], role, cases[i].data);
            }
            if (cases[i].forGuardian) _expectAllowed(GUARDIAN, cases[i].data);
            else _expectDenied(GUARDIAN, role, cases[i].data);
            assertTrue(vm.revertToState(state));
            _expectAllowed(ADMIN, cases[i].data);
            assertTrue(vm.revertToState(state));
        }
    }

    /// @dev No function takes money.
    function test_noFunctionTakesMoney() public {
        Case[] memory cases = _cases();
        vm.deal(ADMIN, 1 ether);
        for (uint256 i = 0; i <= cases.length + 3; ++i) {
            IZkOracle.Submission memory none;
            bytes memory data = i < cases.length
                ? cases[i].data
                : i == cases.length
                    ? abi.encodeCall(hub.submit, (none))
                    : i == cases.length + 1
                        ? abi.encodeCall(hub.submitIfNewer, (none))
                        : i == cases.length + 2 ? abi.encodeCall(hub.submitShadow, (none)) : bytes("");
            vm.prank(ADMIN);
            (bool isOk, bytes memory result) = address(hub).call{value: 1}(data);
            assertFalse(isOk);
            assertEq(result, "");
        }
        assertEq(address(hub).balance, 0);
    }

    function test_unknownFunctionsFail() public {
        vm.startPrank(ADMIN);
        (bool isOk, bytes memory result) = address(hub).call(hex"deadbeef");
        assertFalse(isOk);
        assertEq(result, "");
        (isOk,) = address(hub).call("");
        assertFalse(isOk);
    }

    // Forwarding

    /// @dev What a library returns is what the hub returns, byte for byte.
    function test_resultsPassThrough() public {
        vm.startPrank(ADMIN);
        // forge-lint: disable-next-line(unchecked-call) -- only its effects matter
        (, bytes memory result) = address(hub).call(abi.encodeCall(hub.addCommittee, (signers, 3)));
        assertEq(result, abi.encode(uint256(3)));
        // forge-lint: disable-next-line(unchecked-call) -- only its effects matter
        (, result) = address(hub).call(abi.encodeCall(hub.addFeed, (_other(), second)));
        assertEq(result, abi.encode(keccak256("other")));
        // forge-lint: disable-next-line(unchecked-call) -- only its effects matter
        (, result) = address(hub).call(abi.encodeCall(hub.pause, (feedId)));
        assertEq(result, "");
    }

    /// @dev So is the reason of a failure: an error of the library, one of a contract that it asks, and none.
    function test_reasonsPassThrough() public {
        vm.startPrank(ADMIN);
        (bool isOk, bytes memory result) = address(hub).call(abi.encodeCall(hub.addFeed, (_other(), 77)));
        assertFalse(isOk);
        assertEq(result, abi.encodeWithSelector(IZkOracle.UnknownModel.selector, 77));
        vm.mockCallRevert(address(factory), abi.encodeWithSelector(factory.addressOf.selector), "the factory's reason");
        (isOk, result) = address(hub).call(abi.encodeCall(hub.linkAggregator, (feedId)));
        assertFalse(isOk);
        assertEq(result, "the factory's reason");
        // A Kind that does not exist: neither decoder takes it.
        bytes memory data = abi.encodeCall(hub.addFeed, (_other(), second));
        data[4 + 0x40 + 0x20 + 0x1f] = 0x02;
        (isOk, result) = address(hub).call(data);
        assertFalse(isOk);
        assertEq(result, "");
        assertEq(lens.feedIds(hub).length, 1);
    }

    /// @dev Parameters are those of the hub's function. What stands behind them is not read.
    function test_bytesAfterTheParameters() public {
        vm.prank(ADMIN);
        (bool isOk,) = address(hub)
            .call(abi.encodePacked(abi.encodeCall(hub.activateReporters, (solo)), uint256(7), type(uint256).max));
        assertTrue(isOk);
        assertEq(lens.committee(hub, solo).epoch, 2);
    }

    /// @dev A parameter that is too short, or has more bits than its type, is refused before anything is written.
    function test_malformedParameters() public {
        bytes[3] memory bad = [
            abi.encodePacked(hub.activateReporters.selector, uint24(0)),
            abi.encodePacked(hub.activateReporters.selector, uint256(solo) | (1 << 32)),
            abi.encodePacked(hub.pause.selector)
        ];
        for (uint256 i = 0; i < bad.length; ++i) {
            vm.prank(ADMIN);
            (bool isOk, bytes memory result) = address(hub).call(bad[i]);
            assertFalse(isOk);
            assertEq(result, "");
        }
        assertEq(lens.committee(hub, solo).epoch, 1);
    }

    /// @dev The libraries are contracts with the same functions, but without the hub's storage. Called directly, they
    /// refuse.
    function test_librariesRefuseDirectCalls() public {
        bytes[] memory calls = new bytes[](5);
        calls[0] = abi.encodeCall(hub.addCommittee, (signers, 1));
        calls[1] = abi.encodeCall(hub.addModel, (101, architectureId, bytes32(0), 1, _probe(101, architectureId)));
        calls[2] = abi.encodeCall(hub.unpause, (feedId));
        VmSafe.AccountAccess memory used;
        for (uint256 i = 0; i < 3; ++i) {
            used = _delegated(ADMIN, calls[i]);
            // The hub's parameters are handed on as they came.
            assertEq(_tail(used.data), _tail(calls[i]));
            _expectRefusal(used);
        }
        // A shadow submission, and a hold.
        vm.prank(ADMIN);
        hub.proposeModel(feedId, modelNumber, 1, 1);
        calls[3] = abi.encodeCall(hub.submitShadow, (_proven(_quorumDraft(feedId, PRICE, -1))));
        _expectRefusal(_delegated(RELAYER, calls[3]));
        modelNumber = second;
        _report(feedId, PRICE, -1);
        skip(60);
        calls[4] = abi.encodeCall(hub.submit, (_proven(_quorumDraft(feedId, PRICE / 2, 1))));
        _expectRefusal(_delegated(RELAYER, calls[4]));
        assertEq(uint8(lens.feedState(hub, feedId).status), uint8(IZkOracle.Status.HELD));
    }

    // The admin's handover

    function test_adminIsHandedOverInTwoSteps() public {
        address next = makeAddr("next");
        vm.prank(ADMIN);
        hub.beginDefaultAdminTransfer(next);
        vm.startPrank(next);
        vm.expectRevert(
            abi.encodeWithSelector(
                IAccessControlDefaultAdminRules.AccessControlEnforcedDefaultAdminDelay.selector, _now() + DELAY
            )
        );
        hub.acceptDefaultAdminTransfer();
        skip(DELAY + 1);
        hub.acceptDefaultAdminTransfer();
        vm.stopPrank();
        assertEq(hub.defaultAdmin(), next);
        _expectDenied(ADMIN, bytes32(0), abi.encodeCall(hub.activateReporters, (solo)));
        _expectAllowed(next, abi.encodeCall(hub.activateReporters, (solo)));
    }

    /// @dev An admin who was also a guardian would keep the power to pause, unseen.
    function test_aHandoverEndsTheOldAdminsOtherRole() public {
        address next = makeAddr("next");
        bytes32 guardian = hub.GUARDIAN_ROLE();
        vm.startPrank(ADMIN);
        hub.grantRole(guardian, next);
        hub.beginDefaultAdminTransfer(next);
        hub.grantRole(guardian, ADMIN);
        vm.stopPrank();
        skip(DELAY + 1);
        vm.expectEmit(address(hub));
        emit IAccessControl.RoleRevoked(guardian, ADMIN, next);
        vm.prank(next);
        hub.acceptDefaultAdminTransfer();
        assertFalse(hub.hasRole(guardian, ADMIN));
        assertTrue(hub.hasRole(guardian, GUARDIAN));
        assertTrue(hub.hasRole(guardian, next));
        _expectDenied(ADMIN, guardian, abi.encodeCall(hub.pause, (feedId)));
        _expectAllowed(GUARDIAN, abi.encodeCall(hub.pause, (feedId)));
    }

    /// @dev Without an admin, nobody could take the role from the one who renounced, nor end the pauses that it makes.
    function test_whoRenouncesIsNoGuardianEither() public {
        bytes32 guardian = hub.GUARDIAN_ROLE();
        vm.startPrank(ADMIN);
        hub.grantRole(guardian, ADMIN);
        hub.beginDefaultAdminTransfer(address(0));
        skip(DELAY + 1);
        hub.renounceRole(bytes32(0), ADMIN);
        vm.stopPrank();
        assertEq(hub.defaultAdmin(), address(0));
        _expectDenied(ADMIN, guardian, abi.encodeCall(hub.pause, (feedId)));
        _expectAllowed(GUARDIAN, abi.encodeCall(hub.pause, (feedId)));
    }

    /// @dev Whoever takes the admin's key must not be able to hand over faster than to change a feed.
    function test_handoverDelayIsNotBelowTheChangeDelay() public {
        vm.startPrank(ADMIN);
        uint48[2] memory short = [uint48(0), DELAY - 1];
        for (uint256 i = 0; i < 2; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IZkOracle.HandoverTooShort.selector, short[i], DELAY));
            hub.changeDefaultAdminDelay(short[i]);
        }
        hub.changeDefaultAdminDelay(DELAY + 1 days);
        skip(5 days + 1);
        assertEq(hub.defaultAdminDelay(), DELAY + 1 days);
        hub.changeDefaultAdminDelay(DELAY);
        skip(1 days + 1);
        assertEq(hub.defaultAdminDelay(), DELAY);
        vm.stopPrank();
        vm.prank(GUARDIAN);
        vm.expectRevert(
            abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, GUARDIAN, bytes32(0))
        );
        hub.changeDefaultAdminDelay(DELAY);
    }

    function test_hubWithoutAGuardian() public {
        hub = IHub(deployCode("ZkOracle.sol:ZkOracle", abi.encode(ADMIN, address(0), DELAY, factory, lens)));
        assertFalse(hub.hasRole(hub.GUARDIAN_ROLE(), address(0)));
        assertEq(hub.lens(), address(lens));
        assertEq(address(hub.aggregatorFactory()), address(factory));
        assertEq(hub.defaultAdminDelay(), DELAY);
    }

    /// @dev Every function of the hub that changes something and is not for everybody.
    function _cases() internal view returns (Case[] memory cases) {
        (uint16[] memory sizes, address[] memory verifiers) = (new uint16[](1), new address[](1));
        (sizes[0], verifiers[0]) = (1, address(verifier1));
        cases = new Case[](15);
        cases[0] = Case(abi.encodeCall(hub.addCommittee, (signers, 1)), false);
        cases[1] = Case(abi.encodeCall(hub.addArchitecture, (FEATURES, 1, true, sizes, verifiers)), false);
        cases[2] = Case(abi.encodeCall(hub.addModel, (9, 1, bytes32(0), 1, _probe(9, 1))), false);
        cases[3] = Case(abi.encodeCall(hub.addFeed, (_other(), 1)), false);
        cases[4] = Case(abi.encodeCall(hub.linkAggregator, (feedId)), false);
        cases[5] = Case(abi.encodeCall(hub.proposeModel, (feedId, 1, 0, 0)), false);
        cases[6] = Case(abi.encodeCall(hub.activateModel, (feedId)), false);
        cases[7] = Case(abi.encodeCall(hub.proposeReporters, (trio, signers, 1)), false);
        cases[8] = Case(abi.encodeCall(hub.activateReporters, (solo)), false);
        cases[9] = Case(abi.encodeCall(hub.proposeUnpause, (feedId)), false);
        cases[10] = Case(abi.encodeCall(hub.unpause, (feedId)), false);
        cases[11] = Case(abi.encodeCall(hub.pause, (feedId)), true);
        cases[12] = Case(abi.encodeCall(hub.cancelModel, (feedId)), true);
        cases[13] = Case(abi.encodeCall(hub.cancelReporters, (solo)), true);
        cases[14] = Case(abi.encodeCall(hub.rollbackModel, (feedId)), true);
    }

    function _other() internal view returns (IZkOracle.FeedConfig memory) {
        return _config("other", IZkOracle.Kind.RELATIVE, solo);
    }

    function _expectDenied(address caller, bytes32 role, bytes memory data) internal {
        vm.prank(caller);
        (bool isOk, bytes memory result) = address(hub).call(data);
        assertFalse(isOk);
        assertEq(result, abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, caller, role));
    }

    function _expectAllowed(address caller, bytes memory data) internal {
        vm.prank(caller);
        (bool isOk,) = address(hub).call(data);
        assertTrue(isOk);
    }

    /// @dev Makes the call.
    /// @return delegated The last time that the hub ran a library's code in it.
    function _delegated(address caller, bytes memory data) internal returns (VmSafe.AccountAccess memory delegated) {
        vm.startStateDiffRecording();
        vm.prank(caller);
        (bool isOk,) = address(hub).call(data);
        assertTrue(isOk);
        VmSafe.AccountAccess[] memory accesses = vm.stopAndReturnStateDiff();
        for (uint256 i = 0; i < accesses.length; ++i) {
            if (accesses[i].kind != VmSafe.AccountAccessKind.DelegateCall) continue;
            delegated = accesses[i];
        }
        assertTrue(delegated.account != address(0) && delegated.account != address(hub));
    }

    function _expectRefusal(VmSafe.AccountAccess memory used) internal {
        vm.prank(ADMIN);
        (bool isOk, bytes memory result) = used.account.call(used.data);
        assertFalse(isOk);
        assertEq(result, "");
    }

    function _tail(bytes memory data) internal pure returns (bytes memory tail) {
        tail = new bytes(data.length - 4);
        for (uint256 i = 0; i < tail.length; ++i) {
            tail[i] = data[i + 4];
        }
    }
}
