// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IZkOracle} from "../src/interfaces/IZkOracle.sol";
import {IZkOracleLens} from "../src/interfaces/IZkOracleLens.sol";
import {OracleTest} from "./OracleTest.sol";

/// @dev Changes of feeds and committees: proposed in the open, active after the delay, and void a month later.
contract ChangesTest is OracleTest {
    // Models

    function test_modelChange() public {
        uint16 second = _secondModel();
        vm.startPrank(ADMIN);
        vm.expectRevert(IZkOracle.NothingProposed.selector);
        hub.activateModel(feedId);
        uint64 from = uint64(_now()) + DELAY;
        vm.expectEmit(address(hub));
        emit IZkOracle.ModelProposed(feedId, second, from, 0, 0);
        hub.proposeModel(feedId, second, 0, 0);
        skip(DELAY - 1);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.TooEarly.selector, from));
        hub.activateModel(feedId);
        assertEq(lens.feedState(hub, feedId).modelNumber, 1);
        skip(1);
        vm.expectEmit(address(hub));
        emit IZkOracle.ModelActivated(feedId, second, 1);
        hub.activateModel(feedId);
        vm.expectRevert(IZkOracle.NothingProposed.selector);
        hub.activateModel(feedId);
        vm.stopPrank();
        // The second model judges reports now, so a proof of the first one's verdict is rejected.
        IZkOracle.Submission memory submission = _proven(_draft(feedId, PRICE, -1));
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.ModelNotActive.selector, feedId, 1, second));
        hub.submit(submission);
        submission.modelNumber = second;
        vm.expectRevert(IZkOracle.ProofRejected.selector);
        hub.submit(submission);
        modelNumber = second;
        _report(feedId, PRICE, -1);
        assertEq(hub.getRound(feedId, 1).modelNumber, second);
    }

    function test_modelChangeIsVisibleAndCanBeCancelled() public {
        uint16 second = _secondModel();
        vm.prank(ADMIN);
        hub.proposeModel(feedId, second, 0, 0);
        IZkOracle.Proposals memory proposed = lens.proposals(hub, feedId);
        assertEq(proposed.model, second);
        assertEq(proposed.modelFrom, _now() + DELAY);
        vm.expectEmit(address(hub));
        emit IZkOracle.ModelProposalCancelled(feedId, second);
        vm.startPrank(GUARDIAN);
        hub.cancelModel(feedId);
        vm.expectRevert(IZkOracle.NothingProposed.selector);
        hub.cancelModel(feedId);
        vm.stopPrank();
        assertEq(lens.proposals(hub, feedId).model, 0);
        skip(DELAY);
        vm.prank(ADMIN);
        vm.expectRevert(IZkOracle.NothingProposed.selector);
        hub.activateModel(feedId);
    }

    function test_proposingAgainStartsTheDelayAgain() public {
        uint16 second = _secondModel();
        vm.startPrank(ADMIN);
        hub.proposeModel(feedId, second, 0, 0);
        skip(DELAY);
        hub.proposeModel(feedId, second, 0, 0);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.TooEarly.selector, _now() + DELAY));
        hub.activateModel(feedId);
    }

    function test_invalidModelProposals() public {
        vm.startPrank(ADMIN);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.UnknownModel.selector, 9));
        hub.proposeModel(feedId, 9, 0, 0);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.UnknownModel.selector, 0));
        hub.proposeModel(feedId, 0, 0, 0);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.InvalidModel.selector, "modelNumber"));
        hub.proposeModel(feedId, modelNumber, 0, 0);
    }

    /// @dev What nobody remembers takes no effect years later.
    function test_modelProposalExpires() public {
        uint16 second = _secondModel();
        vm.startPrank(ADMIN);
        hub.proposeModel(feedId, second, 0, 0);
        uint64 until = uint64(_now()) + DELAY + CHANGE_WINDOW;
        vm.warp(until + 1);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.ProposalExpired.selector, until));
        hub.activateModel(feedId);
        // It can be cancelled, or proposed again, for another month.
        hub.cancelModel(feedId);
        hub.proposeModel(feedId, second, 0, 0);
        skip(DELAY + CHANGE_WINDOW);
        hub.activateModel(feedId);
        assertEq(lens.feedState(hub, feedId).modelNumber, second);
    }

    function test_rollback() public {
        vm.prank(GUARDIAN);
        vm.expectRevert(IZkOracle.NoPreviousModel.selector);
        hub.rollbackModel(feedId);
        uint16 second = _activateSecond();
        vm.startPrank(GUARDIAN);
        vm.expectEmit(address(hub));
        emit IZkOracle.ModelRolledBack(feedId, 1, second);
        hub.rollbackModel(feedId);
        // It rolls back once, and not forward again.
        vm.expectRevert(IZkOracle.NoPreviousModel.selector);
        hub.rollbackModel(feedId);
        vm.stopPrank();
        _report(feedId, PRICE, -1);
        assertEq(hub.getRound(feedId, 1).modelNumber, 1);
    }

    /// @dev A model that was replaced because it is unsound must not return years later.
    function test_rollbackExpires() public {
        uint16 second = _activateSecond();
        IZkOracle.Proposals memory proposed = lens.proposals(hub, feedId);
        assertEq(proposed.previousModel, 1);
        assertEq(proposed.previousUntil, _now() + CHANGE_WINDOW);
        uint256 state = vm.snapshotState();
        skip(CHANGE_WINDOW);
        vm.recordLogs();
        vm.prank(GUARDIAN);
        hub.rollbackModel(feedId);
        // Nothing was proposed, so nothing is cancelled.
        assertEq(vm.getRecordedLogs().length, 1);
        assertEq(lens.feedState(hub, feedId).modelNumber, 1);
        assertEq(lens.proposals(hub, feedId).previousUntil, 0);
        assertTrue(vm.revertToState(state));
        skip(CHANGE_WINDOW + 1);
        vm.prank(GUARDIAN);
        vm.expectRevert(IZkOracle.NoPreviousModel.selector);
        hub.rollbackModel(feedId);
        assertEq(lens.feedState(hub, feedId).modelNumber, second);
    }

    // Reporters

    function test_reportersChange() public {
        (address fresh, uint256 key) = makeAddrAndKey("fresh");
        address[] memory changed = new address[](2);
        (changed[0], changed[1]) = (fresh, signers[1]);
        vm.startPrank(ADMIN);
        uint64 from = uint64(_now()) + DELAY;
        vm.expectEmit(address(hub));
        emit IZkOracle.ReportersProposed(solo, changed, 1, from);
        hub.proposeReporters(solo, changed, 1);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.TooEarly.selector, from));
        hub.activateReporters(solo);
        vm.stopPrank();
        _report(feedId, PRICE, -1); // the old reporters still report
        IZkOracleLens.Committee memory found = lens.committee(hub, solo);
        assertEq(found.proposedReporters, changed);
        assertEq(found.proposedFrom, from);
        skip(DELAY);
        vm.expectEmit(address(hub));
        emit IZkOracle.ReportersActivated(solo, 2, changed, 1);
        vm.prank(ADMIN);
        hub.activateReporters(solo);
        found = lens.committee(hub, solo);
        assertEq(found.reporters, changed);
        assertEq(found.epoch, 2);
        assertEq(found.proposedFrom, 0);
        assertEq(found.proposedQuorum, 0);
        assertEq(found.proposedReporters.length, 0);
        // The other committee has its reporters still.
        assertEq(lens.committee(hub, trio).reporters, signers);
        assertEq(lens.committee(hub, trio).epoch, 1);
        // One left, one came, one stayed.
        IZkOracle.Submission memory submission = _proven(_draft(feedId, PRICE, -1));
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.NotAReporter.selector, solo, signers[0]));
        hub.submit(submission);
        keys[0] = key;
        _report(feedId, PRICE, -1);
        skip(60);
        (address second, uint256 secondKey) = makeAddrAndKey("reporter1");
        assertEq(second, signers[1]);
        keys[0] = secondKey;
        _report(feedId, PRICE, -1);
        assertEq(lens.feedState(hub, feedId).roundId, 3);
    }

    /// @dev A signature is of one epoch, even if the same reporters are activated again.
    function test_oldSignaturesEndWithTheEpoch() public {
        IZkOracle.FeedConfig memory config = _config("slow", IZkOracle.Kind.RELATIVE, solo);
        config.maxAge = 90 days;
        vm.prank(ADMIN);
        bytes32 slow = hub.addFeed(config, modelNumber);
        Draft memory draft = _draft(slow, PRICE, -1);
        IZkOracle.Submission memory before = _proven(draft);
        vm.startPrank(ADMIN);
        hub.proposeReporters(solo, signers, 1);
        skip(DELAY);
        hub.activateReporters(solo);
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.WrongEpoch.selector, solo, 1, 2));
        hub.submit(before);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.WrongEpoch.selector, solo, 1, 2));
        hub.submitShadow(before);
        // The epoch is signed: who replaces it has no signatures.
        before.epoch = 2;
        vm.expectPartialRevert(IZkOracle.NotAReporter.selector);
        hub.submit(before);
        draft.epoch = 2;
        _submit(draft);
        assertEq(lens.feedState(hub, slow).answer, PRICE);
    }

    function test_quorumChangesWithTheReporters() public {
        vm.startPrank(ADMIN);
        hub.proposeReporters(solo, signers, 3);
        skip(DELAY);
        hub.activateReporters(solo);
        vm.stopPrank();
        assertEq(lens.committee(hub, solo).quorum, 3);
        IZkOracle.Submission memory submission = _proven(_draft(feedId, PRICE, -1));
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.QuorumNotMet.selector, feedId, 1, 3));
        hub.submit(submission);
        _report(feedId, PRICE, -1);
        assertEq(lens.feedState(hub, feedId).answer, PRICE);
    }

    function test_reportersProposalCanBeCancelled() public {
        vm.prank(ADMIN);
        hub.proposeReporters(trio, signers, 1);
        assertEq(lens.committee(hub, trio).proposedQuorum, 1);
        assertEq(lens.committee(hub, trio).proposedReporters, signers);
        vm.startPrank(GUARDIAN);
        vm.expectEmit(address(hub));
        emit IZkOracle.ReportersProposalCancelled(trio);
        hub.cancelReporters(trio);
        vm.expectRevert(IZkOracle.NothingProposed.selector);
        hub.cancelReporters(trio);
        vm.stopPrank();
        assertEq(lens.committee(hub, trio).proposedReporters.length, 0);
        assertEq(lens.committee(hub, trio).proposedQuorum, 0);
        skip(DELAY);
        vm.prank(ADMIN);
        vm.expectRevert(IZkOracle.NothingProposed.selector);
        hub.activateReporters(trio);
        assertEq(lens.committee(hub, trio).epoch, 1);
    }

    /// @dev A second proposal replaces the first one whole, with fewer reporters too.
    function test_proposingReportersAgain() public {
        address[] memory one = new address[](1);
        one[0] = makeAddr("fresh");
        vm.startPrank(ADMIN);
        hub.proposeReporters(solo, signers, 3);
        skip(DELAY);
        hub.proposeReporters(solo, one, 1);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.TooEarly.selector, _now() + DELAY));
        hub.activateReporters(solo);
        skip(DELAY);
        hub.activateReporters(solo);
        vm.stopPrank();
        assertEq(lens.committee(hub, solo).reporters, one);
        assertEq(lens.committee(hub, solo).quorum, 1);
    }

    function test_reportersProposalExpires() public {
        vm.startPrank(ADMIN);
        hub.proposeReporters(solo, signers, 3);
        uint64 until = uint64(_now()) + DELAY + CHANGE_WINDOW;
        vm.warp(until + 1);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.ProposalExpired.selector, until));
        hub.activateReporters(solo);
        hub.proposeReporters(solo, signers, 3);
        skip(DELAY + CHANGE_WINDOW);
        hub.activateReporters(solo);
        assertEq(lens.committee(hub, solo).epoch, 2);
    }

    // Pauses

    function test_pauseAndUnpause() public {
        vm.prank(ADMIN);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.NotPaused.selector, feedId));
        hub.proposeUnpause(feedId);
        vm.expectEmit(address(hub));
        emit IZkOracle.Paused(feedId);
        vm.prank(GUARDIAN);
        hub.pause(feedId);
        assertTrue(lens.feedState(hub, feedId).paused);
        IZkOracle.Submission memory submission = _proven(_draft(feedId, PRICE, -1));
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.FeedPaused.selector, feedId));
        hub.submit(submission);
        vm.startPrank(ADMIN);
        vm.expectRevert(IZkOracle.NothingProposed.selector);
        hub.unpause(feedId);
        uint64 from = uint64(_now()) + DELAY;
        vm.expectEmit(address(hub));
        emit IZkOracle.UnpauseProposed(feedId, from);
        hub.proposeUnpause(feedId);
        assertEq(lens.proposals(hub, feedId).unpauseFrom, from);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.TooEarly.selector, from));
        hub.unpause(feedId);
        skip(DELAY);
        vm.expectEmit(address(hub));
        emit IZkOracle.Unpaused(feedId);
        hub.unpause(feedId);
        vm.stopPrank();
        assertEq(lens.proposals(hub, feedId).unpauseFrom, 0);
        _report(feedId, PRICE, -1);
    }

    function test_pausingAgainCancelsTheUnpause() public {
        vm.prank(GUARDIAN);
        hub.pause(feedId);
        vm.prank(ADMIN);
        hub.proposeUnpause(feedId);
        skip(DELAY);
        vm.prank(GUARDIAN);
        hub.pause(feedId);
        vm.prank(ADMIN);
        vm.expectRevert(IZkOracle.NothingProposed.selector);
        hub.unpause(feedId);
    }

    function test_unpauseProposalExpires() public {
        vm.prank(GUARDIAN);
        hub.pause(feedId);
        vm.startPrank(ADMIN);
        hub.proposeUnpause(feedId);
        uint64 until = uint64(_now()) + DELAY + CHANGE_WINDOW;
        vm.warp(until + 1);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.ProposalExpired.selector, until));
        hub.unpause(feedId);
        hub.proposeUnpause(feedId);
        skip(DELAY + CHANGE_WINDOW);
        hub.unpause(feedId);
        assertFalse(lens.feedState(hub, feedId).paused);
    }

    function _secondModel() internal returns (uint16) {
        return _addModel(99, architectureId, keccak256("second"), SCORE_UNIT);
    }

    function _activateSecond() internal returns (uint16 second) {
        second = _secondModel();
        vm.startPrank(ADMIN);
        hub.proposeModel(feedId, second, 0, 0);
        skip(DELAY);
        hub.activateModel(feedId);
        vm.stopPrank();
    }
}
