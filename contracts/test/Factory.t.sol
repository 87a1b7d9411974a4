// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IZkAggregator} from "../src/interfaces/IZkAggregator.sol";
import {IZkAggregatorFactory} from "../src/interfaces/IZkAggregatorFactory.sol";
import {IZkOracle} from "../src/interfaces/IZkOracle.sol";
import {Adapters} from "../src/libraries/Adapters.sol";
import {AdapterTest} from "./AdapterTest.sol";
import {MockHub} from "./mocks/MockHub.sol";

/// @dev A contract that is no hub. It answers for each feed what it likes, and when an adapter's constructor asks, it
/// first makes a call. A view can't store anything, so its answer contains the call's result.
contract HostileHub {
    uint8 internal constant CALL_FAILED = 100;
    uint8 internal constant CALL_SUCCEEDED = 200;

    address internal target;
    bytes internal data;
    uint8 internal answered;
    bytes32 internal expected;

    /// @dev From now on, `extsload` returns this.
    function lie(uint8 decimals_) external {
        answered = decimals_;
    }

    /// @dev From now on, `extsload` makes this call and returns whether it succeeded.
    function callFirst(address target_, bytes calldata data_) external {
        (target, data) = (target_, data_);
    }

    /// @dev From now on, `extsload` makes this call, and counts it as a success only with this answer.
    function callFirst(address target_, bytes calldata data_, bytes calldata answer) external {
        (target, data, expected) = (target_, data_, keccak256(answer));
    }

    /// @dev A hub has this function as a view. The word that it returns is a feed's terms, of which an adapter reads the
    /// decimals.
    function extsload(bytes32[] calldata slots) external returns (bytes32[] memory words) {
        words = new bytes32[](slots.length);
        words[0] = termsOf(answered);
        if (target == address(0)) return words;
        // The gas is bounded, since a forbidden operation in a static call takes all gas that it was given.
        (bool isOk, bytes memory answer) = target.call{gas: 6_000_000}(data);
        isOk = isOk && (expected == 0 || keccak256(answer) == expected);
        words[0] = termsOf(isOk ? CALL_SUCCEEDED : CALL_FAILED);
    }

    function termsOf(uint8 decimals) public pure returns (bytes32 word) {
        return bytes32((uint256(decimals) << 8) | 1);
    }

    function announce(IZkAggregator adapter, int128 answer) external {
        adapter.announce(1, answer, 1, address(this));
    }
}

/// @dev An uptime feed that deploys an adapter when it is asked, as far as a view can, and answers "up" if that failed.
contract HostileUptimeFeed {
    address internal target;
    bytes internal data;

    function callFirst(address target_, bytes calldata data_) external {
        (target, data) = (target_, data_);
    }

    /// @dev Such a feed has this function as a view.
    function latestRoundData() external returns (uint80, int256 answer, uint256, uint256, uint80) {
        (bool isOk,) = target.call{gas: 6_000_000}(data);
        return (1, isOk ? int256(2) : int256(0), 1, 1, 1);
    }
}

/// @dev It deploys an adapter and looks at the factory's parameters afterwards, in one transaction: with the next one
/// they would be gone by themselves.
contract Looker {
    function deploy(IZkAggregatorFactory factory, IZkOracle hub, bytes32 feedId, IZkAggregator.Terms calldata terms)
        external
        returns (bool isOk, bytes memory left)
    {
        (isOk,) = address(factory).call(abi.encodeCall(factory.deploy, (hub, feedId, terms)));
        (IZkOracle hub_, bytes32 feedId_, IZkAggregator.Terms memory terms_) = factory.parameters();
        left = abi.encode(hub_, feedId_, terms_);
    }
}

/// @dev A factory that tells the adapters that it deploys what it likes. They have the true factory's code.
contract OtherFactory {
    address internal hub;
    bytes32 internal feedId;
    IZkAggregator.Terms internal terms;

    function deploy(
        bytes memory creationCode,
        bytes32 salt,
        address hub_,
        bytes32 feedId_,
        IZkAggregator.Terms memory terms_
    ) external returns (address adapter) {
        (hub, feedId, terms) = (hub_, feedId_, terms_);
        assembly ("memory-safe") {
            adapter := create2(0, add(creationCode, 0x20), mload(creationCode), salt)
        }
        require(adapter != address(0), "not deployed");
    }

    function parameters() external view returns (address, bytes32, IZkAggregator.Terms memory) {
        return (hub, feedId, terms);
    }

    function announce(IZkAggregator adapter, int128 answer) external {
        adapter.announce(1, answer, 1, address(this));
    }
}

