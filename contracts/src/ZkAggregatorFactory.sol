// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Create2} from "@openzeppelin/contracts/utils/Create2.sol";

import {ZkAggregator} from "./ZkAggregator.sol";
import {IZkAggregatorFactory} from "./interfaces/IZkAggregatorFactory.sol";
import {IZkOracle} from "./interfaces/IZkOracle.sol";
import {Adapters} from "./libraries/Adapters.sol";

/// @title Deploys the adapters of feeds, each at an address that follows from its hub, feed and strictness
contract ZkAggregatorFactory is IZkAggregatorFactory {
    /// @inheritdoc IZkAggregatorFactory
    bytes32 public constant override initCodeHash = keccak256(type(ZkAggregator).creationCode);

    /// @dev The constructor reads these values instead of taking arguments, on which the hash of its creation code
    /// would depend.
    IZkOracle private transient _hub;
    bytes32 private transient _feedId;
    bool private transient _strict;

    /// @inheritdoc IZkAggregatorFactory
    function deploy(IZkOracle hub, bytes32 feedId, bool strict) external override returns (address aggregator) {
        (_hub, _feedId, _strict) = (hub, feedId, strict);
        aggregator = address(new ZkAggregator{salt: Adapters.salt(hub, feedId, strict)}());
        (_hub, _feedId, _strict) = (IZkOracle(address(0)), 0, false);
        emit AggregatorDeployed(hub, feedId, strict, aggregator);
    }

    /// @inheritdoc IZkAggregatorFactory
    function addressOf(IZkOracle hub, bytes32 feedId, bool strict) external view override returns (address) {
        return Create2.computeAddress(Adapters.salt(hub, feedId, strict), initCodeHash);
    }

    /// @inheritdoc IZkAggregatorFactory
    function parameters() external view override returns (IZkOracle hub, bytes32 feedId, bool strict) {
        return (_hub, _feedId, _strict);
    }
}
