// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";

import {IZkOracle} from "../../src/interfaces/IZkOracle.sol";
import {Holds} from "../../src/libraries/Holds.sol";
import {Config} from "../../src/libraries/Slots.sol";

// forge-lint: disable-start(unsafe-typecast) -- bounded where it matters

/// @dev The rules of the gate: which answer is held, when a hold ends, and which times a report may have. `make test`
/// fuzzes these properties; `make symbolic` proves them.
contract GateSymbolic is Test {
    int256 private constant CLIP = 32_767;

    function testFuzz_reason(uint256 word, int128 answer, uint8 repeats, int16 move, int128 score) public pure {
        vm.assume(move >= -CLIP);
        Config config = Config.wrap(word);
        IZkOracle.HoldReason reason = Holds.reasonFor(config, answer, repeats, move, score);
        if (config.relative() && answer <= 0) {
            assert(reason == IZkOracle.HoldReason.NOT_POSITIVE);
        } else if (config.maxRepeats() > 0 && repeats > config.maxRepeats()) {
            assert(reason == IZkOracle.HoldReason.REPEATED);
        } else if (score > 0 || move == CLIP || move == -CLIP) {
            assert(reason == IZkOracle.HoldReason.ANOMALOUS);
        } else {
            assert(reason == IZkOracle.HoldReason.NONE);
        }
    }

    /// @dev What the model calls anomalous is never written at once.
    function testFuzz_anAnomalyIsHeld(uint256 word, int128 answer, uint8 repeats, int16 move, int128 score)
        public
        pure
    {
        vm.assume(score > 0 && move >= -CLIP);
        assert(Holds.reasonFor(Config.wrap(word), answer, repeats, move, score) != IZkOracle.HoldReason.NONE);
    }

    /// @param times The report's, those of the first report of the level, and those of the first anomaly.
    function testFuzz_confirmation(
        uint256 word,
        uint8 confirmations,
        uint16 anomalies,
        uint32[5] memory times,
        uint32 now_
    ) public pure {
        Config config = Config.wrap(word);
        IZkOracle.Held memory held = _held(confirmations, anomalies, times, now_);
        uint256 delay = config.confirmDelay();
        bool isOneLevel =
            confirmations >= config.confirmations() && times[0] >= times[1] + delay && now_ >= times[2] + delay;
        bool isOutlasted = anomalies >= 4 * (uint256(config.confirmations()) + 1) && times[0] >= times[3] + 4 * delay
            && now_ >= times[4] + 4 * delay;
        assert(Holds.isConfirmed(config, held, now_) == (isOneLevel || isOutlasted));
    }

    /// @dev A hold lasts for the delay at least, by the reports and by the blocks.
    function testFuzz_noHoldIsShorterThanItsDelay(
        uint256 word,
        uint8 confirmations,
        uint16 anomalies,
        uint32[5] memory times,
        uint32 now_
    ) public pure {
        Config config = Config.wrap(word);
        IZkOracle.Held memory held = _held(confirmations, anomalies, times, now_);
        // A level begins no earlier than the hold.
        vm.assume(times[1] >= times[3] && times[2] >= times[4]);
        if (!Holds.isConfirmed(config, held, now_)) return;
        assert(uint256(times[0]) - times[3] >= config.confirmDelay());
        assert(uint256(now_) - times[4] >= config.confirmDelay());
    }

    /// @dev What is confirmed stays confirmed with another report, or later.
    function testFuzz_confirmationIsMonotone(
        uint256 word,
        uint8 confirmations,
        uint16 anomalies,
        uint32[5] memory times,
        uint32 now_,
        uint32 later
    ) public pure {
        IZkOracle.Held memory held = _held(confirmations, anomalies, times, now_);
        vm.assume(later >= now_ && confirmations < type(uint8).max && anomalies < type(uint16).max);
        if (!Holds.isConfirmed(Config.wrap(word), held, now_)) return;
        assert(Holds.isConfirmed(Config.wrap(word), held, later));
        (held.confirmations, held.anomalies) = (confirmations + 1, anomalies + 1);
        assert(Holds.isConfirmed(Config.wrap(word), held, later));
    }

    function testFuzz_countsDontWrap(uint8 count) public pure {
        uint8 next = Holds.saturated(count);
        assert(next >= count && next <= uint256(count) + 1 && (next > count || count == 255));
    }

    /// @dev Between these times a report is fresh: neither too old nor in the future.
    function testFuzz_times(uint256 word, uint32 observedAt, uint64 now_) public pure {
        Config config = Config.wrap(word);
        (uint256 earliest, uint256 latest) = config.times(now_);
        assert((observedAt >= earliest) == (uint256(observedAt) + config.maxAge() >= now_));
        assert((observedAt <= latest) == (observedAt <= uint256(now_) + config.maxSkew()));
        assert(earliest <= now_ && now_ <= latest);
    }

    /// @dev A report that is too old stays so, and one that was not in the future never is.
    function testFuzz_timesAreMonotone(uint256 word, uint64 now_, uint64 later) public pure {
        vm.assume(later >= now_);
        (uint256 earliest, uint256 latest) = Config.wrap(word).times(now_);
        (uint256 earliestLater, uint256 latestLater) = Config.wrap(word).times(later);
        assert(earliestLater >= earliest && latestLater >= latest);
    }

    /// @dev As the hub makes it: each report is later than those before, and so is its block.
    function _held(uint8 confirmations, uint16 anomalies, uint32[5] memory times, uint32 now_)
        private
        pure
        returns (IZkOracle.Held memory held)
    {
        vm.assume(times[0] >= times[1] && times[0] >= times[3] && now_ >= times[2] && now_ >= times[4]);
        held.confirmations = confirmations;
        held.anomalies = anomalies;
        (held.observedAt, held.firstObservedAt, held.firstSeenAt) = (times[0], times[1], times[2]);
        (held.anomalousSince, held.anomalousSeenAt) = (times[3], times[4]);
    }
}

// forge-lint: disable-end(unsafe-typecast)
