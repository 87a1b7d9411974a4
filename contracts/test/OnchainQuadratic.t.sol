// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";

import {OnchainQuadratic} from "../examples/OnchainQuadratic.sol";

/// @dev The contract is compared with the scores that the Python model computes, and with itself.
contract OnchainQuadraticTest is Test {
    string internal vectors;

    function setUp() public {
        vectors = vm.readFile("tests/vectors/quadratic.json");
    }

    function test_defaultModel() public {
        _compare("default");
    }

    function test_drawnModel() public {
        _compare("drawn");
    }

    function test_modelOfTheLargestWeights() public {
        _compare("largest");
    }

    function test_modelWithWindowsOnItsLimits() public {
        _compare("boundary");
    }

    function test_vectorsAreOfBothVerdictsAndReachTheBoundary() public view {
        int256[] memory spikes = vm.parseJsonIntArray(vectors, ".boundary.spike");
        int256[] memory drifts = vm.parseJsonIntArray(vectors, ".boundary.drift");
        (uint256 accepted, uint256 held, uint256 atSpike, uint256 atDrift) = (0, 0, 0, 0);
        for (uint256 i = 0; i < spikes.length; ++i) {
            if (spikes[i] > 0 || drifts[i] > 0) ++held;
            else ++accepted;
            if (spikes[i] == 0 && drifts[i] <= 0) ++atSpike;
            if (drifts[i] == 0 && spikes[i] <= 0) ++atDrift;
        }
        assertGt(accepted, 5);
        assertGt(held, 5);
        assertEq(atSpike, 2);
        assertEq(atDrift, 2);
    }

    function test_aWordHoldsSixteenWeights() public {
        new OnchainQuadratic(new uint16[](16), 1, 0, 1, 20);
        vm.expectRevert(abi.encodeWithSelector(OnchainQuadratic.TooManyWeights.selector, 17));
        new OnchainQuadratic(new uint16[](17), 1, 0, 1, 20);
    }

    function testFuzz_signsDoNotMatterIfAllAreChanged(int16[16] memory past, int16 move, uint16 gap) public {
        OnchainQuadratic model = _model("default");
        int16[16] memory opposite;
        // The least int16 has no opposite, and is no clipped move.
        if (move == type(int16).min) move = type(int16).max;
        for (uint256 i = 0; i < 16; ++i) {
            if (past[i] == type(int16).min) past[i] = type(int16).max;
            opposite[i] = -past[i];
        }
        (int256 spike, int256 drift) = model.scores(_ring(past), move, gap);
        (int256 spikeThen, int256 driftThen) = model.scores(_ring(opposite), -move, gap);
        assertEq(spikeThen, spike);
        assertEq(driftThen, drift);
    }

    function testFuzz_bitsAboveTheRingDoNotMatter(uint256 ring, int16 move, uint16 gap, uint256 above) public {
        OnchainQuadratic model = _model("default");
        uint256 used = (1 << (16 * vm.parseJsonUintArray(vectors, ".default.past").length)) - 1;
        (int256 spike, int256 drift) = model.scores(ring & used, move, gap);
        (int256 spikeThen, int256 driftThen) = model.scores((ring & used) | (above & ~used), move, gap);
        assertEq(spikeThen, spike);
        assertEq(driftThen, drift);
    }

    function _compare(string memory name) private {
        OnchainQuadratic model = _model(name);
        uint256[] memory rings = vm.parseJsonUintArray(vectors, _key(name, "ring"));
        int256[] memory moves = vm.parseJsonIntArray(vectors, _key(name, "move"));
        uint256[] memory gaps = vm.parseJsonUintArray(vectors, _key(name, "gap"));
        int256[] memory spikes = vm.parseJsonIntArray(vectors, _key(name, "spike"));
        int256[] memory drifts = vm.parseJsonIntArray(vectors, _key(name, "drift"));
        assertGt(rings.length, 50);
        for (uint256 i = 0; i < rings.length; ++i) {
            // forge-lint: disable-next-item(unsafe-typecast) -- the vectors are clipped
            (int16 move, uint16 gap) = (int16(moves[i]), uint16(gaps[i]));
            (int256 spike, int256 drift) = model.scores(rings[i], move, gap);
            assertEq(spike, spikes[i], vm.toString(i));
            assertEq(drift, drifts[i], vm.toString(i));
            assertEq(model.held(rings[i], move, gap), spikes[i] > 0 || drifts[i] > 0, vm.toString(i));
        }
    }

    // All casts below take what the vectors hold, or make an entry of a word.
    // forge-lint: disable-start(unsafe-typecast)

    function _ring(int16[16] memory past) private pure returns (uint256 ring) {
        for (uint256 i = 0; i < 16; ++i) {
            ring |= uint256(uint16(past[i])) << (i * 16);
        }
    }

    function _model(string memory name) private returns (OnchainQuadratic) {
        uint256[] memory weights = vm.parseJsonUintArray(vectors, _key(name, "past"));
        uint16[] memory past = new uint16[](weights.length);
        for (uint256 i = 0; i < weights.length; ++i) {
            past[i] = uint16(weights[i]);
        }
        return new OnchainQuadratic(
            past, _uint64(name, "floor"), _uint64(name, "driftPast"), _uint64(name, "driftFloor"), _scale(name)
        );
    }

    function _scale(string memory name) private view returns (uint8) {
        return uint8(vm.parseJsonUint(vectors, _key(name, "scale")));
    }

    function _uint64(string memory name, string memory field) private view returns (uint64) {
        return uint64(vm.parseJsonUint(vectors, _key(name, field)));
    }

    // forge-lint: disable-end(unsafe-typecast)

    function _key(string memory name, string memory field) private pure returns (string memory) {
        return string.concat(".", name, ".", field);
    }
}