/// @dev An adapter's address determines what it is, whoever deployed it, for whatever hub, even during another
/// deployment.
contract FactoryTest is AdapterTest {
    bytes32 internal constant ANY_FEED = keccak256("any");
    IZkAggregator.Mode internal constant PLAIN = IZkAggregator.Mode.PLAIN;
    IZkAggregator.Mode internal constant STRICT = IZkAggregator.Mode.STRICT;
    IZkAggregator.Mode internal constant LAST_GOOD = IZkAggregator.Mode.LAST_GOOD;

    HostileHub internal hostile;
    /// @dev A hub whose feed has no adapter yet.
    IZkOracle internal other;

    function setUp() public override {
        super.setUp();
        hostile = new HostileHub();
        other = IZkOracle(address(new MockHub(FEED_ID, STALE_AFTER)));
    }

    function test_anyoneMayDeploy() public {
        IZkAggregator.Terms memory terms = _guarded(LAST_GOOD);
        address expected = factory.addressOf(other, FEED_ID, terms);
        vm.expectEmit(address(factory));
        emit IZkAggregatorFactory.AggregatorDeployed(other, FEED_ID, terms, expected);
        vm.prank(makeAddr("outsider"));
        assertEq(factory.deploy(other, FEED_ID, terms), expected);
        _assertAdapter(expected, other, FEED_ID, terms, 8);
    }

    function test_deployedOnce() public {
        IZkAggregator.Terms memory terms = _terms(STRICT);
        bytes32 codeHash = address(strict).codehash;
        vm.expectRevert(abi.encodeWithSelector(IZkAggregatorFactory.AggregatorExists.selector, strict));
        factory.deploy(_hub(), FEED_ID, terms);
        assertEq(address(strict).codehash, codeHash);
    }

    /// @dev Each part of the parameters changes the address.
    function test_addressesAreApart() public view {
        IZkOracle[2] memory hubs = [_hub(), other];
        bytes32[2] memory ids = [FEED_ID, bytes32(uint256(FEED_ID) + 1)];
        address[] memory seen = new address[](96);
        for (uint256 i = 0; i < 96; ++i) {
            // forge-lint: disable-next-item(unsafe-typecast) -- single bits
            IZkAggregator.Terms memory terms = IZkAggregator.Terms({
                mode: IZkAggregator.Mode(i >> 5),
                bound: uint32(i >> 2 & 1),
                uptimeFeed: address(uint160(i >> 3 & 1)),
                grace: uint32(i >> 4 & 1)
            });
            seen[i] = factory.addressOf(hubs[i & 1], ids[i >> 1 & 1], terms);
            for (uint256 j = 0; j < i; ++j) {
                assertNotEq(seen[i], seen[j]);
            }
        }
    }

    function testFuzz_anAdapterIsWhatItsAddressSays(
        address caller,
        bytes32 id,
        uint8 mode,
        uint32 most,
        bool isGuarded,
        uint32 grace,
        uint8 count
    ) public {
        IZkAggregator.Terms memory terms = _terms(IZkAggregator.Mode(mode % 3));
        if (terms.mode == LAST_GOOD) terms.bound = most == 0 ? 1 : most;
        if (isGuarded && terms.mode != PLAIN) (terms.uptimeFeed, terms.grace) = (address(uptime), grace);
        hostile.lie(count);
        bytes32 salt =
            keccak256(abi.encode(address(hostile), id, terms.mode, terms.bound, terms.uptimeFeed, terms.grace));
        address expected = vm.computeCreate2Address(salt, factory.initCodeHash(), address(factory));
        assertEq(factory.addressOf(_asHub(), id, terms), expected);
        vm.prank(caller);
        assertEq(factory.deploy(_asHub(), id, terms), expected);
        _assertAdapter(expected, _asHub(), id, terms, count);
    }

    /// @dev The hub computes its adapter's address from the salt of the plain terms.
    function testFuzz_plainSalt(IZkOracle hub, bytes32 id) public view {
        bytes32 salt = Adapters.salt(hub, id);
        assertEq(salt, Adapters.salt(hub, id, _terms(PLAIN)));
        address expected = vm.computeCreate2Address(salt, factory.initCodeHash(), address(factory));
        assertEq(factory.addressOf(hub, id, _terms(PLAIN)), expected);
    }

    // During a deployment

    /// @dev During its own deployment it deploys another hub's adapters, of each mode, and another one of its own.
    function test_reenteredFromTheHubsView() public {
        for (uint256 i = 0; i < 6; ++i) {
            (IZkOracle inner, bytes32 id) = i < 3 ? (other, FEED_ID) : (_asHub(), keccak256("inner"));
            IZkAggregator.Terms memory terms = _terms(IZkAggregator.Mode(i % 3));
            IZkAggregator.Terms memory outerTerms = _guarded(i % 2 == 0 ? STRICT : LAST_GOOD);
            bytes32 outer = keccak256(abi.encode("outer", i));
            hostile.callFirst(address(factory), abi.encodeCall(factory.deploy, (inner, id, terms)));
            address adapter = factory.deploy(_asHub(), outer, outerTerms);
            _assertAdapter(adapter, _asHub(), outer, outerTerms, 100); // the call failed
            assertEq(factory.addressOf(inner, id, terms).code.length, 0);
        }
        // They can still be deployed, and are correct.
        _assertAdapter(factory.deploy(other, FEED_ID, _terms(PLAIN)), other, FEED_ID, _terms(PLAIN), 8);
        _assertAdapter(factory.deploy(other, FEED_ID, _terms(STRICT)), other, FEED_ID, _terms(STRICT), 8);
    }

    /// @dev It goes through a contract between, since the view is static all the way down.
    function test_reenteredThroughAnother() public {
        HostileHub between = new HostileHub();
        between.callFirst(address(factory), abi.encodeCall(factory.deploy, (other, FEED_ID, _terms(PLAIN))));
        bytes memory ask = abi.encodeCall(between.extsload, (new bytes32[](1)));
        bytes32[] memory failed = new bytes32[](1);
        failed[0] = between.termsOf(100);
        hostile.callFirst(address(between), ask, abi.encode(failed));
        address adapter = factory.deploy(_asHub(), ANY_FEED, _terms(PLAIN));
        _assertAdapter(adapter, _asHub(), ANY_FEED, _terms(PLAIN), 200); // as expected, the inner one failed
        assertEq(factory.addressOf(other, FEED_ID, _terms(PLAIN)).code.length, 0);
        // Outside of a deployment the call succeeds, as a deployment like any other.
        between.extsload(new bytes32[](1));
        _assertAdapter(factory.addressOf(other, FEED_ID, _terms(PLAIN)), other, FEED_ID, _terms(PLAIN), 8);
    }

    function test_reenteredFromTheUptimeFeed() public {
        HostileUptimeFeed feed = new HostileUptimeFeed();
        IZkAggregator.Terms memory terms = _guarded(STRICT);
        terms.uptimeFeed = address(feed);
        feed.callFirst(address(factory), abi.encodeCall(factory.deploy, (other, FEED_ID, _terms(PLAIN))));
        // It was asked, and answered that the call failed.
        _assertAdapter(factory.deploy(_hub(), FEED_ID, terms), _hub(), FEED_ID, terms, 8);
        assertEq(factory.addressOf(other, FEED_ID, _terms(PLAIN)).code.length, 0);
    }

    /// @dev A contract that is asked during the deployment sees whose deployment it is.
    function test_parametersDuringADeployment() public {
        bytes memory expected = abi.encode(address(hostile), ANY_FEED, _guarded(LAST_GOOD));
        hostile.callFirst(address(factory), abi.encodeCall(factory.parameters, ()), expected);
        address adapter = factory.deploy(_asHub(), ANY_FEED, _guarded(LAST_GOOD));
        _assertAdapter(adapter, _asHub(), ANY_FEED, _guarded(LAST_GOOD), 200);
        // As a control: those of another deployment differ.
        adapter = factory.deploy(_asHub(), ANY_FEED, _terms(LAST_GOOD));
        _assertAdapter(adapter, _asHub(), ANY_FEED, _terms(LAST_GOOD), 100);
    }

    function test_noParametersAfterADeployment() public {
        Looker looker = new Looker();
        (bool isOk, bytes memory left) = looker.deploy(factory, other, FEED_ID, _guarded(LAST_GOOD));
        assertTrue(isOk);
        assertEq(left, abi.encode(address(0), bytes32(0), _terms(PLAIN)));
        // Nothing is left after a deployment that failed either: no feed, no hub, bad terms, deployed already.
        _assertFails(_hub(), ANY_FEED, _guarded(LAST_GOOD));
        _assertFails(IZkOracle(address(1)), FEED_ID, _guarded(LAST_GOOD));
        _assertFails(other, FEED_ID, IZkAggregator.Terms(STRICT, 1, address(uptime), 1));
        _assertFails(other, FEED_ID, _guarded(LAST_GOOD));
    }

    /// @dev A hub's later answers do not change what its adapter stored.
    function test_decimalsAreReadOnce() public {
        hostile.lie(6);
        IZkAggregator adapter = IZkAggregator(factory.deploy(_asHub(), ANY_FEED, _terms(PLAIN)));
        hostile.lie(18);
        assertEq(adapter.decimals(), 6);
    }

    function test_noHub() public {
        address[3] memory none = [makeAddr("nobody"), address(factory), address(plain)];
        for (uint256 i = 0; i < none.length; ++i) {
            // An adapter has decimals, but of no feed.
            vm.expectRevert();
            factory.deploy(IZkOracle(none[i]), FEED_ID, _terms(PLAIN));
            assertEq(factory.addressOf(IZkOracle(none[i]), FEED_ID, _terms(PLAIN)).code.length, 0);
        }
    }

    /// @dev The constructor asks its deployer, which here is no factory.
    function test_noFactory() public {
        vm.expectRevert();
        deployCode("ZkAggregator.sol:ZkAggregator");
    }

    // Adapters of somebody else

    function test_anotherFactorysAdapterIsElsewhere() public {
        OtherFactory false_ = new OtherFactory();
        bytes memory code = vm.getCode("ZkAggregator.sol:ZkAggregator");
        assertEq(keccak256(code), factory.initCodeHash());
        bytes32 salt = Adapters.salt(_hub(), FEED_ID);
        address copy = false_.deploy(code, salt, address(mock), FEED_ID, _terms(PLAIN));
        _assertAdapter(copy, _hub(), FEED_ID, _terms(PLAIN), 8);
        assertNotEq(copy, address(plain));
        // It reads the feed like the true one, but takes announcements from the hub alone.
        mock.accept(PRICE);
        assertEq(IZkAggregator(copy).latestAnswer(), PRICE);
        vm.expectRevert(abi.encodeWithSelector(IZkAggregator.OnlyHub.selector, address(false_)));
        false_.announce(IZkAggregator(copy), PRICE);
        vm.expectRevert(abi.encodeWithSelector(IZkAggregator.OnlyHub.selector, address(factory)));
        vm.prank(address(factory));
        IZkAggregator(copy).announce(1, PRICE, 1, address(this));
        mock.announce(IZkAggregator(copy));
    }

    function test_aHostileHubAnnouncesToItsOwnAdapterOnly() public {
        IZkAggregator its = IZkAggregator(factory.deploy(_asHub(), FEED_ID, _terms(PLAIN)));
        vm.expectRevert(abi.encodeWithSelector(IZkAggregator.OnlyHub.selector, address(hostile)));
        hostile.announce(plain, 1);
        hostile.announce(its, 1);
        assertNotEq(address(its), address(plain));
    }

    /// @dev A false factory names any hub and any terms that it likes. Its adapters are its own, at addresses that no hub
    /// computes. Terms that do not fit are refused there too.
    function test_anotherFactoryAsTheHub() public {
        OtherFactory false_ = new OtherFactory();
        bytes memory code = vm.getCode("ZkAggregator.sol:ZkAggregator");
        bytes32 salt = Adapters.salt(_hub(), FEED_ID);
        IZkAggregator copy = IZkAggregator(false_.deploy(code, salt, address(hostile), FEED_ID, _terms(STRICT)));
        assertEq(address(copy.hub()), address(hostile));
        assertNotEq(address(copy), address(plain));
        assertNotEq(address(copy), factory.addressOf(_asHub(), FEED_ID, _terms(STRICT)));
        vm.expectRevert("not deployed");
        false_.deploy(code, 0, address(hostile), FEED_ID, IZkAggregator.Terms(LAST_GOOD, 0, address(0), 0));
    }

    function _assertFails(IZkOracle hub, bytes32 id, IZkAggregator.Terms memory terms) internal {
        (bool isOk, bytes memory left) = new Looker().deploy(factory, hub, id, terms);
        assertFalse(isOk);
        assertEq(left, abi.encode(address(0), bytes32(0), _terms(PLAIN)));
    }

    function _assertAdapter(address adapter, IZkOracle hub, bytes32 id, IZkAggregator.Terms memory terms, uint8 count)
        internal
        view
    {
        assertEq(address(IZkAggregator(adapter).hub()), address(hub));
        assertEq(IZkAggregator(adapter).feedId(), id);
        assertEq(abi.encode(IZkAggregator(adapter).terms()), abi.encode(terms));
        assertEq(IZkAggregator(adapter).decimals(), count);
    }

    function _asHub() internal view returns (IZkOracle) {
        return IZkOracle(address(hostile));
    }
}
