// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AggregatorInterface} from "../src/interfaces/AggregatorV2V3Interface.sol";
import {IZkAggregator} from "../src/interfaces/IZkAggregator.sol";
import {IZkOracle} from "../src/interfaces/IZkOracle.sol";
import {OracleTest} from "./OracleTest.sol";

// forge-lint: disable-start(unsafe-typecast) -- loop counters

/// @dev The way of one observation through the hub: accepted, held, confirmed; alone and in a batch.
contract SubmitTest is OracleTest {
    function test_firstRound() public {
        vm.expectEmit(address(hub));
        emit IZkOracle.RoundAccepted(feedId, 1, PRICE, _now(), modelNumber, _scores(-500), false);
        _report(feedId, PRICE, -500);

        IZkOracle.FeedState memory state = hub.feedState(feedId);
        assertEq(uint8(state.status), uint8(IZkOracle.Status.OK));
        assertEq(state.roundId, 1);
        assertEq(state.answer, PRICE);
        assertEq(state.observedAt, _now());
        assertEq(state.publishedAt, _now());
        assertEq(state.lastReportAt, _now());
        assertEq(state.modelNumber, modelNumber);
        assertEq(state.returns_[0], 0);
        assertEq(state.held.observedAt, 0);
        IZkOracle.Round memory round = hub.getRound(feedId, 1);
        assertEq(round.answer, PRICE);
        assertEq(round.modelNumber, modelNumber);
        assertEq(round.scoreRatio, 0); // -500 * 1000 / 1e6, truncated toward zero
    }

    function test_secondRoundMeasuresTheMove() public {
        _report(feedId, PRICE, -500);
        skip(2 * HEARTBEAT);
        int256[] memory window = hub.features(feedId, 102e8, _now(), 0);
        assertEq(window.length, LENGTH);
        assertEq(window[0], 2_000); // 2 % at a sigma of 1 %
        assertEq(window[LENGTH - 1], 2_000);
        _report(feedId, 102e8, -3_500);
        skip(HEARTBEAT);
        _report(feedId, 100e8, 0);

        IZkOracle.FeedState memory state = hub.feedState(feedId);
        assertEq(state.roundId, 3);
        assertEq(state.returns_[0], -2_000); // measured against the smaller
        assertEq(state.returns_[1], 2_000);
        assertEq(state.returns_[2], 0);
        assertEq(hub.getRound(feedId, 2).scoreRatio, -3);
    }

    function test_ringKeepsFourteenMoves() public {
        int128 answer = PRICE;
        for (uint256 i = 0; i < 20; ++i) {
            _report(feedId, answer, 0);
            answer += int128(int256(i + 1)) * 1e6;
            skip(HEARTBEAT);
        }
        IZkOracle.FeedState memory state = hub.feedState(feedId);
        for (uint256 i = 0; i < 14; ++i) {
            int256 p = hub.getRound(feedId, uint32(20 - i)).answer;
            int256 q = hub.getRound(feedId, uint32(19 - i)).answer;
            assertEq(state.returns_[i], _move(hub.feedConfig(feedId), p, q));
        }
    }

    function test_featuresEqualTheStatement() public {
        _report(feedId, PRICE, -1);
        skip(HEARTBEAT);
        _report(feedId, 99e8, -1);
        skip(5 * HEARTBEAT);
        assertEq(hub.features(feedId, 97e8, _now(), 0), _window(feedId, 97e8, _now()));
    }

    function test_anomalyIsHeldAndTheAnswerStays() public {
        _report(feedId, PRICE, -1);
        uint32 acceptedAt = _now();
        skip(60);
        vm.expectEmit(address(hub));
        emit IZkOracle.RoundHeld(
            feedId, 2, 10e8, _now(), modelNumber, _scores(7_000_000), IZkOracle.HoldReason.ANOMALOUS, 0
        );
        _report(feedId, 10e8, 7_000_000);

        IZkOracle.FeedState memory state = hub.feedState(feedId);
        assertEq(uint8(state.status), uint8(IZkOracle.Status.HELD));
        assertEq(state.roundId, 1);
        assertEq(state.answer, PRICE);
        assertEq(state.observedAt, acceptedAt);
        assertEq(state.lastReportAt, _now());
        assertEq(state.returns_[0], 0);
        assertEq(state.held.answer, 10e8);
        assertEq(state.held.firstAnswer, 10e8);
        assertEq(state.held.firstObservedAt, _now());
        assertEq(state.held.observedAt, _now());
        assertEq(state.held.confirmations, 0);
        assertEq(state.held.modelNumber, modelNumber);
        assertEq(state.held.scoreRatio, 7_000);
        assertEq(hub.getRound(feedId, 2).publishedAt, 0);
    }

    function test_normalReportClearsAHold() public {
        _report(feedId, PRICE, -1);
        skip(60);
        _report(feedId, 10e8, 1);
        skip(60);
        _report(feedId, PRICE, -1);
        IZkOracle.FeedState memory state = hub.feedState(feedId);
        assertEq(uint8(state.status), uint8(IZkOracle.Status.OK));
        assertEq(state.roundId, 2);
        assertEq(state.held.answer, 0);
        assertEq(state.held.scoreRatio, 0);
        // The earlier hold counts for nothing now.
        skip(CONFIRM_DELAY);
        _report(feedId, 10e8, 1);
        assertEq(hub.feedState(feedId).held.confirmations, 0);
    }

    function test_confirmationsAcceptANewLevel() public {
        _report(feedId, PRICE, -1);
        skip(60);
        _report(feedId, 50e8, 1);
        skip(CONFIRM_DELAY / 2);
        _report(feedId, 51e8, 1);
        assertEq(hub.feedState(feedId).held.confirmations, 1);
        assertEq(hub.feedState(feedId).held.firstAnswer, 50e8);
        assertEq(hub.feedState(feedId).held.answer, 51e8);
        skip(CONFIRM_DELAY / 2);
        vm.expectEmit(address(hub));
        emit IZkOracle.RoundAccepted(feedId, 2, 505e7, _now(), modelNumber, _scores(1), true);
        _report(feedId, 505e7, 1);

        IZkOracle.FeedState memory state = hub.feedState(feedId);
        assertEq(uint8(state.status), uint8(IZkOracle.Status.OK));
        assertEq(state.roundId, 2);
        assertEq(state.answer, 505e7);
        assertEq(state.returns_[0], -32_767);
    }

    function test_confirmationsMustSpanTheDelay() public {
        _report(feedId, PRICE, -1);
        skip(60);
        _report(feedId, 50e8, 1);
        for (uint256 i = 1; i <= 3; ++i) {
            skip(CONFIRM_DELAY / 4);
            _report(feedId, 50e8, 1);
            assertEq(hub.feedState(feedId).held.confirmations, i);
        }
        skip(CONFIRM_DELAY / 4 - 1);
        _report(feedId, 50e8, 1);
        assertEq(uint8(hub.feedState(feedId).status), uint8(IZkOracle.Status.HELD));
        skip(1);
        _report(feedId, 50e8, 1);
        assertEq(uint8(hub.feedState(feedId).status), uint8(IZkOracle.Status.OK));
    }

    function test_anotherLevelStartsTheHoldAgain() public {
        _report(feedId, PRICE, -1);
        skip(60);
        _report(feedId, 50e8, 1);
        skip(CONFIRM_DELAY);
        _report(feedId, 70e8, 1);
        IZkOracle.Held memory held = hub.feedState(feedId).held;
        assertEq(held.confirmations, 0);
        assertEq(held.firstAnswer, 70e8);
        assertEq(held.firstObservedAt, _now());
    }

    function test_toleranceIsInclusive() public {
        _report(feedId, PRICE, -1);
        skip(60);
        _report(feedId, 50e8, 1);
        skip(60);
        _report(feedId, 51e8, 1); // 2 % is 2 sigma: the tolerance
        assertEq(hub.feedState(feedId).held.confirmations, 1);
        skip(60);
        _report(feedId, 51e8 + 1e6, 1); // 2.02 %
        assertEq(hub.feedState(feedId).held.confirmations, 0);
    }

    function test_confirmationsSaturate() public {
        IZkOracle.FeedConfig memory config = _config("slow", IZkOracle.Kind.RELATIVE, 1);
        config.confirmDelay = 7 days;
        vm.prank(ADMIN);
        bytes32 id = hub.addFeed(config, signers, modelNumber);
        _report(id, PRICE, -1);
        for (uint256 i = 0; i < 260; ++i) {
            skip(1 minutes);
            _report(id, 50e8, 1);
        }
        assertEq(uint8(hub.feedState(id).status), uint8(IZkOracle.Status.HELD));
        assertEq(hub.feedState(id).held.confirmations, 255);
        skip(7 days - 259 minutes);
        _report(id, 50e8, 1);
        assertEq(hub.feedState(id).answer, 50e8);
    }

    /// @dev A move beyond the clip is held even if the model lets it pass. It can be confirmed like any new level.
    function test_clippedMoveIsHeldWhateverTheModelSays() public {
        _report(feedId, PRICE, -1);
        skip(60);
        _report(feedId, PRICE * 13_276 / 10_000, -1); // 32.76 sigmas
        assertEq(hub.feedState(feedId).roundId, 2);
        int128 last = hub.feedState(feedId).answer;
        for (int128 i = 0; i < 2; ++i) {
            skip(60);
            // A hundred times the price, and a hundredth of it.
            _report(feedId, i == 0 ? last * 100 : last / 100, -1);
            IZkOracle.Held memory held = hub.feedState(feedId).held;
            assertEq(uint8(held.reason), uint8(IZkOracle.HoldReason.ANOMALOUS));
            assertEq(held.confirmations, 0);
        }
        for (uint256 i = 0; i < 2; ++i) {
            skip(CONFIRM_DELAY);
            _report(feedId, last / 100, -1);
        }
        assertEq(hub.feedState(feedId).answer, last / 100);
        assertEq(hub.feedState(feedId).returns_[0], -32_767);
    }

    function test_firstAnswerHasNoMoveToBeClipped() public {
        _report(feedId, type(int128).max, -1);
        assertEq(hub.feedState(feedId).roundId, 1);
    }

    /// @dev In a crash no report is near the one before. The feed follows after PATIENCE times what confirms a level.
    function test_fallingAnswerIsFollowed() public {
        _report(feedId, PRICE, -1);
        int128 answer = PRICE;
        uint32 since = 0;
        for (uint256 i = 1; i <= 12; ++i) {
            skip(4 * CONFIRM_DELAY / 11 + 1);
            if (since == 0) since = _now();
            answer = answer * 85 / 100;
            assertEq(hub.feedState(feedId).roundId, 1);
            _report(feedId, answer, 1);
            IZkOracle.Held memory held = hub.feedState(feedId).held;
            if (i == 12) break;
            assertEq(held.anomalies, i);
            assertEq(held.anomalousSince, since);
            assertEq(held.confirmations, 0);
        }
        IZkOracle.FeedState memory state = hub.feedState(feedId);
        assertEq(state.answer, answer);
        assertEq(uint8(state.status), uint8(IZkOracle.Status.OK));
        // The count begins anew.
        skip(60);
        _report(feedId, PRICE, 1);
        assertEq(hub.feedState(feedId).held.anomalies, 1);
    }

    function test_manyAnomaliesInAShortTimeAreHeld() public {
        _report(feedId, PRICE, -1);
        int128 answer = PRICE;
        for (uint256 i = 1; i <= 30; ++i) {
            skip(4 * CONFIRM_DELAY / 30);
            answer = answer * 90 / 100;
            _report(feedId, answer, 1);
        }
        assertEq(hub.feedState(feedId).held.anomalies, 30);
        assertEq(hub.feedState(feedId).roundId, 1);
    }

    /// @dev A source that is sometimes stuck and sometimes wild can't hold the feed for ever either. Its repetitions
    /// count for nothing.
    function test_anomaliesBetweenRepetitionsAreCounted() public {
        bytes32 id = _addRepeatFeed(1);
        _report(id, PRICE, -1);
        skip(60);
        _report(id, PRICE, -1);
        for (uint256 i = 1; i <= 12; ++i) {
            skip(CONFIRM_DELAY);
            _report(id, PRICE, -1);
            assertEq(hub.feedState(id).held.anomalies, i - 1);
            skip(CONFIRM_DELAY);
            assertEq(hub.feedState(id).roundId, 2);
            _report(id, PRICE + 1e6, 1);
        }
        assertEq(hub.feedState(id).answer, PRICE + 1e6);
    }

    function test_repeatsBeyondTheLimitAreHeldAndNeverConfirmed() public {
        bytes32 id = _addRepeatFeed(2);
        _report(id, PRICE, -1);
        for (uint256 i = 1; i <= 2; ++i) {
            skip(60);
            _report(id, PRICE, -1);
            assertEq(hub.feedState(id).repeats, i);
        }
        for (uint256 i = 0; i < 5; ++i) {
            skip(CONFIRM_DELAY);
            vm.expectEmit(address(hub));
            emit IZkOracle.RoundHeld(
                // forge-lint: disable-next-item(unsafe-typecast) -- at most 4
                id,
                4,
                PRICE,
                _now(),
                modelNumber,
                _scores(-1),
                IZkOracle.HoldReason.REPEATED,
                uint8(i)
            );
            _report(id, PRICE, -1);
        }
        IZkOracle.FeedState memory state = hub.feedState(id);
        assertEq(uint8(state.status), uint8(IZkOracle.Status.HELD));
        assertEq(uint8(state.held.reason), uint8(IZkOracle.HoldReason.REPEATED));
        assertEq(state.roundId, 3);
        // An anomalous repetition is no regime change either.
        skip(CONFIRM_DELAY);
        _report(id, PRICE, 1);
        assertEq(hub.feedState(id).roundId, 3);
        // The smallest change of the answer ends the hold, and the count.
        skip(60);
        _report(id, PRICE + 1, -1);
        state = hub.feedState(id);
        assertEq(uint8(state.status), uint8(IZkOracle.Status.OK));
        assertEq(state.roundId, 4);
        assertEq(state.repeats, 0);
    }

    /// @dev Reports held for one reason say nothing about another.
    function test_holdForAnotherReasonBeginsAgain() public {
        bytes32 id = _addRepeatFeed(1);
        _report(id, PRICE, -1);
        skip(60);
        _report(id, PRICE, -1);
        for (uint256 i = 0; i < 3; ++i) {
            skip(CONFIRM_DELAY);
            _report(id, PRICE, -1);
        }
        assertEq(hub.feedState(id).held.confirmations, 2);
        skip(CONFIRM_DELAY);
        _report(id, PRICE + 1e6, 1);
        IZkOracle.FeedState memory state = hub.feedState(id);
        assertEq(uint8(state.held.reason), uint8(IZkOracle.HoldReason.ANOMALOUS));
        assertEq(state.held.confirmations, 0);
        assertEq(state.roundId, 2);
    }

    function test_repeatsSaturateWhereTheyAreNotLimited() public {
        for (uint256 i = 0; i < 258; ++i) {
            _report(feedId, PRICE, -1);
            skip(60);
        }
        assertEq(hub.feedState(feedId).repeats, 255);
        assertEq(hub.feedState(feedId).roundId, 258);
        IZkOracle.FeedConfig memory config = _config("255", IZkOracle.Kind.RELATIVE, 1);
        config.maxRepeats = 254;
        vm.prank(ADMIN);
        bytes32 id = hub.addFeed(config, signers, modelNumber);
        for (uint256 i = 0; i < 256; ++i) {
            _report(id, PRICE, -1);
            skip(60);
        }
        assertEq(hub.feedState(id).roundId, 255);
        assertEq(uint8(hub.feedState(id).status), uint8(IZkOracle.Status.HELD));
    }

    function _addRepeatFeed(uint8 maxRepeats) internal returns (bytes32) {
        IZkOracle.FeedConfig memory config = _config("repeat", IZkOracle.Kind.RELATIVE, 1);
        config.maxRepeats = maxRepeats;
        vm.prank(ADMIN);
        return hub.addFeed(config, signers, modelNumber);
    }

    function test_zeroOnARelativeFeedIsHeldWhateverTheModelSays() public {
        _report(feedId, PRICE, -1);
        for (uint256 i = 0; i < 4; ++i) {
            skip(CONFIRM_DELAY);
            _report(feedId, 0, -1_000_000);
            IZkOracle.FeedState memory state = hub.feedState(feedId);
            assertEq(uint8(state.status), uint8(IZkOracle.Status.HELD));
            assertEq(state.held.confirmations, 0);
            assertEq(state.held.firstObservedAt, _now());
        }
        skip(CONFIRM_DELAY);
        _report(feedId, -5, 1);
        assertEq(hub.feedState(feedId).held.confirmations, 0);
        skip(CONFIRM_DELAY);
        _report(feedId, PRICE, -1);
        assertEq(hub.feedState(feedId).roundId, 2);
    }

    function test_absoluteFeedTakesZeroAndBelow() public {
        vm.prank(ADMIN);
        bytes32 id = _addFeed("spread", IZkOracle.Kind.ABSOLUTE, 1);
        _report(id, -50, -1);
        skip(60);
        _report(id, 0, -1);
        skip(60);
        _report(id, -250, -1);
        IZkOracle.FeedState memory state = hub.feedState(id);
        assertEq(state.roundId, 3);
        assertEq(state.answer, -250);
        assertEq(state.returns_[0], -2_500);
        assertEq(state.returns_[1], 500);
    }

    function test_anomalousFirstReportIsHeld() public {
        _report(feedId, PRICE, 1);
        IZkOracle.FeedState memory state = hub.feedState(feedId);
        assertEq(uint8(state.status), uint8(IZkOracle.Status.HELD));
        assertEq(state.roundId, 0);
        skip(60);
        _report(feedId, PRICE, -1);
        state = hub.feedState(feedId);
        assertEq(state.roundId, 1);
        assertEq(state.returns_[0], 0);
    }

    function test_scoreOfZeroAcceptsAndOneHolds() public {
        _report(feedId, PRICE, 0);
        assertEq(hub.feedState(feedId).roundId, 1);
        skip(60);
        _report(feedId, PRICE, 1);
        assertEq(uint8(hub.feedState(feedId).status), uint8(IZkOracle.Status.HELD));
    }

    function test_anyScoreAboveZeroHolds() public {
        vm.startPrank(ADMIN);
        uint32 two = _addArchitecture(2, true);
        modelNumber = _addModel(MODEL_HASH, two, bytes32(0), SCORE_UNIT);
        bytes32 id = _addFeed("two scores", IZkOracle.Kind.RELATIVE, 1);
        vm.stopPrank();
        IZkOracle.FeedUpdate memory update = _update(id, PRICE, 0);
        update.scores = new int256[](2);
        (update.scores[0], update.scores[1]) = (-4_000_000, 2_000_000);
        _submit(update);
        assertEq(uint8(hub.feedState(id).status), uint8(IZkOracle.Status.HELD));
        assertEq(hub.feedState(id).held.scoreRatio, 2_000);
        skip(60);
        update = _update(id, PRICE, 0);
        update.scores = new int256[](2);
        (update.scores[0], update.scores[1]) = (-4_000_000, -2_000_000);
        _submit(update);
        assertEq(hub.getRound(id, 1).scoreRatio, -2_000);
    }

    function test_extremeScoresSaturateTheRatio() public {
        vm.prank(ADMIN);
        modelNumber = _addModel(MODEL_HASH, architectureId, bytes32(0), 1);
        vm.prank(ADMIN);
        bytes32 id = _addFeed("extreme", IZkOracle.Kind.RELATIVE, 1);
        _report(id, PRICE, -(2 ** 127 - 1));
        assertEq(hub.getRound(id, 1).scoreRatio, type(int24).min);
        skip(60);
        _report(id, PRICE, 2 ** 127 - 1);
        assertEq(hub.feedState(id).held.scoreRatio, type(int24).max);
    }

    function test_medianOfAQuorum() public {
        vm.prank(ADMIN);
        bytes32 id = _addFeed("quorum", IZkOracle.Kind.RELATIVE, 3);
        (int128[] memory answers, uint32[] memory times) = (new int128[](3), new uint32[](3));
        (answers[0], answers[1], answers[2]) = (99e8, PRICE, 500e8);
        (times[0], times[1], times[2]) = (_now() - 5, _now() + 20, _now() - 90);
        IZkOracle.FeedUpdate[] memory updates = _one(_quorumUpdate(id, answers, times, -1));
        (int128[] memory median, uint32[] memory time) = (new int128[](1), new uint32[](1));
        (median[0], time[0]) = (PRICE, times[0]);
        hub.submit(modelNumber, updates, _proof(_instances(updates, median, time, 1)));
        IZkOracle.FeedState memory state = hub.feedState(id);
        assertEq(state.answer, PRICE);
        assertEq(state.observedAt, times[0]);
        assertEq(state.lastReportAt, times[1]);
        assertEq(state.publishedAt, _now());
    }

    function testFuzz_answerIsWithinTheObservations(int64[3] memory raw, uint8 count) public {
        count = uint8(bound(count, 1, 3));
        vm.prank(ADMIN);
        bytes32 id = _addFeed("range", IZkOracle.Kind.ABSOLUTE, 1);
        (int128[] memory answers, uint32[] memory times) = (new int128[](count), new uint32[](count));
        for (uint256 i = 0; i < count; ++i) {
            answers[i] = raw[i];
            times[i] = _now() - uint32(i);
            for (uint256 j = i; j > 0 && answers[j - 1] > answers[j]; --j) {
                (answers[j - 1], answers[j]) = (answers[j], answers[j - 1]);
            }
        }
        IZkOracle.FeedUpdate[] memory updates = _one(_quorumUpdate(id, answers, times, -1));
        // The window of a first report is the same for every answer.
        (int128[] memory median, uint32[] memory time) = (new int128[](1), new uint32[](1));
        hub.submit(modelNumber, updates, _proof(_instances(updates, median, time, 1)));
        IZkOracle.FeedState memory state = hub.feedState(id);
        assertGe(state.answer, answers[0]);
        assertLe(state.answer, answers[count - 1]);
        assertEq(state.answer, answers[count / 2]);
        assertLe(state.observedAt, times[0]);
        assertGe(state.observedAt, times[count - 1]);
        assertEq(state.lastReportAt, times[0]);
    }

    function test_evenQuorumTakesTheUpperAnswerAndTheLowerTime() public {
        vm.prank(ADMIN);
        bytes32 id = _addFeed("pair", IZkOracle.Kind.RELATIVE, 2);
        (int128[] memory answers, uint32[] memory times) = (new int128[](2), new uint32[](2));
        (answers[0], answers[1]) = (99e8, PRICE);
        (times[0], times[1]) = (_now(), _now() - 10);
        IZkOracle.FeedUpdate[] memory updates = _one(_quorumUpdate(id, answers, times, -1));
        (int128[] memory median, uint32[] memory time) = (new int128[](1), new uint32[](1));
        (median[0], time[0]) = (PRICE, times[1]);
        hub.submit(modelNumber, updates, _proof(_instances(updates, median, time, 1)));
        assertEq(hub.feedState(id).answer, PRICE);
        assertEq(hub.feedState(id).observedAt, times[1]);
    }

    function test_batchOfThreeIsPaddedToFour() public {
        bytes32[] memory ids = new bytes32[](3);
        ids[0] = feedId;
        vm.startPrank(ADMIN);
        ids[1] = _addFeed("BTC / USD", IZkOracle.Kind.RELATIVE, 1);
        ids[2] = _addFeed("spread", IZkOracle.Kind.ABSOLUTE, 1);
        vm.stopPrank();
        _sort(ids);
        for (uint256 i = 0; i < 3; ++i) {
            _report(ids[i], PRICE, -1);
        }
        skip(HEARTBEAT);
        IZkOracle.FeedUpdate[] memory updates = new IZkOracle.FeedUpdate[](3);
        (int128[] memory answers, uint32[] memory times) = (new int128[](3), new uint32[](3));
        for (uint256 i = 0; i < 3; ++i) {
            (answers[i], times[i]) = (PRICE + int128(int256(i * 100)), _now() - uint32(i));
            updates[i] = _updateAt(ids[i], answers[i], i == 1 ? int256(3) : -int256(i), times[i]);
        }
        bytes memory proof = _proof(_instances(updates, answers, times, 4));
        vm.expectCall(
            address(verifier4), abi.encodeCall(verifier4.verifyProof, (proof, _instances(updates, answers, times, 4)))
        );
        hub.submit(modelNumber, updates, proof);
        assertEq(hub.feedState(ids[0]).roundId, 2);
        assertEq(uint8(hub.feedState(ids[1]).status), uint8(IZkOracle.Status.HELD));
        assertEq(hub.feedState(ids[2]).answer, PRICE + 200);
    }

    function test_unboundArchitectureHasNoHashInTheStatement() public {
        vm.startPrank(ADMIN);
        uint32 public_ = _addArchitecture(1, false);
        uint16 number = _addModel(0, public_, keccak256("public"), SCORE_UNIT);
        bytes32 id = hub.addFeed(_config("public", IZkOracle.Kind.RELATIVE, 1), signers, number);
        vm.stopPrank();
        IZkOracle.FeedUpdate memory update = _update(id, PRICE, -7);
        uint256[] memory instances = new uint256[](LENGTH + 1);
        instances[LENGTH - 1] = 1_000;
        instances[LENGTH] = R - 7;
        hub.submit(number, _one(update), _proof(instances));
        assertEq(hub.feedState(id).roundId, 1);
    }

    function test_chainlinkEventsComeFromTheLinkedAdapter() public {
        IZkAggregator adapter = _linked(feedId);
        vm.expectEmit(address(adapter));
        emit AggregatorInterface.NewRound(1, RELAYER, _now() - 3);
        vm.expectEmit(address(adapter));
        emit AggregatorInterface.AnswerUpdated(PRICE, 1, _now());
        _submit(_updateAt(feedId, PRICE, -1, _now() - 3));
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
        _submit(_updateAt(feedId, PRICE, -1, _now() + MAX_SKEW));
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

    function _scores(int256 score) internal pure returns (int256[] memory scores) {
        scores = new int256[](1);
        scores[0] = score;
    }
}

// forge-lint: disable-end(unsafe-typecast)
