// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {PullConsumer} from "../examples/PullConsumer.sol";
import {IErc7412} from "../src/interfaces/IErc7412.sol";
import {IErc7412Updates} from "../src/interfaces/IErc7412Updates.sol";
import {IZkOracle} from "../src/interfaces/IZkOracle.sol";
import {ThreeFeedsTest} from "./ThreeFeedsTest.sol";
import {RecordingHub} from "./mocks/RecordingHub.sol";

/// @dev Updates that a consumer brings: by the ERC-7412 adapter, and in the transaction that uses them.
contract Erc7412UpdatesTest is ThreeFeedsTest {
    uint256 internal constant AGE = 60;
    uint256 internal constant WINDOW = 120;

    IErc7412Updates internal updates;
    PullConsumer internal consumer;
    address internal immutable BUYER = makeAddr("buyer");

    function setUp() public virtual override {
        super.setUp();
        updates = _updatesOf(address(hub));
        consumer = new PullConsumer(updates, feedId, WINDOW);
    }

    function _updatesOf(address hub_) internal returns (IErc7412Updates) {
        return IErc7412Updates(deployCode("Erc7412Updates.sol:Erc7412Updates", abi.encode(hub_)));
    }

    /// @dev What a server serves as `calldata`.
    function _update(bytes32 id, int128 answer, int256 score) internal view returns (bytes memory) {
        return _callOf(_proven(_quorumDraft(id, answer, score)));
    }

    function _callOf(IZkOracle.Submission memory submission) internal pure returns (bytes memory) {
        return abi.encodeCall(IZkOracle.submitIfNewer, (submission));
    }

    function _required(bytes32 id, uint256 age) internal view returns (bytes memory) {
        return abi.encodeWithSelector(
            IErc7412.OracleDataRequired.selector, address(updates), abi.encode(hub, id, age), uint256(0)
        );
    }

    function _digestOf(bytes32 id) internal view returns (bytes32) {
        return keccak256(abi.encode(lens.feedState(hub, id)));
    }

    // Reading

    function test_latestAsksForAnUpdateOnlyIfTheAnswerIsTooOld() public {
        _report(feedId, PRICE, -1);
        uint32 at = _now();
        skip(AGE);
        (int128 answer, uint32 observedAt) = updates.latest(feedId, AGE);
        assertEq(answer, PRICE);
        assertEq(observedAt, at);
        skip(1);
        vm.expectRevert(_required(feedId, AGE));
        updates.latest(feedId, AGE);
    }

    /// @dev No update helps then: the hub's own error says what is wrong.
    function test_latestPassesAllOtherErrorsOn() public {
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.NoData.selector, feedId));
        updates.latest(feedId, AGE);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.UnknownFeed.selector, keccak256("nothing")));
        updates.latest(keccak256("nothing"), AGE);
        _report(feedId, PRICE, -1);
        skip(AGE + 1);
        _report(feedId, 10e8, 1);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.FeedHeld.selector, feedId));
        updates.latest(feedId, AGE);
        vm.prank(GUARDIAN);
        hub.pause(feedId);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.FeedPaused.selector, feedId));
        updates.latest(feedId, AGE);
    }

    /// @dev For every age and every time, the adapter gives what the hub gives, or asks for an update.
    function testFuzz_latestIsTheHubsAnswerOrAQuery(uint256 age, uint32 later) public {
        _report(feedId, PRICE, -1);
        uint32 at = _now();
        skip(later);
        if (later > age) {
            vm.expectRevert(_required(feedId, age));
            updates.latest(feedId, age);
        } else {
            (int128 answer, uint32 observedAt) = updates.latest(feedId, age);
            assertEq(answer, PRICE);
            assertEq(observedAt, at);
        }
    }

    function test_termsOfTheAdapter() public view {
        assertEq(address(updates.hub()), address(hub));
        bytes32 id = "VERIFIABLE-ORACLE";
        assertEq(updates.oracleId(), id);
    }

    // Bringing

    function test_anUpdateIsBroughtAndThenThere() public {
        _report(feedId, PRICE, -1);
        skip(AGE + 1);
        bytes memory update = _update(feedId, PRICE + 1e6, -1);
        vm.prank(BUYER);
        updates.fulfillOracleQuery(update);
        (int128 answer, uint32 observedAt) = updates.latest(feedId, AGE);
        assertEq(answer, PRICE + 1e6);
        assertEq(observedAt, _now());
        assertEq(lens.feedState(hub, feedId).roundId, 2);
    }

    function test_aLostRaceDoesNothing() public {
        _report(feedId, PRICE, -1);
        skip(AGE + 1);
        bytes memory update = _update(feedId, PRICE + 1e6, -1);
        updates.fulfillOracleQuery(update);
        bytes32 before = _digestOf(feedId);
        updates.fulfillOracleQuery(update);
        assertEq(_digestOf(feedId), before);
    }

    /// @dev An old report does not end a newer round, and does not make its answer look younger.
    function test_anOldUpdateDoesNothing() public {
        _report(feedId, PRICE, -1);
        skip(AGE + 1);
        bytes memory old = _update(feedId, PRICE + 1e6, -1);
        skip(AGE);
        updates.fulfillOracleQuery(_update(feedId, PRICE + 2e6, -1));
        bytes32 before = _digestOf(feedId);
        updates.fulfillOracleQuery(old);
        assertEq(_digestOf(feedId), before);
    }

    /// @dev Whoever brings an older report first makes it the round. It is as old as it is, and who wants a younger one
    /// still asks for it; the younger report of the same round is void.
    function test_frontRunningWithAnOldUpdateDeceivesNobody() public {
        _report(feedId, PRICE, -1);
        skip(AGE + 1);
        bytes memory old = _update(feedId, PRICE + 1e6, -1);
        skip(AGE + 1);
        bytes memory young = _update(feedId, PRICE + 2e6, -1);
        updates.fulfillOracleQuery(old);
        bytes32 before = _digestOf(feedId);
        updates.fulfillOracleQuery(young);
        assertEq(_digestOf(feedId), before);
        vm.expectRevert(_required(feedId, AGE));
        updates.latest(feedId, AGE);
        vm.prank(BUYER);
        consumer.order();
        vm.expectRevert();
        consumer.fill(BUYER, young);
        skip(1);
        consumer.fill(BUYER, _update(feedId, PRICE + 3e6, -1));
    }

    function test_anExpiredUpdateIsRefused() public {
        bytes memory update = _update(feedId, PRICE, -1);
        uint32 at = _now();
        skip(MAX_AGE + 1);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.ObservationTooOld.selector, feedId, at, _now() - MAX_AGE));
        updates.fulfillOracleQuery(update);
    }

    // Attacks

    /// @dev For every other selector, `submit` and administration among them, and for every argument.
    function testFuzz_onlyOneFunctionIsEverCalled(bytes4 selector, bytes calldata tail) public {
        vm.assume(selector != IZkOracle.submitIfNewer.selector);
        vm.expectRevert(IErc7412Updates.NotAnUpdate.selector);
        updates.fulfillOracleQuery(bytes.concat(selector, tail));
    }

    function test_otherFunctionsOfTheHubAreNotCalled() public {
        IZkOracle.Submission memory submission = _proven(_draft(feedId, PRICE, -1));
        bytes[3] memory others = [
            abi.encodeCall(IZkOracle.submit, (submission)),
            abi.encodeCall(IZkOracle.submitShadow, (submission)),
            abi.encodeCall(IZkOracle.pause, (feedId))
        ];
        for (uint256 i = 0; i < others.length; ++i) {
            vm.expectRevert(IErc7412Updates.NotAnUpdate.selector);
            updates.fulfillOracleQuery(others[i]);
        }
    }

    function test_dataThatIsTooShort() public {
        bytes memory update = _update(feedId, PRICE, -1);
        vm.expectRevert(IErc7412Updates.NotAnUpdate.selector);
        updates.fulfillOracleQuery("");
        for (uint256 length = 1; length < 4; ++length) {
            vm.expectRevert(IErc7412Updates.NotAnUpdate.selector);
            updates.fulfillOracleQuery(_head(update, length));
        }
        for (uint256 length = 4; length < update.length; length += 97) {
            bytes memory cut = _head(update, length);
            vm.expectRevert();
            updates.fulfillOracleQuery(cut);
        }
        assertEq(lens.feedState(hub, feedId).roundId, 0);
    }

    function _head(bytes memory data, uint256 length) internal pure returns (bytes memory head) {
        head = new bytes(length);
        for (uint256 i = 0; i < length; ++i) {
            head[i] = data[i];
        }
    }

    /// @dev Whatever follows the arguments: the hub gets its own encoding of them, and not a byte more.
    function testFuzz_trailingBytesReachNobody(bytes calldata tail) public {
        RecordingHub recording = new RecordingHub();
        bytes memory update = _update(feedId, PRICE, -1);
        _updatesOf(address(recording)).fulfillOracleQuery(bytes.concat(update, tail));
        assertEq(recording.received(), update);
        assertEq(recording.calls(), 1);
        updates.fulfillOracleQuery(bytes.concat(update, tail));
        assertEq(lens.feedState(hub, feedId).roundId, 1);
    }

    /// @dev For every byte that somebody changes, nothing is written that the signers did not sign.
    function testFuzz_anAlteredUpdateWritesNothing(uint256 place, uint8 change) public {
        vm.assume(change != 0);
        bytes memory update = _update(feedId, PRICE, -1);
        place = bound(place, 4, update.length - 1);
        bytes memory altered = _head(update, update.length);
        altered[place] = bytes1(uint8(altered[place]) ^ change);
        bytes32 before = _digestOf(feedId);
        // What is no argument, as padding, may differ: then it is the same update.
        try updates.fulfillOracleQuery(altered) {
            assertEq(lens.feedState(hub, feedId).answer, PRICE);
        } catch {
            assertEq(_digestOf(feedId), before);
        }
    }

    function testFuzz_anyOtherBytesWriteNothing(bytes calldata data) public {
        bytes32 before = _digestOf(feedId);
        try updates.fulfillOracleQuery(bytes.concat(IZkOracle.submitIfNewer.selector, data)) {
            assertTrue(false, "no bytes are an update by chance");
        } catch {
            assertEq(_digestOf(feedId), before);
        }
    }

    /// @dev Signatures are of one hub. Another one on the same chain, with the same feed and reporters, refuses them.
    function test_anUpdateOfAnotherHub() public {
        bytes memory update = _update(feedId, PRICE, -1);
        super.setUp();
        IErc7412Updates other = _updatesOf(address(hub));
        vm.expectPartialRevert(IZkOracle.NotAReporter.selector);
        other.fulfillOracleQuery(update);
        other.fulfillOracleQuery(_update(feedId, PRICE, -1));
    }

    /// @dev A valid update of another feed is written, and is no answer to what was asked.
    function test_anUpdateOfAnotherFeedThanAsked() public {
        bytes32[] memory ids = _addThree();
        _report(ids[0], PRICE, -1);
        _report(ids[1], PRICE, -1);
        skip(AGE + 1);
        updates.fulfillOracleQuery(_update(ids[1], PRICE + 1e6, -1));
        vm.expectRevert(_required(ids[0], AGE));
        updates.latest(ids[0], AGE);
        PullConsumer other = new PullConsumer(updates, ids[0], WINDOW);
        vm.prank(BUYER);
        other.order();
        skip(1);
        bytes memory update = _update(ids[1], PRICE + 2e6, -1);
        bytes32 before = _digestOf(ids[1]);
        vm.expectRevert(_required(ids[0], 0));
        other.fill(BUYER, update);
        assertEq(_digestOf(ids[1]), before);
    }

    /// @dev A hub that calls back meets a contract without state: it can only do what anybody can.
    function test_aHubThatCallsBack() public {
        RecordingHub hostile = new RecordingHub();
        IErc7412Updates other = _updatesOf(address(hostile));
        bytes memory update = _update(feedId, PRICE, -1);
        hostile.callBackWith(update);
        vm.record();
        other.fulfillOracleQuery(update);
        assertEq(hostile.calls(), 2);
        (bytes32[] memory reads, bytes32[] memory writes) = vm.accesses(address(other));
        assertEq(reads.length + writes.length, 0);
        hostile.callBackWith(abi.encodeCall(IZkOracle.submit, (_proven(_draft(feedId, PRICE, -1)))));
        vm.expectRevert(IErc7412Updates.NotAnUpdate.selector);
        other.fulfillOracleQuery(update);
    }

    function test_itTakesNoMoneyAndKeepsNone() public {
        bytes memory update = _update(feedId, PRICE, -1);
        vm.deal(address(this), 2 ether);
        vm.expectRevert(abi.encodeWithSelector(IErc7412Updates.TakesNoMoney.selector, 1));
        updates.fulfillOracleQuery{value: 1}(update);
        (bool done,) = address(updates).call{value: 1}("");
        assertFalse(done);
        assertEq(address(updates).balance, 0);
    }

    /// @dev An update that the model holds: the whole transaction of a consumer reverts, and nothing of it remains.
    function test_anAnomalousUpdateIsNotUsed() public {
        _report(feedId, PRICE, -1);
        vm.prank(BUYER);
        consumer.order();
        skip(1);
        bytes memory update = _update(feedId, 10e8, 1);
        bytes32 before = _digestOf(feedId);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.FeedHeld.selector, feedId));
        consumer.fill(BUYER, update);
        assertEq(_digestOf(feedId), before);
        assertGt(consumer.orderedAt(BUYER), 0);
    }

    // The example

    function test_theConsumerUsesTheAnswerOfItsOwnTransaction() public {
        _report(feedId, PRICE, -1);
        vm.prank(BUYER);
        consumer.order();
        skip(5);
        vm.expectRevert(_required(feedId, 4));
        consumer.fill(BUYER, "");
        bytes memory update = _update(feedId, PRICE + 1e6, -1);
        vm.expectEmit(address(consumer));
        emit PullConsumer.Filled(BUYER, PRICE + 1e6, _now());
        assertEq(consumer.fill(BUYER, update), PRICE + 1e6);
        vm.expectRevert(abi.encodeWithSelector(PullConsumer.NothingOrdered.selector, BUYER));
        consumer.fill(BUYER, update);
    }

    function test_theConsumerDoesNotMindWhoBroughtIt() public {
        _report(feedId, PRICE, -1);
        vm.prank(BUYER);
        consumer.order();
        skip(5);
        bytes memory update = _update(feedId, PRICE + 1e6, -1);
        updates.fulfillOracleQuery(update);
        uint256 snapshot = vm.snapshotState();
        assertEq(consumer.fill(BUYER, update), PRICE + 1e6);
        vm.revertToState(snapshot);
        assertEq(consumer.fill(BUYER, ""), PRICE + 1e6);
    }

    /// @dev For every time of an observation: it fills an order only if it was made after it, and within the window.
    function testFuzz_onlyAnswersOfTheWindowFillAnOrder(uint32 after_, uint32 later) public {
        _report(feedId, PRICE, -1);
        skip(1);
        uint256 ordered = _now();
        vm.prank(BUYER);
        consumer.order();
        skip(bound(after_, 0, 2 * WINDOW));
        uint32 at = _now();
        bytes memory update = _update(feedId, PRICE + 1e6, -1);
        skip(bound(later, 0, 300));
        if (at > ordered && at <= ordered + WINDOW) {
            assertEq(consumer.fill(BUYER, update), PRICE + 1e6);
        } else {
            bytes memory tooLate = abi.encodeWithSelector(PullConsumer.NotOfTheOrder.selector, at, ordered);
            bool asks = at == ordered && _now() > ordered;
            vm.expectRevert(asks ? _required(feedId, _now() - ordered - 1) : tooLate);
            consumer.fill(BUYER, update);
        }
    }

    function test_anOrderStands() public {
        vm.startPrank(BUYER);
        consumer.order();
        uint256 until = _now() + WINDOW;
        skip(WINDOW);
        vm.expectRevert(abi.encodeWithSelector(PullConsumer.OrderStands.selector, until));
        consumer.order();
        skip(1);
        consumer.order();
        assertEq(consumer.orderedAt(BUYER), _now());
    }
}
