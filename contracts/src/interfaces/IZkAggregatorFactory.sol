// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IZkOracle} from "./IZkOracle.sol";

/// @title Deploys the adapters of feeds, each at an address that follows from what it is
/// @notice Anyone may deploy one. Since the address says which code is there, a hub calls its adapters without having
/// stored their addresses, and never a contract of somebody else's.
interface IZkAggregatorFactory {
    event AggregatorDeployed(IZkOracle indexed hub, bytes32 indexed feedId, bool strict, address aggregator);

    /// @notice Deploys the adapter of a feed. Reverts if it is there already.
    /// @param strict Whether it gives no latest answer while the feed is held, stale or paused.
    function deploy(IZkOracle hub, bytes32 feedId, bool strict) external returns (address aggregator);

    /// @notice Where the adapter is, or would be.
    function addressOf(IZkOracle hub, bytes32 feedId, bool strict) external view returns (address);

    /// @notice keccak256 of every adapter's creation code.
    function initCodeHash() external view returns (bytes32);

    /// @notice What the adapter that is being deployed is to be. For its constructor.
    function parameters() external view returns (IZkOracle hub, bytes32 feedId, bool strict);
}
