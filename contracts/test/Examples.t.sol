// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ChainlinkConsumer} from "../examples/ChainlinkConsumer.sol";
import {HubConsumer} from "../examples/HubConsumer.sol";
import {IZkAggregator} from "../src/interfaces/IZkAggregator.sol";
import {IZkOracle} from "../src/interfaces/IZkOracle.sol";
import {OracleTest} from "./OracleTest.sol";

contract ExamplesTest is OracleTest {
    function test_chainlinkConsumerReadsAFreshPrice() public {
        ChainlinkConsumer consumer = new ChainlinkConsumer(_newAdapter(feedId, IZkAggregator.Mode.PLAIN), HEARTBEAT);
        vm.expectRevert("No data present");
        consumer.price();
        _report(feedId, PRICE, -1);
        uint256 at = _now();
        skip(HEARTBEAT);
        assertEq(consumer.price(), 100e18);
        skip(1);
        vm.expectRevert(abi.encodeWithSelector(ChainlinkConsumer.AnswerTooOld.selector, at));
        consumer.price();
    }

    function test_chainlinkConsumerRefusesAnswersBelowOne() public {
        vm.prank(ADMIN);
        bytes32 id = _addFeed("spread", IZkOracle.Kind.ABSOLUTE, solo);
        ChainlinkConsumer consumer = new ChainlinkConsumer(_newAdapter(id, IZkAggregator.Mode.PLAIN), HEARTBEAT);
        _report(id, -3, -1);
        vm.expectRevert(abi.encodeWithSelector(ChainlinkConsumer.AnswerNotPositive.selector, -3));
        consumer.price();
    }

    function test_strictAdapterProtectsAConsumerThatKnowsNoStates() public {
        IZkAggregator strict = _newAdapter(feedId, IZkAggregator.Mode.STRICT);
        ChainlinkConsumer consumer = new ChainlinkConsumer(strict, HEARTBEAT);
        _report(feedId, PRICE, -1);
        skip(60);
        assertEq(consumer.price(), 100e18);
        _report(feedId, 10e8, 1);
        vm.expectRevert(
            abi.encodeWithSelector(IZkAggregator.AnswerUnavailable.selector, IZkOracle.Status.HELD, false, false)
        );
        consumer.price();
    }

    function test_hubConsumerSeesTheState() public {
        HubConsumer consumer = new HubConsumer(hub, feedId, MAX_AGE);
        assertEq(consumer.collateralPercent(), 300);
        _report(feedId, PRICE, -1);
        assertEq(consumer.payoutPrice(), PRICE);
        assertEq(consumer.collateralPercent(), 150);
        skip(60);
        _report(feedId, 10e8, 1);
        assertEq(consumer.collateralPercent(), 300);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.FeedHeld.selector, feedId));
        consumer.payoutPrice();
    }
}
