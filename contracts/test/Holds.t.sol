// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IZkOracle} from "../src/interfaces/IZkOracle.sol";
import {IZkOracleLens} from "../src/interfaces/IZkOracleLens.sol";
import {HubReader} from "../src/libraries/HubReader.sol";
import {OracleTest} from "./OracleTest.sol";

// forge-lint: disable-start(unsafe-typecast) -- loop counters

/// @dev When an answer is held, what continues a hold, and what ends it. `Clocks.t.sol` has the attacks on
/// them: with time, and with waiting.
contract HoldsTest is OracleTest {
    function test_normalReportClearsAHold() public {
        _report(feedId, PRICE, -1);
        skip(60);
        _report(feedId, 10e8, 1);
        skip(60);
        _report(feedId, PRICE, -1);
        IZkOracleLens.FeedState memory state = lens.feedState(hub, feedId);
        assertEq(uint8(state.status), uint8(IZkOracle.Status.OK));
        assertEq(state.roundId, 2);
        assertEq(state.held.answer, 0);
        assertEq(state.held.scoreRatio, 0);
        // The earlier hold counts for nothing now.
        skip(CONFIRM_DELAY);
        _report(feedId, 10e8, 1);
        assertEq(lens.feedState(hub, feedId).held.confirmations, 0);
    }

    function test_confirmationsAcceptANewLevel() public {
        _report(feedId, PRICE, -1);
        skip(60);
        _report(feedId, 50e8, 1);
        skip(CONFIRM_DELAY / 2);
        _report(feedId, 51e8, 1);
        assertEq(lens.feedState(hub, feedId).held.confirmations, 1);
        assertEq(lens.feedState(hub, feedId).held.firstAnswer, 50e8);
        assertEq(lens.feedState(hub, feedId).held.answer, 51e8);
        skip(CONFIRM_DELAY / 2);
        vm.expectEmit(address(hub));
        emit IZkOracle.RoundAccepted(feedId, 2, 505e7, _now(), modelNumber, _scores(1), true, RELAYER);
        _report(feedId, 505e7, 1);

        IZkOracleLens.FeedState memory state = lens.feedState(hub, feedId);
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
            assertEq(lens.feedState(hub, feedId).held.confirmations, i);
        }
        skip(CONFIRM_DELAY / 4 - 1);
        _report(feedId, 50e8, 1);
        assertEq(uint8(lens.feedState(hub, feedId).status), uint8(IZkOracle.Status.HELD));
        skip(1);
        _report(feedId, 50e8, 1);
        assertEq(uint8(lens.feedState(hub, feedId).status), uint8(IZkOracle.Status.OK));
    }

    function test_anotherLevelStartsTheHoldAgain() public {
        _report(feedId, PRICE, -1);
        skip(60);
        _report(feedId, 50e8, 1);
        skip(CONFIRM_DELAY);
        _report(feedId, 70e8, 1);
        IZkOracle.Held memory held = lens.feedState(hub, feedId).held;
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
        assertEq(lens.feedState(hub, feedId).held.confirmations, 1);
        skip(60);
        _report(feedId, 51e8 + 1e6, 1); // 2.02 %
        assertEq(lens.feedState(hub, feedId).held.confirmations, 0);
    }

    function test_confirmationsSaturate() public {
        IZkOracle.FeedConfig memory config = _config("slow", IZkOracle.Kind.RELATIVE, solo);
        config.confirmDelay = 7 days;
        vm.prank(ADMIN);
        bytes32 id = hub.addFeed(config, modelNumber);
        _report(id, PRICE, -1);
        for (uint256 i = 0; i < 4; ++i) {
            skip(1 minutes);
            _report(id, 50e8, 1);
            if (i == 0) _add(HubReader.feedSlot(id) + 3, 253 << 96);
        }
        assertEq(uint8(lens.feedState(hub, id).status), uint8(IZkOracle.Status.HELD));
        assertEq(lens.feedState(hub, id).held.confirmations, 255);
        skip(7 days - 3 minutes);
        _report(id, 50e8, 1);
        assertEq(lens.feedState(hub, id).answer, 50e8);
    }

    /// @dev The same for the count of anomalies.
    function test_anomaliesSaturate() public {
        _report(feedId, PRICE, -1);
        int128 answer = PRICE;
        for (uint256 i = 0; i < 4; ++i) {
            skip(60);
            answer = answer * 80 / 100;
            _report(feedId, answer, 1);
            if (i == 0) _add(HubReader.feedSlot(feedId) + 3, 65_533 << 152);
        }
        assertEq(lens.feedState(hub, feedId).held.anomalies, 65_535);
        skip(4 * CONFIRM_DELAY);
        _report(feedId, PRICE * 2, 1);
        assertEq(lens.feedState(hub, feedId).answer, PRICE * 2);
    }

    /// @dev A move beyond the clip is held even if the model lets it pass. It can be confirmed like any new level.
    function test_clippedMoveIsHeldWhateverTheModelSays() public {
        _report(feedId, PRICE, -1);
        skip(60);
        _report(feedId, PRICE * 13_276 / 10_000, -1); // 32.76 sigmas
        assertEq(lens.feedState(hub, feedId).roundId, 2);
        int128 last = lens.feedState(hub, feedId).answer;
        for (int128 i = 0; i < 2; ++i) {
            skip(60);
            // A hundred times the price, and a hundredth of it.
            _report(feedId, i == 0 ? last * 100 : last / 100, -1);
            IZkOracle.Held memory held = lens.feedState(hub, feedId).held;
            assertEq(uint8(held.reason), uint8(IZkOracle.HoldReason.ANOMALOUS));
            assertEq(held.confirmations, 0);
        }
        for (uint256 i = 0; i < 2; ++i) {
            skip(CONFIRM_DELAY);
            _report(feedId, last / 100, -1);
        }
        assertEq(lens.feedState(hub, feedId).answer, last / 100);
        assertEq(lens.feedState(hub, feedId).returns_[0], -32_767);
    }

    function test_firstAnswerHasNoMoveToBeClipped() public {
        _report(feedId, type(int128).max, -1);
        assertEq(lens.feedState(hub, feedId).roundId, 1);
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
            assertEq(lens.feedState(hub, feedId).roundId, 1);
            _report(feedId, answer, 1);
            IZkOracle.Held memory held = lens.feedState(hub, feedId).held;
            if (i == 12) break;
            assertEq(held.anomalies, i);
            assertEq(held.anomalousSince, since);
            assertEq(held.confirmations, 0);
        }
        IZkOracleLens.FeedState memory state = lens.feedState(hub, feedId);
        assertEq(state.answer, answer);
        assertEq(uint8(state.status), uint8(IZkOracle.Status.OK));
        // The count begins anew.
        skip(60);
        _report(feedId, PRICE, 1);
        assertEq(lens.feedState(hub, feedId).held.anomalies, 1);
    }

    function test_manyAnomaliesInAShortTimeAreHeld() public {
        _report(feedId, PRICE, -1);
        int128 answer = PRICE;
        for (uint256 i = 1; i <= 30; ++i) {
            skip(4 * CONFIRM_DELAY / 30);
            answer = answer * 90 / 100;
            _report(feedId, answer, 1);
        }
        assertEq(lens.feedState(hub, feedId).held.anomalies, 30);
        assertEq(lens.feedState(hub, feedId).roundId, 1);
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
            assertEq(lens.feedState(hub, id).held.anomalies, i - 1);
            skip(CONFIRM_DELAY);
            assertEq(lens.feedState(hub, id).roundId, 2);
            _report(id, PRICE + 1e6, 1);
        }
        assertEq(lens.feedState(hub, id).answer, PRICE + 1e6);
    }

    function test_repeatsBeyondTheLimitAreHeldAndNeverConfirmed() public {
        bytes32 id = _addRepeatFeed(2);
        _report(id, PRICE, -1);
        for (uint256 i = 1; i <= 2; ++i) {
            skip(60);
            _report(id, PRICE, -1);
            assertEq(lens.feedState(hub, id).repeats, i);
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
                uint8(i),
                RELAYER
            );
            _report(id, PRICE, -1);
        }
        IZkOracleLens.FeedState memory state = lens.feedState(hub, id);
        assertEq(uint8(state.status), uint8(IZkOracle.Status.HELD));
        assertEq(uint8(state.held.reason), uint8(IZkOracle.HoldReason.REPEATED));
        assertEq(state.roundId, 3);
        // An anomalous repetition is no regime change either.
        skip(CONFIRM_DELAY);
        _report(id, PRICE, 1);
        assertEq(lens.feedState(hub, id).roundId, 3);
        // The smallest change of the answer ends the hold, and the count.
        skip(60);
        _report(id, PRICE + 1, -1);
        state = lens.feedState(hub, id);
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
        assertEq(lens.feedState(hub, id).held.confirmations, 2);
        skip(CONFIRM_DELAY);
        _report(id, PRICE + 1e6, 1);
        IZkOracleLens.FeedState memory state = lens.feedState(hub, id);
        assertEq(uint8(state.held.reason), uint8(IZkOracle.HoldReason.ANOMALOUS));
        assertEq(state.held.confirmations, 0);
        assertEq(state.roundId, 2);
    }

    /// @dev Who was not shown an event of a hold finds it by the count, also after the hold, and after the next one.
    function test_heldReportsAreCountedFromHoldToHold() public {
        _report(feedId, PRICE, -1);
        assertEq(lens.feedState(hub, feedId).heldReports, 0);
        for (uint256 i = 1; i <= 2; ++i) {
            skip(60);
            _report(feedId, 10e8, 1);
            assertEq(lens.feedState(hub, feedId).heldReports, i);
        }
        skip(60);
        _report(feedId, PRICE, -1);
        assertEq(lens.feedState(hub, feedId).heldReports, 2);
        // Another hold, which is confirmed. The report that ends it is not held.
        for (uint256 i = 0; i < 3; ++i) {
            skip(CONFIRM_DELAY);
            _report(feedId, 50e8, 1);
        }
        IZkOracleLens.FeedState memory state = lens.feedState(hub, feedId);
        assertEq(state.answer, 50e8);
        assertEq(state.heldReports, 4);
        // A hold for another reason counts, too, and the count says nothing of what is held.
        skip(60);
        _report(feedId, 0, -1);
        state = lens.feedState(hub, feedId);
        assertEq(state.heldReports, 5);
        assertEq(state.held.confirmations, 0);
        assertEq(state.held.firstGap, 1_000);
    }

    function test_heldReportsWrap() public {
        _report(feedId, PRICE, -1);
        skip(60);
        _report(feedId, 10e8, 1);
        _add(HubReader.feedSlot(feedId) + 3, 254 << 248);
        assertEq(lens.feedState(hub, feedId).heldReports, 255);
        IZkOracle.Held memory held = lens.feedState(hub, feedId).held;
        skip(60);
        _report(feedId, 10e8, 1);
        assertEq(lens.feedState(hub, feedId).heldReports, 0);
        assertEq(lens.feedState(hub, feedId).held.confirmations, held.confirmations + 1);
        assertEq(lens.feedState(hub, feedId).held.firstGap, held.firstGap);
        skip(60);
        _report(feedId, PRICE, -1);
        skip(60);
        _report(feedId, 10e8, 1);
        assertEq(lens.feedState(hub, feedId).heldReports, 1);
    }

    function test_repeatsSaturateWhereTheyAreNotLimited() public {
        bytes32 limited = _addRepeatFeed(254);
        for (uint256 i = 0; i < 2; ++i) {
            bytes32 id = i == 0 ? feedId : limited;
            _report(id, PRICE, -1);
            _add(HubReader.entry(HubReader.feedSlot(id) + HubReader.ROUNDS, 1), 253 << 184);
            for (uint256 j = 0; j < 3; ++j) {
                skip(60);
                _report(id, PRICE, -1);
            }
        }
        assertEq(lens.feedState(hub, feedId).repeats, 255);
        assertEq(lens.feedState(hub, feedId).roundId, 4);
        assertEq(lens.feedState(hub, limited).repeats, 254);
        assertEq(lens.feedState(hub, limited).roundId, 2);
        assertEq(uint8(lens.feedState(hub, limited).held.reason), uint8(IZkOracle.HoldReason.REPEATED));
    }

    /// @dev As if many reports had come: a field of a word is this much larger.
    function _add(uint256 slot, uint256 amount) internal {
        vm.store(address(hub), bytes32(slot), bytes32(HubReader.word(hub, slot) + amount));
    }

    function _addRepeatFeed(uint8 maxRepeats) internal returns (bytes32) {
        IZkOracle.FeedConfig memory config = _config("repeat", IZkOracle.Kind.RELATIVE, solo);
        config.maxRepeats = maxRepeats;
        vm.prank(ADMIN);
        return hub.addFeed(config, modelNumber);
    }

    function test_theSmallestAnswerAboveZeroIsWritten() public {
        _report(feedId, 1, -1);
        assertEq(lens.feedState(hub, feedId).answer, 1);
        assertEq(lens.feedState(hub, feedId).roundId, 1);
    }

    function test_zeroOnARelativeFeedIsHeldWhateverTheModelSays() public {
        _report(feedId, PRICE, -1);
        for (uint256 i = 0; i < 4; ++i) {
            skip(CONFIRM_DELAY);
            _report(feedId, 0, -1_000_000);
            IZkOracleLens.FeedState memory state = lens.feedState(hub, feedId);
            assertEq(uint8(state.status), uint8(IZkOracle.Status.HELD));
            assertEq(state.held.confirmations, 0);
            assertEq(state.held.firstObservedAt, _now());
        }
        skip(CONFIRM_DELAY);
        _report(feedId, -5, 1);
        assertEq(lens.feedState(hub, feedId).held.confirmations, 0);
        skip(CONFIRM_DELAY);
        _report(feedId, PRICE, -1);
        assertEq(lens.feedState(hub, feedId).roundId, 2);
    }
}

// forge-lint: disable-end(unsafe-typecast)
