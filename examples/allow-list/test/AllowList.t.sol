// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {IClaimRegistry} from "@verifiable-oracle/contracts/interfaces/IClaimRegistry.sol";
import {MockClaimRegistry} from "@verifiable-oracle/contracts/mocks/MockClaimRegistry.sol";
import {Test} from "forge-std/Test.sol";

import {AllowList, Sale} from "../src/AllowList.sol";

contract AllowListTest is Test {
    bytes32 internal constant MODEL_ID = keccak256("model");
    /// Outputs are integers: 0.6, at a scale of 2^14.
    int128 internal constant LEAST = 9_830;
    int128 internal constant MOST = 1 << 20;

    MockClaimRegistry internal registry;
    Sale internal sale;
    address internal alice = address(0xA11CE);
    address internal mallory = address(0xBAD);

    function setUp() public {
        vm.warp(1_700_000_000);
        registry = new MockClaimRegistry();
        sale = new Sale(registry, MODEL_ID, 0, LEAST, MOST);
        vm.deal(alice, 1 ether);
    }

    function test_whoHasTheClaimBuys() public {
        _claim(sale.wanted());
        vm.startPrank(alice);
        sale.join(sale.wanted());
        sale.buy{value: 0.1 ether}();
        assertEq(sale.bought(alice), 1);
        vm.expectRevert(abi.encodeWithSelector(Sale.WrongPrice.selector, 1));
        sale.buy{value: 1}();
    }

    /// Narrower bounds, and bounds of another output, say at least as much.
    function test_whoHasProvenMoreBuys() public {
        IClaimRegistry.Terms memory more;
        more.modelId = MODEL_ID;
        more.bounds = new IClaimRegistry.Bound[](2);
        more.bounds[0] = IClaimRegistry.Bound(0, LEAST + 1_000, LEAST + 2_000);
        more.bounds[1] = IClaimRegistry.Bound(1, 0, 1);
        _claim(more);
        vm.prank(alice);
        sale.join(more);
        assertTrue(sale.isAllowed(alice));
    }

    function test_whoHasProvenLessDoesNot() public {
        IClaimRegistry.Terms memory less = sale.wanted();
        less.bounds[0].lo = LEAST - 1;
        _claim(less);
        vm.expectRevert(abi.encodeWithSelector(AllowList.NoClaim.selector, alice));
        vm.prank(alice);
        sale.join(less);
    }

    function test_aClaimOfAnotherModel() public {
        IClaimRegistry.Terms memory other = sale.wanted();
        other.modelId = keccak256("other");
        _claim(other);
        vm.expectRevert(abi.encodeWithSelector(AllowList.NoClaim.selector, alice));
        vm.prank(alice);
        sale.join(other);
    }

    function test_somebodyElsesClaim() public {
        _claim(sale.wanted());
        IClaimRegistry.Terms memory terms = sale.wanted();
        vm.expectRevert(abi.encodeWithSelector(AllowList.NoClaim.selector, mallory));
        vm.prank(mallory);
        sale.join(terms);
    }

    function test_anExpiredClaim() public {
        _claim(sale.wanted());
        _join();
        skip(30 days);
        assertFalse(sale.isAllowed(alice));
        vm.expectRevert(abi.encodeWithSelector(AllowList.NoClaim.selector, alice));
        vm.prank(alice);
        sale.buy{value: 0.1 ether}();
    }

    function test_aRevokedClaim() public {
        _claim(sale.wanted());
        _join();
        registry.end(alice, sale.wanted());
        assertFalse(sale.isAllowed(alice));
    }

    function test_whoNeverJoined() public view {
        assertFalse(sale.isAllowed(mallory));
    }

    function _join() internal {
        IClaimRegistry.Terms memory terms = sale.wanted();
        vm.prank(alice);
        sale.join(terms);
    }

    function _claim(IClaimRegistry.Terms memory terms) internal {
        registry.record(alice, terms, uint40(block.timestamp + 30 days));
    }
}
