// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IZkOracle} from "../interfaces/IZkOracle.sol";

/// @title The address of an adapter
library Adapters {
    /// @notice The CREATE2 salt of a feed's adapter.
    function salt(IZkOracle hub, bytes32 feedId, bool strict) internal pure returns (bytes32) {
        return keccak256(abi.encode(hub, feedId, strict));
    }
}
