// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {IErc7412} from "@verifiable-oracle/contracts/interfaces/IErc7412.sol";
import {IZkOracle} from "@verifiable-oracle/contracts/interfaces/IZkOracle.sol";
import {MockErc7412Updates} from "@verifiable-oracle/contracts/mocks/MockErc7412Updates.sol";
import {MockZkOracle} from "@verifiable-oracle/contracts/mocks/MockZkOracle.sol";
import {Test} from "forge-std/Test.sol";

import {Perpetual} from "../src/Perpetual.sol";

contract PerpetualTest is Test {
    uint256 internal constant START = 1_700_000_000;
    /// A tenth of 10 contracts at 2,000 dollars.
    uint256 internal constant MARGIN = 2_000 * 1e12;

    MockZkOracle internal hub;
    MockErc7412Updates internal updates;
    bytes32 internal feedId;
    Perpetual internal perpetual;
    address internal alice = address(0xA11CE);
    address internal keeper = address(0xB0B);

    function setUp() public {
        vm.warp(START);
        hub = new MockZkOracle();
        feedId = hub.addFeed("ETH / USD", 8);
        updates = new MockErc7412Updates(hub);
        perpetual = new Perpetual{value: 100 ether}(updates, feedId);
        hub.report(feedId, 2_000e8);
        vm.deal(alice, 1 ether);
        vm.deal(keeper, 0);
    }

    function test_aTradeBringsItsPrice() public {
        _open(10);
        (int256 size, int256 entry,) = perpetual.positions(alice);
        assertEq(size, 10);
        assertEq(entry, 2_000e8);
        assertEq(keeper.balance, perpetual.TIP());
        // It is closed with a gain of 10 times 50 dollars.
        _order(0, perpetual.TIP());
        _fill(2_050e8);
        assertEq(alice.balance, 1 ether - 2 * perpetual.TIP() + 500 * 1e12);
    }

    function test_aPriceFromBeforeTheOrderFillsNothing() public {
        bytes memory known = hub.update(feedId, 1_900e8, uint32(START + 10));
        vm.warp(START + 20);
        _order(10, MARGIN + perpetual.TIP());
        skip(2);
        // It is younger than the chain's answer, and the trader knew it.
        vm.expectRevert(
            abi.encodeWithSelector(
                IErc7412.OracleDataRequired.selector, address(updates), abi.encode(hub, feedId, 1), 0
            )
        );
        vm.prank(keeper);
        perpetual.fill(alice, known);
    }

    function test_withoutAnUpdateTheErrorSaysWhatIsNeeded() public {
        _order(10, MARGIN + perpetual.TIP());
        skip(5);
        vm.expectRevert(
            abi.encodeWithSelector(
                IErc7412.OracleDataRequired.selector, address(updates), abi.encode(hub, feedId, 4), 0
            )
        );
        perpetual.fill(alice, "");
    }

    function test_aPriceThatIsThereAlready() public {
        _order(10, MARGIN + perpetual.TIP());
        skip(5);
        bytes memory update = hub.update(feedId, 2_000e8, uint32(block.timestamp));
        updates.fulfillOracleQuery(update);
        vm.prank(keeper);
        perpetual.fill(alice, update);
    }

    function test_ordersAgainOnlyAfterTheWindow() public {
        _order(10, MARGIN + perpetual.TIP());
        skip(perpetual.WINDOW());
        vm.expectRevert(abi.encodeWithSelector(Perpetual.OrderStands.selector, block.timestamp));
        vm.prank(alice);
        perpetual.order{value: 1e14}(-10);
        skip(1);
        _order(-10, MARGIN);
        _fill(2_000e8);
    }

    function test_aHeldPriceFillsNothing() public {
        _open(10);
        skip(10);
        hub.hold(feedId, 1_000e8);
        bytes memory refusal = abi.encodeWithSelector(IZkOracle.FeedHeld.selector, feedId);
        vm.expectRevert(refusal);
        perpetual.liquidate(alice, "");
        _order(0, perpetual.TIP());
        vm.expectRevert(refusal);
        perpetual.fill(alice, "");
        // The price is confirmed: now it counts.
        skip(15 minutes);
        hub.confirm(feedId);
        vm.prank(keeper);
        perpetual.liquidate(alice, "");
        (int256 size,,) = perpetual.positions(alice);
        assertEq(size, 0);
    }

    function test_liquidatesByAnUpdate() public {
        _open(10);
        skip(50);
        bytes memory update = hub.update(feedId, 1_830e8, uint32(block.timestamp));
        vm.prank(keeper);
        perpetual.liquidate(alice, update);
        assertEq(keeper.balance, perpetual.TIP() + 300 * 1e12);
    }

    function test_nobodyIsLiquidatedWithEnoughMargin() public {
        _open(-10);
        skip(50);
        bytes memory update = hub.update(feedId, 2_100e8, uint32(block.timestamp));
        vm.expectRevert(abi.encodeWithSelector(Perpetual.NotLiquidatable.selector, alice));
        perpetual.liquidate(alice, update);
    }

    function test_tooLittleMargin() public {
        _order(10, MARGIN);
        skip(5);
        bytes memory update = hub.update(feedId, 2_000e8, uint32(block.timestamp));
        vm.expectRevert(abi.encodeWithSelector(Perpetual.TooLittleMargin.selector, MARGIN - perpetual.TIP(), MARGIN));
        perpetual.fill(alice, update);
    }

    function _open(int256 size) internal {
        _order(size, MARGIN + perpetual.TIP());
        _fill(2_000e8);
    }

    function _order(int256 size, uint256 value) internal {
        vm.prank(alice);
        perpetual.order{value: value}(size);
    }

    function _fill(int128 price) internal {
        skip(5);
        bytes memory update = hub.update(feedId, price, uint32(block.timestamp));
        vm.prank(keeper);
        perpetual.fill(alice, update);
    }
}
