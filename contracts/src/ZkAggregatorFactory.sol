// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Create2} from "@openzeppelin/contracts/utils/Create2.sol";

import {ZkAggregator} from "./ZkAggregator.sol";
import {IZkAggregator} from "./interfaces/IZkAggregator.sol";
import {IZkAggregatorFactory} from "./interfaces/IZkAggregatorFactory.sol";
import {IZkOracle} from "./interfaces/IZkOracle.sol";
import {Adapters} from "./libraries/Adapters.sol";

/// @title Deploys the adapters of feeds, each at an address that follows from its hub, feed and terms
contract ZkAggregatorFactory is IZkAggregatorFactory {
    bytes32 private constant INIT_CODE_HASH = keccak256(type(ZkAggregator).creationCode);

    /// @dev The constructor reads these values instead of taking arguments, on which the hash of its creation code
    /// would depend.
    IZkOracle private transient _hub;
    bytes32 private transient _feedId;
    IZkAggregator.Mode private transient _mode;
    uint32 private transient _bound;
    address private transient _uptimeFeed;
    uint32 private transient _grace;

    /// @inheritdoc IZkAggregatorFactory
    function deploy(IZkOracle hub, bytes32 feedId, IZkAggregator.Terms calldata terms)
        external
        override
        returns (address aggregator)
    {
        bytes32 salt = Adapters.salt(hub, feedId, terms);
        aggregator = Create2.computeAddress(salt, INIT_CODE_HASH);
        // Without this check, the creation would fail without a reason, and take nearly all gas.
        if (aggregator.code.length != 0) revert AggregatorExists(aggregator);
        _set(hub, feedId, terms);
        new ZkAggregator{salt: salt}();
        _set(IZkOracle(address(0)), 0, IZkAggregator.Terms(IZkAggregator.Mode.PLAIN, 0, address(0), 0));
        emit AggregatorDeployed(hub, feedId, terms, aggregator);
    }

    /// @inheritdoc IZkAggregatorFactory
    function addressOf(IZkOracle hub, bytes32 feedId, IZkAggregator.Terms calldata terms)
        external
        view
        override
        returns (address aggregator)
    {
        return Create2.computeAddress(Adapters.salt(hub, feedId, terms), INIT_CODE_HASH);
    }

    /// @inheritdoc IZkAggregatorFactory
    function initCodeHash() external pure override returns (bytes32 codeHash) {
        return INIT_CODE_HASH;
    }

    /// @inheritdoc IZkAggregatorFactory
    function parameters()
        external
        view
        override
        returns (IZkOracle hub, bytes32 feedId, IZkAggregator.Terms memory terms)
    {
        return (_hub, _feedId, IZkAggregator.Terms(_mode, _bound, _uptimeFeed, _grace));
    }

    function _set(IZkOracle hub, bytes32 feedId, IZkAggregator.Terms memory terms) private {
        (_hub, _feedId, _mode) = (hub, feedId, terms.mode);
        (_bound, _uptimeFeed, _grace) = (terms.bound, terms.uptimeFeed, terms.grace);
    }
}
