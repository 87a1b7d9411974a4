// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";

import {IHalo2Verifier} from "../src/interfaces/IHalo2Verifier.sol";
import {IZkOracle} from "../src/interfaces/IZkOracle.sol";
import {Features} from "../src/libraries/Features.sol";
import {Instances} from "../src/libraries/Instances.sol";
import {Circuit, CircuitSlot, Track} from "../src/libraries/Slots.sol";

/// @dev The pure libraries, compared with the vectors that `oracle/core/encoding.py` is tested with, and with
/// themselves. `Windows.t.sol` has the vectors of whole windows.
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

    function test_varianceVectors() public view {
        uint256[] memory stored = _uints(".variance.stored");
        int256[] memory moves = _ints(".variance.move");
        uint256[] memory gaps = _uints(".variance.gap");
        uint256[] memory variances = _uints(".variance.variance");
        assertGt(variances.length, 100);
        for (uint256 i = 0; i < variances.length; ++i) {
            assertEq(Features.nextVariance(stored[i], moves[i], gaps[i]), variances[i], vm.toString(i));
        }
    }

    function test_peerMoveVectors() public view {
        uint256[] memory kinds = _uints(".peerMove.kind");
        uint256[] memory sigmas = _uints(".peerMove.sigma");
        int256[] memory answers = _ints(".peerMove.answer");
        int256[] memory kept = _ints(".peerMove.kept");
        int256[] memory moves = _ints(".peerMove.move");
        uint256[] memory seen = _uints(".peerMove.seen");
        assertGt(moves.length, 50);
        for (uint256 i = 0; i < moves.length; ++i) {
            (int256 moved, bool isSeen) = Features.peerMove(kinds[i] == 0, sigmas[i], answers[i], kept[i]);
            assertEq(moved, moves[i], vm.toString(i));
            assertEq(isSeen ? 1 : 0, seen[i], vm.toString(i));
        }
    }

    function test_nearVectors() public view {
        uint256[] memory kinds = _uints(".near.kind");
        uint256[] memory sigmas = _uints(".near.sigma");
        int256[] memory answers = _ints(".near.answer");
        int256[] memory bases = _ints(".near.reference");
        uint256[] memory tolerances = _uints(".near.tolerance");
        uint256[] memory near = _uints(".near.near");
        assertGt(near.length, 40);
        for (uint256 i = 0; i < near.length; ++i) {
            bool isNear = Features.near(kinds[i] == 0, sigmas[i], answers[i], bases[i], tolerances[i]);
            assertEq(isNear ? 1 : 0, near[i], vm.toString(i));
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
            track = track.push(moves[i], 5, i);
        }
        for (uint256 i = 0; i < Features.RING_SIZE; ++i) {
            assertEq(Features.at(track.ring(), i), moves[moves.length - 1 - i]);
        }
    }

    /// @dev The variance is computed without checks. It never overflows its 32 bits, whatever comes.
    function testFuzz_varianceStaysWithinItsBounds(uint32 stored, int16 moved, uint16 gap) public pure {
        int256 move = bound(int256(moved), -Features.CLIP, Features.CLIP);
        uint256 gap_ = bound(gap, Features.GAP_ONE, uint256(Features.CLIP));
        // forge-lint: disable-next-line(unsafe-typecast) -- it fits
        uint256 square = uint256(move * move) / gap_;
        if (square > 32_767) square = 32_767;
        uint256 expected = uint256(stored) - stored / 64 + square * 2 ** 17 / 64;
        assertEq(Features.nextVariance(stored, move, gap_), expected);
        assertLt(expected, 2 ** 32);
        // It comes nearer to the move's own square.
        if (stored >> 17 > square) assertLe(expected, stored);
        if (stored >> 17 < square) assertGe(expected, stored);
    }

    function test_theLargestVarianceIsAFeatureWithinTheClip() public pure {
        uint32 variance = type(uint32).max;
        for (uint256 i = 0; i < 1_000; ++i) {
            variance = Features.nextVariance(variance, Features.CLIP, Features.GAP_ONE);
        }
        assertGt(variance >> 17, 32_700);
        assertLe(variance >> 17, uint256(Features.CLIP));
    }

    function test_aCalmFeedForgetsItsVariance() public pure {
        uint32 variance = Features.VARIANCE_ONE;
        for (uint256 i = 0; i < 44; ++i) {
            variance = Features.nextVariance(variance, 0, Features.GAP_ONE);
        }
        // Half of it after 64 · ln 2 rounds.
        assertApproxEqAbs(variance >> 17, 500, 1);
    }

    function testFuzz_peerMoveIsUnseenIfItIsClippedOrCantBeMeasured(bool relative, uint64 sigma, int128 p, int128 q)
        public
        pure
    {
        vm.assume(sigma > 0);
        (int256 moved, bool isSeen) = Features.peerMove(relative, sigma, p, q);
        if (relative && (p <= 0 || q <= 0)) {
            assertTrue(moved == 0 && !isSeen);
        } else {
            assertEq(moved, Features.move(relative, sigma, p, q));
            assertEq(isSeen, moved > -Features.CLIP && moved < Features.CLIP);
        }
    }

    function testFuzz_fieldElementsAreBelowTheModulusAndDistinct(int256 a, int256 b) public pure {
        int256 most = Instances.SCORE_BOUND - 1;
        (a, b) = (bound(a, -most, most), bound(b, -most, most));
        assertLt(Instances.toField(a), Instances.FIELD_MODULUS);
        if (a != b) assertNotEq(Instances.toField(a), Instances.toField(b));
        assertEq(addmod(Instances.toField(a), Instances.toField(-a), Instances.FIELD_MODULUS), 0);
    }

    /// @dev A window has the listed features in the listed order, in its place: any list, of any length. Past moves come
    /// from the ring, all others from the table.
    function testFuzz_windowIsGatheredByItsList(bytes32 list, uint256 length, uint256 index, uint256 seed, uint256 ring)
        public
        pure
    {
        (length, index) = (bound(length, 1, Features.MAX_LENGTH), bound(index, 0, 3));
        ring &= 2 ** 192 - 1;
        bytes memory codes = new bytes(32);
        uint256[] memory table = new uint256[](Features.CODES);
        for (uint256 i = 0; i < 32; ++i) {
            codes[i] = bytes1(uint8(list[i]) % uint8(Features.CODES));
            if (i < Features.PAST) table[i] = uint256(keccak256(abi.encode(seed, i)));
        }
        Circuit circuit = CircuitSlot.pack(address(1), seed % 2 == 0, length, 1, 1, 4);
        uint256[] memory instances = new uint256[](1 + 4 * (length + 1));
        // forge-lint: disable-next-line(unsafe-typecast) -- it fits
        Instances.writeWindow(instances, circuit, index, bytes32(codes), table, ring);
        uint256 offset = (seed % 2 == 0 ? 1 : 0) + index * length;
        for (uint256 i = 0; i < instances.length; ++i) {
            uint256 expected = 0;
            if (i >= offset && i < offset + length) {
                uint256 code = uint8(codes[i - offset]);
                expected =
                    code < Features.PAST ? table[code] : Instances.toField(Features.at(ring, code - Features.PAST));
            }
            assertEq(instances[i], expected);
        }
    }

    function testFuzz_writePackedIsWhatItSays(int16[] memory values, uint256 offset) public view {
        vm.assume(values.length < 40);
        offset = bound(offset, 0, 5);
        bytes memory packed;
        bool fits = true;
        for (uint256 i = 0; i < values.length; ++i) {
            packed = bytes.concat(packed, bytes2(uint16(values[i])));
            if (values[i] == type(int16).min) fits = false;
        }
        (uint256[] memory instances, bool said) = this.writePacked(packed, offset, values.length + offset + 1);
        assertEq(said, fits);
        for (uint256 i = 0; i < instances.length; ++i) {
            bool isOne = i >= offset && i < offset + values.length;
            assertEq(instances[i], isOne ? Instances.toField(values[i - offset]) : 0);
        }
    }

    function writePacked(bytes calldata packed, uint256 offset, uint256 size)
        external
        pure
        returns (uint256[] memory instances, bool fits)
    {
        instances = new uint256[](size);
        fits = Instances.writePacked(instances, offset, packed);
    }

    /// @dev The scores of one window go to their own place, and the largest is known.
    function testFuzz_scoresOfOneWindow(int128[6] memory scores, uint256 index) public view {
        index = bound(index, 0, 2);
        Circuit circuit = CircuitSlot.pack(address(1), true, 3, 2, 1, 4);
        bytes memory packed;
        for (uint256 i = 0; i < 6; ++i) {
            if (scores[i] == type(int128).min) scores[i] = 0;
            packed = bytes.concat(packed, bytes16(uint128(scores[i])));
        }
        (uint256[] memory instances, int256[] memory own, int256 largest) = this.writeScores(circuit, index, packed);
        (int128 a, int128 b) = (scores[2 * index], scores[2 * index + 1]);
        assertEq(own.length, 2);
        assertEq(own[0], a);
        assertEq(own[1], b);
        assertEq(largest, a > b ? a : b);
        for (uint256 i = 0; i < instances.length; ++i) {
            uint256 at = 1 + 4 * 3 + 2 * index;
            assertEq(instances[i], i == at ? Instances.toField(a) : i == at + 1 ? Instances.toField(b) : 0);
        }
    }

    function writeScores(Circuit circuit, uint256 index, bytes calldata packed)
        external
        pure
        returns (uint256[] memory instances, int256[] memory own, int256 largest)
    {
        instances = new uint256[](1 + 4 * (3 + 2));
        (own, largest) = Instances.writeScores(instances, circuit, index, 0, packed);
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

    /// @dev The call that is made in place equals the compiler's.
    function testFuzz_callOfTheVerifierIsCanonical(bytes calldata proof, uint8 batch, uint8 outputs, bool binds)
        public
        pure
    {
        batch = uint8(bound(batch, 1, 16));
        outputs = uint8(bound(outputs, 1, 3));
        Circuit circuit = CircuitSlot.pack(address(1), binds, 5, outputs, 1, batch);
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

    function _ints(string memory path) internal view returns (int256[] memory) {
        return vm.parseJsonIntArray(vectors, path);
    }

    function _uints(string memory path) internal view returns (uint256[] memory) {
        return vm.parseJsonUintArray(vectors, path);
    }

    /// @dev One is the least answer of a relative feed.
    function test_theLeastPositiveAnswerIsMeasured() public pure {
        assertEq(Features.move(true, 1_000, 1, 1), 0);
        assertTrue(Features.near(true, 1_000, 1, 1, 0));
        (int256 moved, bool isSeen) = Features.peerMove(true, 1_000, 1, 1);
        assertEq(moved, 0);
        assertTrue(isSeen);
        // A sigma of 1,000 %: from one to two is a tenth of it.
        assertEq(Features.spread(true, 10_000_000, 1, 2), 100);
    }
}
