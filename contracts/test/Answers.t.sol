// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";

import {Answers} from "../src/libraries/Answers.sol";

/// @dev The answers of a report, hashed as EIP-712 hashes them, and summarised.
contract AnswersTest is Test {
    int128 internal constant NO_ANSWER = type(int128).min;

    /// @dev A table of small values has the most ties and gaps.
    function testFuzz_summaryIsThatOfTheSortedColumn(uint256 seed, uint256 rows, uint256 columns, bool isSmall)
        public
        view
    {
        (rows, columns) = (bound(rows, 1, 12), bound(columns, 1, 4));
        int128[] memory answers = _table(seed, rows * columns, isSmall ? 3 : type(uint128).max);
        uint256[] memory words = this.unpack(_packed(answers));
        for (uint256 column = 0; column < columns; ++column) {
            int128[] memory sorted = new int128[](rows);
            uint256 count = 0;
            for (uint256 j = 0; j < rows; ++j) {
                int128 answer = answers[j * columns + column];
                if (answer == NO_ANSWER) continue;
                uint256 at = count++;
                for (; at > 0 && sorted[at - 1] > answer; --at) {
                    sorted[at] = sorted[at - 1];
                }
                sorted[at] = answer;
            }
            for (uint256 row = 0; row < rows; ++row) {
                _checkSummary(words, column, columns, row, sorted, count);
            }
        }
    }

    function _checkSummary(
        uint256[] memory words,
        uint256 column,
        uint256 columns,
        uint256 row,
        int128[] memory sorted,
        uint256 count
    ) internal pure {
        int256 answer = int256(words[row * columns + column]);
        bool isMedian = count != 0 && answer != NO_ANSWER && answer == sorted[count / 2];
        int256 lowest = count == 0 ? type(int256).max : int256(sorted[0]);
        int256 highest = count == 0 ? type(int256).min : int256(sorted[count - 1]);
        assertEq(_summary(words, column, columns, row), abi.encode(answer, lowest, highest, count, isMedian));
    }

    function _summary(uint256[] memory words, uint256 column, uint256 columns, uint256 row)
        internal
        pure
        returns (bytes memory)
    {
        (int128 answer, int256 lowest, int256 highest, uint256 count, bool isMedian) =
            Answers.summarise(words, column, columns, row);
        return abi.encode(answer, lowest, highest, count, isMedian);
    }

    /// @dev A row that is not there holds no median. The answers are there all the same.
    function testFuzz_aRowBeyondTheLastHoldsNoMedian(uint256 row) public view {
        row = bound(row, 3, 255);
        uint256[] memory words = this.unpack(_packed(_table(7, 6, 1_000)));
        (,,, uint256 count, bool isMedian) = Answers.summarise(words, 1, 2, row);
        assertFalse(isMedian);
        assertGt(count, 0);
        (,,, count, isMedian) = Answers.summarise(new uint256[](0), 0, 1, 0);
        assertFalse(isMedian);
        assertEq(count, 0);
    }

    function testFuzz_unpackKeepsTheSign(int128[] memory answers) public view {
        uint256[] memory words = this.unpack(_packed(answers));
        assertEq(words.length, answers.length);
        for (uint256 i = 0; i < answers.length; ++i) {
            assertEq(int256(words[i]), answers[i]);
        }
    }

    function testFuzz_hashesAreThoseOfPackedWords(bytes32[] memory ids, uint32[] memory roundIds) public view {
        assertEq(this.hashIds(ids), keccak256(abi.encodePacked(ids)));
        assertEq(this.hashRounds(roundIds), keccak256(abi.encodePacked(roundIds)));
    }

    function testFuzz_hashOfARow(int128[12] memory answers, uint256 row, uint256 columns) public view {
        columns = bound(columns, 1, 6);
        row = bound(row, 0, 12 / columns - 1);
        int128[] memory list = new int128[](12);
        int128[] memory wanted = new int128[](columns);
        for (uint256 i = 0; i < 12; ++i) {
            list[i] = answers[i];
            if (i / columns == row) wanted[i % columns] = answers[i];
        }
        uint256[] memory words = this.unpack(_packed(list));
        assertEq(Answers.hashRow(words, row, columns), keccak256(abi.encodePacked(wanted)));
    }

    function testFuzz_indexOf(uint128 wanted, uint256 seed, uint256 length) public view {
        length = bound(length, 0, 40);
        bytes32[] memory ids = new bytes32[](length);
        uint256 last = 0;
        for (uint256 i = 0; i < length; ++i) {
            last += 2 ** 128 + uint256(keccak256(abi.encode(seed, i))) % 2 ** 200;
            ids[i] = bytes32(last);
        }
        for (uint256 i = 0; i < length; ++i) {
            assertEq(this.indexOf(ids, uint256(ids[i]) >> 128), i);
            if (uint256(ids[i]) >> 128 == wanted) return;
        }
        assertEq(this.indexOf(ids, wanted), length);
        assertEq(this.indexOf(ids, 0), length);
        assertEq(this.indexOf(ids, type(uint128).max), length);
        assertEq(this.indexOf(ids, uint256(type(uint128).max) + 1), length);
    }

    // The library takes calldata.

    function unpack(bytes calldata packed) external pure returns (uint256[] memory) {
        return Answers.unpack(packed);
    }

    function hashIds(bytes32[] calldata ids) external pure returns (bytes32) {
        return Answers.hash(ids);
    }

    function hashRounds(uint32[] calldata roundIds) external pure returns (bytes32) {
        return Answers.hash(roundIds);
    }

    function indexOf(bytes32[] calldata ids, uint256 wanted) external pure returns (uint256) {
        return Answers.indexOf(ids, wanted);
    }

    function _table(uint256 seed, uint256 size, uint256 most) internal pure returns (int128[] memory answers) {
        answers = new int128[](size);
        for (uint256 i = 0; i < size; ++i) {
            uint256 word = uint256(keccak256(abi.encode(seed, i)));
            // forge-lint: disable-next-item(unsafe-typecast) -- any bits will do
            answers[i] = word >> 253 == 0 ? NO_ANSWER : int128(uint128(word % most));
        }
    }

    function _packed(int128[] memory answers) internal pure returns (bytes memory packed) {
        for (uint256 i = 0; i < answers.length; ++i) {
            packed = bytes.concat(packed, bytes16(uint128(answers[i])));
        }
    }
}
