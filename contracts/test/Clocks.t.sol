// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IZkOracle} from "../src/interfaces/IZkOracle.sol";
import {IZkOracleLens} from "../src/interfaces/IZkOracleLens.sol";
import {OracleTest} from "./OracleTest.sol";

// forge-lint: disable-start(unsafe-typecast) -- loop counters

/// @dev Attacks on holds by a quorum that dates its reports as it likes, or that waits: a new level has to be visible as
/// held for its delay on both clocks, the reports' and the chain's.
contract ClocksTest is OracleTest {
    bytes32 internal id;

    function setUp() public override {
        super.setUp();
        // The defaults of a real feed: as much as a heartbeat may pass between a report and its block.
        IZkOracle.FeedConfig memory config = _config("fast", IZkOracle.Kind.RELATIVE, solo);
        (config.maxAge, config.confirmDelay, config.maxSkew) = (HEARTBEAT, HEARTBEAT, 60);
        vm.prank(ADMIN);
        id = hub.addFeed(config, modelNumber);
        _report(id, PRICE, -1);
        skip(2 * HEARTBEAT);
    }

    // One clock alone

    /// @dev A jump, and reports that are dated so that they confirm it, all in one block.
    function test_aHoldCantBeginAndEndInOneBlock() public {
        uint32 start = _now() - HEARTBEAT + 30;
        for (uint32 i = 0; i <= 10; ++i) {
            _reportAt(id, PRICE * 3, 1, start + i * HEARTBEAT / 10);
        }
        IZkOracle.Held memory held = lens.feedState(hub, id).held;
        assertEq(held.observedAt - held.firstObservedAt, HEARTBEAT);
        assertEq(held.firstSeenAt, _now());
        assertEq(held.confirmations, 10);
        _assertHeld();
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.FeedHeld.selector, id));
        hub.getPriceNoOlderThan(id, 1 hours);
        // A second before the delay is over on the chain, too.
        skip(HEARTBEAT - 1);
        _reportAt(id, PRICE * 3, 1, _now());
        _assertHeld();
        skip(1);
        _reportAt(id, PRICE * 3, 1, _now());
        assertEq(lens.feedState(hub, id).answer, PRICE * 3);
    }

    /// @dev The other way to end a hold: many anomalies that agree on no level.
    function test_patienceCantEndInOneBlockEither() public {
        IZkOracle.FeedConfig memory config = _config("patient", IZkOracle.Kind.RELATIVE, solo);
        config.maxAge = 4 * CONFIRM_DELAY + 60;
        vm.prank(ADMIN);
        id = hub.addFeed(config, modelNumber);
        _report(id, PRICE, -1);
        skip(2 * HEARTBEAT);
        uint32 start = _now() - 4 * CONFIRM_DELAY - 60;
        int128 answer = PRICE;
        for (uint32 i = 0; i < 16; ++i) {
            answer = answer * 85 / 100;
            _reportAt(id, answer, 1, start + i * 4 * CONFIRM_DELAY / 15);
        }
        IZkOracle.Held memory held = lens.feedState(hub, id).held;
        assertEq(held.observedAt - held.anomalousSince, 4 * CONFIRM_DELAY);
        assertEq(held.anomalies, 16);
        assertEq(held.anomalousSeenAt, _now());
        _assertHeld();
        skip(4 * CONFIRM_DELAY - 1);
        _reportAt(id, PRICE / 100, 1, _now());
        _assertHeld();
        skip(1);
        _reportAt(id, PRICE / 200, 1, _now());
        assertEq(lens.feedState(hub, id).answer, PRICE / 200);
    }

    /// @dev The reverse: the chain's time passes, and the reports' stands almost still.
    function test_timeOnTheChainAloneConfirmsNothing() public {
        uint32 at = _now();
        for (uint32 i = 0; i < 6; ++i) {
            _reportAt(id, PRICE * 3, 1, at + i);
            skip(HEARTBEAT / 6);
        }
        // The first was seen a delay ago, but was observed 6 seconds ago.
        _reportAt(id, PRICE * 3, 1, at + 6);
        IZkOracle.Held memory held = lens.feedState(hub, id).held;
        assertEq(_now() - held.firstSeenAt, HEARTBEAT);
        assertEq(held.confirmations, 6);
        _assertHeld();
        _reportAt(id, PRICE * 3, 1, at + HEARTBEAT);
        assertEq(lens.feedState(hub, id).answer, PRICE * 3);
    }

    function test_timeOnTheChainAloneEndsNoPatience() public {
        IZkOracle.FeedConfig memory config = _config("patient", IZkOracle.Kind.RELATIVE, solo);
        config.maxAge = 8 * CONFIRM_DELAY;
        vm.prank(ADMIN);
        id = hub.addFeed(config, modelNumber);
        _report(id, PRICE, -1);
        skip(60);
        uint32 at = _now();
        int128 answer = PRICE;
        for (uint32 i = 0; i < 14; ++i) {
            answer = answer * 85 / 100;
            _reportAt(id, answer, 1, at + i);
            skip(CONFIRM_DELAY / 3);
        }
        assertGt(_now() - lens.feedState(hub, id).held.anomalousSeenAt, 4 * CONFIRM_DELAY);
        _assertHeld();
        _reportAt(id, PRICE / 200, 1, at + 4 * CONFIRM_DELAY);
        assertEq(lens.feedState(hub, id).answer, PRICE / 200);
    }

    /// @dev Any two clocks: a level is confirmed exactly when the delay has passed on both.
    function testFuzz_bothClocksHaveToReachTheDelay(uint32 signed, uint32 seen) public {
        (signed, seen) = (uint32(bound(signed, 3, 2 * HEARTBEAT)), uint32(bound(seen, 0, 2 * HEARTBEAT)));
        // Within maxAge and maxSkew: the last report's time is at most a minute ahead of its block.
        uint32 first = _now() - HEARTBEAT + 60;
        uint32 end = _now() + seen + 60;
        if (first + signed > end) signed = end - first;
        if (first + signed + HEARTBEAT < _now() + seen) signed = _now() + seen - HEARTBEAT - first;
        _reportAt(id, PRICE * 3, 1, first);
        _reportAt(id, PRICE * 3, 1, first + 1);
        skip(seen);
        _reportAt(id, PRICE * 3, 1, first + signed);
        bool isConfirmed = signed >= HEARTBEAT && seen >= HEARTBEAT;
        assertEq(lens.feedState(hub, id).answer, isConfirmed ? PRICE * 3 : PRICE);
    }

    /// @dev Another level starts both clocks again.
    function test_anotherLevelStartsBothClocksAgain() public {
        _reportAt(id, PRICE * 3, 1, _now());
        skip(HEARTBEAT - 10);
        _reportAt(id, PRICE * 2, 1, _now() - 20);
        IZkOracle.Held memory held = lens.feedState(hub, id).held;
        assertEq(held.firstSeenAt, _now());
        assertEq(held.firstObservedAt, _now() - 20);
        // The time of all anomalies goes on.
        assertEq(held.anomalousSeenAt, _now() - HEARTBEAT + 10);
    }

    // The same report again

    /// @dev A report that is signed ahead of its block is later than the block, and still counts once. It was once
    /// possible to submit it until the chain had reached its time.
    function test_aReportSignedAheadOfTheBlockCantConfirmItself() public {
        Draft memory draft = _draft(id, PRICE * 2, 1);
        draft.observedAt += 60;
        IZkOracle.Submission memory submission = _proven(draft);
        hub.submit(submission);
        assertEq(lens.feedState(hub, id).lastReportAt, draft.observedAt);
        bytes memory expected =
            abi.encodeWithSelector(IZkOracle.ObservationNotNewer.selector, id, draft.observedAt, draft.observedAt);
        for (uint256 i = 0; i < 4; ++i) {
            skip(20);
            vm.expectRevert(expected);
            hub.submit(submission);
            assertFalse(hub.submitIfNewer(submission));
        }
        IZkOracle.Held memory held = lens.feedState(hub, id).held;
        assertEq(held.confirmations, 0);
        assertEq(held.anomalies, 1);
    }

    /// @dev The last report's time is that of a hold that is over, too: no earlier report comes after it.
    function test_timeNeverGoesBack() public {
        _reportAt(id, PRICE * 3, 1, _now());
        Draft memory late = _draft(id, PRICE * 3, 1);
        late.observedAt -= 1;
        IZkOracle.Submission memory submission = _proven(late);
        vm.expectPartialRevert(IZkOracle.ObservationNotNewer.selector);
        hub.submit(submission);
        _reportAt(id, PRICE, -1, _now() + 5);
        assertEq(lens.feedState(hub, id).lastReportAt, _now() + 5);
        late = _draft(id, PRICE, -1);
        late.observedAt += 5;
        submission = _proven(late);
        vm.expectPartialRevert(IZkOracle.ObservationNotNewer.selector);
        hub.submit(submission);
    }

    // Waiting

    /// @dev A model's allowance grows with the time since the last round. A lie that it has held, and that would pass
    /// after some waiting, is judged with its first gap for as long as it is repeated.
    function test_aHeldLieIsJudgedWithItsFirstGapForEver() public {
        // Say the model allows 10 sigma in two heartbeats: a lie of 1.2, of 1.4 and of twice its limit.
        int128[3] memory lies = [PRICE * 112 / 100, PRICE * 114 / 100, PRICE * 120 / 100];
        for (uint256 i = 0; i < 3; ++i) {
            _reportAt(id, lies[i], 1, _now());
            assertEq(lens.feedState(hub, id).held.firstGap, 2_000);
            for (uint256 j = 1; j <= 2; ++j) {
                skip(j * HEARTBEAT / 4);
                // A little above, a little below.
                int128 near = lies[i] + (j == 1 ? lies[i] : -lies[i]) / 100;
                // The prover would rather have the true gap. Its statement is not the hub's.
                _expectNoOtherGap(near);
                _reportAt(id, near, 1, _now());
                assertEq(lens.feedState(hub, id).held.confirmations, j);
            }
            assertEq(_gapNow(lies[i]), 2_000);
            // The honest answer is judged with the true gap all the while, and ends the hold.
            assertEq(_gapNow(PRICE), int256(uint256(_now() - lens.feedState(hub, id).observedAt)) * 10 / 36);
            skip(60);
            _reportAt(id, PRICE, -1, _now());
            skip(2 * HEARTBEAT);
        }
    }

    /// @dev The frozen gap does not freeze the feed: confirmation goes by the clocks.
    function test_confirmationStillEndsAHoldWithAFrozenGap() public {
        uint32 variance = lens.feedState(hub, id).variance;
        _reportAt(id, PRICE * 112 / 100, 1, _now());
        skip(5 * HEARTBEAT);
        _reportAt(id, PRICE * 112 / 100, 1, _now());
        _assertHeld();
        skip(5 * HEARTBEAT);
        _reportAt(id, PRICE * 112 / 100, 1, _now());
        IZkOracleLens.FeedState memory state = lens.feedState(hub, id);
        assertEq(state.answer, PRICE * 112 / 100);
        // The round's variance is of the gap that it was judged with: 12 sigma in two heartbeats count for 72 sigma²,
        // but for no more than the clip.
        assertEq(state.variance, variance - variance / 64 + uint256(32_767) * 2 ** 11);
    }

    function test_patienceStillEndsAHoldWithFrozenGaps() public {
        int128 answer = PRICE;
        uint32 accepted = lens.feedState(hub, id).observedAt;
        for (uint256 i = 0; i < 12; ++i) {
            _assertOk(i == 0);
            answer = answer * 85 / 100;
            _reportAt(id, answer, 1, _now());
            if (i < 11) {
                // Each level is new, so each is judged with its own true gap, and keeps it.
                uint256 gap = uint256(_now() - accepted) * 1_000 / HEARTBEAT;
                assertEq(lens.feedState(hub, id).held.firstGap, gap);
            }
            skip(4 * HEARTBEAT / 11 + 1);
        }
        assertEq(lens.feedState(hub, id).answer, answer);
    }

    /// @dev A hold that was not of an anomalous answer freezes no gap. Nothing of it counts for an anomalous one.
    function test_onlyAnAnomalousHoldFreezesTheGap() public {
        IZkOracle.FeedConfig memory config = _config("repeat", IZkOracle.Kind.RELATIVE, solo);
        (config.maxAge, config.maxRepeats) = (HEARTBEAT, 1);
        vm.prank(ADMIN);
        id = hub.addFeed(config, modelNumber);
        for (uint256 i = 0; i < 3; ++i) {
            _report(id, PRICE, -1);
            skip(2 * HEARTBEAT);
        }
        assertEq(uint8(lens.feedState(hub, id).held.reason), uint8(IZkOracle.HoldReason.REPEATED));
        assertEq(_gapNow(PRICE), 4_000);
        _reportAt(id, PRICE + 1, 1, _now());
        assertEq(lens.feedState(hub, id).held.firstGap, 4_000);
        skip(2 * HEARTBEAT);
        assertEq(_gapNow(PRICE), 4_000);
    }

    function _reportAt(bytes32 feed, int128 answer, int256 score, uint32 at) internal {
        Draft memory draft = _draft(feed, answer, score);
        draft.observedAt = at;
        _submit(draft);
    }

    function _gapNow(int128 answer) internal view returns (int256) {
        return lens.features(hub, id, answer, _now(), 0, 1, new int128[](0))[LENGTH - 1];
    }

    function _expectNoOtherGap(int128 answer) internal {
        Draft memory draft = _draft(id, answer, -1);
        IZkOracle.Submission memory submission = _signed(draft);
        int256[][] memory windows = new int256[][](1);
        windows[0] = _window(draft, 0, FEATURES);
        windows[0][LENGTH - 1] = int256(uint256(_now() - lens.feedState(hub, id).observedAt)) * 1_000 / 3_600;
        assertGt(windows[0][LENGTH - 1], 2_000);
        submission.proof = _proof(_statement(MODEL_HASH, windows, draft.scores, 1));
        vm.expectRevert(IZkOracle.ProofRejected.selector);
        hub.submit(submission);
    }

    function _assertHeld() internal view {
        assertEq(uint8(lens.feedState(hub, id).status), uint8(IZkOracle.Status.HELD));
        assertEq(lens.feedState(hub, id).roundId, 1);
    }

    function _assertOk(bool isOk) internal view {
        assertEq(uint8(lens.feedState(hub, id).status), uint8(isOk ? IZkOracle.Status.OK : IZkOracle.Status.HELD));
    }
}

// forge-lint: disable-end(unsafe-typecast)
