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
        _propose(1, 0);
        bytes memory before = abi.encode(lens.feedState(hub, feedId));
        vm.expectEmit(address(hub));
        emit IZkOracle.ShadowScored(feedId, 2, 101e8, _now(), second, _scores(-400_000));
        _shadow(101e8, -400_000);
        assertEq(abi.encode(lens.feedState(hub, feedId)), before);
        assertEq(hub.getRound(feedId, 2).publishedAt, 0);
        _assertTally(1, 0, 0);
    }

    /// @dev The reporters sign once. What the proposed model is shown is what the active model judges.
    function test_oneSetOfSignatures() public {
        _propose(1, 0);
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
        _assertTally(2, 1, 0);
    }

    function test_bothAccept() public {
        _propose(1, 0);
        _shadow(101e8, -400_000);
        _report(feedId, 101e8, -300_000);
        skip(60);
        vm.expectEmit(address(hub));
        emit IZkOracle.ShadowCompared(feedId, 2, second, true);
        _shadow(102e8, -1);
        _assertTally(2, 1, 0);
    }

    function test_onlyTheProposedModelHolds() public {
        _propose(1, 0);
        _shadow(101e8, 200_000);
        _report(feedId, 101e8, -300_000);
        skip(60);
        vm.expectEmit(address(hub));
        emit IZkOracle.ShadowCompared(feedId, 2, second, false);
        _shadow(102e8, -1);
        _assertTally(2, 1, 1);
    }

    function test_onlyTheActiveModelHolds() public {
        _propose(1, 0);
        _shadow(50e8, -100_000);
        _report(feedId, 50e8, 300_000);
        skip(60);
        _shadow(51e8, -1);
        _assertTally(2, 1, 1);
    }

    function test_bothHold() public {
        _propose(1, 0);
        _shadow(50e8, 100_000);
        _report(feedId, 50e8, 300_000);
        skip(60);
        _shadow(51e8, -1);
        _assertTally(2, 1, 0);
    }

    /// @dev The model called a confirmed round anomalous, and its score says so.
    function test_confirmedRoundCountsAsAnomalous() public {
        _propose(1, 0);
        _report(feedId, 50e8, 300_000);
        skip(CONFIRM_DELAY);
        _report(feedId, 50e8, 300_000);
        skip(CONFIRM_DELAY);
        _shadow(50e8, 200_000);
        _report(feedId, 50e8, 300_000);
        assertEq(lens.feedState(hub, feedId).answer, 50e8);
        skip(60);
        _shadow(51e8, -1);
        _assertTally(2, 1, 0);
    }

    /// @dev A report is not compared if the active model never saw it, or saw a different one.
    function test_notTheSameReport() public {
        _propose(1, 0);
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
        _assertTally(6, 0, 0);
    }

    function test_activationNeedsEnoughAgreement() public {
        _propose(2, 0);
        skip(DELAY);
        _expectActivation(abi.encodeWithSelector(IZkOracle.ShadowTooShort.selector, 0, 2));
        _judged(101e8, -400_000, -200_000);
        // The activation itself compares the last one.
        _expectActivation(abi.encodeWithSelector(IZkOracle.ShadowTooShort.selector, 1, 2));
        _assertTally(1, 0, 0);
        _judged(102e8, -900_000_000, -1);
        vm.prank(ADMIN);
        hub.activateModel(feedId);
        assertEq(lens.feedState(hub, feedId).modelNumber, second);
        IZkOracle.ShadowTally memory none;
        assertEq(abi.encode(lens.shadow(hub, feedId)), abi.encode(none));
        // Rounds continue in one phase.
        modelNumber = second;
        skip(60);
        _report(feedId, 103e8, -1);
        assertEq(lens.feedState(hub, feedId).roundId, 4);
        assertEq(hub.getRound(feedId, 4).modelNumber, second);
        assertEq(hub.getRound(feedId, 3).modelNumber, 1);
    }

    /// @dev What it agrees on later makes up for nothing, and only a new proposal forgets.
    function test_aModelThatDisagreesTooOften() public {
        _propose(2, 1);
        skip(DELAY);
        _judged(101e8, 5, -1); // it alone would hold
        _judged(50e8, -1, 5); // it alone would accept
        bytes memory tooFar = abi.encodeWithSelector(IZkOracle.ShadowTooFar.selector, 2, 1);
        _expectActivation(tooFar);
        for (uint256 i = 0; i < 10; ++i) {
            _judged(101e8, -1, -1);
        }
        _expectActivation(tooFar);
        _assertTally(12, 11, 2);
        _propose(2, 1);
        skip(DELAY);
        _judged(101e8, 5, -1);
        _judged(101e8, -1, -1);
        vm.prank(ADMIN);
        hub.activateModel(feedId);
        assertEq(lens.feedState(hub, feedId).modelNumber, second);
    }

    /// @dev Only a number above zero means hold, however near to zero it is, and whatever the units are.
    function test_signsAreCompared() public {
        int256[6] memory values = [-2, int256(0), 1, 2, 900_000_000_000, -900_000_000_000];
        uint128[3] memory units = [uint128(1), 2, SCORE_UNIT];
        uint32 compared = 0;
        uint32 disagreements = 0;
        for (uint256 i = 0; i < 3; ++i) {
            for (uint256 j = 0; j < 3; ++j) {
                _change(_addModel(200 + 2 * i, architectureId, keccak256("active"), units[i]));
                second = _addModel(201 + 2 * j, architectureId, keccak256("proposed"), units[j]);
                _propose(1, 0);
                (compared, disagreements) = (0, 0);
                for (uint256 k = 0; k < 36; ++k) {
                    (int256 proposed, int256 active) = (values[k % 6], values[k / 6]);
                    _judged(101e8, proposed, active);
                    _assertTally(compared + 1, compared, disagreements);
                    ++compared;
                    if ((proposed > 0) != (active > 0)) ++disagreements;
                }
                assertEq(disagreements, 18);
                skip(DELAY);
                _expectActivation(abi.encodeWithSelector(IZkOracle.ShadowTooFar.selector, 18, 0));
            }
        }
    }

    /// @dev The tally, counted a second time, and what follows from it.
    /// forge-config: default.fuzz.runs = 64
    function testFuzz_tally(uint256 seed, uint32 minCompared, uint32 maxDisagreements) public {
        minCompared = uint32(bound(minCompared, 0, 12));
        maxDisagreements = uint32(bound(maxDisagreements, 0, 8));
        _propose(minCompared, maxDisagreements);
        (uint32 compared, uint32 disagreements) = (0, 0);
        for (uint256 i = 0; i < 10; ++i) {
            uint256 dice = uint256(keccak256(abi.encode(seed, i)));
            // forge-lint: disable-next-line(unsafe-typecast) -- below 5
            int256 proposed = int256(dice % 5) - 2;
            int256 active = dice & (1 << 40) != 0 ? proposed : int256((dice >> 8) % 5) - 2;
            skip(60);
            int128 answer = 100e8 + int128(int256((dice >> 16) % 1e8));
            _shadow(answer, proposed);
            // Sometimes the active model never sees it.
            if ((dice >> 48) % 4 == 0) continue;
            _report(feedId, answer, active);
            ++compared;
            if ((proposed > 0) != (active > 0)) ++disagreements;
        }
        skip(DELAY);
        if (minCompared != 0 && compared < minCompared) {
            _expectActivation(abi.encodeWithSelector(IZkOracle.ShadowTooShort.selector, compared, minCompared));
        } else if (minCompared != 0 && disagreements > maxDisagreements) {
            _expectActivation(abi.encodeWithSelector(IZkOracle.ShadowTooFar.selector, disagreements, maxDisagreements));
        } else {
            vm.prank(ADMIN);
            hub.activateModel(feedId);
            assertEq(lens.feedState(hub, feedId).modelNumber, second);
        }
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
        _propose(1, 0);
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
        _propose(1, 0);
        uint64 until = uint64(_now()) + DELAY + CHANGE_WINDOW;
        vm.warp(until);
        _shadow(101e8, -1);
        vm.warp(until + 1);
        IZkOracle.Submission memory shadow = _shadowOf(101e8, -1);
        vm.expectRevert(IZkOracle.NothingDue.selector);
        hub.submitShadow(shadow);
        _assertTally(1, 0, 0);
        vm.prank(ADMIN);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.ProposalExpired.selector, until));
        hub.activateModel(feedId);
    }

    function test_oneReportCountsOnce() public {
        _propose(1, 0);
        IZkOracle.Submission memory shadow = _shadowOf(101e8, -1);
        hub.submitShadow(shadow);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.ObservationNotNewer.selector, feedId, _now(), _now()));
        hub.submitShadow(shadow);
        _assertTally(1, 0, 0);
    }

    /// @dev A report that the active model has judged is too late for the proposed one.
    function test_shadowComesFirst() public {
        _propose(1, 0);
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
        _propose(1, 0);
        vm.prank(GUARDIAN);
        hub.pause(feedId);
        IZkOracle.Submission memory shadow = _shadowOf(101e8, -1);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.FeedPaused.selector, feedId));
        hub.submitShadow(shadow);
    }

    /// @dev A shadow submission is signed and within the quorum as any other.
    function test_unsignedShadow() public {
        _propose(1, 0);
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
        _propose(1, 0);
        _shadow(101e8, -1);
        _propose(3, 7);
        IZkOracle.ShadowTally memory tally = lens.shadow(hub, feedId);
        assertEq(tally.reports, 0);
        assertEq(tally.minCompared, 3);
        assertEq(tally.maxDisagreements, 7);
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
        hub.proposeModel(feedId, third, 1, 0);
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
        hub.proposeModel(ids[0], second, 1, 0);
        hub.proposeModel(ids[1], second, 1, 0);
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
        hub.proposeModel(ids[1], second, 1, 0);
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
        hub.proposeModel(ids[1], second, 1, 0);
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

    function _propose(uint32 minCompared, uint32 maxDisagreements) internal {
        vm.prank(ADMIN);
        hub.proposeModel(feedId, second, minCompared, maxDisagreements);
    }

    /// @dev The active model becomes another one, with a proposal that demands nothing.
    function _change(uint16 number) internal {
        vm.startPrank(ADMIN);
        hub.proposeModel(feedId, number, 0, 0);
        skip(DELAY);
        hub.activateModel(feedId);
        vm.stopPrank();
        modelNumber = number;
    }

    function _expectActivation(bytes memory refused) internal {
        vm.prank(ADMIN);
        vm.expectRevert(refused);
        hub.activateModel(feedId);
    }

    /// @dev One report, judged by both models.
    function _judged(int128 answer, int256 proposed, int256 active) internal {
        skip(60);
        _shadow(answer, proposed);
        _report(feedId, answer, active);
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

    function _assertTally(uint32 reports, uint32 compared, uint32 disagreements) internal view {
        IZkOracle.ShadowTally memory tally = lens.shadow(hub, feedId);
        assertEq(tally.modelNumber, second);
        assertEq(tally.reports, reports, "reports");
        assertEq(tally.compared, compared, "compared");
        assertEq(tally.disagreements, disagreements, "disagreements");
    }
}
