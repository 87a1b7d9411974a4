// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";

import {IHalo2Verifier} from "../src/interfaces/IHalo2Verifier.sol";
import {IZkOracle} from "../src/interfaces/IZkOracle.sol";
import {Features} from "../src/libraries/Features.sol";
import {Instances} from "../src/libraries/Instances.sol";
import {Median} from "../src/libraries/Median.sol";
import {Circuit, CircuitSlot, Track} from "../src/libraries/Slots.sol";

/// @dev The pure libraries, compared with the vectors that `oracle/core/encoding.py` is tested with, and with
/// themselves.
contract FeaturesTest is Test {
    string internal vectors;

    function setUp() public {
        vectors = vm.readFile("tests/vectors/features.json");
    }

    // Vectors. They are columns of decimal strings, because JSON's numbers end at 2^53.

    function test_moveVectors() public view {
        uint256[] memory kinds = _uints(".move.kind");
        uint256[] memory sigmas = _uints(".move.sigma");
        int256[] memory answers = _ints(".move.answer");
        int256[] memory bases = _ints(".move.reference");
        int256[] memory moves = _ints(".move.move");
        assertGt(moves.length, 100);
        for (uint256 i = 0; i < moves.length; ++i) {
            assertEq(Features.move(kinds[i] == 0, sigmas[i], answers[i], bases[i]), moves[i], vm.toString(i));
        }
    }

    function test_gapVectors() public view {
        uint256[] memory observed = _uints(".gap.observedAt");
        uint256[] memory last = _uints(".gap.lastObservedAt");
        uint256[] memory heartbeats = _uints(".gap.heartbeat");
        uint256[] memory gaps = _uints(".gap.gap");
        assertGt(gaps.length, 20);
        for (uint256 i = 0; i < gaps.length; ++i) {
            assertEq(Features.gap(observed[i], last[i], heartbeats[i]), gaps[i], vm.toString(i));
        }
    }

    function test_spreadVectors() public view {
        uint256[] memory kinds = _uints(".spread.kind");
        uint256[] memory sigmas = _uints(".spread.sigma");
        int256[] memory lowest = _ints(".spread.lowest");
        int256[] memory highest = _ints(".spread.highest");
        uint256[] memory spreads = _uints(".spread.spread");
        assertGt(spreads.length, 50);
        for (uint256 i = 0; i < spreads.length; ++i) {
            assertEq(Features.spread(kinds[i] == 0, sigmas[i], lowest[i], highest[i]), spreads[i], vm.toString(i));
        }
    }

    function test_scoreRatioVectors() public view {
        int256[] memory scores = _ints(".scoreRatio.score");
        uint256[] memory units = _uints(".scoreRatio.unit");
        int256[] memory ratios = _ints(".scoreRatio.ratio");
        assertGt(ratios.length, 20);
        for (uint256 i = 0; i < ratios.length; ++i) {
            assertEq(Instances.scoreRatio(scores[i], uint128(units[i])), ratios[i], vm.toString(i));
        }
    }

    function test_scoreUnitVectors() public view {
        uint256[] memory units = _uints(".scoreUnit.unit");
        uint256[] memory fits = _uints(".scoreUnit.fits");
        assertGt(units.length, 5);
        for (uint256 i = 0; i < units.length; ++i) {
            // forge-lint: disable-next-item(unsafe-typecast) -- the vectors have uint128
            (, bool isKept) = Circuit.wrap(0).withScoreUnit(uint128(units[i]));
            assertEq(isKept, units[i] <= type(uint128).max && fits[i] == 1, vm.toString(i));
        }
    }

    function test_fieldVectors() public view {
        int256[] memory values = _ints(".toField.value");
        uint256[] memory elements = _uints(".toField.element");
        assertEq(Instances.FIELD_MODULUS, vm.parseJsonUint(vectors, ".fieldModulus"));
        assertGt(elements.length, 10);
        for (uint256 i = 0; i < elements.length; ++i) {
            assertEq(Instances.toField(values[i]), elements[i], vm.toString(i));
        }
    }

    // Properties

    function testFuzz_moveIsClippedAndHasTheSignOfTheDifference(bool relative, uint64 sigma, int128 p, int128 q)
        public
        pure
    {
        vm.assume(sigma > 0);
        if (relative) q = int128(bound(q, 1, type(int128).max));
        int256 moved = Features.move(relative, sigma, p, q);
        assertLe(moved, Features.CLIP);
        assertGe(moved, -Features.CLIP);
        if (moved > 0) assertGt(p, q);
        if (moved < 0) assertLt(p, q);
        if (p == q) assertEq(moved, 0);
    }

    /// forge-config: default.fuzz.runs = 512
    function testFuzz_relativeMovesAreAsFarUpAsDown(uint64 sigma, int128 p, int128 q) public pure {
        vm.assume(sigma > 0);
        (p, q) = (int128(bound(p, 1, type(int128).max)), int128(bound(q, 1, type(int128).max)));
        assertEq(Features.move(true, sigma, p, q), -Features.move(true, sigma, q, p));
        assertEq(Features.near(true, sigma, p, q, 500), Features.near(true, sigma, q, p, 500));
    }

    function testFuzz_nothingIsNearAnswersBelowOneOnARelativeFeed(uint64 sigma, int128 p, int128 q) public pure {
        vm.assume(sigma > 0);
        p = int128(bound(p, type(int128).min, 0));
        assertFalse(Features.near(true, sigma, p, q, uint256(Features.CLIP)));
        assertFalse(Features.near(true, sigma, q, p, uint256(Features.CLIP)));
    }

    function testFuzz_gapIsBounded(uint32 observedAt, uint32 last, uint32 heartbeat) public pure {
        vm.assume(heartbeat > 0);
        last = uint32(bound(last, 0, observedAt));
        uint256 gap = Features.gap(observedAt, last, heartbeat);
        assertGe(gap, Features.GAP_ONE);
        assertLe(gap, uint256(Features.CLIP));
    }

    function testFuzz_spreadIsSymmetricInSigns(uint64 sigma, int128 low, int128 high) public pure {
        vm.assume(sigma > 0);
        if (low > high) (low, high) = (high, low);
        uint256 spread = Features.spread(false, sigma, low, high);
        assertLe(spread, uint256(Features.CLIP));
        if (low > type(int128).min && high > type(int128).min) {
            assertEq(spread, Features.spread(false, sigma, -high, -low));
        }
        if (low <= 0 && low != high) assertEq(Features.spread(true, sigma, low, high), uint256(Features.CLIP));
        assertEq(Features.spread(true, sigma, low, low), 0);
    }

    function testFuzz_ringKeepsTheNewestFirst(int16[20] memory moves) public pure {
        Track track;
        for (uint32 i = 0; i < moves.length; ++i) {
            track = track.push(moves[i], i);
        }
        for (uint256 i = 0; i < Features.RING_SIZE; ++i) {
            assertEq(Features.at(track.ring(), i), moves[moves.length - 1 - i]);
        }
    }

    function testFuzz_fieldElementsAreBelowTheModulusAndDistinct(int256 a, int256 b) public pure {
        int256 most = Instances.SCORE_BOUND - 1;
        (a, b) = (bound(a, -most, most), bound(b, -most, most));
        assertLt(Instances.toField(a), Instances.FIELD_MODULUS);
        if (a != b) assertNotEq(Instances.toField(a), Instances.toField(b));
        assertEq(addmod(Instances.toField(a), Instances.toField(-a), Instances.FIELD_MODULUS), 0);
    }

    function testFuzz_windowIsMoveRingGap(uint256 ring, int16 move, uint16 gap, uint256 length, uint256 offset)
        public
        pure
    {
        length = bound(length, Features.MIN_LENGTH, Features.MAX_LENGTH);
        offset = bound(offset, 0, 5);
        uint256[] memory instances = new uint256[](offset + length + 2);
        instances[offset + length] = 7;
        Instances.writeWindow(instances, offset, length, move, ring, gap);
        for (uint256 i = 0; i < offset; ++i) {
            assertEq(instances[i], 0);
        }
        assertEq(instances[offset], Instances.toField(move));
        for (uint256 i = 1; i < length - 1; ++i) {
            assertEq(instances[offset + i], Instances.toField(Features.at(ring, i - 1)));
        }
        assertEq(instances[offset + length - 1], gap);
        assertEq(instances[offset + length], 7);
        assertEq(instances[offset + length + 1], 0);
    }

    function testFuzz_repeatCopies(uint256[9] memory values, uint256 source, uint256 length) public pure {
        source = bound(source, 0, 4);
        length = bound(length, 1, 4);
        uint256 target = bound(values[0], source + length, 9 - length > source + length ? 9 - length : source + length);
        vm.assume(target + length <= 9);
        uint256[] memory instances = new uint256[](9);
        for (uint256 i = 0; i < 9; ++i) {
            instances[i] = values[i];
        }
        Instances.repeat(instances, source, target, length);
        for (uint256 i = 0; i < 9; ++i) {
            bool isCopy = i >= target && i < target + length;
            assertEq(instances[i], isCopy ? values[source + i - target] : values[i]);
        }
    }

    function testFuzz_lowerMedianHasHalfOnEachSide(uint32[] memory times) public pure {
        vm.assume(times.length > 0 && times.length <= 31);
        uint256[] memory values = new uint256[](times.length);
        for (uint256 i = 0; i < times.length; ++i) {
            values[i] = times[i];
        }
        uint256 median = Median.lower(values);
        (uint256 below, uint256 above) = (0, 0);
        for (uint256 i = 0; i < times.length; ++i) {
            if (times[i] < median) ++below;
            if (times[i] > median) ++above;
        }
        assertLe(below, (times.length - 1) / 2);
        assertLe(above, times.length / 2);
        for (uint256 i = 1; i < times.length; ++i) {
            assertLe(values[i - 1], values[i]);
        }
    }

    function _ints(string memory path) internal view returns (int256[] memory) {
        return vm.parseJsonIntArray(vectors, path);
    }

    /// @dev The call that is made in place equals the compiler's.
    function testFuzz_callOfTheVerifierIsCanonical(bytes calldata proof, uint8 batch, uint8 outputs, bool binds)
        public
        pure
    {
        batch = uint8(bound(batch, 1, 16));
        outputs = uint8(bound(outputs, 1, 3));
        Circuit circuit = CircuitSlot.pack(address(1), binds, false, 5, outputs, 1, batch);
        (bytes memory data, uint256[] memory instances) = Instances.openCall(circuit, 77, proof);
        assertEq(instances.length, (binds ? 1 : 0) + uint256(batch) * (5 + outputs));
        if (binds) assertEq(instances[0], 77);
        for (uint256 i = binds ? 1 : 0; i < instances.length; ++i) {
            assertEq(instances[i], 0);
            instances[i] = uint256(keccak256(abi.encode(i)));
        }
        uint256[] memory copy = new uint256[](instances.length);
        for (uint256 i = 0; i < copy.length; ++i) {
            copy[i] = instances[i];
        }
        assertEq(data, abi.encodeCall(IHalo2Verifier.verifyProof, (proof, copy)));
    }

    function test_onlyAnAnswerOfExactlyOneWordAndOneIsAYes() public {
        bytes[7] memory answers;
        answers[0] = abi.encode(2);
        answers[1] = abi.encode(0);
        answers[2] = "";
        answers[3] = abi.encode(1, 1);
        answers[4] = hex"01";
        answers[5] = abi.encode(type(uint256).max);
        answers[6] = abi.encode(1);
        for (uint256 i = 0; i < answers.length; ++i) {
            vm.mockCall(address(0x1234), "", answers[i]);
            if (i < 6) vm.expectRevert(IZkOracle.ProofRejected.selector);
            this.requireAccepted(address(0x1234));
        }
        vm.mockCallRevert(address(0x1234), "", abi.encode(1));
        vm.expectRevert(IZkOracle.ProofRejected.selector);
        this.requireAccepted(address(0x1234));
        vm.expectRevert(IZkOracle.ProofRejected.selector);
        this.requireAccepted(address(0xdead)); // no code
    }

    function requireAccepted(address verifier) external view {
        Instances.requireAccepted(verifier, "x");
    }

    function _uints(string memory path) internal view returns (uint256[] memory) {
        return vm.parseJsonUintArray(vectors, path);
    }
}
