// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IZkAggregator} from "../interfaces/IZkAggregator.sol";
import {IZkOracle} from "../interfaces/IZkOracle.sol";

/// @title The address of an adapter
library Adapters {
    /// @notice The CREATE2 salt of an adapter. It covers all that its constructor reads.
    function salt(IZkOracle hub, bytes32 feedId, IZkAggregator.Terms memory terms)
        internal
        pure
        returns (bytes32 value)
    {
        return keccak256(abi.encode(hub, feedId, terms));
    }

    /// @notice The CREATE2 salt of a feed's plain adapter, which is the one that a hub links. All its terms are zero.
    function salt(IZkOracle hub, bytes32 feedId) internal pure returns (bytes32 value) {
        return keccak256(abi.encode(hub, feedId, 0, 0, 0, 0));
    }
}
