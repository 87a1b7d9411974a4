// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Vm} from "forge-std/Vm.sol";

import {IZkAggregator} from "../src/interfaces/IZkAggregator.sol";
import {IZkAggregatorFactory} from "../src/interfaces/IZkAggregatorFactory.sol";
import {IZkOracle} from "../src/interfaces/IZkOracle.sol";
import {OracleTest} from "./OracleTest.sol";

/// @dev A contract that is no hub. It answers for each feed what it likes, and when an adapter's constructor asks, it
/// first makes a call. A view can't store anything, so its answer contains the call's result.
contract HostileHub {
    uint8 internal constant CALL_FAILED = 100;
    uint8 internal constant CALL_SUCCEEDED = 200;

    address internal target;
    bytes internal data;
    uint8 internal decimals;
    bytes32 internal expected;

    /// @dev From now on, `feedConfig` returns this.
    function lie(uint8 decimals_) external {
        decimals = decimals_;
    }

    /// @dev From now on, `feedConfig` makes this call and returns whether it succeeded.
    function callFirst(address target_, bytes calldata data_) external {
        (target, data) = (target_, data_);
    }

    /// @dev From now on, `feedConfig` makes this call, and counts it as a success only with this answer.
    function callFirst(address target_, bytes calldata data_, bytes calldata answer) external {
        (target, data, expected) = (target_, data_, keccak256(answer));
    }

    /// @dev A hub has this function as a view.
    function feedConfig(bytes32) external returns (IZkOracle.FeedConfig memory config) {
        config.decimals = decimals;
        if (target == address(0)) return config;
        // The gas is bounded, since a forbidden operation in a static call takes all gas that it was given.
        (bool isOk, bytes memory answer) = target.call{gas: 6_000_000}(data);
        isOk = isOk && (expected == 0 || keccak256(answer) == expected);
        config.decimals = isOk ? CALL_SUCCEEDED : CALL_FAILED;
    }

    function announce(IZkAggregator adapter, int128 answer) external {
        adapter.announce(1, answer, 1, address(this));
    }
}

/// @dev A factory that tells the adapters that it deploys what it likes. They have the true factory's code.
contract OtherFactory {
    address internal hub;
    bytes32 internal feedId;
    bool internal strict;

    function deploy(bytes memory creationCode, bytes32 salt, address hub_, bytes32 feedId_, bool strict_)
        external
        returns (address adapter)
    {
        (hub, feedId, strict) = (hub_, feedId_, strict_);
        assembly ("memory-safe") {
            adapter := create2(0, add(creationCode, 0x20), mload(creationCode), salt)
        }
        require(adapter != address(0), "not deployed");
    }

    function parameters() external view returns (address, bytes32, bool) {
        return (hub, feedId, strict);
    }

    function announce(IZkAggregator adapter, int128 answer) external {
        adapter.announce(1, answer, 1, address(this));
    }
}

