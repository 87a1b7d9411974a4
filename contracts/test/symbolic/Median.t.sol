// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";

import {Answers} from "../../src/libraries/Answers.sol";

// forge-lint: disable-start(unsafe-typecast) -- bounded where it matters

/// @dev The median that the hub takes is the one of the sorted answers, wherever a submission says it is. `make test`
/// fuzzes these properties; `make symbolic` proves them.
contract MedianSymbolic is Test {
    int256 private constant NONE = type(int128).min;
    int256 private constant LAST = type(int256).max;

    /// @custom:bound one answer, there or not
    function testFuzz_medianOf1(int128 a, uint8 row) public pure {
        _check([int256(a), NONE, NONE, NONE, NONE], 1, row);
    }

    /// @custom:bound two answers, each there or not
    function testFuzz_medianOf2(int128 a, int128 b, uint8 row) public pure {
        _check([int256(a), b, NONE, NONE, NONE], 2, row);
    }

    /// @custom:unproven three answers: no end within eight minutes of a busy machine
    function testFuzz_medianOf3(int128 a, int128 b, int128 c, uint8 row) public pure {
        vm.assume(a != NONE && b != NONE && c != NONE);
        _check([int256(a), b, c, NONE, NONE], 3, row);
    }

    /// @dev Four are in order, and the fifth is in the middle of the table.
    /// @custom:unproven five answers: no end within eight minutes of a busy machine
    function testFuzz_medianOf5(int128 a, int128 b, int128 c, int128 d, int128 e, uint8 row) public pure {
        vm.assume(a != NONE && a <= b && b <= c && c <= d && e != NONE);
        _check([int256(a), b, e, c, d], 5, row);
    }

    /// @dev One row after the other: a solver can't index memory by a symbol.
    function _check(int256[5] memory answers, uint256 rows, uint8 row) private pure {
        for (uint256 i = 0; i <= rows; ++i) {
            if (row % (rows + 1) == i) _checkRow(answers, rows, i);
        }
    }

    /// @dev Checks a table of two columns, of which the second has the answers.
    function _checkRow(int256[5] memory answers, uint256 rows, uint256 row) private pure {
        uint256[] memory words = new uint256[](2 * rows);
        uint256 present = 0;
        for (uint256 i = 0; i < rows; ++i) {
            words[2 * i] = 7;
            words[2 * i + 1] = uint256(answers[i]);
            if (answers[i] != NONE) ++present;
        }
        (int128 answer, int256 lowest, int256 highest, uint256 count, bool isMedian) =
            Answers.summarise(words, 1, 2, row);
        assert(count == present);
        int256[5] memory sorted = _sorted(answers);
        assert(lowest == (count == 0 ? type(int256).max : sorted[0]));
        assert(highest == (count == 0 ? type(int256).min : sorted[count - 1]));
        int256 said = row < rows ? answers[row] : NONE;
        assert(answer == said);
        assert(isMedian == (count != 0 && said != NONE && said == sorted[count / 2]));
    }

    /// @dev A sorting network, without branches. Answers that are not there come last.
    function _sorted(int256[5] memory answers) private pure returns (int256[5] memory sorted) {
        for (uint256 i = 0; i < 5; ++i) {
            sorted[i] = answers[i] == NONE ? LAST : answers[i];
        }
        uint8[18] memory pairs = [0, 1, 3, 4, 2, 4, 2, 3, 0, 3, 0, 2, 1, 4, 1, 3, 1, 2];
        for (uint256 i = 0; i < 18; i += 2) {
            (int256 one, int256 other) = (sorted[pairs[i]], sorted[pairs[i + 1]]);
            int256 low;
            assembly ("memory-safe") {
                low := xor(other, and(xor(one, other), sub(0, slt(one, other))))
            }
            (sorted[pairs[i]], sorted[pairs[i + 1]]) = (low, one ^ other ^ low);
        }
    }
}

// forge-lint: disable-end(unsafe-typecast)
