// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IZkOracle} from "../src/interfaces/IZkOracle.sol";
import {OracleTest} from "./OracleTest.sol";

/// @dev The shadow period of a proposed model.
contract ShadowTest is OracleTest {
    uint16 internal second;

    function setUp() public override {
        super.setUp();
        second = _addModel(99, architectureId, keccak256("second"), SCORE_UNIT);
        _report(feedId, PRICE, -1);
        skip(HEARTBEAT);
    }

    function test_shadowWritesNothingButTheTally() public {
        _propose(1, 500);
        bytes memory before = abi.encode(lens.feedState(hub, feedId));
        vm.expectEmit(address(hub));
        emit IZkOracle.ShadowScored(feedId, 2, 101e8, _now(), second, _scores(-400_000));
        _shadow(101e8, -400_000);
        assertEq(abi.encode(lens.feedState(hub, feedId)), before);
        assertEq(hub.getRound(feedId, 2).publishedAt, 0);
        _assertTally(1, 0, 0, 0);
    }

    /// @dev The reporters sign once. What the proposed model is shown is what the active model judges.
    function test_oneSetOfSignatures() public {
        _propose(1, 500);
        Draft memory draft = _draft(feedId, 101e8, -300_000);
        IZkOracle.Submission memory submission = _proven(draft);
        draft.modelNumber = second;
        draft.scores[0] = _scores(-400_000);
        IZkOracle.Submission memory shadow = _proven(draft);
        assertEq(abi.encode(shadow.signatures), abi.encode(submission.signatures));
        hub.submitShadow(shadow);
        hub.submit(submission);
        skip(60);
        _shadow(102e8, -1);
        _assertTally(2, 1, 0, 100);
    }

    function test_bothAccept() public {
        _propose(1, 500);
        _shadow(101e8, -400_000);
        _report(feedId, 101e8, -300_000);
        skip(60);
        vm.expectEmit(address(hub));
        emit IZkOracle.ShadowCompared(feedId, 2, second, true, 100);
        _shadow(102e8, -1);
        _assertTally(2, 1, 0, 100);
    }

    function test_onlyTheProposedModelHolds() public {
        _propose(1, 500);
        _shadow(101e8, 200_000);
        _report(feedId, 101e8, -300_000);
        skip(60);
        vm.expectEmit(address(hub));
        emit IZkOracle.ShadowCompared(feedId, 2, second, false, 500);
        _shadow(102e8, -1);
        _assertTally(2, 1, 1, 500);
    }

    function test_onlyTheActiveModelHolds() public {
        _propose(1, 500);
        _shadow(50e8, -100_000);
        _report(feedId, 50e8, 300_000);
        skip(60);
        _shadow(51e8, -1);
        _assertTally(2, 1, 1, 400);
    }

    function test_bothHold() public {
        _propose(1, 500);
        _shadow(50e8, 100_000);
        _report(feedId, 50e8, 300_000);
        skip(60);
        _shadow(51e8, -1);
        _assertTally(2, 1, 0, 200);
    }

    /// @dev The model called a confirmed round anomalous, and its score says so.
    function test_confirmedRoundCountsAsAnomalous() public {
        _propose(1, 500);
        _report(feedId, 50e8, 300_000);
        skip(CONFIRM_DELAY);
        _report(feedId, 50e8, 300_000);
        skip(CONFIRM_DELAY);
        _shadow(50e8, 200_000);
        _report(feedId, 50e8, 300_000);
        assertEq(lens.feedState(hub, feedId).answer, 50e8);
        skip(60);
        _shadow(51e8, -1);
        _assertTally(2, 1, 0, 100);
    }

    /// @dev A report is not compared if the active model never saw it, or saw a different one.
    function test_notTheSameReport() public {
        _propose(1, 500);
        _shadow(101e8, -1);
        skip(1);
        _report(feedId, 101e8, -1); // observed at another time
        skip(60);
        _shadow(102e8, -1);
        _report(feedId, 103e8, -1); // another answer, at the same time
        skip(60);
        _shadow(104e8, -1);
        _report(feedId, 60e8, 1); // likewise, held
        skip(60);
        _shadow(60e8, -1);
        skip(1);
        _report(feedId, 60e8, 1); // held, at another time
        skip(60);
        _shadow(105e8, -1);
        skip(60);
        _shadow(105e8, -1); // no report between
        _assertTally(6, 0, 0, 0);
    }

    function test_activationNeedsEnoughAndNear() public {
        _propose(2, 150);
        skip(DELAY);
        vm.prank(ADMIN);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.ShadowTooShort.selector, 0, 2));
        hub.activateModel(feedId);
        for (uint256 i = 0; i < 2; ++i) {
            skip(60);
            _shadow(101e8, -400_000);
            _report(feedId, 101e8, -200_000);
        }
        // The activation itself compares the second one.
        vm.prank(ADMIN);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.ShadowTooFar.selector, 200, 150));
        hub.activateModel(feedId);
        _assertTally(2, 1, 0, 200);
        skip(60);
        _shadow(102e8, -350_000);
        _report(feedId, 102e8, -200_000);
        vm.prank(ADMIN);
        hub.activateModel(feedId);
        assertEq(lens.feedState(hub, feedId).modelNumber, second);
        IZkOracle.ShadowTally memory none;
        assertEq(abi.encode(lens.shadow(hub, feedId)), abi.encode(none));
        // Rounds continue in one phase.
        modelNumber = second;
        skip(60);
        _report(feedId, 103e8, -1);
        assertEq(lens.feedState(hub, feedId).roundId, 5);
        assertEq(hub.getRound(feedId, 5).modelNumber, second);
        assertEq(hub.getRound(feedId, 4).modelNumber, 1);
    }

    function test_noShadowDemandedNoneNeeded() public {
        _propose(0, 0);
        _shadow(50e8, 900_000);
        skip(DELAY);
        vm.prank(ADMIN);
        hub.activateModel(feedId);
        assertEq(lens.feedState(hub, feedId).modelNumber, second);
    }

    function test_onlyForTheProposedModel() public {
        IZkOracle.Submission memory shadow = _shadowOf(101e8, -1);
        vm.expectRevert(IZkOracle.NothingDue.selector);
        hub.submitShadow(shadow);
        _propose(1, 500);
        IZkOracle.Submission memory active = _proven(_draft(feedId, 101e8, -1));
        vm.expectRevert(IZkOracle.NothingDue.selector);
        hub.submitShadow(active);
        bytes memory proof = shadow.proof;
        shadow.proof = active.proof;
        vm.expectRevert(IZkOracle.ProofRejected.selector);
        hub.submitShadow(shadow);
        shadow.proof = proof;
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.ModelNotActive.selector, feedId, second, modelNumber));
        hub.submit(shadow);
        // A cancelled proposal is none.
        vm.prank(GUARDIAN);
        hub.cancelModel(feedId);
        vm.expectRevert(IZkOracle.NothingDue.selector);
        hub.submitShadow(shadow);
    }

    /// @dev A proposal is judged until the last second at which it can be activated.
    function test_expiredProposal() public {
        _propose(1, 500);
        uint64 until = uint64(_now()) + DELAY + CHANGE_WINDOW;
        vm.warp(until);
        _shadow(101e8, -1);
        vm.warp(until + 1);
        IZkOracle.Submission memory shadow = _shadowOf(101e8, -1);
        vm.expectRevert(IZkOracle.NothingDue.selector);
        hub.submitShadow(shadow);
        _assertTally(1, 0, 0, 0);
        vm.prank(ADMIN);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.ProposalExpired.selector, until));
        hub.activateModel(feedId);
    }

    function test_oneReportCountsOnce() public {
        _propose(1, 500);
        IZkOracle.Submission memory shadow = _shadowOf(101e8, -1);
        hub.submitShadow(shadow);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.ObservationNotNewer.selector, feedId, _now(), _now()));
        hub.submitShadow(shadow);
        _assertTally(1, 0, 0, 0);
    }

    /// @dev A report that the active model has judged is too late for the proposed one.
    function test_shadowComesFirst() public {
        _propose(1, 500);
        IZkOracle.Submission memory shadow = _shadowOf(101e8, -1);
        shadow.roundIds[0] = 3;
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.WrongRound.selector, feedId, 3, 2));
        hub.submitShadow(shadow);
        shadow.roundIds[0] = 2;
        _report(feedId, 50e8, 1);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.ObservationNotNewer.selector, feedId, _now(), _now()));
        hub.submitShadow(shadow);
    }

    function test_pausedFeedTakesNone() public {
        _propose(1, 500);
        vm.prank(GUARDIAN);
        hub.pause(feedId);
        IZkOracle.Submission memory shadow = _shadowOf(101e8, -1);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.FeedPaused.selector, feedId));
        hub.submitShadow(shadow);
    }

    /// @dev A shadow submission is signed and within the quorum as any other.
    function test_unsignedShadow() public {
        _propose(1, 500);
        IZkOracle.Submission memory shadow = _shadowOf(101e8, -1);
        shadow.answers = abi.encodePacked(int128(102e8));
        vm.expectPartialRevert(IZkOracle.NotAReporter.selector);
        hub.submitShadow(shadow);
        shadow.answers = "";
        shadow.signatures = new IZkOracle.Signature[](0);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.QuorumNotMet.selector, feedId, 0, 1));
        hub.submitShadow(shadow);
    }

    function test_proposingAgainAndCancellingEmptyTheTally() public {
        _propose(1, 500);
        _shadow(101e8, -1);
        _propose(3, 7);
        IZkOracle.ShadowTally memory tally = lens.shadow(hub, feedId);
        assertEq(tally.reports, 0);
        assertEq(tally.minCompared, 3);
        assertEq(tally.maxDistance, 7);
        vm.prank(GUARDIAN);
        hub.cancelModel(feedId);
        IZkOracle.ShadowTally memory none;
        assertEq(abi.encode(lens.shadow(hub, feedId)), abi.encode(none));
    }

    /// @dev Comparisons with the model that is rolled back say nothing about the one that returns.
    function test_rollbackCancelsTheProposal() public {
        uint16 third = _addModel(100, architectureId, keccak256("third"), SCORE_UNIT);
        _propose(0, 0);
        skip(DELAY);
        vm.startPrank(ADMIN);
        hub.activateModel(feedId);
        hub.proposeModel(feedId, third, 1, 500);
        vm.stopPrank();
        vm.startPrank(GUARDIAN);
        vm.expectEmit(address(hub));
        emit IZkOracle.ModelProposalCancelled(feedId, third);
        vm.expectEmit(address(hub));
        emit IZkOracle.ModelRolledBack(feedId, 1, second);
        hub.rollbackModel(feedId);
        vm.stopPrank();
        assertEq(lens.proposals(hub, feedId).model, 0);
        assertEq(lens.shadow(hub, feedId).minCompared, 0);
        skip(DELAY);
        vm.prank(ADMIN);
        vm.expectRevert(IZkOracle.NothingProposed.selector);
        hub.activateModel(feedId);
    }

    function test_batchOfShadows() public {
        (bytes32[] memory ids, Draft memory draft) = _pair();
        vm.startPrank(ADMIN);
        hub.proposeModel(ids[0], second, 1, 500);
        hub.proposeModel(ids[1], second, 1, 500);
        vm.stopPrank();
        (draft.modelNumber, draft.scores[1]) = (second, _scores(1));
        hub.submitShadow(_proven(draft));
        assertEq(lens.shadow(hub, ids[0]).reports, 1);
        assertEq(lens.shadow(hub, ids[1]).reports, 1);
    }

    /// @dev A report lists feeds whose models are no one's proposal. The same signatures serve: for the proposed model
    /// they are references, whatever their state.
    function test_feedsWithoutTheProposalAreReferences() public {
        (bytes32[] memory ids, Draft memory draft) = _pair();
        vm.startPrank(ADMIN);
        hub.proposeModel(ids[1], second, 1, 500);
        vm.stopPrank();
        IZkOracle.Submission memory submission = _proven(draft);
        draft.modelNumber = second;
        Draft memory judged = draft;
        IZkOracle.Submission memory shadow = _signed(draft);
        assertEq(abi.encode(shadow.signatures), abi.encode(submission.signatures));
        // Only the second feed is in the statement.
        shadow.scores = abi.encodePacked(int128(-5));
        int256[][] memory windows = new int256[][](1);
        windows[0] = _window(judged, 1, FEATURES);
        int256[][] memory scores = new int256[][](1);
        scores[0] = _scores(-5);
        shadow.proof = _proof(_statement(99, windows, scores, 1));
        // A reference may be paused, and its round may be written.
        vm.prank(GUARDIAN);
        hub.pause(ids[0]);
        vm.expectEmit(address(hub));
        emit IZkOracle.ShadowScored(ids[1], 2, PRICE, _now(), second, _scores(-5));
        hub.submitShadow(shadow);
        assertEq(lens.shadow(hub, ids[1]).reports, 1);
        assertEq(lens.shadow(hub, ids[0]).reports, 0);
        // Scores of feeds that are not judged are too many.
        shadow.scores = abi.encodePacked(int128(-5), int128(-5));
        skip(1);
        (shadow.observedAt, draft.observedAt) = (_now(), _now());
        vm.expectRevert(IZkOracle.MalformedSubmission.selector);
        hub.submitShadow(shadow);
    }

    /// @dev A reference is signed by a quorum all the same.
    function test_referencesOfAShadowNeedAQuorum() public {
        (bytes32[] memory ids, Draft memory draft) = _pair();
        vm.prank(ADMIN);
        hub.proposeModel(ids[1], second, 1, 500);
        draft.modelNumber = second;
        draft.answers[0][0] = NO_ANSWER;
        draft.scores = new int256[][](1);
        draft.scores[0] = _scores(-5);
        IZkOracle.Submission memory shadow = _signed(draft);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.QuorumNotMet.selector, ids[0], 0, 1));
        hub.submitShadow(shadow);
    }

    /// @dev Two feeds with a round each, and a report of both.
    function _pair() internal returns (bytes32[] memory ids, Draft memory draft) {
        vm.prank(ADMIN);
        bytes32 other = _addFeed("BTC / USD", IZkOracle.Kind.RELATIVE, solo);
        _report(other, PRICE, -1);
        skip(60);
        ids = new bytes32[](2);
        (ids[0], ids[1]) = (feedId, other);
        _sort(ids);
        (int128[] memory answers, int256[] memory scores) = (new int128[](2), new int256[](2));
        (answers[0], answers[1], scores[0], scores[1]) = (PRICE, PRICE, -1, -1);
        draft = _draftOf(ids, answers, scores, 1);
    }

    function _propose(uint32 minCompared, uint32 maxDistance) internal {
        vm.prank(ADMIN);
        hub.proposeModel(feedId, second, minCompared, maxDistance);
    }

    /// @dev The proposed model's verdict on a report observed now.
    function _shadow(int128 answer, int256 score) internal {
        IZkOracle.Submission memory submission = _shadowOf(answer, score);
        vm.prank(RELAYER);
        hub.submitShadow(submission);
    }

    function _shadowOf(int128 answer, int256 score) internal view returns (IZkOracle.Submission memory) {
        Draft memory draft = _draft(feedId, answer, score);
        draft.modelNumber = second;
        return _proven(draft);
    }

    function _assertTally(uint32 reports, uint32 compared, uint32 disagreements, uint32 distance) internal view {
        IZkOracle.ShadowTally memory tally = lens.shadow(hub, feedId);
        assertEq(tally.modelNumber, second);
        assertEq(tally.reports, reports, "reports");
        assertEq(tally.compared, compared, "compared");
        assertEq(tally.disagreements, disagreements, "disagreements");
        assertEq(tally.distance, distance, "distance");
    }
}
