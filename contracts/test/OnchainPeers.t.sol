// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";

import {OnchainPeers} from "../examples/OnchainPeers.sol";

/// @dev The contract is compared with the scores that the Python model computes, and with itself.
contract OnchainPeersTest is Test {
    string internal vectors;
    OnchainPeers internal model;

    function setUp() public {
        vectors = vm.readFile("tests/vectors/peers.json");
        model = _model("default");
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

    function test_vectorsAreOfBothVerdictsAndOfEachOutput() public view {
        uint256 silent;
        (uint256 accepted, uint256 byItself, uint256 besideThePeer) = (0, 0, 0);
        int256[] memory own = vm.parseJsonIntArray(vectors, ".default.own");
        int256[] memory peer = vm.parseJsonIntArray(vectors, ".default.peer");
        uint256[] memory seen = vm.parseJsonUintArray(vectors, ".default.peerSeen");
        uint256[] memory held = vm.parseJsonUintArray(vectors, ".default.held");
        for (uint256 i = 0; i < own.length; ++i) {
            if (held[i] == 0) ++accepted;
            if (own[i] > 0 && (peer[i] <= 0 || seen[i] == 0)) ++byItself;
            if (own[i] <= 0 && peer[i] > 0) {
                if (seen[i] == 1) ++besideThePeer;
                else ++silent;
            }
        }
        assertGt(accepted, 10);
        assertGt(byItself, 5);
        assertGt(besideThePeer, 5);
        assertGt(silent, 2);
    }

    function testFuzz_signsDoNotMatterIfAllAreChanged(
        int16[3] memory past,
        int16 move,
        uint16 variance,
        int16 peer,
        uint16 gap
    ) public view {
        // The least int16 has no opposite, and is no clipped move.
        if (move == type(int16).min) move = type(int16).max;
        if (peer == type(int16).min) peer = type(int16).max;
        int16[3] memory opposite;
        for (uint256 i = 0; i < 3; ++i) {
            if (past[i] == type(int16).min) past[i] = type(int16).max;
            opposite[i] = -past[i];
        }
        (int256 own, int256 beside) = model.scores(_ring(past), move, variance, peer, gap);
        (int256 ownThen, int256 besideThen) = model.scores(_ring(opposite), -move, variance, -peer, gap);
        assertEq(ownThen, own);
        assertEq(besideThen, beside);
    }

    function testFuzz_onlyThreePastMovesMatter(
        uint256 ring,
        int16 move,
        uint16 variance,
        int16 peer,
        uint16 gap,
        uint256 above
    ) public view {
        uint256 used = type(uint48).max;
        (int256 own, int256 beside) = model.scores(ring & used, move, variance, peer, gap);
        (int256 ownThen, int256 besideThen) = model.scores((ring & used) | (above & ~used), move, variance, peer, gap);
        assertEq(ownThen, own);
        assertEq(besideThen, beside);
    }

    function testFuzz_aPeerThatIsNotSeenHasNoSay(
        uint256 ring,
        int16 move,
        uint16 variance,
        int16 peer,
        int16 other,
        uint16 gap
    ) public view {
        bool held = model.held(ring, move, variance, peer, false, gap);
        assertEq(model.held(ring, move, variance, other, false, gap), held);
        // With it, the model holds at least as much.
        if (held) assertTrue(model.held(ring, move, variance, peer, true, gap));
    }

    /// @dev The columns of a model's vectors, in memory: as variables they would be too many.
    struct Columns {
        uint256[] ring;
        int256[] move;
        uint256[] variance;
        int256[] peerMove;
        uint256[] peerSeen;
        uint256[] gap;
        int256[] own;
        int256[] peer;
        uint256[] held;
    }

    function _compare(string memory name) private {
        OnchainPeers compared = _model(name);
        Columns memory all = Columns(
            vm.parseJsonUintArray(vectors, _key(name, "ring")),
            vm.parseJsonIntArray(vectors, _key(name, "move")),
            vm.parseJsonUintArray(vectors, _key(name, "variance")),
            vm.parseJsonIntArray(vectors, _key(name, "peerMove")),
            vm.parseJsonUintArray(vectors, _key(name, "peerSeen")),
            vm.parseJsonUintArray(vectors, _key(name, "gap")),
            vm.parseJsonIntArray(vectors, _key(name, "own")),
            vm.parseJsonIntArray(vectors, _key(name, "peer")),
            vm.parseJsonUintArray(vectors, _key(name, "held"))
        );
        assertGt(all.ring.length, 80);
        for (uint256 i = 0; i < all.ring.length; ++i) {
            _compareOne(compared, all, i);
        }
    }

    function _compareOne(OnchainPeers compared, Columns memory all, uint256 i) private view {
        // forge-lint: disable-start(unsafe-typecast) -- the vectors are clipped
        (int16 move, uint16 variance) = (int16(all.move[i]), uint16(all.variance[i]));
        (int16 peerMove, uint16 gap) = (int16(all.peerMove[i]), uint16(all.gap[i]));
        // forge-lint: disable-end(unsafe-typecast)
        (int256 own, int256 peer) = compared.scores(all.ring[i], move, variance, peerMove, gap);
        assertEq(own, all.own[i], vm.toString(i));
        assertEq(peer, all.peer[i], vm.toString(i));
        bool held = compared.held(all.ring[i], move, variance, peerMove, all.peerSeen[i] == 1, gap);
        assertEq(held, all.held[i] == 1, vm.toString(i));
    }

    // All casts below take what the vectors hold, or make an entry of a word.
    // forge-lint: disable-start(unsafe-typecast)

    function _ring(int16[3] memory past) private pure returns (uint256 ring) {
        for (uint256 i = 0; i < 3; ++i) {
            ring |= uint256(uint16(past[i])) << (i * 16);
        }
    }

    function _model(string memory name) private returns (OnchainPeers) {
        return new OnchainPeers(
            uint64(_weight(name, "floor")),
            uint64(_weight(name, "past")),
            uint64(_weight(name, "variance")),
            uint64(_weight(name, "square")),
            int64(uint64(_weight(name, "product"))),
            uint64(_weight(name, "peerSquare")),
            uint8(_weight(name, "scale"))
        );
    }

    // forge-lint: disable-end(unsafe-typecast)

    function _weight(string memory name, string memory field) private view returns (uint256) {
        return vm.parseJsonUint(vectors, string.concat(_key(name, "weights"), ".", field));
    }

    function _key(string memory name, string memory field) private pure returns (string memory) {
        return string.concat(".", name, ".", field);
    }
}
