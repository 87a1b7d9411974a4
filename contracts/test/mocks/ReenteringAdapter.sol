// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IZkOracle} from "../../src/interfaces/IZkOracle.sol";

/// @title An adapter that calls the hub back when it is told of a round
/// @dev Has what `linkAggregator` asks for; an admin would have to link it.
contract ReenteringAdapter {
    IZkOracle public immutable hub;
    bytes32 public immutable feedId;
    bool public constant strict = false;
    bytes internal again;
    uint32 public roundIdSeen;

    constructor(IZkOracle hub_, bytes32 feedId_) {
        hub = hub_;
        feedId = feedId_;
    }

    function arm(bytes calldata again_) external {
        again = again_;
    }

    function announce(uint32, int128, uint32, address) external {
        roundIdSeen = hub.feedState(feedId).roundId;
        if (again.length == 0) return;
        (bool isOk, bytes memory result) = address(hub).call(again);
        if (isOk) return;
        assembly ("memory-safe") {
            revert(add(result, 0x20), mload(result))
        }
    }
}
