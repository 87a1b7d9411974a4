// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {stdError} from "forge-std/StdError.sol";

import {ChainlinkConsumer} from "../examples/ChainlinkConsumer.sol";
import {MeanPrice} from "../examples/MeanPrice.sol";
import {IZkAggregator} from "../src/interfaces/IZkAggregator.sol";
import {IZkOracle} from "../src/interfaces/IZkOracle.sol";
import {AdapterTest} from "./AdapterTest.sol";
import {ClosingConsumer} from "./consumers/ClosingConsumer.sol";
import {ComparingConsumer} from "./consumers/ComparingConsumer.sol";
import {ReadingConsumer} from "./consumers/ReadingConsumer.sol";

/// @dev The table of adapters and states in docs/contracts.md, row by row, and what each kind of consumer makes of it.
contract ConsumersTest is AdapterTest {
    IZkOracle.Status internal constant OK = IZkOracle.Status.OK;
    IZkOracle.Status internal constant HELD = IZkOracle.Status.HELD;

    uint256 internal immutable price = SafeCast.toUint256(PRICE);

    // The table. Guarded adapters are in the rows of the sequencer; in all others they do what unguarded ones do.

    function test_rowEmpty() public {
        IZkAggregator[5] memory all = _all();
        for (uint256 i = 0; i < all.length; ++i) {
            _assertRefuses(all[i], _noData());
        }
    }

    function test_rowOk() public {
        mock.accept(PRICE);
        skip(HEARTBEAT);
        IZkAggregator[5] memory all = _all();
        for (uint256 i = 0; i < all.length; ++i) {
            _assertGives(all[i], PRICE);
        }
    }

    function test_rowHeld() public {
        mock.accept(PRICE);
        mock.hold();
        _assertRow(_unavailable(HELD, false, false), "");
    }

    function test_rowPaused() public {
        mock.accept(PRICE);
        mock.setPaused(true);
        _assertRow(_unavailable(OK, true, false), "");
    }

    function test_rowStale() public {
        mock.accept(PRICE);
        skip(STALE_AFTER + 1);
        _assertRow(_unavailable(OK, false, true), "");
    }

    function test_rowLongerThanTheBound() public {
        mock.accept(PRICE);
        uint256 observedAt = _now();
        skip(BOUND + 1);
        _assertRow(_unavailable(OK, false, true), _tooOld(observedAt, BOUND));
        mock.hold();
        _assertRow(_unavailable(HELD, false, true), _tooOld(observedAt, BOUND));
        mock.setPaused(true);
        _assertRow(_unavailable(HELD, true, true), _tooOld(observedAt, BOUND));
    }

    function test_rowSequencerDown() public {
        mock.accept(PRICE);
        uptime.set(1, _now());
        _assertGuards(_down());
    }

    function test_rowGrace() public {
        mock.accept(PRICE);
        uptime.set(0, _now());
        skip(GRACE);
        _assertGuards(_inGrace(_now() - GRACE));
    }

    // (a) It reads and divides, and checks nothing

    function test_readerBehindAPlainAdapterUsesAnOldAnswer() public {
        ReadingConsumer consumer = new ReadingConsumer(plain);
        mock.accept(PRICE);
        assertEq(consumer.tokensFor(4_000), 2);
        mock.hold();
        skip(30 days);
        assertEq(consumer.tokensFor(4_000), 2);
    }

    function test_readerBehindAStrictAdapterStops() public {
        ReadingConsumer consumer = new ReadingConsumer(strict);
        mock.accept(PRICE);
        assertEq(consumer.tokensFor(4_000), 2);
        mock.hold();
        vm.expectRevert(_unavailable(HELD, false, false));
        consumer.tokensFor(4_000);
        mock.accept(PRICE * 2);
        assertEq(consumer.tokensFor(4_000), 1);
    }

    /// @dev V2's 0 divides into a panic, which stops the consumer too. But it multiplies into nothing: who reads V2 to
    /// value something must check for 0, or not read a strict adapter.
    function test_readerByV2TakesAWithheldAnswerForZero() public {
        ReadingConsumer consumer = new ReadingConsumer(strict);
        mock.accept(PRICE);
        assertEq(consumer.valueOfV2(3), 6_000);
        mock.hold();
        vm.expectRevert(stdError.divisionError);
        consumer.tokensForV2(4_000);
        assertEq(consumer.valueOfV2(3), 0);
        assertEq(new ReadingConsumer(lastGood).valueOfV2(3), 6_000);
    }

    // (b) It checks `updatedAt`

    function test_checkerBehindAPlainAdapterBoundsAHold() public {
        ChainlinkConsumer consumer = new ChainlinkConsumer(plain, 2 * HEARTBEAT);
        mock.accept(PRICE);
        uint256 at = _now();
        mock.hold();
        skip(2 * HEARTBEAT);
        assertEq(consumer.price(), 2_000e18);
        skip(1);
        vm.expectRevert(abi.encodeWithSelector(ChainlinkConsumer.AnswerTooOld.selector, at));
        consumer.price();
    }

    /// @dev LAST_GOOD does not hide a round's age from those who look.
    function test_checkerBehindLastGoodStillSeesTheAge() public {
        ChainlinkConsumer consumer = new ChainlinkConsumer(lastGood, HEARTBEAT);
        mock.accept(PRICE);
        uint256 at = _now();
        skip(HEARTBEAT + 1);
        mock.hold();
        vm.expectRevert(abi.encodeWithSelector(ChainlinkConsumer.AnswerTooOld.selector, at));
        consumer.price();
    }

    /// @dev The observation may be older than the block: `updatedAt` alone is late by up to the feed's `maxAge`.
    function test_checkerCountsFromTheBlockAndLastGoodFromTheObservation() public {
        mock.accept(PRICE, _now() - 10 minutes);
        ChainlinkConsumer consumer = new ChainlinkConsumer(plain, BOUND);
        ChainlinkConsumer other = new ChainlinkConsumer(lastGood, BOUND);
        skip(BOUND);
        assertEq(consumer.price(), 2_000e18);
        vm.expectRevert(_tooOld(_now() - BOUND - 10 minutes, BOUND));
        other.price();
    }

    // (c) It compares two rounds

    /// @dev A fall of a fifth per report looks like a fault of the feed once a hold has merged its steps into one round,
    /// whatever the adapter. The round's score tells that reports over time have confirmed the jump.
    function test_comparerTakesAMergedFallForAFault() public {
        ComparingConsumer[3] memory consumers =
            [new ComparingConsumer(plain), new ComparingConsumer(strict), new ComparingConsumer(lastGood)];
        mock.accept(PRICE);
        skip(HEARTBEAT);
        mock.accept(PRICE * 4 / 5);
        for (uint256 i = 0; i < 3; ++i) {
            assertFalse(consumers[i].distrusts());
        }
        mock.hold(); // at 64, 51 and 41% of the first price
        skip(30 minutes);
        mock.confirm(PRICE / 3);
        for (uint256 i = 0; i < 3; ++i) {
            assertTrue(consumers[i].distrusts());
            assertFalse(consumers[i].distrustsUnconfirmed());
        }
        // A jump that the model took for normal is one to distrust.
        mock.accept(PRICE);
        assertTrue(consumers[0].distrustsUnconfirmed());
    }

    // (d) It catches a revert, and closes for ever

    function test_closerBehindAStrictAdapterClosesAtTheFirstHold() public {
        ClosingConsumer consumer = new ClosingConsumer(strict, 1 days);
        mock.accept(PRICE);
        assertEq(consumer.fetchPrice(), price);
        mock.hold();
        consumer.fetchPrice();
        assertTrue(consumer.isClosed());
        // The hold ends a minute later, with the same price. The branch stays closed.
        skip(1 minutes);
        mock.accept(PRICE);
        consumer.fetchPrice();
        assertTrue(consumer.isClosed());
    }

    function test_closerBehindLastGoodLivesThroughAHoldWithinTheBound() public {
        ClosingConsumer consumer = new ClosingConsumer(lastGood, 1 days);
        mock.accept(PRICE);
        mock.hold();
        skip(BOUND);
        assertEq(consumer.fetchPrice(), price);
        mock.accept(PRICE / 2);
        assertEq(consumer.fetchPrice(), price / 2);
        assertFalse(consumer.isClosed());
        skip(BOUND + 1);
        consumer.fetchPrice();
        assertTrue(consumer.isClosed());
    }

    function test_closerBehindAPlainAdapterClosesByItsOwnBound() public {
        ClosingConsumer consumer = new ClosingConsumer(plain, 1 days);
        mock.accept(PRICE);
        mock.hold();
        skip(1 days);
        assertEq(consumer.fetchPrice(), price);
        assertFalse(consumer.isClosed());
        skip(1);
        consumer.fetchPrice();
        assertTrue(consumer.isClosed());
    }

    /// @dev A guard reverts as well: such a consumer has to look at the sequencer itself.
    function test_closerBehindAGuardClosesWithTheSequencer() public {
        ClosingConsumer consumer = new ClosingConsumer(guardedLastGood, 1 days);
        mock.accept(PRICE);
        uptime.set(1, _now());
        consumer.fetchPrice();
        assertTrue(consumer.isClosed());
    }

    /// @dev No adapter has an answer before the first round.
    function test_closerIsNotConnectedToAnEmptyFeed() public {
        IZkAggregator[5] memory all = _all();
        for (uint256 i = 0; i < all.length; ++i) {
            ClosingConsumer consumer = new ClosingConsumer(all[i], 1 days);
            consumer.fetchPrice();
            assertTrue(consumer.isClosed());
        }
    }

    // (e) It walks back

    function test_walkerFindsAllRoundsBehindEachAdapter() public {
        MeanPrice walker = new MeanPrice();
        for (int128 i = 0; i < 5; ++i) {
            mock.accept(PRICE + i);
        }
        IZkAggregator[5] memory all = _all();
        for (uint256 i = 0; i < all.length; ++i) {
            (int256 mean, uint256 rounds) = walker.mean(all[i], 1 days);
            assertEq(mean, PRICE + 2);
            assertEq(rounds, 5);
        }
        // During a hold, the walk can't begin behind a strict adapter. Behind the others it finds the accepted rounds.
        mock.hold();
        vm.expectRevert(_unavailable(HELD, false, false));
        walker.mean(strict, 1 days);
        (int256 answer, uint256 count) = walker.mean(lastGood, 1 days);
        assertEq(answer, PRICE + 2);
        assertEq(count, 5);
        // Who knows a round's id needs no latest round.
        assertEq(strict.getAnswer(5), PRICE + 4);
    }

    /// @dev PLAIN gives the round. STRICT refuses with the first error, LAST_GOOD with the second, if there is one.
    /// The guarded ones do the same, since the sequencer is up.
    function _assertRow(bytes memory ofStrict, bytes memory ofLastGood) internal {
        _assertGives(plain, PRICE);
        _assertRefuses(strict, ofStrict);
        _assertRefuses(guardedStrict, ofStrict);
        if (ofLastGood.length == 0) {
            _assertGives(lastGood, PRICE);
            _assertGives(guardedLastGood, PRICE);
        } else {
            _assertRefuses(lastGood, ofLastGood);
            _assertRefuses(guardedLastGood, ofLastGood);
        }
    }

    /// @dev The guarded adapters refuse with this error, the others know nothing of the sequencer.
    function _assertGuards(bytes memory error_) internal {
        _assertGives(plain, PRICE);
        _assertGives(strict, PRICE);
        _assertGives(lastGood, PRICE);
        _assertRefuses(guardedStrict, error_);
        _assertRefuses(guardedLastGood, error_);
    }
}
