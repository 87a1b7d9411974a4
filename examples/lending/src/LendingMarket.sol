// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {IZkOracle} from "@verifiable-oracle/contracts/interfaces/IZkOracle.sol";

interface IERC20 {
    function transfer(address to, uint256 amount) external returns (bool isOk);
    function transferFrom(address from, address to, uint256 amount) external returns (bool isOk);
}

/// @title A market that lends dollars against ether, and does nothing at a price that is in doubt
/// @notice Borrowing, withdrawing and liquidating need the price, and revert while the feed is held, paused or too old:
/// the hub's own errors say which. Depositing and repaying need no price, and always work, so nobody is kept from saving
/// a loan while a hold lasts.
/// @dev An example: no interest, one collateral, one token of 18 decimals that returns true.
contract LendingMarket {
    /// @notice A loan may be worth this share of its collateral when it is made, and this share at most later.
    uint256 public constant BORROW_PERCENT = 66;
    uint256 public constant LIQUIDATION_PERCENT = 80;
    /// @notice Collateral that a liquidator gets on top of what he repays.
    uint256 public constant BONUS_PERCENT = 5;

    IZkOracle public immutable HUB;
    bytes32 public immutable FEED_ID;
    IERC20 public immutable DOLLAR;
    /// @notice Seconds for which an observation is good.
    uint256 public immutable MAX_AGE;

    mapping(address owner => uint256 wei_) public collateralOf;
    mapping(address owner => uint256 dollars) public debtOf;

    error TooMuchDebt(uint256 debt, uint256 most);
    error NotLiquidatable(address owner);
    error TransferFailed();

    constructor(IZkOracle hub, bytes32 feedId, IERC20 dollar, uint256 maxAge) {
        (HUB, FEED_ID, DOLLAR, MAX_AGE) = (hub, feedId, dollar, maxAge);
    }

    /// @notice Dollars for a whole ether, with 18 decimals. Reverts while the price is in doubt.
    function price() public view returns (uint256 dollars) {
        (int128 answer,) = HUB.getPriceNoOlderThan(FEED_ID, MAX_AGE);
        // A feed of prices has no answer of zero or less. Another feed might, and nobody should pay for that.
        require(answer > 0, "not a price");
        return uint256(uint128(answer)) * 1e10;
    }

    function deposit() external payable {
        collateralOf[msg.sender] += msg.value;
    }

    function borrow(uint256 dollars) external {
        debtOf[msg.sender] += dollars;
        _requireSafe(msg.sender);
        if (!DOLLAR.transfer(msg.sender, dollars)) revert TransferFailed();
    }

    function repay(address owner, uint256 dollars) public {
        debtOf[owner] -= dollars;
        if (!DOLLAR.transferFrom(msg.sender, address(this), dollars)) revert TransferFailed();
    }

    function withdraw(uint256 amount) external {
        collateralOf[msg.sender] -= amount;
        if (debtOf[msg.sender] != 0) _requireSafe(msg.sender);
        _send(amount);
    }

    /// @notice Repays dollars of somebody's debt that has grown too large, for ether at the price and a bonus.
    function liquidate(address owner, uint256 dollars) external {
        uint256 now_ = price();
        if (debtOf[owner] <= _worth(owner, now_) * LIQUIDATION_PERCENT / 100) revert NotLiquidatable(owner);
        uint256 amount = dollars * 1e18 * (100 + BONUS_PERCENT) / (100 * now_);
        if (amount > collateralOf[owner]) amount = collateralOf[owner];
        collateralOf[owner] -= amount;
        repay(owner, dollars);
        _send(amount);
    }

    function _requireSafe(address owner) internal view {
        uint256 most = _worth(owner, price()) * BORROW_PERCENT / 100;
        if (debtOf[owner] > most) revert TooMuchDebt(debtOf[owner], most);
    }

    function _worth(address owner, uint256 dollars) internal view returns (uint256) {
        return collateralOf[owner] * dollars / 1e18;
    }

    function _send(uint256 amount) internal {
        (bool isOk,) = msg.sender.call{value: amount}("");
        if (!isOk) revert TransferFailed();
    }
}
