// SPDX-License-Identifier: MIT
pragma solidity >=0.8.20 <0.9.0;

import {IZkAggregator} from "./IZkAggregator.sol";
import {IZkOracle} from "./IZkOracle.sol";

/// @title Deploys the adapters of feeds, each at an address that follows from its hub, feed and terms
/// @notice Anyone may deploy an adapter. The address says which code is there. So a hub calls its adapters without
/// storing their addresses, and never calls somebody else's contract.
interface IZkAggregatorFactory {
    event AggregatorDeployed(
        IZkOracle indexed hub, bytes32 indexed feedId, IZkAggregator.Terms terms, address aggregator
    );

    /// @notice This adapter exists.
    error AggregatorExists(address aggregator);

    /// @notice Deploys an adapter of a feed. Reverts with `IZkAggregator.InvalidTerms` if the terms do not fit each
    /// other.
    function deploy(IZkOracle hub, bytes32 feedId, IZkAggregator.Terms calldata terms)
        external
        returns (address aggregator);

    /// @notice The address of the adapter, deployed or not. Terms that are refused have an address too, without code
    /// for ever.
    function addressOf(IZkOracle hub, bytes32 feedId, IZkAggregator.Terms calldata terms)
        external
        view
        returns (address aggregator);

    /// @notice keccak256 of the creation code, which is the same for every adapter.
    function initCodeHash() external view returns (bytes32 codeHash);

    /// @notice The parameters of the adapter that is being deployed. Its constructor reads them.
    function parameters() external view returns (IZkOracle hub, bytes32 feedId, IZkAggregator.Terms memory terms);
}