/// @dev An adapter's address determines what it is, whoever deployed it, for whatever hub, even during another
/// deployment.
contract FactoryTest is OracleTest {
    bytes32 internal constant ANY_FEED = keccak256("any");

    HostileHub internal hostile;

    function setUp() public override {
        super.setUp();
        hostile = new HostileHub();
    }

    function test_anyoneMayDeploy() public {
        address outsider = makeAddr("outsider");
        address expected = factory.addressOf(hub, feedId, false);
        vm.expectEmit(address(factory));
        emit IZkAggregatorFactory.AggregatorDeployed(hub, feedId, false, expected);
        vm.prank(outsider);
        assertEq(factory.deploy(hub, feedId, false), expected);
        _assertAdapter(expected, hub, feedId, false, 8);
        // The feed does not get this adapter: only the hub's admin can link one.
        assertEq(hub.aggregator(feedId), address(0));
        vm.prank(ADMIN);
        hub.linkAggregator(feedId);
        assertEq(hub.aggregator(feedId), expected);
    }

    function test_deployedOnce() public {
        address adapter = factory.deploy(hub, feedId, false);
        bytes32 codeHash = adapter.codehash;
        vm.expectRevert();
        factory.deploy{gas: 6_000_000}(hub, feedId, false);
        vm.prank(ADMIN);
        vm.expectRevert();
        factory.deploy{gas: 6_000_000}(hub, feedId, false);
        assertEq(adapter.codehash, codeHash);
        assertNotEq(factory.deploy(hub, feedId, true), adapter);
    }

    function test_addressesAreApart() public {
        bytes32[2] memory ids = [feedId, bytes32(uint256(feedId) + 1)];
        IZkOracle[2] memory hubs = [IZkOracle(_newHub()), _asHub()];
        address[] memory seen = new address[](8);
        for (uint256 i = 0; i < 8; ++i) {
            seen[i] = factory.addressOf(hubs[i & 1], ids[(i >> 1) & 1], i >> 2 == 1);
            for (uint256 j = 0; j < i; ++j) {
                assertNotEq(seen[i], seen[j]);
            }
        }
    }

    function testFuzz_anAdapterIsWhatItsAddressSays(address caller, bytes32 id, bool strict, uint8 decimals) public {
        hostile.lie(decimals);
        bytes32 salt = keccak256(abi.encode(address(hostile), id, strict));
        address expected = vm.computeCreate2Address(salt, factory.initCodeHash(), address(factory));
        assertEq(factory.addressOf(_asHub(), id, strict), expected);
        vm.prank(caller);
        assertEq(factory.deploy(_asHub(), id, strict), expected);
        _assertAdapter(expected, _asHub(), id, strict, decimals);
        _assertNoParameters();
    }

    // During a deployment

    /// @dev During its own deployment it deploys the true hub's adapters, plain and strict, and another one of its own.
    function test_reenteredFromTheHubsView() public {
        for (uint256 i = 0; i < 6; ++i) {
            (IZkOracle inner, bytes32 id) = i < 4 ? (IZkOracle(hub), feedId) : (_asHub(), keccak256("inner"));
            bool strict = i & 1 == 1;
            bytes32 outer = keccak256(abi.encode("outer", i));
            hostile.callFirst(address(factory), abi.encodeCall(factory.deploy, (inner, id, strict)));
            address adapter = factory.deploy(_asHub(), outer, !strict);
            _assertAdapter(adapter, _asHub(), outer, !strict, 100); // the call failed
            assertEq(factory.addressOf(inner, id, strict).code.length, 0);
            _assertNoParameters();
        }
        // They can still be deployed, and are correct.
        _assertAdapter(factory.deploy(hub, feedId, false), hub, feedId, false, 8);
        _assertAdapter(factory.deploy(hub, feedId, true), hub, feedId, true, 8);
    }

    /// @dev It goes through a contract between, since the view is static all the way down.
    function test_reenteredThroughAnother() public {
        HostileHub between = new HostileHub();
        between.callFirst(address(factory), abi.encodeCall(factory.deploy, (hub, feedId, false)));
        bytes memory ask = abi.encodeWithSelector(IZkOracle.feedConfig.selector, feedId);
        IZkOracle.FeedConfig memory failed;
        failed.decimals = 100;
        hostile.callFirst(address(between), ask, abi.encode(failed));
        address adapter = factory.deploy(_asHub(), ANY_FEED, false);
        _assertAdapter(adapter, _asHub(), ANY_FEED, false, 200); // as expected, the inner one failed
        assertEq(factory.addressOf(hub, feedId, false).code.length, 0);
        // Outside of a deployment the call succeeds, as a deployment like any other.
        between.feedConfig(feedId);
        _assertAdapter(factory.addressOf(hub, feedId, false), hub, feedId, false, 8);
    }

    /// @dev A contract that is asked during the deployment sees whose deployment it is.
    function test_parametersDuringADeployment() public {
        bytes memory expected = abi.encode(address(hostile), ANY_FEED, true);
        hostile.callFirst(address(factory), abi.encodeCall(factory.parameters, ()), expected);
        _assertAdapter(factory.deploy(_asHub(), ANY_FEED, true), _asHub(), ANY_FEED, true, 200);
        // As a control: those of another deployment differ.
        _assertAdapter(factory.deploy(_asHub(), ANY_FEED, false), _asHub(), ANY_FEED, false, 100);
        _assertNoParameters();
    }

    function test_noParametersAfterADeployment() public {
        _assertNoParameters();
        factory.deploy(hub, feedId, true);
        _assertNoParameters();
        // Nothing is left after a deployment that failed either: no feed, no hub, deployed already.
        (bool isOk,) = address(factory).call(abi.encodeCall(factory.deploy, (hub, ANY_FEED, true)));
        assertFalse(isOk);
        _assertNoParameters();
        (isOk,) = address(factory).call(abi.encodeCall(factory.deploy, (IZkOracle(address(1)), feedId, true)));
        assertFalse(isOk);
        _assertNoParameters();
        (isOk,) = address(factory).call{gas: 6_000_000}(abi.encodeCall(factory.deploy, (hub, feedId, true)));
        assertFalse(isOk);
        _assertNoParameters();
    }

    /// @dev A hub's later answers do not change what its adapter stored.
    function test_decimalsAreReadOnce() public {
        hostile.lie(6);
        IZkAggregator adapter = IZkAggregator(factory.deploy(_asHub(), ANY_FEED, false));
        hostile.lie(18);
        assertEq(adapter.decimals(), 6);
    }

    function test_noHub() public {
        address[3] memory none = [makeAddr("nobody"), address(factory), address(verifier1)];
        for (uint256 i = 0; i < none.length; ++i) {
            vm.expectRevert();
            factory.deploy(IZkOracle(none[i]), feedId, false);
            assertEq(factory.addressOf(IZkOracle(none[i]), feedId, false).code.length, 0);
        }
    }

    // Adapters of somebody else

    function test_anotherFactorysAdapterIsElsewhere() public {
        bytes memory code = vm.getCode("ZkAggregator.sol:ZkAggregator");
        assertEq(keccak256(code), factory.initCodeHash());
        bytes32 salt = keccak256(abi.encode(address(hub), feedId, false));
        OtherFactory other = new OtherFactory();
        address copy = other.deploy(code, salt, address(hub), feedId, false);
        _assertAdapter(copy, hub, feedId, false, 8);
        address own = factory.addressOf(hub, feedId, false);
        assertNotEq(copy, own);
        vm.prank(ADMIN);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.AggregatorNotDeployed.selector, own));
        hub.linkAggregator(feedId);
        assertEq(address(_linked(feedId)), own);
        assertEq(hub.aggregator(feedId), own);
        // It reads the feed like the hub's own adapter, but the hub announces nothing to it.
        vm.recordLogs();
        _report(feedId, PRICE, -1);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        assertEq(_logsOf(logs, copy), 0);
        assertEq(_logsOf(logs, own), 2);
        assertEq(IZkAggregator(copy).latestAnswer(), PRICE);
    }

    function test_onlyTheHubAnnouncesToAnotherFactorysAdapter() public {
        OtherFactory other = new OtherFactory();
        bytes memory code = vm.getCode("ZkAggregator.sol:ZkAggregator");
        IZkAggregator copy = IZkAggregator(other.deploy(code, 0, address(hub), feedId, false));
        vm.expectRevert(abi.encodeWithSelector(IZkAggregator.OnlyHub.selector, address(other)));
        other.announce(copy, PRICE);
        vm.expectRevert(abi.encodeWithSelector(IZkAggregator.OnlyHub.selector, address(factory)));
        vm.prank(address(factory));
        copy.announce(1, PRICE, 1, address(this));
        vm.prank(address(hub));
        copy.announce(1, PRICE, 1, address(this));
    }

    function test_aHostileHubAnnouncesToItsOwnAdapterOnly() public {
        IZkAggregator adapter = _linked(feedId);
        IZkAggregator its = IZkAggregator(factory.deploy(_asHub(), feedId, false));
        vm.expectRevert(abi.encodeWithSelector(IZkAggregator.OnlyHub.selector, address(hostile)));
        hostile.announce(adapter, 1);
        hostile.announce(its, 1);
        assertNotEq(address(its), address(adapter));
    }

    /// @dev A false factory names any hub that it likes. Its adapters are its own, at addresses that no hub computes.
    function test_anotherFactoryAsTheHub() public {
        OtherFactory other = new OtherFactory();
        bytes memory code = vm.getCode("ZkAggregator.sol:ZkAggregator");
        bytes32 salt = keccak256(abi.encode(address(hub), feedId, false));
        IZkAggregator copy = IZkAggregator(other.deploy(code, salt, address(hostile), feedId, true));
        assertEq(address(copy.hub()), address(hostile));
        assertNotEq(address(copy), factory.addressOf(hub, feedId, false));
        assertNotEq(address(copy), factory.addressOf(_asHub(), feedId, true));
    }

    function _assertAdapter(address adapter, IZkOracle hub_, bytes32 id, bool strict, uint8 decimals) internal view {
        assertEq(address(IZkAggregator(adapter).hub()), address(hub_));
        assertEq(IZkAggregator(adapter).feedId(), id);
        assertEq(IZkAggregator(adapter).strict(), strict);
        assertEq(IZkAggregator(adapter).decimals(), decimals);
    }

    function _assertNoParameters() internal view {
        (IZkOracle hub_, bytes32 id, bool strict) = factory.parameters();
        assertEq(address(hub_), address(0));
        assertEq(id, 0);
        assertFalse(strict);
    }

    function _asHub() internal view returns (IZkOracle) {
        return IZkOracle(address(hostile));
    }

    function _logsOf(Vm.Log[] memory logs, address emitter) internal pure returns (uint256 count) {
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].emitter == emitter) ++count;
        }
    }
}
