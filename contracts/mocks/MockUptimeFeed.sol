// SPDX-License-Identifier: MIT
pragma solidity >=0.8.20 <0.9.0;

/// @title A feed of a sequencer's uptime for tests
/// @notice `set(0, since)` says that the sequencer is up, and `set(1, since)` that it is down. It can also answer what no
/// such feed should.
contract MockUptimeFeed {
    bytes internal answerData;
    bool internal reverts;
    bool internal refusesContracts;

    constructor() {
        set(0, 1);
    }

    /// @dev From now on, the latest round has this answer and this `startedAt`.
    function set(int256 answer, uint256 startedAt) public {
        setRaw(abi.encode(uint256(7), answer, startedAt, block.timestamp, uint256(7)));
    }

    /// @dev From now on, every call returns these bytes.
    function setRaw(bytes memory data) public {
        (answerData, reverts) = (data, false);
    }

    /// @dev From now on, every call reverts with these bytes.
    function setRevert(bytes memory data) external {
        (answerData, reverts) = (data, true);
    }

    /// @dev From now on, contracts can't read it, as one of Chainlink's feeds that does not know them.
    function refuseContracts() external {
        refusesContracts = true;
    }

    fallback(bytes calldata) external returns (bytes memory data) {
        require(!refusesContracts || msg.sender == tx.origin, "No access");
        data = answerData;
        if (reverts) {
            assembly ("memory-safe") {
                revert(add(data, 32), mload(data))
            }
        }
    }
}
