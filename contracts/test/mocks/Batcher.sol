// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title An account that makes several calls in one transaction
contract Batcher {
    /// @notice Calls `target` with each of `calls`. If one fails, all do, with its reason.
    function run(address target, bytes[] calldata calls) external {
        for (uint256 i = 0; i < calls.length; ++i) {
            (bool isOk, bytes memory result) = target.call(calls[i]);
            if (isOk) continue;
            assembly ("memory-safe") {
                revert(add(result, 0x20), mload(result))
            }
        }
    }
}
