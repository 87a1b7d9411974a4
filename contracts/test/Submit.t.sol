// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AggregatorInterface} from "../src/interfaces/AggregatorV2V3Interface.sol";
import {IZkAggregator} from "../src/interfaces/IZkAggregator.sol";
import {IZkOracle} from "../src/interfaces/IZkOracle.sol";
import {IZkOracleLens} from "../src/interfaces/IZkOracleLens.sol";
import {ThreeFeedsTest} from "./ThreeFeedsTest.sol";

// forge-lint: disable-start(unsafe-typecast) -- loop counters

/// @dev The way of a report through the hub: accepted, held, confirmed; with one feed and with several.
contract SubmitTest is ThreeFeedsTest {
    function test_firstRound() public {
        vm.expectEmit(address(hub));
        emit IZkOracle.RoundAccepted(feedId, 1, PRICE, _now(), modelNumber, _scores(-500), false, RELAYER);
        _report(feedId, PRICE, -500);

        IZkOracleLens.FeedState memory state = lens.feedState(hub, feedId);
        assertEq(uint8(state.status), uint8(IZkOracle.Status.OK));
        assertEq(state.roundId, 1);
        assertEq(state.answer, PRICE);
        assertEq(state.observedAt, _now());
        assertEq(state.publishedAt, _now());
        assertEq(state.lastReportAt, _now());
        assertEq(state.modelNumber, modelNumber);
        assertEq(state.returns_[0], 0);
        assertEq(state.variance, 1_000 << 17);
        assertEq(state.committee, solo);
        assertEq(state.held.observedAt, 0);
        IZkOracle.Round memory round = hub.getRound(feedId, 1);
        assertEq(round.answer, PRICE);
        assertEq(round.modelNumber, modelNumber);
        assertEq(round.observedAt, _now());
        assertEq(round.spread, 0);
        assertEq(round.count, 1);
        assertEq(round.scoreRatio, 0); // -500 * 1000 / 1e6, truncated toward zero
    }

    function test_secondRoundMeasuresTheMove() public {
        _report(feedId, PRICE, -500);
        skip(2 * HEARTBEAT);
        int256[] memory window = lens.features(hub, feedId, 102e8, _now(), 0, 1, new int128[](0));
        assertEq(window.length, LENGTH);
        assertEq(window[0], 2_000); // 2 % at a sigma of 1 %
        assertEq(window[LENGTH - 1], 2_000);
        _report(feedId, 102e8, -3_500);
        skip(HEARTBEAT);
        _report(feedId, 100e8, 0);

        IZkOracleLens.FeedState memory state = lens.feedState(hub, feedId);
        assertEq(state.roundId, 3);
        assertEq(state.returns_[0], -2_000); // measured against the smaller
        assertEq(state.returns_[1], 2_000);
        assertEq(state.returns_[2], 0);
        assertEq(hub.getRound(feedId, 2).scoreRatio, -3);
    }

    function test_ringKeepsTwelveMoves() public {
        int128 answer = PRICE;
        for (uint256 i = 0; i < 20; ++i) {
            _report(feedId, answer, 0);
            answer += int128(int256(i + 1)) * 1e6;
            skip(HEARTBEAT);
        }
        IZkOracleLens.FeedState memory state = lens.feedState(hub, feedId);
        for (uint256 i = 0; i < 12; ++i) {
            int256 p = hub.getRound(feedId, uint32(20 - i)).answer;
            int256 q = hub.getRound(feedId, uint32(19 - i)).answer;
            assertEq(state.returns_[i], _move(lens.feedConfig(hub, feedId), p, q));
        }
    }

    function test_featuresEqualTheStatement() public {
        _report(feedId, PRICE, -1);
        skip(HEARTBEAT);
        _report(feedId, 99e8, -1);
        skip(5 * HEARTBEAT);
        Draft memory draft = _draft(feedId, 97e8, -1);
        int256[] memory features = lens.features(hub, feedId, 97e8, _now(), 0, 1, new int128[](0));
        assertEq(features, _window(draft, 0, FEATURES));
        // The hub takes the report with a proof of these, and of no others.
        int256[][] memory windows = new int256[][](1);
        windows[0] = features;
        IZkOracle.Submission memory submission = _signed(draft);
        submission.proof = _proof(_statement(MODEL_HASH, windows, draft.scores, 1));
        hub.submit(submission);
    }

    function test_anomalyIsHeldAndTheAnswerStays() public {
        _report(feedId, PRICE, -1);
        uint32 acceptedAt = _now();
        skip(60);
        vm.expectEmit(address(hub));
        emit IZkOracle.RoundHeld(
            feedId, 2, 10e8, _now() - 7, modelNumber, _scores(7_000_000), IZkOracle.HoldReason.ANOMALOUS, 0, RELAYER
        );
        Draft memory draft = _draft(feedId, 10e8, 7_000_000);
        draft.observedAt -= 7;
        _submit(draft);

        IZkOracleLens.FeedState memory state = lens.feedState(hub, feedId);
        assertEq(uint8(state.status), uint8(IZkOracle.Status.HELD));
        assertEq(state.roundId, 1);
        assertEq(state.answer, PRICE);
        assertEq(state.observedAt, acceptedAt);
        assertEq(state.lastReportAt, _now() - 7);
        assertEq(state.returns_[0], 0);
        assertEq(state.held.answer, 10e8);
        assertEq(state.held.firstAnswer, 10e8);
        assertEq(state.held.firstObservedAt, _now() - 7);
        assertEq(state.held.firstSeenAt, _now());
        assertEq(state.held.observedAt, _now() - 7);
        assertEq(state.held.anomalousSince, _now() - 7);
        assertEq(state.held.anomalousSeenAt, _now());
        assertEq(state.held.firstGap, 1_000);
        assertEq(state.held.confirmations, 0);
        assertEq(state.held.modelNumber, modelNumber);
        assertEq(state.held.scoreRatio, 7_000);
        assertEq(hub.getRound(feedId, 2).publishedAt, 0);
    }

    function test_absoluteFeedTakesZeroAndBelow() public {
        vm.prank(ADMIN);
        bytes32 id = _addFeed("spread", IZkOracle.Kind.ABSOLUTE, solo);
        _report(id, -50, -1);
        skip(60);
        _report(id, 0, -1);
        skip(60);
        _report(id, -250, -1);
        IZkOracleLens.FeedState memory state = lens.feedState(hub, id);
        assertEq(state.roundId, 3);
        assertEq(state.answer, -250);
        assertEq(state.returns_[0], -2_500);
        assertEq(state.returns_[1], 500);
    }

    function test_anomalousFirstReportIsHeld() public {
        _report(feedId, PRICE, 1);
        IZkOracleLens.FeedState memory state = lens.feedState(hub, feedId);
        assertEq(uint8(state.status), uint8(IZkOracle.Status.HELD));
        assertEq(state.roundId, 0);
        skip(60);
        _report(feedId, PRICE, -1);
        state = lens.feedState(hub, feedId);
        assertEq(state.roundId, 1);
        assertEq(state.returns_[0], 0);
    }

    function test_scoreOfZeroAcceptsAndOneHolds() public {
        _report(feedId, PRICE, 0);
        assertEq(lens.feedState(hub, feedId).roundId, 1);
        skip(60);
        _report(feedId, PRICE, 1);
        assertEq(uint8(lens.feedState(hub, feedId).status), uint8(IZkOracle.Status.HELD));
    }

    function test_anyScoreAboveZeroHolds() public {
        vm.startPrank(ADMIN);
        uint32 two = _addArchitecture(2, true);
        modelNumber = _addModel(MODEL_HASH, two, bytes32(0), SCORE_UNIT);
        bytes32 id = _addFeed("two scores", IZkOracle.Kind.RELATIVE, solo);
        vm.stopPrank();
        _submitScores(id, -4_000_000, 2_000_000);
        assertEq(uint8(lens.feedState(hub, id).status), uint8(IZkOracle.Status.HELD));
        assertEq(lens.feedState(hub, id).held.scoreRatio, 2_000);
        skip(60);
        _submitScores(id, 1, -2_000_000);
        assertEq(uint8(lens.feedState(hub, id).status), uint8(IZkOracle.Status.HELD));
        skip(60);
        _submitScores(id, -4_000_000, -2_000_000);
        assertEq(hub.getRound(id, 1).scoreRatio, -2_000);
    }

    function _submitScores(bytes32 id, int256 first, int256 second) internal {
        Draft memory draft = _draft(id, PRICE, 0);
        draft.scores[0] = new int256[](2);
        (draft.scores[0][0], draft.scores[0][1]) = (first, second);
        _submit(draft);
    }

    function test_extremeScoresSaturateTheRatio() public {
        vm.prank(ADMIN);
        modelNumber = _addModel(MODEL_HASH, architectureId, bytes32(0), 1);
        vm.prank(ADMIN);
        bytes32 id = _addFeed("extreme", IZkOracle.Kind.RELATIVE, solo);
        _report(id, PRICE, -(2 ** 127 - 1));
        assertEq(hub.getRound(id, 1).scoreRatio, type(int24).min);
        skip(60);
        _report(id, PRICE, 2 ** 127 - 1);
        assertEq(lens.feedState(hub, id).held.scoreRatio, type(int24).max);
    }

    /// @dev A verdict circuit publishes one number for a window. Only one above zero means hold, whatever the number and
    /// the unit are, and the stored ratio has the same sign.
    function test_verdicts() public {
        uint128[3] memory units = [uint128(1), 2, SCORE_UNIT];
        int256[5] memory values = [-2, int256(0), 2, 1, 6];
        for (uint256 i = 0; i < 3; ++i) {
            vm.startPrank(ADMIN);
            modelNumber = _addModel(50 + i, architectureId, bytes32(0), units[i]);
            bytes32 id = _addFeed(vm.toString(i), IZkOracle.Kind.RELATIVE, solo);
            vm.stopPrank();
            _report(id, PRICE, values[0]);
            assertEq(hub.getRound(id, 1).scoreRatio, int256(-2_000) / int256(uint256(units[i])));
            skip(60);
            _report(id, PRICE, values[1]);
            assertEq(hub.getRound(id, 2).scoreRatio, 0);
            for (uint256 k = 2; k < 5; ++k) {
                skip(60);
                _report(id, PRICE, values[k]);
                IZkOracleLens.FeedState memory state = lens.feedState(hub, id);
                assertEq(uint8(state.status), uint8(IZkOracle.Status.HELD));
                assertGt(state.held.scoreRatio, 0);
            }
        }
    }

    function test_medianOfAQuorum() public {
        vm.prank(ADMIN);
        bytes32 id = _addFeed("quorum", IZkOracle.Kind.RELATIVE, trio);
        int128[] memory answers = new int128[](3);
        // Rows come in any order.
        (answers[0], answers[1], answers[2]) = (500e8, 99e8, PRICE);
        Draft memory draft = _draft(id, answers, -1);
        draft.observedAt -= 5;
        IZkOracle.Submission memory submission = _proven(draft);
        assertEq(submission.medians, hex"02");
        hub.submit(submission);
        IZkOracleLens.FeedState memory state = lens.feedState(hub, id);
        assertEq(state.answer, PRICE);
        assertEq(state.observedAt, _now() - 5);
        assertEq(state.lastReportAt, _now() - 5);
        assertEq(state.publishedAt, _now());
        assertEq(hub.getRound(id, 1).count, 3);
        assertEq(hub.getRound(id, 1).spread, 32_767);
    }

    /// @dev More reporters than the quorum may sign. Of an even number, the median is the upper one of the two.
    function testFuzz_answerIsTheMedianOfTheAnswersThatAreThere(int64[7] memory raw, uint8 count, uint8 missing)
        public
    {
        count = uint8(bound(count, 1, 7));
        _addReporters(4);
        vm.startPrank(ADMIN);
        uint32 seven = hub.addCommittee(signers, 1);
        bytes32 id = _addFeed("range", IZkOracle.Kind.ABSOLUTE, seven);
        vm.stopPrank();
        int128[] memory answers = new int128[](count);
        uint256 there = 0;
        for (uint256 i = 0; i < count; ++i) {
            bool isMissing = missing & (1 << i) != 0 && (there > 0 || i + 1 < count);
            answers[i] = isMissing ? NO_ANSWER : int128(raw[i]);
            if (!isMissing) ++there;
        }
        Draft memory draft = _draft(id, answers, -1);
        hub.submit(_proven(draft));
        int128[] memory sorted = _present(draft, 0);
        assertEq(sorted.length, there);
        IZkOracle.Round memory round = hub.getRound(id, 1);
        assertEq(round.answer, sorted[there / 2]);
        assertEq(round.count, there);
        assertEq(int256(uint256(round.spread)), _spread(lens.feedConfig(hub, id), sorted));
    }

    function test_batchOfThreeIsPaddedToFour() public {
        bytes32[] memory ids = _addThree();
        for (uint256 i = 0; i < 3; ++i) {
            _report(ids[i], PRICE, -1);
        }
        skip(HEARTBEAT);
        Draft memory draft = _draftOfThree(ids);
        (draft.scores[0][0], draft.scores[1][0], draft.scores[2][0]) = (int256(0), int256(3), int256(-2));
        IZkOracle.Submission memory submission = _proven(draft);
        vm.expectCall(
            address(verifier4), abi.encodeCall(verifier4.verifyProof, (submission.proof, _instances(draft, 4)))
        );
        hub.submit(submission);
        assertEq(lens.feedState(hub, ids[0]).roundId, 2);
        assertEq(uint8(lens.feedState(hub, ids[1]).status), uint8(IZkOracle.Status.HELD));
        assertEq(lens.feedState(hub, ids[2]).answer, PRICE + 200);
        // One report has one time.
        for (uint256 i = 0; i < 3; ++i) {
            assertEq(lens.feedState(hub, ids[i]).lastReportAt, draft.observedAt);
        }
    }

    /// @dev A reference is signed, and nothing else: it needs no circuit, has no score, and nothing is written of it.
    function test_referenceIsNeitherJudgedNorWritten() public {
        bytes32[] memory ids = _addThree();
        Draft memory draft = _draftOfThree(ids);
        _refer(draft, 0);
        _refer(draft, 2);
        IZkOracle.Submission memory submission = _proven(draft);
        assertEq(submission.scores.length, 16);
        vm.expectCall(
            address(verifier1), abi.encodeCall(verifier1.verifyProof, (submission.proof, _instances(draft, 1)))
        );
        vm.recordLogs();
        hub.submit(submission);
        assertEq(vm.getRecordedLogs().length, 1);
        assertEq(lens.feedState(hub, ids[0]).roundId, 0);
        assertEq(lens.feedState(hub, ids[1]).answer, PRICE + 100);
        assertEq(lens.feedState(hub, ids[2]).lastReportAt, 0);
        // The feed that was a reference may be due in the very next report.
        skip(60);
        draft = _draftOfThree(ids);
        _refer(draft, 1);
        _submit(draft);
        assertEq(lens.feedState(hub, ids[0]).roundId, 1);
        assertEq(lens.feedState(hub, ids[1]).roundId, 1);
    }

    /// @dev More feeds may be listed than the largest circuit takes, as long as few of them are due.
    function test_referencesNeedNoRoomInACircuit() public {
        bytes32[] memory ids = new bytes32[](96);
        int128[] memory answers = new int128[](96);
        vm.startPrank(ADMIN);
        for (uint256 i = 0; i < 96; ++i) {
            (ids[i], answers[i]) = (_addFeed(vm.toString(i), IZkOracle.Kind.ABSOLUTE, solo), int128(int256(i)));
        }
        vm.stopPrank();
        _sort(ids);
        Draft memory draft = _draftOf(ids, answers, new int256[](96), 1);
        draft.roundIds = new uint32[](96);
        (draft.roundIds[50], draft.scores) = (1, new int256[][](1));
        draft.scores[0] = _scores(-1);
        _submit(draft);
        assertEq(lens.feedState(hub, ids[50]).answer, 50);
        assertEq(lens.feedState(hub, ids[95]).lastReportAt, 0);
    }

    /// @dev A change of reporters keeps the feeds' history, and begins a new epoch for all of the committee's feeds.
    function test_newReportersGoOnWhereTheOldOnesEnded() public {
        bytes32[] memory ids = _addThree();
        _submit(_draftOfThree(ids));
        address[] memory others = new address[](1);
        others[0] = signers[2];
        vm.startPrank(ADMIN);
        hub.proposeReporters(solo, others, 1);
        skip(DELAY);
        hub.activateReporters(solo);
        vm.stopPrank();
        keys[0] = keys[2];
        Draft memory draft = _draftOfThree(ids);
        assertEq(draft.epoch, 2);
        _submit(draft);
        assertEq(lens.feedState(hub, ids[0]).roundId, 2);
        assertEq(lens.feedState(hub, ids[2]).roundId, 2);
    }

    function test_unboundArchitectureHasNoHashInTheStatement() public {
        vm.startPrank(ADMIN);
        uint32 public_ = _addArchitecture(1, false);
        uint16 number = _addModel(0, public_, keccak256("public"), SCORE_UNIT);
        bytes32 id = hub.addFeed(_config("public", IZkOracle.Kind.RELATIVE, solo), number);
        vm.stopPrank();
        Draft memory draft = _draft(id, PRICE, -7);
        draft.modelNumber = number;
        uint256[] memory instances = new uint256[](LENGTH + 1);
        instances[LENGTH - 1] = 1_000;
        instances[LENGTH] = R - 7;
        IZkOracle.Submission memory submission = _signed(draft);
        submission.proof = _proof(instances);
        hub.submit(submission);
        assertEq(lens.feedState(hub, id).roundId, 1);
    }

    function test_chainlinkEventsComeFromTheLinkedAdapter() public {
        IZkAggregator adapter = _linked(feedId);
        vm.expectEmit(address(adapter));
        emit AggregatorInterface.NewRound(1, RELAYER, _now() - 3);
        vm.expectEmit(address(adapter));
        emit AggregatorInterface.AnswerUpdated(PRICE, 1, _now());
        Draft memory draft = _draft(feedId, PRICE, -1);
        draft.observedAt -= 3;
        _submit(draft);
    }

    function test_heldReportAnnouncesNothing() public {
        IZkAggregator adapter = _linked(feedId);
        _report(feedId, PRICE, -1);
        skip(60);
        vm.expectCall(address(adapter), abi.encodeWithSelector(adapter.announce.selector), 0);
        _report(feedId, PRICE, 1);
    }

    function test_priceNoOlderThan() public {
        _report(feedId, PRICE, -1);
        uint32 at = _now();
        skip(100);
        (int128 answer, uint32 observedAt) = hub.getPriceNoOlderThan(feedId, 100);
        assertEq(answer, PRICE);
        assertEq(observedAt, at);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.PriceTooOld.selector, feedId, at, 99));
        hub.getPriceNoOlderThan(feedId, 99);
    }

    function test_priceObservedAheadOfTheBlockIsOfAgeZero() public {
        Draft memory draft = _draft(feedId, PRICE, -1);
        draft.observedAt += MAX_SKEW;
        _submit(draft);
        (int128 answer,) = hub.getPriceNoOlderThan(feedId, 0);
        assertEq(answer, PRICE);
    }

    function test_noPriceWhileHeldOrPausedOrMissing() public {
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.NoData.selector, feedId));
        hub.getPriceNoOlderThan(feedId, 100);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.NoData.selector, feedId));
        hub.latestRound(feedId);
        _report(feedId, PRICE, -1);
        skip(60);
        _report(feedId, PRICE, 1);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.FeedHeld.selector, feedId));
        hub.getPriceNoOlderThan(feedId, 100);
        vm.prank(GUARDIAN);
        hub.pause(feedId);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.FeedPaused.selector, feedId));
        hub.getPriceNoOlderThan(feedId, 100);
        (uint32 roundId, IZkOracle.Round memory round) = hub.latestRound(feedId);
        assertEq(roundId, 1);
        assertEq(round.answer, PRICE);
    }

    function test_staleAfterHeartbeatAndTheTimeOnTheWay() public {
        assertTrue(hub.isStale(feedId));
        _report(feedId, PRICE, -1);
        skip(HEARTBEAT + MAX_AGE);
        assertFalse(hub.isStale(feedId));
        skip(1);
        assertTrue(hub.isStale(feedId));
        (uint32 roundId,, IZkOracle.Status status, bool paused, bool stale) = hub.latestWithStatus(feedId);
        assertEq(roundId, 1);
        assertEq(uint8(status), uint8(IZkOracle.Status.OK));
        assertFalse(paused);
        assertTrue(stale);
    }

    function test_codeFitsTheChainsLimit() public view {
        assertLe(address(hub).code.length, 24_576);
    }
}

// forge-lint: disable-end(unsafe-typecast)
