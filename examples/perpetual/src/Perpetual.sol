// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {IErc7412Updates} from "@verifiable-oracle/contracts/interfaces/IErc7412Updates.sol";

/// @title A perpetual whose trades bring their own price
/// @notice Whoever trades orders first. The order is filled at a price that was observed afterwards, in a transaction that
/// brings it: nobody knew it when the order was made, so nobody can choose a stale one. Anyone may fill an order, and is
/// paid a tip for it.
/// @dev An example: margin and profit are ether, prices are whole dollars of 8 decimals for one contract, the pool is the
/// other side of every trade, and there is no funding rate.
contract Perpetual {
    /// @notice Seconds after an order within which its price has to be observed.
    uint256 public constant WINDOW = 60;
    /// @notice Seconds that the price of a liquidation may be old.
    uint256 public constant MAX_AGE = 30;
    /// @notice Wei that a contract gains when its price rises by a dollar.
    int256 public constant WEI_A_DOLLAR = 1e12;
    uint256 public constant TIP = 1e14;

    struct Order {
        int256 size;
        uint256 time;
    }

    /// @param size Contracts: above zero for a long position, below for a short one.
    /// @param entry The price at which it was opened.
    struct Position {
        int256 size;
        int256 entry;
        uint256 margin;
    }

    IErc7412Updates public immutable UPDATES;
    bytes32 public immutable FEED_ID;

    mapping(address trader => Order) public orders;
    mapping(address trader => Position) public positions;

    event Filled(address indexed trader, int256 size, int256 price, uint32 observedAt);
    event Closed(address indexed trader, int256 price, uint256 paid);
    event Liquidated(address indexed trader, int256 price);

    error NothingOrdered(address trader);
    /// @notice An order stands until its window is over: or whoever does not like the prices would order again.
    error OrderStands(uint256 until);
    /// @notice The price was known when the order was made, or is from too long afterwards.
    error NotOfTheOrder(uint32 observedAt, uint256 ordered);
    error TooLittleMargin(uint256 margin, uint256 needed);
    error NotLiquidatable(address trader);
    error NotPaid();

    constructor(IErc7412Updates updates, bytes32 feedId) payable {
        (UPDATES, FEED_ID) = (updates, feedId);
    }

    receive() external payable {}

    /// @notice Orders a position of `size` contracts, or, if there is one, its end. What is paid is margin, less the tip.
    function order(int256 size) external payable {
        Order storage standing = orders[msg.sender];
        if (standing.time != 0 && block.timestamp <= standing.time + WINDOW) {
            revert OrderStands(standing.time + WINDOW);
        }
        if (msg.value < TIP) revert TooLittleMargin(msg.value, TIP);
        positions[msg.sender].margin += msg.value - TIP;
        (standing.size, standing.time) = (size, block.timestamp);
    }

    /// @notice Fills somebody's order at the price that this call brings.
    /// @param update What an operator serves at `/v1/update/FEED` as `calldata`; empty if the chain has it already.
    function fill(address trader, bytes calldata update) external {
        Order memory wanted = orders[trader];
        if (wanted.time == 0) revert NothingOrdered(trader);
        delete orders[trader];
        // Younger than the order: an answer of the very second of the order is too old.
        uint256 age = block.timestamp > wanted.time ? block.timestamp - wanted.time - 1 : 0;
        (int256 price, uint32 observedAt) = _price(update, age);
        if (observedAt <= wanted.time || observedAt > wanted.time + WINDOW) {
            revert NotOfTheOrder(observedAt, wanted.time);
        }
        Position storage position = positions[trader];
        if (position.size == 0) {
            (position.size, position.entry) = (wanted.size, price);
            uint256 needed = _margin(wanted.size, price);
            if (position.margin < needed) revert TooLittleMargin(position.margin, needed);
            emit Filled(trader, wanted.size, price, observedAt);
        } else {
            uint256 worth = _worth(position, price);
            delete positions[trader];
            emit Closed(trader, price, worth);
            _pay(trader, worth);
        }
        _pay(msg.sender, TIP);
    }

    /// @notice Ends a position whose margin is used up to a fifth of what it had to be. Whoever does it gets what is left.
    function liquidate(address trader, bytes calldata update) external {
        (int256 price,) = _price(update, MAX_AGE);
        Position memory position = positions[trader];
        uint256 worth = _worth(position, price);
        if (position.size == 0 || worth * 5 >= _margin(position.size, price)) revert NotLiquidatable(trader);
        delete positions[trader];
        emit Liquidated(trader, price);
        _pay(msg.sender, worth);
    }

    /// @dev Reverts with `OracleDataRequired` if the answer is too old: an update is needed. While the feed is held or
    /// paused, it reverts, and no update helps: nobody trades at a price that is in doubt.
    function _price(bytes calldata update, uint256 age) internal returns (int256 price, uint32 observedAt) {
        if (update.length != 0) UPDATES.fulfillOracleQuery(update);
        return UPDATES.latest(FEED_ID, age);
    }

    /// @dev A tenth of what the contracts are worth.
    function _margin(int256 size, int256 price) internal pure returns (uint256) {
        return uint256((size < 0 ? -size : size) * price * WEI_A_DOLLAR / 1e9);
    }

    function _worth(Position memory position, int256 price) internal pure returns (uint256) {
        int256 worth = int256(position.margin) + position.size * (price - position.entry) * WEI_A_DOLLAR / 1e8;
        return worth > 0 ? uint256(worth) : 0;
    }

    function _pay(address to, uint256 amount) internal {
        (bool isOk,) = to.call{value: amount}("");
        if (!isOk) revert NotPaid();
    }
}
