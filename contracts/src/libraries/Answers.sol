// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title The answers of a report: hashed as they were signed, and summarised feed by feed
/// @dev It is in assembly because its loops run once per signature and feed. Answers are signed 128-bit integers; in
/// memory each is a word, row by row, one row for each signature.
library Answers {
    /// @dev Stands for no answer, and is not counted.
    int128 private constant NO_ANSWER = type(int128).min;

    /// @notice Unpacks big-endian int128.
    function unpack(bytes calldata packed) internal pure returns (uint256[] memory words) {
        words = new uint256[](packed.length / 16);
        assembly ("memory-safe") {
            let target := add(words, 0x20)
            let end := add(packed.offset, packed.length)
            for { let source := packed.offset } lt(source, end) { source := add(source, 16) } {
                mstore(target, signextend(15, shr(128, calldataload(source))))
                target := add(target, 0x20)
            }
        }
    }

    /// @notice keccak256 of the words of an array, as EIP-712 encodes it.
    function hash(bytes32[] calldata words) internal pure returns (bytes32 hashed) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            calldatacopy(free, words.offset, mul(words.length, 0x20))
            hashed := keccak256(free, mul(words.length, 0x20))
        }
    }

    /// @notice The same for round ids.
    /// @dev The words are hashed as they lie in the calldata. The caller has read each of them, which fails if one has
    /// more than 32 bits.
    function hash(uint32[] calldata words) internal pure returns (bytes32 hashed) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            calldatacopy(free, words.offset, mul(words.length, 0x20))
            hashed := keccak256(free, mul(words.length, 0x20))
        }
    }

    /// @notice The same for the answers of one row.
    function hashRow(uint256[] memory words, uint256 row, uint256 columns) internal pure returns (bytes32 hashed) {
        assembly ("memory-safe") {
            let size := mul(columns, 0x20)
            hashed := keccak256(add(add(words, 0x20), mul(row, size)), size)
        }
    }

    /// @notice The EIP-712 struct hash of a report.
    /// @param content The encoded report. Its last two words are written here: what a reporter signs of its own.
    function digest(bytes memory content, bytes32 answersHash, bytes32 readings)
        internal
        pure
        returns (bytes32 structHash)
    {
        assembly ("memory-safe") {
            let end := add(add(content, 0x20), mload(content))
            mstore(sub(end, 0x40), answersHash)
            mstore(sub(end, 0x20), readings)
            structHash := keccak256(add(content, 0x20), mload(content))
        }
    }

    /// @notice Summarises one column. The caller says which row has the median; here it is checked.
    /// @dev Of k answers, the median is the element at k / 2 of the sorted ones. So at most k / 2 are less, and more than
    /// k / 2 are not more.
    function summarise(uint256[] memory words, uint256 column, uint256 columns, uint256 row)
        internal
        pure
        returns (int128 answer, int256 lowest, int256 highest, uint256 count, bool isMedian)
    {
        // slither-disable-next-line divide-before-multiply -- the division is exact: words are rows of columns
        uint256 rows = words.length / columns;
        // A row that is not there has no answer.
        answer = NO_ANSWER;
        (lowest, highest) = (type(int256).max, type(int256).min);
        uint256 less;
        uint256 notMore;
        int256 none = NO_ANSWER;
        assembly ("memory-safe") {
            let stride := mul(columns, 0x20)
            let source := add(add(words, 0x20), mul(column, 0x20))
            // Words have their sign extended, as an int128 has.
            if lt(row, rows) { answer := mload(add(source, mul(row, stride))) }
            for { let end := add(source, mul(rows, stride)) } lt(source, end) { source := add(source, stride) } {
                let one := mload(source)
                if sub(one, none) {
                    count := add(count, 1)
                    less := add(less, slt(one, answer))
                    notMore := add(notMore, iszero(sgt(one, answer)))
                    if slt(one, lowest) { lowest := one }
                    if sgt(one, highest) { highest := one }
                }
            }
        }
        isMedian = answer != NO_ANSWER && less <= count / 2 && notMore > count / 2;
    }

    /// @notice The index of the first word of an ascending array whose high 128 bits are `wanted`, or the array's length.
    function indexOf(bytes32[] calldata ascending, uint256 wanted) internal pure returns (uint256 index) {
        assembly ("memory-safe") {
            let high := ascending.length
            for {} lt(index, high) {} {
                let middle := shr(1, add(index, high))
                switch lt(shr(128, calldataload(add(ascending.offset, shl(5, middle)))), wanted)
                case 1 { index := add(middle, 1) }
                default { high := middle }
            }
            // Beyond the array there is nothing to compare with.
            if lt(index, ascending.length) {
                if sub(shr(128, calldataload(add(ascending.offset, shl(5, index)))), wanted) {
                    index := ascending.length
                }
            }
        }
    }
}
