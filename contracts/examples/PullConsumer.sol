// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IErc7412Updates} from "../src/interfaces/IErc7412Updates.sol";

/// @title A consumer that brings the answer it uses in its own transaction
/// @notice Whoever pulls may choose among the reports that are served: all are true, but some suit him better. So an
/// order comes first, and is filled at an answer that was observed afterwards: nobody knew it when the order was made.
/// What is left to choose are the answers of `WINDOW` seconds after the order. Anyone may fill it, so others need not
/// wait for the best of these.
contract PullConsumer {
    IErc7412Updates public immutable UPDATES;
    bytes32 public immutable FEED_ID;
    /// @notice Seconds after an order within which an answer has to be observed, to fill it.
    uint256 public immutable WINDOW;

    mapping(address buyer => uint256 time) public orderedAt;

    event Filled(address indexed buyer, int128 answer, uint32 observedAt);

    error NothingOrdered(address buyer);
    /// @notice An order stands, or whoever does not like the answers would order again until he does.
    error OrderStands(uint256 until);
    /// @notice The answer was known when the order was made, or is of too long after it.
    error NotOfTheOrder(uint32 observedAt, uint256 ordered);

    constructor(IErc7412Updates updates, bytes32 feedId, uint256 window) {
        UPDATES = updates;
        FEED_ID = feedId;
        WINDOW = window;
    }

    /// @notice Orders at the price that will be.
    function order() external {
        uint256 before = orderedAt[msg.sender];
        if (before != 0 && block.timestamp <= before + WINDOW) revert OrderStands(before + WINDOW);
        orderedAt[msg.sender] = block.timestamp;
    }

    /// @notice Fills an order at the feed's latest answer, which this very call may bring.
    /// @param update What `GET /v1/update/FEED` serves as `calldata`. Empty: the chain's answer is young enough.
    function fill(address buyer, bytes calldata update) external returns (int128 answer) {
        uint256 ordered = orderedAt[buyer];
        if (ordered == 0) revert NothingOrdered(buyer);
        delete orderedAt[buyer];
        if (update.length != 0) UPDATES.fulfillOracleQuery(update);
        uint32 observedAt;
        // Reverts with `OracleDataRequired` if the answer is older than the order: an update is needed.
        (answer, observedAt) = UPDATES.latest(FEED_ID, block.timestamp > ordered ? block.timestamp - ordered - 1 : 0);
        if (observedAt <= ordered || observedAt > ordered + WINDOW) revert NotOfTheOrder(observedAt, ordered);
        emit Filled(buyer, answer, observedAt);
    }
}
