// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IZkOracle} from "../interfaces/IZkOracle.sol";

/// @title What an adapter's address follows from
library Adapters {
    /// @notice The CREATE2 salt of a feed's adapter.
    function salt(IZkOracle hub, bytes32 feedId, bool strict) internal pure returns (bytes32) {
        return keccak256(abi.encode(hub, feedId, strict));
    }
}
