// SPDX-License-Identifier: MIT
pragma solidity >=0.8.20 <0.9.0;

/// @title Chainlink's V2 interface
interface AggregatorInterface {
    event AnswerUpdated(int256 indexed current, uint256 indexed roundId, uint256 updatedAt);
    event NewRound(uint256 indexed roundId, address indexed startedBy, uint256 startedAt);

    function latestAnswer() external view returns (int256 answer);
    function latestTimestamp() external view returns (uint256 timestamp);
    function latestRound() external view returns (uint256 roundId);
    function getAnswer(uint256 roundId) external view returns (int256 answer);
    function getTimestamp(uint256 roundId) external view returns (uint256 timestamp);
}

/// @title Chainlink's V3 interface
interface AggregatorV3Interface {
    function decimals() external view returns (uint8 places);
    function description() external view returns (string memory text);
    function version() external view returns (uint256 number);
    function getRoundData(uint80 roundId_)
        external
        view
        returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound);
    function latestRoundData()
        external
        view
        returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound);
}

/// @title Both of Chainlink's interfaces
interface AggregatorV2V3Interface is AggregatorInterface, AggregatorV3Interface {}
