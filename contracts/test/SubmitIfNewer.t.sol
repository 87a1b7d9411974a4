// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IZkOracle} from "../src/interfaces/IZkOracle.sol";
import {ThreeFeedsTest} from "./ThreeFeedsTest.sol";

/// @dev `submitIfNewer`: what a consumer calls that brings a report in its own transaction.
contract SubmitIfNewerTest is ThreeFeedsTest {
    function test_submitIfNewerDoesNothingTwice() public {
        bytes32[] memory ids = _addThree();
        Draft memory draft = _draftOfThree(ids);
        draft.scores[1][0] = 1;
        IZkOracle.Submission memory submission = _proven(draft);
        assertTrue(hub.submitIfNewer(submission));
        assertEq(uint8(lens.feedState(hub, ids[1]).status), uint8(IZkOracle.Status.HELD));
        bytes32 before = _digestOf(ids);
        vm.recordLogs();
        assertFalse(hub.submitIfNewer(submission));
        // Nothing is read of the rest, either.
        delete submission.signatures;
        assertFalse(hub.submitIfNewer(submission));
        assertEq(vm.getRecordedLogs().length, 0);
        assertEq(_digestOf(ids), before);
    }

    /// @dev An earlier report of the same round is not news, and neither is one of a held feed that is no later.
    function test_submitIfNewerComparesRoundsAndTimes() public {
        Draft memory earlier = _draft(feedId, PRICE, -1);
        earlier.observedAt -= 10;
        IZkOracle.Submission memory late = _proven(earlier);
        Draft memory draft = _draft(feedId, PRICE, 1);
        assertTrue(hub.submitIfNewer(_proven(draft)));
        assertFalse(hub.submitIfNewer(late));
        skip(60);
        draft = _draft(feedId, PRICE, -1);
        IZkOracle.Submission memory submission = _proven(draft);
        assertTrue(hub.submitIfNewer(submission));
        assertFalse(hub.submitIfNewer(submission));
        assertEq(lens.feedState(hub, feedId).roundId, 1);
    }

    /// @dev If a part of it is new, it is submitted as a whole, and fails as `submit` does.
    function test_submitIfNewerFailsWhereSubmitFails() public {
        bytes32[] memory ids = _addThree();
        IZkOracle.Submission memory submission = _proven(_draftOfThree(ids));
        _report(ids[1], PRICE, -1);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.WrongRound.selector, ids[1], 1, 2));
        hub.submitIfNewer(submission);
        submission.roundIds[0] = submission.roundIds[1] = submission.roundIds[2] = 0;
        vm.expectRevert(IZkOracle.NothingDue.selector);
        hub.submitIfNewer(submission);
        submission.roundIds = new uint32[](2);
        vm.expectRevert(IZkOracle.MalformedSubmission.selector);
        hub.submitIfNewer(submission);
        (submission.roundIds, submission.feedIds) = (new uint32[](0), new bytes32[](0));
        vm.expectRevert(IZkOracle.NothingDue.selector);
        hub.submitIfNewer(submission);
        // A feed that the hub does not know has no round, and no report.
        Draft memory draft = _draft(feedId, PRICE, -1);
        submission = _proven(draft);
        submission.feedIds[0] = keccak256("nothing");
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.UnknownFeed.selector, submission.feedIds[0]));
        hub.submitIfNewer(submission);
    }

    function _digestOf(bytes32[] memory ids) internal view returns (bytes32) {
        return keccak256(abi.encode(lens.feedStates(hub, ids)));
    }
}
