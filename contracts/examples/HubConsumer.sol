// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IZkOracle} from "../src/interfaces/IZkOracle.sol";

/// @title A consumer that reads the hub itself, and so sees what other feeds do not tell
/// @notice It pays out at a fresh price only. While the feed holds an answer back, it asks for twice the collateral:
/// something has happened, and nobody knows yet what.
contract HubConsumer {
    IZkOracle public immutable HUB;
    bytes32 public immutable FEED_ID;
    /// @notice Seconds for which an observation is good.
    uint256 public immutable MAX_AGE;

    constructor(IZkOracle hub, bytes32 feedId, uint256 maxAge) {
        HUB = hub;
        FEED_ID = feedId;
        MAX_AGE = maxAge;
    }

    /// @notice The price in the feed's units. Reverts, saying why, while it is too old, held or paused.
    function payoutPrice() external view returns (int128 answer) {
        (answer,) = HUB.getPriceNoOlderThan(FEED_ID, MAX_AGE);
    }

    /// @notice Collateral in percent of a debt: 150, or 300 while the feed is anything but fresh and undisputed.
    function collateralPercent() external view returns (uint256) {
        (,, IZkOracle.Status status, bool paused, bool stale) = HUB.latestWithStatus(FEED_ID);
        return status == IZkOracle.Status.OK && !paused && !stale ? 150 : 300;
    }
}
