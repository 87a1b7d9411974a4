// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {MockUptimeFeed} from "../mocks/MockUptimeFeed.sol";
import {AggregatorInterface} from "../src/interfaces/AggregatorV2V3Interface.sol";
import {IZkAggregator} from "../src/interfaces/IZkAggregator.sol";
import {IZkOracle} from "../src/interfaces/IZkOracle.sol";
import {AdapterTest} from "./AdapterTest.sol";

/// @dev What adapters give, by their terms and the feed's state; and which terms are refused.
contract ZkAggregatorTest is AdapterTest {
    // Chainlink's semantics

    function test_constants() public view {
        IZkAggregator[5] memory all = _all();
        for (uint256 i = 0; i < all.length; ++i) {
            assertEq(all[i].decimals(), 8);
            assertEq(all[i].description(), "ETH / USD");
            assertEq(all[i].version(), 2);
            assertEq(address(all[i].hub()), address(mock));
            assertEq(all[i].feedId(), FEED_ID);
        }
        assertEq(abi.encode(plain.terms()), abi.encode(_terms(IZkAggregator.Mode.PLAIN)));
        assertEq(abi.encode(strict.terms()), abi.encode(_terms(IZkAggregator.Mode.STRICT)));
        assertEq(abi.encode(guardedLastGood.terms()), abi.encode(_guarded(IZkAggregator.Mode.LAST_GOOD)));
    }

    /// @dev The hub stores texts of up to 31 bytes in another way than longer ones.
    function test_descriptionsOfEachLength() public {
        string memory text = "";
        for (uint256 i = 0; i <= 70; ++i) {
            mock.describe(text);
            assertEq(plain.description(), text);
            text = string.concat(text, i % 2 == 0 ? "a" : unicode"é");
        }
    }

    function test_missingRounds() public {
        mock.accept(PRICE);
        mock.accept(PRICE + 1);
        IZkAggregator[5] memory all = _all();
        for (uint256 i = 0; i < all.length; ++i) {
            _assertPast(all[i]);
            // An id beyond 32 bits does not name the round of its low bits.
            uint80[4] memory ids = [uint80(0), 3, 2 ** 32 + 1, type(uint80).max];
            for (uint256 j = 0; j < ids.length; ++j) {
                assertEq(all[i].getAnswer(ids[j]), 0);
                assertEq(all[i].getTimestamp(ids[j]), 0);
                vm.expectRevert("No data present");
                all[i].getRoundData(ids[j]);
            }
            assertEq(all[i].getAnswer(type(uint256).max), 0);
        }
    }

    function test_startedWhenObservedUpdatedWhenPublished() public {
        mock.accept(PRICE, _now() - 100);
        IZkAggregator[5] memory all = _all();
        for (uint256 i = 0; i < all.length; ++i) {
            (,, uint256 startedAt, uint256 updatedAt,) = all[i].latestRoundData();
            assertEq(startedAt, _now() - 100);
            assertEq(updatedAt, _now());
        }
        // Later, while it is held: the times stay those of the round.
        skip(3 hours);
        mock.hold();
        (,, uint256 started, uint256 updated,) = lastGood.latestRoundData();
        assertEq(started, _now() - 3 hours - 100);
        assertEq(updated, _now() - 3 hours);
    }

    function test_announces() public {
        mock.accept(PRICE, _now() - 3);
        vm.expectEmit(address(plain));
        emit AggregatorInterface.NewRound(1, address(this), _now() - 3);
        vm.expectEmit(address(plain));
        emit AggregatorInterface.AnswerUpdated(PRICE, 1, _now());
        mock.announce(plain);
        vm.expectRevert(abi.encodeWithSelector(IZkAggregator.OnlyHub.selector, address(this)));
        plain.announce(1, PRICE, _now(), address(this));
    }

    /// @dev Every adapter shows the round with the feed's status, also where it withholds the answer.
    function test_latestScored() public {
        IZkAggregator[5] memory all = _all();
        vm.expectRevert("No data present");
        strict.latestScored();
        mock.accept(PRICE, _now() - 5);
        IZkAggregator.ScoredRound memory expected = IZkAggregator.ScoredRound({
            roundId: 1,
            answer: PRICE,
            observedAt: _now() - 5,
            publishedAt: _now(),
            scoreRatio: -250,
            spread: 40,
            count: 3,
            modelNumber: 1,
            modelHash: mock.MODEL_HASH(),
            artifactHash: mock.ARTIFACT_HASH(),
            status: IZkOracle.Status.OK,
            paused: false,
            stale: false
        });
        for (uint256 i = 0; i < all.length; ++i) {
            assertEq(abi.encode(all[i].latestScored()), abi.encode(expected));
        }
        mock.hold();
        mock.setPaused(true);
        uptime.set(1, 1);
        skip(30 days);
        (expected.status, expected.paused, expected.stale) = (IZkOracle.Status.HELD, true, true);
        for (uint256 i = 0; i < all.length; ++i) {
            assertEq(abi.encode(all[i].latestScored()), abi.encode(expected));
        }
    }

    // The modes

    function test_lastGoodEndsExactlyAtItsBound() public {
        mock.accept(PRICE, _now() - 10);
        uint256 observedAt = _now() - 10;
        vm.warp(observedAt + BOUND);
        _assertGives(lastGood, PRICE);
        skip(1);
        _assertRefuses(lastGood, _tooOld(observedAt, BOUND));
        mock.accept(PRICE + 1, _now());
        _assertGives(lastGood, PRICE + 1);
    }

    /// @dev Reporters' clocks may be ahead of the chain's.
    function test_lastGoodTakesAnObservationAheadOfTheBlock() public {
        mock.accept(PRICE, _now() + 30);
        _assertGives(lastGood, PRICE);
    }

    function test_largestBound() public {
        IZkAggregator.Terms memory terms = _terms(IZkAggregator.Mode.LAST_GOOD);
        terms.bound = type(uint32).max;
        IZkAggregator patient = _deploy(terms);
        mock.accept(PRICE);
        vm.warp(type(uint32).max);
        _assertGives(patient, PRICE);
    }

    // The sequencer guard

    function test_graceEndsExactly() public {
        mock.accept(PRICE);
        uint256 upSince = _now();
        uptime.set(0, upSince);
        vm.warp(upSince + GRACE);
        _assertRefuses(guardedStrict, _inGrace(upSince));
        _assertRefuses(guardedLastGood, _inGrace(upSince));
        skip(1);
        _assertGives(guardedStrict, PRICE);
        _assertGives(guardedLastGood, PRICE);
    }

    function test_uptimeFeedThatHasNotStarted() public {
        mock.accept(PRICE);
        uptime.set(0, 0);
        _assertRefuses(guardedStrict, _inGrace(0));
        uptime.set(0, _now() + 1);
        _assertRefuses(guardedStrict, _inGrace(_now() + 1));
        uptime.set(0, type(uint256).max);
        _assertRefuses(guardedLastGood, _inGrace(type(uint256).max));
    }

    /// @dev V2 never reverts, whatever the uptime feed does. All that is not "up" is "down".
    function test_uptimeFeedThatMisbehaves() public {
        mock.accept(PRICE);
        for (uint256 i = 0; i < 7; ++i) {
            if (i == 0) uptime.set(2, 1);
            if (i == 1) uptime.set(-1, 1);
            if (i == 2) uptime.setRevert("No data present");
            if (i == 3) uptime.setRevert("");
            if (i == 4) uptime.setRaw("");
            if (i == 5) uptime.setRaw(new bytes(159));
            if (i == 6) vm.etch(address(uptime), "");
            _assertRefuses(guardedStrict, _down());
            _assertRefuses(guardedLastGood, _down());
        }
        // Words beyond the types of Chainlink's interface are none of the guard's business.
        vm.etch(address(uptime), address(new MockUptimeFeed()).code);
        uptime.setRaw(abi.encode(type(uint256).max, 0, 1, 0, type(uint256).max));
        _assertGives(guardedStrict, PRICE);
    }

    function test_graceOfZero() public {
        IZkAggregator.Terms memory terms = _guarded(IZkAggregator.Mode.STRICT);
        terms.grace = 0;
        IZkAggregator adapter = _deploy(terms);
        mock.accept(PRICE);
        uptime.set(0, _now());
        vm.expectRevert(abi.encodeWithSelector(IZkAggregator.GracePeriodNotOver.selector, _now(), 0));
        adapter.latestRoundData();
        skip(1);
        _assertGives(adapter, PRICE);
    }

    // Refused terms

    function test_boundGoesWithLastGoodAlone() public {
        _assertInvalid("bound", IZkAggregator.Terms(IZkAggregator.Mode.LAST_GOOD, 0, address(0), 0));
        _assertInvalid("bound", IZkAggregator.Terms(IZkAggregator.Mode.PLAIN, 1, address(0), 0));
        _assertInvalid("bound", IZkAggregator.Terms(IZkAggregator.Mode.STRICT, 1, address(0), 0));
        _assertInvalid("bound", IZkAggregator.Terms(IZkAggregator.Mode.STRICT, 1, address(uptime), 0));
    }

    function test_graceNeedsAGuard() public {
        _assertInvalid("grace", IZkAggregator.Terms(IZkAggregator.Mode.PLAIN, 0, address(0), 1));
        _assertInvalid("grace", IZkAggregator.Terms(IZkAggregator.Mode.STRICT, 0, address(0), 1));
        _assertInvalid("grace", IZkAggregator.Terms(IZkAggregator.Mode.LAST_GOOD, 1, address(0), 1));
    }

    function test_guardIsAnUptimeFeed() public {
        _assertInvalid("uptimeFeed", IZkAggregator.Terms(IZkAggregator.Mode.PLAIN, 0, address(uptime), 0));
        IZkAggregator.Terms memory terms = _guarded(IZkAggregator.Mode.STRICT);
        terms.uptimeFeed = makeAddr("nobody");
        _assertInvalid("uptimeFeed", terms);
        // An account that delegates: its key can replace the code.
        vm.etch(terms.uptimeFeed, abi.encodePacked(hex"ef0100", address(uptime)));
        vm.mockCall(terms.uptimeFeed, "", abi.encode(1, 0, 1, 1, 1));
        _assertInvalid("uptimeFeed", terms);
        vm.clearMockedCalls();
        // A contract that is no feed, and one of a price.
        terms.uptimeFeed = address(factory);
        _assertInvalid("uptimeFeed", terms);
        mock.accept(PRICE);
        terms.uptimeFeed = address(plain);
        _assertInvalid("uptimeFeed", terms);
        MockUptimeFeed other = new MockUptimeFeed();
        other.set(2, 1);
        terms.uptimeFeed = address(other);
        _assertInvalid("uptimeFeed", terms);
        // One that lets no contract read it.
        other.set(0, 1);
        other.refuseContracts();
        _assertInvalid("uptimeFeed", terms);
        // One that says "down" is one.
        other = new MockUptimeFeed();
        terms.uptimeFeed = address(other);
        other.set(1, 1);
        assertEq(_deploy(terms).terms().uptimeFeed, address(other));
    }

    // Whatever the state and the terms

    /// @dev A state of the feed, its sequencer and the time. Numbers choose among cases: see `_put`.
    struct State {
        uint8 empty;
        uint8 held;
        uint8 paused;
        int128 answer;
        uint32 observedAgo;
        uint8 sequencer;
        uint256 upSince;
    }

    function testFuzz_plainEqualsTheHubsLastRound(State memory state) public {
        _put(state, 3 days);
        if (mock.roundId() == 0) _assertRefuses(plain, _noData());
        else _assertGives(plain, state.answer);
    }

    function testFuzz_strictGivesNothingUnlessOk(State memory state, bool isGuarded, uint32 grace) public {
        IZkAggregator.Terms memory terms = _terms(IZkAggregator.Mode.STRICT);
        IZkAggregator adapter = _deployWith(terms, isGuarded, grace);
        _put(state, 2 * STALE_AFTER);
        bool isOk = mock.status() == IZkOracle.Status.OK && !mock.paused() && !mock.isStale(FEED_ID);
        _assertGivesOnlyIf(adapter, isOk && _isUp(terms));
    }

    function testFuzz_lastGoodIsNeverOlderThanItsBound(State memory state, uint32 most, bool isGuarded, uint32 grace)
        public
    {
        IZkAggregator.Terms memory terms = _terms(IZkAggregator.Mode.LAST_GOOD);
        // Most bounds are small, so that each side of the bound is tried.
        terms.bound = uint32(bound(most, 1, most % 4 == 0 ? type(uint32).max : 6 days));
        IZkAggregator adapter = _deployWith(terms, isGuarded, grace);
        _put(state, 3 days);
        bool isYoung =
            mock.roundId() != 0 && _now() <= uint256(mock.getRound(FEED_ID, mock.roundId()).observedAt) + terms.bound;
        _assertGivesOnlyIf(adapter, isYoung && _isUp(terms));
    }

    /// @dev Deploys an adapter, guarded if wanted. A guard's grace is a day at most, so that each side of it is tried.
    function _deployWith(IZkAggregator.Terms memory terms, bool isGuarded, uint32 grace)
        internal
        returns (IZkAggregator)
    {
        if (isGuarded) (terms.uptimeFeed, terms.grace) = (address(uptime), uint32(bound(grace, 0, 1 days)));
        address adapter = factory.addressOf(_hub(), FEED_ID, terms);
        return adapter.code.length == 0 ? _deploy(terms) : IZkAggregator(adapter);
    }

    /// @dev Each trouble is there in a part of the runs, so that adapters give an answer in many runs, too.
    function _put(State memory state, uint256 mostAgo) internal {
        uint256 observedAgo = bound(state.observedAgo, 0, mostAgo);
        skip(mostAgo - observedAgo);
        if (state.empty % 16 != 0) mock.accept(state.answer, _now());
        skip(observedAgo);
        if (state.held % 4 == 0) mock.hold();
        mock.setPaused(state.paused % 4 == 0);
        int256[8] memory answers = [int256(0), 0, 0, 0, 0, 0, 1, type(int256).min];
        uint256 upSince = state.sequencer % 16 == 0 ? state.upSince : _now() - bound(state.upSince, 0, 2 days);
        uptime.set(answers[state.sequencer % 8], upSince);
    }

    function _isUp(IZkAggregator.Terms memory terms) internal returns (bool) {
        if (terms.uptimeFeed == address(0)) return true;
        (bool isOk, bytes memory data) = terms.uptimeFeed.call("");
        assertTrue(isOk);
        (, int256 answer, uint256 since,,) = abi.decode(data, (uint256, int256, uint256, uint256, uint256));
        return answer == 0 && since != 0 && since <= _now() && _now() - since > terms.grace;
    }

    function _assertGivesOnlyIf(IZkAggregator adapter, bool isGiven) internal view {
        if (isGiven) return _assertGives(adapter, mock.getRound(FEED_ID, mock.roundId()).answer);
        (bool isOk,) = address(adapter).staticcall(abi.encodeCall(adapter.latestRoundData, ()));
        assertFalse(isOk);
        assertEq(adapter.latestAnswer(), 0);
        assertEq(adapter.latestTimestamp(), 0);
        assertEq(adapter.latestRound(), 0);
        _assertPast(adapter);
    }

    function _assertInvalid(string memory term, IZkAggregator.Terms memory terms) internal {
        vm.expectRevert(abi.encodeWithSelector(IZkAggregator.InvalidTerms.selector, term));
        _deploy(terms);
        assertEq(factory.addressOf(_hub(), FEED_ID, terms).code.length, 0);
    }
}
