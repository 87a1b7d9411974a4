// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {IZkOracle} from "@verifiable-oracle/contracts/interfaces/IZkOracle.sol";
import {MockZkOracle} from "@verifiable-oracle/contracts/mocks/MockZkOracle.sol";
import {Test} from "forge-std/Test.sol";

import {IERC20, LendingMarket} from "../src/LendingMarket.sol";

contract Dollar is IERC20 {
    mapping(address => uint256) public balanceOf;

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        (balanceOf[msg.sender], balanceOf[to]) = (balanceOf[msg.sender] - amount, balanceOf[to] + amount);
        return true;
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        (balanceOf[from], balanceOf[to]) = (balanceOf[from] - amount, balanceOf[to] + amount);
        return true;
    }
}

contract LendingMarketTest is Test {
    MockZkOracle internal hub;
    bytes32 internal feedId;
    Dollar internal dollar;
    LendingMarket internal market;
    address internal alice = address(0xA11CE);
    address internal bob = address(0xB0B);

    function setUp() public {
        vm.warp(1_700_000_000);
        hub = new MockZkOracle();
        feedId = hub.addFeed("ETH / USD", 8);
        dollar = new Dollar();
        market = new LendingMarket(hub, feedId, dollar, 2 hours);
        dollar.mint(address(market), 1e24);
        dollar.mint(bob, 1e24);
        vm.deal(alice, 10 ether);
        hub.report(feedId, 2_000e8);
        vm.startPrank(alice);
        market.deposit{value: 1 ether}();
        market.borrow(1_300e18);
        vm.stopPrank();
    }

    function test_noMoreThanTheCollateralIsWorth() public {
        vm.expectRevert(abi.encodeWithSelector(LendingMarket.TooMuchDebt.selector, 1_321e18, 1_320e18));
        vm.prank(alice);
        market.borrow(21e18);
    }

    /// A price that is held back is a price in doubt: nobody borrows at the old one, and nobody is liquidated at the new.
    function test_aHeldPriceIsUsedByNobody() public {
        skip(60);
        hub.hold(feedId, 200e8);
        bytes memory refusal = abi.encodeWithSelector(IZkOracle.FeedHeld.selector, feedId);
        vm.startPrank(alice);
        vm.expectRevert(refusal);
        market.borrow(1);
        vm.expectRevert(refusal);
        market.withdraw(1);
        vm.stopPrank();
        vm.expectRevert(refusal);
        vm.prank(bob);
        market.liquidate(alice, 1_300e18);
        // Whoever wants to make his loan safer can.
        vm.startPrank(alice);
        market.deposit{value: 9 ether}();
        market.repay(alice, 300e18);
        assertEq(market.debtOf(alice), 1_000e18);
    }

    /// It was a mistake: the next report is normal, and all is as before.
    function test_aHeldPriceThatWasWrong() public {
        skip(60);
        hub.hold(feedId, 200e8);
        skip(60);
        hub.report(feedId, 2_010e8);
        vm.expectRevert(abi.encodeWithSelector(LendingMarket.NotLiquidatable.selector, alice));
        vm.prank(bob);
        market.liquidate(alice, 1_300e18);
    }

    /// It was true: reports over time have confirmed it, and the loan is liquidated at the new price.
    function test_aHeldPriceThatWasTrue() public {
        skip(60);
        hub.hold(feedId, 1_500e8);
        skip(15 minutes);
        hub.confirm(feedId);
        vm.prank(bob);
        market.liquidate(alice, 600e18);
        assertEq(market.debtOf(alice), 700e18);
        assertEq(bob.balance, 0.42 ether);
    }

    function test_anOldPriceIsUsedByNobody() public {
        (, IZkOracle.Round memory round) = hub.latestRound(feedId);
        skip(2 hours + 1);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.PriceTooOld.selector, feedId, round.observedAt, 2 hours));
        vm.prank(alice);
        market.borrow(1);
    }

    function test_aPausedFeedIsUsedByNobody() public {
        hub.pause(feedId);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.FeedPaused.selector, feedId));
        vm.prank(alice);
        market.withdraw(1);
    }

    function test_aFeedThatHasNeverReported() public {
        bytes32 other = hub.addFeed("SOL / USD", 8);
        LendingMarket early = new LendingMarket(hub, other, dollar, 2 hours);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.NoData.selector, other));
        early.borrow(1);
    }

    function test_aLoanThatIsRepaid() public {
        vm.startPrank(alice);
        market.repay(alice, 1_300e18);
        market.withdraw(1 ether);
        assertEq(alice.balance, 10 ether);
    }
}
