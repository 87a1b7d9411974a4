// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Vm} from "forge-std/Vm.sol";

import {MockErc7412Updates} from "../mocks/MockErc7412Updates.sol";
import {MockUptimeFeed} from "../mocks/MockUptimeFeed.sol";
import {MockZkAggregator} from "../mocks/MockZkAggregator.sol";
import {MockZkOracle} from "../mocks/MockZkOracle.sol";
import {NotMocked} from "../mocks/NotMocked.sol";
import {AggregatorInterface, AggregatorV3Interface} from "../src/interfaces/AggregatorV2V3Interface.sol";
import {IErc7412} from "../src/interfaces/IErc7412.sol";
import {IErc7412Updates} from "../src/interfaces/IErc7412Updates.sol";
import {IZkAggregator} from "../src/interfaces/IZkAggregator.sol";
import {IZkOracle} from "../src/interfaces/IZkOracle.sol";
import {IZkOracleLens} from "../src/interfaces/IZkOracleLens.sol";
import {OracleTest} from "./OracleTest.sol";

/// @dev The mocks beside the real contracts: whatever happens to both, consumers read the same bytes, and get the same
/// errors and events.
contract MocksTest is OracleTest {
    int256 internal constant NORMAL = -250_000;
    int256 internal constant ANOMALOUS = 1_500_000;
    uint32 internal constant BOUND = 4 hours;
    bytes32 internal constant UNKNOWN = keccak256("unknown");

    MockZkOracle internal mock;
    MockUptimeFeed internal uptime;
    IErc7412Updates internal updates;
    IErc7412Updates internal mockUpdates;
    IZkAggregator[] internal adapters;
    IZkAggregator[] internal mockAdapters;
    /// The feed with a quorum of three, and one of metrics that may be negative, and that repeats an answer once.
    bytes32 internal prices;
    bytes32 internal metrics;

    function setUp() public override {
        super.setUp();
        mock = new MockZkOracle();
        vm.startPrank(ADMIN);
        prices = _addFeed("BTC / USD", IZkOracle.Kind.RELATIVE, trio);
        IZkOracle.FeedConfig memory config = _config("Metric", IZkOracle.Kind.ABSOLUTE, trio);
        config.maxRepeats = 1;
        metrics = hub.addFeed(config, modelNumber);
        vm.stopPrank();
        mock.addFeed(_config("ETH / USD", IZkOracle.Kind.RELATIVE, solo), modelNumber);
        mock.addFeed(_config("BTC / USD", IZkOracle.Kind.RELATIVE, trio), modelNumber);
        mock.addFeed(config, modelNumber);
        for (uint256 i = 0; i < 3; ++i) {
            mock.setModel(lens.feedIds(hub)[i], modelNumber, lens.model(hub, modelNumber));
        }
        uptime = new MockUptimeFeed();
        updates = IErc7412Updates(deployCode("Erc7412Updates.sol:Erc7412Updates", abi.encode(hub)));
        mockUpdates = new MockErc7412Updates(mock);
        _adapter(IZkAggregator.Terms(IZkAggregator.Mode.PLAIN, 0, address(0), 0));
        _adapter(IZkAggregator.Terms(IZkAggregator.Mode.STRICT, 0, address(0), 0));
        _adapter(IZkAggregator.Terms(IZkAggregator.Mode.LAST_GOOD, BOUND, address(0), 0));
        _adapter(IZkAggregator.Terms(IZkAggregator.Mode.STRICT, 0, address(uptime), 30 minutes));
        _adapter(IZkAggregator.Terms(IZkAggregator.Mode.LAST_GOOD, BOUND, address(uptime), 30 minutes));
        vm.prank(ADMIN);
        hub.linkAggregator(prices);
        mock.link(prices, mockAdapters[0]);
    }

    // States

    function test_neverReported() public view {
        _assertSame();
    }

    function test_fresh() public {
        _both(prices, PRICE, NORMAL);
        _assertSame();
        skip(60);
        _assertSame();
        _both(prices, PRICE + 1e8, NORMAL);
        _assertSame();
    }

    function test_held() public {
        _both(prices, PRICE, NORMAL);
        skip(60);
        _both(prices, PRICE / 10, ANOMALOUS);
        _assertSame();
        skip(60);
        _both(prices, PRICE / 10, ANOMALOUS);
        _assertSame();
        skip(60);
        _both(prices, PRICE, NORMAL);
        _assertSame();
    }

    function test_heldBeforeTheFirstRound() public {
        _both(prices, PRICE, ANOMALOUS);
        _assertSame();
    }

    function test_heldForAnotherReason() public {
        _both(prices, PRICE, NORMAL);
        skip(60);
        _bothHold(prices, -1, NORMAL, IZkOracle.HoldReason.NOT_POSITIVE);
        _assertSame();
        skip(60);
        _both(prices, PRICE / 10, ANOMALOUS);
        _assertSame();
    }

    function test_repeated() public {
        _both(metrics, -7, NORMAL);
        skip(60);
        _both(metrics, -7, NORMAL);
        skip(60);
        _bothHold(metrics, -7, NORMAL, IZkOracle.HoldReason.REPEATED);
        _assertSame();
    }

    function test_confirmedJump() public {
        _both(prices, PRICE, NORMAL);
        for (uint256 i = 0; i < 2; ++i) {
            skip(CONFIRM_DELAY / 2);
            _both(prices, PRICE / 10, ANOMALOUS);
        }
        skip(CONFIRM_DELAY);
        Vm.Log[] memory real = _reported(prices, PRICE / 10, ANOMALOUS);
        vm.recordLogs();
        vm.prank(RELAYER);
        mock.confirm(prices);
        _assertSame(real, vm.getRecordedLogs());
        _assertSame();
    }

    function test_stale() public {
        _both(prices, PRICE, NORMAL);
        skip(HEARTBEAT + MAX_AGE);
        _assertSame();
        skip(1);
        _assertSame();
        skip(BOUND);
        _assertSame();
    }

    function test_madeStale() public {
        mock.report(prices, PRICE);
        mock.makeStale(prices);
        assertTrue(mock.isStale(prices));
        (, int256 answer,, uint256 updatedAt,) = mockAdapters[0].latestRoundData();
        assertEq(answer, PRICE);
        assertEq(updatedAt, block.timestamp - HEARTBEAT - MAX_AGE - 1);
        vm.expectRevert(
            abi.encodeWithSelector(IZkAggregator.AnswerUnavailable.selector, IZkOracle.Status.OK, false, true)
        );
        mockAdapters[1].latestRoundData();
        mock.report(prices, PRICE);
        assertFalse(mock.isStale(prices));
    }

    function test_paused() public {
        _both(prices, PRICE, NORMAL);
        vm.recordLogs();
        vm.prank(GUARDIAN);
        hub.pause(prices);
        Vm.Log[] memory real = vm.getRecordedLogs();
        vm.recordLogs();
        mock.pause(prices);
        _assertSame(real, vm.getRecordedLogs());
        _assertSame();
        mock.setChangeDelay(DELAY);
        vm.prank(ADMIN);
        hub.proposeUnpause(prices);
        mock.proposeUnpause(prices);
        skip(DELAY);
        vm.prank(ADMIN);
        hub.unpause(prices);
        mock.unpause(prices);
        _assertSame();
        bytes memory refusal = abi.encodeWithSelector(IZkOracle.NotPaused.selector, prices);
        vm.expectRevert(refusal);
        mock.proposeUnpause(prices);
        vm.expectRevert(refusal);
        mock.unpause(prices);
    }

    function test_heldPausedAndStale() public {
        _both(prices, PRICE, NORMAL);
        skip(60);
        _both(prices, PRICE / 10, ANOMALOUS);
        vm.prank(GUARDIAN);
        hub.pause(prices);
        mock.pause(prices);
        skip(2 * HEARTBEAT);
        _assertSame();
    }

    function test_sequencer() public {
        _both(prices, PRICE, NORMAL);
        uptime.set(1, block.timestamp);
        _assertSame();
        uptime.set(0, block.timestamp);
        _assertSame();
        skip(31 minutes);
        _assertSame();
        uptime.setRevert("");
        _assertSame();
    }

    /// Whatever happens, in whatever order, consumers see the same.
    /// forge-config: default.fuzz.runs = 8
    function testFuzz_anyHistory(uint256 seed) public {
        _both(prices, PRICE, NORMAL);
        for (uint256 i = 0; i < 8; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            // Not as long that the real hub confirms a held answer by itself.
            skip(1 + seed % 90);
            int128 answer = int128(int256(90e8 + (seed >> 32) % 20e8));
            _both(prices, answer, (seed >> 16) % 3 == 0 ? NORMAL : ANOMALOUS);
            _assertSameFeed(prices);
        }
        skip(seed % 3 hours);
        _assertSame();
    }

    // Reports that come as calldata

    function test_updates() public {
        _pullBoth(feedId, PRICE, _now());
        _assertSame();
        skip(60);
        _pullBoth(feedId, PRICE + 1, _now() - 30);
        _assertSame();
    }

    function test_anUpdateThatTheChainHasDoesNothing() public {
        (bytes memory real, bytes memory mocked) = _updates(feedId, PRICE, _now());
        for (uint256 i = 0; i < 2; ++i) {
            _assertSameCall(real, mocked);
        }
        _assertSame();
    }

    function test_updatesThatAreRefused() public {
        (bytes memory early, bytes memory mockEarly) = _updates(feedId, PRICE, _now());
        (bytes memory future, bytes memory mockFuture) = _updates(feedId, PRICE, _now() + MAX_SKEW + 1);
        _assertSameCall(future, mockFuture);
        skip(MAX_AGE + 1);
        _assertSameCall(early, mockEarly);
        (bytes memory real, bytes memory mocked) = _updates(feedId, PRICE, _now());
        vm.prank(GUARDIAN);
        hub.pause(feedId);
        mock.pause(feedId);
        _assertSameCall(real, mocked);
        _assertSame();
    }

    function test_anUpdateForARoundThatIsThere() public {
        _pullBoth(feedId, PRICE, _now());
        skip(60);
        (bytes memory real, bytes memory mocked) = _updates(feedId, PRICE, _now());
        skip(60);
        _pullBoth(feedId, PRICE + 1, _now());
        _assertSameCall(real, mocked);
        // `submit` has no mercy.
        (real, mocked) = (_asSubmit(real), _asSubmit(mocked));
        _assertSameCall(real, mocked);
    }

    function test_aDamagedUpdate() public {
        (, bytes memory mocked) = _updates(feedId, PRICE, _now());
        IZkOracle.Submission memory submission = _decoded(mocked);
        submission.answers = abi.encodePacked(int128(PRICE + 1));
        vm.expectRevert(IZkOracle.ProofRejected.selector);
        mock.submit(submission);
        submission = _decoded(mocked);
        submission.observedAt += 1;
        vm.expectRevert(IZkOracle.ProofRejected.selector);
        mock.submit(submission);
        submission = _decoded(mocked);
        submission.roundIds = new uint32[](0);
        vm.expectRevert(IZkOracle.MalformedSubmission.selector);
        mock.submit(submission);
        submission.feedIds = new bytes32[](0);
        vm.expectRevert(IZkOracle.NothingDue.selector);
        mock.submit(submission);
        submission = _decoded(mocked);
        submission.feedIds[0] = UNKNOWN;
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.UnknownFeed.selector, UNKNOWN));
        mock.submitIfNewer(submission);
        submission = _decoded(mocked);
        ++submission.modelNumber;
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.ModelNotActive.selector, feedId, 2, 1));
        mock.submit(submission);
    }

    function test_whatBringsUpdates() public {
        (bytes memory real, bytes memory mocked) = _updates(feedId, PRICE, _now());
        updates.fulfillOracleQuery(real);
        mockUpdates.fulfillOracleQuery(mocked);
        _assertSame();
        bytes[3] memory wrong = [bytes(""), hex"00", abi.encodeCall(IZkOracle.pause, (feedId))];
        for (uint256 i = 0; i < wrong.length; ++i) {
            bytes memory call = abi.encodeCall(IErc7412.fulfillOracleQuery, (wrong[i]));
            _assertSameAnswer(address(updates), address(mockUpdates), call);
        }
        vm.expectRevert(abi.encodeWithSelector(IErc7412Updates.TakesNoMoney.selector, 1));
        mockUpdates.fulfillOracleQuery{value: 1}(mocked);
        _assertSameAnswer(address(updates), address(mockUpdates), abi.encodeCall(IErc7412.oracleId, ()));
    }

    // The mock's own functions

    function test_aFeedInOneLine() public {
        MockZkOracle fresh = new MockZkOracle();
        bytes32 id = fresh.addFeed("SOL / USD", 8);
        assertEq(id, keccak256("SOL / USD"));
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.NoData.selector, id));
        fresh.getPriceNoOlderThan(id, 60);
        assertEq(fresh.report(id, 20e8), 1);
        // A second report in the same block is dated a second later, as reporters do.
        assertEq(fresh.report(id, 21e8), 2);
        (int128 answer, uint32 observedAt) = fresh.getPriceNoOlderThan(id, 0);
        assertEq(answer, 21e8);
        assertEq(observedAt, block.timestamp + 1);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.FeedExists.selector, id));
        fresh.addFeed("SOL / USD", 8);
    }

    function test_reportsThatCannotBe() public {
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.AnswerOutOfRange.selector, prices, int128(0)));
        mock.report(prices, 0);
        vm.expectRevert("no anomalous answer is held");
        mock.confirm(prices);
        vm.expectRevert("an answer is held for a reason");
        mock.hold(prices, PRICE, IZkOracle.HoldReason.NONE);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.NoData.selector, prices));
        mock.makeStale(prices);
        mock.pause(prices);
        bytes memory refusal = abi.encodeWithSelector(IZkOracle.FeedPaused.selector, prices);
        vm.expectRevert(refusal);
        mock.report(prices, PRICE);
        vm.expectRevert(refusal);
        mock.hold(prices, PRICE);
        refusal = abi.encodeWithSelector(IZkOracle.UnknownFeed.selector, UNKNOWN);
        vm.expectRevert(refusal);
        mock.report(UNKNOWN, PRICE);
        vm.expectRevert(refusal);
        mock.update(UNKNOWN, PRICE, _now());
    }

    function test_anyRound() public {
        IZkOracle.Round memory round = IZkOracle.Round(PRICE, 5, 6, 9, 1_001, 30_000, 7);
        vm.expectEmit(address(mock));
        emit IZkOracle.RoundAccepted(prices, 1, PRICE, 5, 9, _scores(1_001_000), true, address(this));
        mock.reportRound(prices, round);
        assertEq(abi.encode(mock.getRound(prices, 1)), abi.encode(round));
    }

    function test_whatIsNotMocked() public {
        vm.expectRevert(abi.encodeWithSelector(NotMocked.selector, "addCommittee"));
        mock.addCommittee(signers, 1);
        vm.expectRevert(abi.encodeWithSelector(NotMocked.selector, "linkAggregator: use link"));
        mock.linkAggregator(prices);
    }

    function test_termsThatAreRefused() public {
        IZkAggregator.Mode plain = IZkAggregator.Mode.PLAIN;
        IZkAggregator.Mode strict = IZkAggregator.Mode.STRICT;
        MockUptimeFeed wrong = new MockUptimeFeed();
        wrong.set(2, 1);
        _assertRefused(IZkAggregator.Terms(plain, 1, address(0), 0));
        _assertRefused(IZkAggregator.Terms(IZkAggregator.Mode.LAST_GOOD, 0, address(0), 0));
        _assertRefused(IZkAggregator.Terms(strict, 0, address(0), 1));
        _assertRefused(IZkAggregator.Terms(plain, 0, address(uptime), 1));
        _assertRefused(IZkAggregator.Terms(strict, 0, address(wrong), 1));
        _assertRefused(IZkAggregator.Terms(strict, 0, RELAYER, 1));
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.UnknownFeed.selector, UNKNOWN));
        new MockZkAggregator(mock, UNKNOWN, IZkAggregator.Terms(plain, 0, address(0), 0));
        vm.expectRevert(abi.encodeWithSelector(IZkAggregator.OnlyHub.selector, address(this)));
        mockAdapters[0].announce(1, 1, 1, address(this));
    }

    // What happens to both

    function _adapter(IZkAggregator.Terms memory terms) internal {
        adapters.push(IZkAggregator(factory.deploy(hub, prices, terms)));
        mockAdapters.push(new MockZkAggregator(mock, prices, terms));
    }

    function _both(bytes32 id, int128 answer, int256 score) internal {
        Vm.Log[] memory real = _reported(id, answer, score);
        vm.recordLogs();
        vm.startPrank(RELAYER);
        if (score <= 0) mock.report(id, answer);
        else mock.hold(id, answer);
        vm.stopPrank();
        _assertSame(real, vm.getRecordedLogs());
    }

    function _bothHold(bytes32 id, int128 answer, int256 score, IZkOracle.HoldReason reason) internal {
        Vm.Log[] memory real = _reported(id, answer, score);
        vm.recordLogs();
        vm.prank(RELAYER);
        mock.hold(id, answer, reason);
        _assertSame(real, vm.getRecordedLogs());
    }

    function _reported(bytes32 id, int128 answer, int256 score) internal returns (Vm.Log[] memory logs) {
        vm.recordLogs();
        _report(id, answer, score);
        return vm.getRecordedLogs();
    }

    function _updates(bytes32 id, int128 answer, uint32 observedAt)
        internal
        view
        returns (bytes memory real, bytes memory mocked)
    {
        Draft memory draft = _draft(id, answer, NORMAL);
        draft.observedAt = observedAt;
        return (abi.encodeCall(IZkOracle.submitIfNewer, (_proven(draft))), mock.update(id, answer, observedAt));
    }

    function _pullBoth(bytes32 id, int128 answer, uint32 observedAt) internal {
        (bytes memory real, bytes memory mocked) = _updates(id, answer, observedAt);
        vm.recordLogs();
        (bool isOk,) = address(hub).call(real);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        assertTrue(isOk);
        vm.recordLogs();
        (isOk,) = address(mock).call(mocked);
        assertTrue(isOk);
        _assertSame(logs, vm.getRecordedLogs());
    }

    function _decoded(bytes memory update) internal view returns (IZkOracle.Submission memory) {
        return this.decoded(update);
    }

    function decoded(bytes calldata update) external pure returns (IZkOracle.Submission memory) {
        return abi.decode(update[4:], (IZkOracle.Submission));
    }

    function _asSubmit(bytes memory update) internal view returns (bytes memory) {
        return abi.encodeCall(IZkOracle.submit, (_decoded(update)));
    }

    // What is compared

    function _assertSame(Vm.Log[] memory real, Vm.Log[] memory mocked) internal pure {
        assertEq(real.length, mocked.length, "events");
        for (uint256 i = 0; i < real.length; ++i) {
            assertEq(abi.encode(real[i].topics), abi.encode(mocked[i].topics), "topics");
            assertEq(real[i].data, mocked[i].data, "event");
        }
    }

    function _assertSameCall(bytes memory real, bytes memory mocked) internal {
        (bool isOk, bytes memory answer) = address(hub).call(real);
        (bool isMockOk, bytes memory mockAnswer) = address(mock).call(mocked);
        assertEq(isOk, isMockOk, "success");
        assertEq(answer, mockAnswer);
    }

    function _assertSameAnswer(address real, address mocked, bytes memory call) internal view {
        (bool isOk, bytes memory answer) = real.staticcall(call);
        (bool isMockOk, bytes memory mockAnswer) = mocked.staticcall(call);
        // The text is made only where they differ: it takes longer than both calls.
        if (isOk == isMockOk && keccak256(answer) == keccak256(mockAnswer)) return;
        assertEq(isOk, isMockOk, vm.toString(call));
        assertEq(answer, mockAnswer, vm.toString(call));
    }

    function _assertRefused(IZkAggregator.Terms memory terms) internal {
        (bool isOk, bytes memory answer) = address(factory).call(abi.encodeCall(factory.deploy, (hub, prices, terms)));
        assertFalse(isOk);
        vm.expectRevert(answer);
        new MockZkAggregator(mock, prices, terms);
    }

    function _assertSame() internal view {
        _assertSameHub();
        _assertSameLens();
        for (uint256 i = 0; i < adapters.length; ++i) {
            _assertSameAdapter(address(adapters[i]), address(mockAdapters[i]));
        }
    }

    function _assertSameHub() internal view {
        bytes32[4] memory ids = [feedId, prices, metrics, UNKNOWN];
        for (uint256 i = 0; i < ids.length; ++i) {
            _assertSameFeed(ids[i]);
        }
    }

    function _assertSameFeed(bytes32 id) internal view {
        uint256[5] memory ages = [uint256(0), 60, 1 hours, 1 days, type(uint256).max];
        _assertSameAnswer(address(hub), address(mock), abi.encodeCall(IZkOracle.isStale, (id)));
        _assertSameAnswer(address(hub), address(mock), abi.encodeCall(IZkOracle.latestRound, (id)));
        _assertSameAnswer(address(hub), address(mock), abi.encodeCall(IZkOracle.latestWithStatus, (id)));
        for (uint32 round = 0; round < 4; ++round) {
            _assertSameAnswer(address(hub), address(mock), abi.encodeCall(IZkOracle.getRound, (id, round)));
        }
        for (uint256 j = 0; j < ages.length; ++j) {
            bytes memory call = abi.encodeCall(IZkOracle.getPriceNoOlderThan, (id, ages[j]));
            _assertSameAnswer(address(hub), address(mock), call);
            _assertSameLatest(id, ages[j]);
        }
    }

    /// @dev The error names its contract and the hub.
    function _assertSameLatest(bytes32 id, uint256 age) internal view {
        bytes memory call = abi.encodeCall(IErc7412Updates.latest, (id, age));
        (bool isOk, bytes memory answer) = address(updates).staticcall(call);
        (bool isMockOk, bytes memory mockAnswer) = address(mockUpdates).staticcall(call);
        assertEq(isOk, isMockOk);
        // forge-lint: disable-next-item(unsafe-typecast) -- the first four bytes are meant
        if (!isOk && bytes4(answer) == IErc7412.OracleDataRequired.selector) {
            answer = abi.encodeWithSelector(
                IErc7412.OracleDataRequired.selector, address(mockUpdates), abi.encode(mock, id, age), 0
            );
        }
        assertEq(answer, mockAnswer);
    }

    function _assertSameLens() internal view {
        IZkOracleLens mockLens = IZkOracleLens(mock.lens());
        assertEq(abi.encode(lens.feedIds(hub)), abi.encode(mockLens.feedIds(mock)));
        IZkOracleLens.FeedState[] memory states = mockLens.feedStates(mock, mockLens.feedIds(mock));
        for (uint256 i = 0; i < states.length; ++i) {
            bytes32 id = lens.feedIds(hub)[i];
            assertEq(abi.encode(lens.feedConfig(hub, id)), abi.encode(mockLens.feedConfig(mock, id)));
            IZkOracleLens.FeedState memory state = lens.feedState(hub, id);
            // What a model is fed with, a mock does not have.
            (states[i].repeats, states[i].variance, states[i].returns_) =
            (state.repeats, state.variance, state.returns_);
            assertEq(abi.encode(state), abi.encode(states[i]));
        }
        bytes memory call = abi.encodeCall(IZkOracleLens.feedState, (hub, UNKNOWN));
        _assertSameAnswer(address(lens), address(mockLens), call);
        _assertSameAnswer(address(lens), address(mockLens), abi.encodeCall(IZkOracleLens.model, (hub, modelNumber)));
        _assertSameAnswer(address(lens), address(mockLens), abi.encodeCall(IZkOracleLens.model, (hub, 77)));
    }

    function _assertSameAdapter(address real, address mocked) internal view {
        _assertSameAnswer(real, mocked, abi.encodeCall(AggregatorV3Interface.latestRoundData, ()));
        _assertSameAnswer(real, mocked, abi.encodeCall(AggregatorInterface.latestAnswer, ()));
        _assertSameAnswer(real, mocked, abi.encodeCall(AggregatorInterface.latestTimestamp, ()));
        _assertSameAnswer(real, mocked, abi.encodeCall(AggregatorInterface.latestRound, ()));
        _assertSameAnswer(real, mocked, abi.encodeCall(AggregatorV3Interface.decimals, ()));
        _assertSameAnswer(real, mocked, abi.encodeCall(AggregatorV3Interface.description, ()));
        _assertSameAnswer(real, mocked, abi.encodeCall(AggregatorV3Interface.version, ()));
        _assertSameAnswer(real, mocked, abi.encodeCall(IZkAggregator.latestScored, ()));
        _assertSameAnswer(real, mocked, abi.encodeCall(IZkAggregator.terms, ()));
        _assertSameAnswer(real, mocked, abi.encodeCall(IZkAggregator.feedId, ()));
        uint80[5] memory ids = [uint80(0), 1, 2, 3, 2 ** 40];
        for (uint256 i = 0; i < ids.length; ++i) {
            _assertSameAnswer(real, mocked, abi.encodeCall(AggregatorV3Interface.getRoundData, (ids[i])));
            _assertSameAnswer(real, mocked, abi.encodeCall(AggregatorInterface.getAnswer, (ids[i])));
            _assertSameAnswer(real, mocked, abi.encodeCall(AggregatorInterface.getTimestamp, (ids[i])));
        }
    }
}
