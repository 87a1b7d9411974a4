// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";

import {Features} from "../../src/libraries/Features.sol";

// forge-lint: disable-start(unsafe-typecast) -- bounded where it matters

/// @dev The features, for all answers that the hub can meet: no overflow, always within the clip, and as the plain
/// definition says. `make test` fuzzes these properties; `make symbolic` proves them.
contract MovesSymbolic is Test {
    int256 private constant CLIP = Features.CLIP;

    /// @dev A move outside of the clip would freeze a feed: no circuit could prove it.
    function testFuzz_moveIsWithinTheClip(bool relative, uint64 sigma, int128 answer, int128 base) public pure {
        vm.assume(sigma != 0 && (!relative || base > 0));
        int256 move = Features.move(relative, sigma, answer, base);
        assert(move >= -CLIP && move <= CLIP);
    }

    function testFuzz_noMove(bool relative, uint64 sigma, int128 answer) public pure {
        vm.assume(sigma != 0 && (!relative || answer > 0));
        assert(Features.move(relative, sigma, answer, answer) == 0);
    }

    /// @dev The dividend and the divisor of a move fit.
    function testFuzz_noOverflow(uint64 sigma, int128 answer, int128 base) public pure {
        int256 difference = int256(answer) - base;
        assert(difference > -(2 ** 128) && difference < 2 ** 128);
        unchecked {
            assert(difference * 1e9 > -(2 ** 158) && difference * 1e9 < 2 ** 158);
        }
        vm.assume(answer > 0 && sigma != 0);
        unchecked {
            int256 divisor = int256(answer) * int256(uint256(sigma));
            assert(divisor > 0 && divisor < 2 ** 191);
        }
    }

    /// @dev On a relative feed, what is not positive is as far below as can be.
    function testFuzz_notPositive(uint64 sigma, int128 answer, int128 base) public pure {
        vm.assume(sigma != 0 && base > 0 && answer <= 0);
        assert(Features.move(true, sigma, answer, base) == -CLIP);
        assert(!Features.near(true, sigma, answer, base, type(uint16).max));
        assert(!Features.near(true, sigma, base, answer, type(uint16).max));
    }

    /// @dev Nothing overflows here: see `testFuzz_noOverflow`.
    function testFuzz_moveIsThePlainOne(bool relative, uint64 sigma, int128 answer, int128 base) public pure {
        vm.assume(sigma != 0 && (!relative || (answer > 0 && base > 0)));
        int256 wanted;
        unchecked {
            int256 difference = int256(answer) - base;
            int256 least = answer < base ? answer : base;
            if (relative) wanted = difference * 1e9 / (least * int256(uint256(sigma)));
            else wanted = difference * 1_000 / int256(uint256(sigma));
        }
        if (wanted > CLIP) wanted = CLIP;
        if (wanted < -CLIP) wanted = -CLIP;
        assert(Features.move(relative, sigma, answer, base) == wanted);
    }

    /// @dev A move has the sign of the difference, or is zero.
    /// @custom:unproven the solver does not end on a division by a symbol
    function testFuzz_signOfAMove(bool relative, uint64 sigma, int128 answer, int128 base) public pure {
        vm.assume(sigma != 0 && (!relative || base > 0));
        int256 move = Features.move(relative, sigma, answer, base);
        if (answer >= base) assert(move >= 0);
        if (answer <= base) assert(move <= 0);
    }

    function testFuzz_peerMove(bool relative, uint64 sigma, int128 answer, int128 base) public pure {
        vm.assume(sigma != 0);
        (int256 moved, bool isSeen) = Features.peerMove(relative, sigma, answer, base);
        if (relative && (answer <= 0 || base <= 0)) {
            assert(moved == 0 && !isSeen);
            return;
        }
        assert(moved == Features.move(relative, sigma, answer, base));
        assert(isSeen == (moved > -CLIP && moved < CLIP));
    }

    function testFuzz_gap(uint32 observedAt, uint32 last, uint24 heartbeat) public pure {
        vm.assume(observedAt > last && heartbeat != 0);
        uint256 gap = Features.gap(observedAt, last, heartbeat);
        assert(gap >= Features.GAP_ONE && gap <= uint256(CLIP));
    }

    function testFuzz_gapIsThePlainOne(uint32 observedAt, uint32 last, uint24 heartbeat) public pure {
        vm.assume(observedAt > last && heartbeat != 0);
        uint256 wanted;
        unchecked {
            wanted = (uint256(observedAt) - last) * 1_000 / heartbeat;
        }
        assert(
            Features.gap(observedAt, last, heartbeat) == (wanted < 1_000 ? 1_000 : wanted > 32_767 ? 32_767 : wanted)
        );
    }

    /// @dev An early report has the gap of a heartbeat.
    /// @custom:unproven the solver does not end on a division by a symbol
    function testFuzz_gapOfAnEarlyReport(uint32 last, uint24 heartbeat, uint24 later) public pure {
        vm.assume(heartbeat != 0 && later > 0 && uint256(last) + heartbeat <= type(uint32).max);
        assert(Features.gap(last + later % heartbeat + 1, last, heartbeat) == Features.GAP_ONE);
    }

    /// @dev The variance never leaves its 32 bits, so it is never cut.
    function testFuzz_varianceIsBounded(uint32 variance, int16 moved, uint16 gap) public pure {
        uint256 most = uint256(CLIP) << Features.VARIANCE_FRACTION_BITS;
        vm.assume(variance <= most && moved >= -CLIP && gap >= Features.GAP_ONE && gap <= uint256(CLIP));
        assert(Features.nextVariance(variance, moved, gap) <= most);
    }

    /// @dev It forgets a 64th, and takes a 64th of the new square.
    function testFuzz_varianceIsThePlainOne(uint32 variance, int16 moved, uint16 gap) public pure {
        uint256 most = uint256(CLIP) << Features.VARIANCE_FRACTION_BITS;
        vm.assume(variance <= most && moved >= -CLIP && gap >= Features.GAP_ONE && gap <= uint256(CLIP));
        unchecked {
            int256 wide = moved;
            uint256 square = uint256(wide * wide) / gap;
            if (square > uint256(CLIP)) square = uint256(CLIP);
            uint256 wanted = variance - (uint256(variance) >> 6) + (square << 11);
            assert(Features.nextVariance(variance, moved, gap) == wanted);
        }
    }

    function testFuzz_near(bool relative, uint64 sigma, int128 answer, int128 base, uint16 tolerance) public pure {
        vm.assume(sigma != 0 && int256(uint256(tolerance)) < CLIP);
        bool isNear = Features.near(relative, sigma, answer, base, tolerance);
        if (relative && (answer <= 0 || base <= 0)) {
            assert(!isNear);
            return;
        }
        int256 move = Features.move(relative, sigma, answer, base);
        int256 most = int256(uint256(tolerance));
        assert(isNear == (move >= -most && move <= most));
        // Whatever is as far as can be is near nothing.
        if (move == CLIP || move == -CLIP) assert(!isNear);
    }

    function testFuzz_spread(bool relative, uint64 sigma, int128 lowest, int128 highest) public pure {
        vm.assume(sigma != 0 && lowest <= highest);
        uint256 spread = Features.spread(relative, sigma, lowest, highest);
        assert(spread <= uint256(CLIP));
        if (lowest == highest) assert(spread == 0);
        else if (relative && lowest <= 0) assert(spread == uint256(CLIP));
    }

    function testFuzz_magnitude(int16 value) public pure {
        uint256 magnitude = Features.magnitude(value);
        assert(value >= 0 ? int256(magnitude) == value : int256(magnitude) == -int256(value));
    }
}

// forge-lint: disable-end(unsafe-typecast)
