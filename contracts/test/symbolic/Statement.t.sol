// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";

import {IZkOracle} from "../../src/interfaces/IZkOracle.sol";
import {Answers} from "../../src/libraries/Answers.sol";
import {Features} from "../../src/libraries/Features.sol";
import {Instances} from "../../src/libraries/Instances.sol";
import {Circuit, CircuitSlot} from "../../src/libraries/Slots.sol";

// forge-lint: disable-start(unsafe-typecast) -- bounded where it matters

/// @dev The statement that the hub writes is the plain one, and no other numbers have the same field elements. `make test`
/// fuzzes these properties; `make symbolic` proves them.
contract StatementSymbolic is Test {
    uint256 private constant R = Instances.FIELD_MODULUS;

    /// @dev An element means one number, and no other.
    function testFuzz_toFieldIsInjective(int256 a, int256 b) public pure {
        int256 bound_ = Instances.SCORE_BOUND;
        vm.assume(a > -bound_ && a < bound_ && b > -bound_ && b < bound_ && a != b);
        (uint256 x, uint256 y) = (Instances.toField(a), Instances.toField(b));
        assert(x < R && y < R && x != y);
        assert(a < 0 ? x == R - uint256(-a) : x == uint256(a));
    }

    /// @dev Each code of a feature, alone in a window: a feature of the table, or a past move.
    /// @custom:bound windows of one feature
    function testFuzz_windowOfAnyFeature(uint256 value, uint192 ring) public pure {
        for (uint256 code = 0; code < Features.CODES; ++code) {
            if (code >= Features.PEER_SEEN + Features.MAX_PEERS && code < Features.PAST) continue;
            uint256[] memory table = new uint256[](Features.CODES);
            if (code < Features.PAST) table[code] = value;
            uint256 wanted = code < Features.PAST ? value : _past(ring, code - Features.PAST);
            for (uint256 first = 0; first < 2; ++first) {
                Circuit circuit = CircuitSlot.pack(address(1), first == 1, 1, 1, 1, 3);
                uint256[] memory instances = new uint256[](7);
                Instances.writeWindow(instances, circuit, 1, bytes32(code << 248), table, ring);
                for (uint256 i = 0; i < 7; ++i) {
                    assert(instances[i] == (i == first + 1 ? wanted : 0));
                }
            }
        }
    }

    /// @custom:bound the window of all 21 features
    /// @dev The longest window: each entry of the list has its place.
    function testFuzz_windowOfAllFeatures(uint256 a, uint256 b, uint256 c, uint192 ring) public pure {
        Circuit circuit = CircuitSlot.pack(address(1), true, 21, 1, 1, 1);
        uint256[] memory table = new uint256[](Features.CODES);
        for (uint256 code = 0; code < 9; ++code) {
            table[code] = code % 3 == 0 ? a : code % 3 == 1 ? b : c;
        }
        bytes32 list = hex"000102030405060708101112131415161718191a1b";
        uint256[] memory instances = new uint256[](23);
        (instances[0], instances[22]) = (77, 99);
        Instances.writeWindow(instances, circuit, 0, list, table, ring);
        assert(instances[0] == 77 && instances[22] == 99);
        for (uint256 i = 0; i < 21; ++i) {
            assert(instances[1 + i] == (i < 9 ? table[i] : _past(ring, i - 9)));
        }
    }

    function testFuzz_clearPeers(uint256[4] memory peers, uint256 other) public pure {
        uint256[] memory table = new uint256[](Features.CODES);
        for (uint256 code = 0; code < Features.CODES; ++code) {
            table[code] = other;
        }
        for (uint256 i = 0; i < 4; ++i) {
            table[Features.PEER_MOVE + i] = peers[i];
        }
        Instances.clearPeers(table);
        for (uint256 code = 0; code < Features.CODES; ++code) {
            bool isPeers = code >= Features.PEER_MOVE && code < Features.PEER_SEEN + Features.MAX_PEERS;
            assert(table[code] == (isPeers ? 0 : other));
        }
    }

    /// @dev The scores of the second window of three, with two outputs.
    /// @custom:bound three windows of two outputs
    function testFuzz_scores(int128[6] memory scores) public view {
        vm.assume(scores[2] != type(int128).min && scores[3] != type(int128).min);
        bytes memory packed = abi.encodePacked(scores[0], scores[1], scores[2], scores[3], scores[4], scores[5]);
        for (uint256 first = 0; first < 2; ++first) {
            (uint256[] memory instances, int256[] memory found, int256 largest) =
                this.writeScores(packed, first == 1, 1);
            assert(found.length == 2 && found[0] == scores[2] && found[1] == scores[3]);
            assert(largest == (scores[2] > scores[3] ? scores[2] : scores[3]));
            // Three windows of one feature come first, behind the model's hash if there is one.
            for (uint256 i = 0; i < instances.length; ++i) {
                uint256 wanted = 0;
                if (i == first + 5) wanted = _field(scores[2]);
                if (i == first + 6) wanted = _field(scores[3]);
                assert(instances[i] == wanted);
            }
        }
    }

    /// @dev The one int128 that is no integer of the circuit.
    function testFuzz_scoreOutOfRange(int128 other, bool second) public view {
        (int128 one, int128 two) = second ? (other, type(int128).min) : (type(int128).min, other);
        try this.writeScores(abi.encodePacked(one, two), false, 0) {
            assert(false);
        } catch (bytes memory reason) {
            assert(bytes4(reason) == IZkOracle.ScoreOutOfRange.selector);
        }
    }

    function writeScores(bytes calldata packed, bool binds, uint256 index)
        external
        pure
        returns (uint256[] memory instances, int256[] memory scores, int256 largest)
    {
        Circuit circuit = CircuitSlot.pack(address(1), binds, 1, 2, 1, 3);
        instances = new uint256[](10);
        (scores, largest) = Instances.writeScores(instances, circuit, index, bytes32(0), packed);
    }

    /// @custom:bound a batch of four windows of two features
    /// @dev A batch of four, of which one to four windows are used: the last is repeated.
    function testFuzz_pad(uint256[8] memory windows, uint256[4] memory scores, uint256 modelHash) public pure {
        Circuit circuit = CircuitSlot.pack(address(1), true, 2, 1, 1, 4);
        for (uint256 used = 1; used <= 4; ++used) {
            uint256[] memory instances = new uint256[](13);
            instances[0] = modelHash;
            for (uint256 i = 0; i < used; ++i) {
                (instances[1 + 2 * i], instances[2 + 2 * i]) = (windows[2 * i], windows[2 * i + 1]);
                instances[9 + i] = scores[i];
            }
            Instances.pad(instances, circuit, used);
            assert(instances[0] == modelHash);
            for (uint256 i = 0; i < 4; ++i) {
                uint256 from_ = i < used ? i : used - 1;
                assert(instances[1 + 2 * i] == windows[2 * from_] && instances[2 + 2 * i] == windows[2 * from_ + 1]);
                assert(instances[9 + i] == scores[from_]);
            }
        }
    }

    /// @custom:bound three features
    function testFuzz_packedWindow(int16 a, int16 b, int16 c) public view {
        (uint256[] memory instances, bool fits) = this.writePacked(abi.encodePacked(a, b, c));
        assert(fits == (a >= -Features.CLIP && b >= -Features.CLIP && c >= -Features.CLIP));
        assert(instances[0] == 0 && instances[4] == 0);
        assert(instances[1] == _field(a) && instances[2] == _field(b));
        assert(instances[3] == _field(c));
    }

    function writePacked(bytes calldata packed) external pure returns (uint256[] memory instances, bool fits) {
        instances = new uint256[](5);
        fits = Instances.writePacked(instances, 1, packed);
    }

    /// @dev The ratio is the plain one, rounded up above zero, and saturated.
    function testFuzz_scoreRatioIsThePlainOne(int128 score, uint128 unit) public pure {
        vm.assume(score != type(int128).min && unit != 0);
        int256 unit_ = int256(uint256(unit));
        int256 wanted;
        unchecked {
            wanted = (score > 0 ? int256(score) * 1_000 + unit_ - 1 : int256(score) * 1_000) / unit_;
        }
        if (wanted > type(int24).max) wanted = type(int24).max;
        if (wanted < type(int24).min) wanted = type(int24).min;
        assert(Instances.scoreRatio(score, unit) == wanted);
    }

    /// @dev Above zero exactly if the score is, whatever the unit.
    /// @custom:unproven the solver does not end on a division by a symbol
    function testFuzz_scoreRatioHasTheSignOfTheScore(int128 score, uint128 unit) public pure {
        vm.assume(score != type(int128).min && unit != 0);
        assert((Instances.scoreRatio(score, unit) > 0) == (score > 0));
    }

    /// @custom:bound five ids
    /// @dev A search in ascending ids finds the first of an id's half, or says that there is none.
    function testFuzz_indexOf(uint128[5] memory halves, uint128 wanted) public view {
        bytes32[] memory ids = new bytes32[](5);
        for (uint256 i = 0; i < 5; ++i) {
            vm.assume(i == 0 || halves[i] > halves[i - 1]);
            ids[i] = bytes32(uint256(halves[i]) << 128);
        }
        uint256 index = this.indexOf(ids, wanted);
        assert(index <= 5);
        for (uint256 i = 0; i < 5; ++i) {
            assert((index == i) == (halves[i] == wanted));
        }
    }

    function indexOf(bytes32[] calldata ids, uint256 wanted) external pure returns (uint256) {
        return Answers.indexOf(ids, wanted);
    }

    function _past(uint256 ring, uint256 index) private pure returns (uint256) {
        return _field(int16(uint16(ring >> (16 * index))));
    }

    /// @dev Without a branch, so that a window of twelve moves is one path.
    function _field(int256 value) private pure returns (uint256) {
        unchecked {
            return uint256(value) + (uint256(value >> 255) & R);
        }
    }
}

// forge-lint: disable-end(unsafe-typecast)
