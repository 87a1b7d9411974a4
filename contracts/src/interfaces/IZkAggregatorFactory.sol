// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IZkOracle} from "./IZkOracle.sol";

/// @title Deploys the adapters of feeds, each at an address that follows from its hub, feed and strictness
/// @notice Anyone may deploy an adapter. The address says which code is there. So a hub calls its adapters without
/// storing their addresses, and never calls somebody else's contract.
interface IZkAggregatorFactory {
    event AggregatorDeployed(IZkOracle indexed hub, bytes32 indexed feedId, bool strict, address aggregator);

    /// @notice Deploys the adapter of a feed. Reverts if it is deployed already.
    /// @param strict True for an adapter that gives no latest answer while the feed is held, stale or paused.
    function deploy(IZkOracle hub, bytes32 feedId, bool strict) external returns (address aggregator);

    /// @notice The address of the adapter, deployed or not.
    function addressOf(IZkOracle hub, bytes32 feedId, bool strict) external view returns (address);

    /// @notice keccak256 of the creation code, which is the same for every adapter.
    function initCodeHash() external view returns (bytes32);

    /// @notice The parameters of the adapter that is being deployed. Its constructor reads them.
    function parameters() external view returns (IZkOracle hub, bytes32 feedId, bool strict);
}
