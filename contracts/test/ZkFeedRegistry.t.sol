// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {Test} from "forge-std/Test.sol";

import {ZkFeedRegistry} from "../src/ZkFeedRegistry.sol";
import {AggregatorV2V3Interface} from "../src/interfaces/AggregatorV2V3Interface.sol";
import {FeedRegistryInterface, IZkFeedRegistry} from "../src/interfaces/IZkFeedRegistry.sol";

/// @dev A feed with the rounds 1 to `rounds`, whose answers and times follow from the id.
contract MockFeed is AggregatorV2V3Interface {
    enum Mood {
        OPEN,
        WITHHOLDING, // like a strict adapter of a held feed
        UNDATED, // its latest answer has no time
        BROKEN
    }

    uint8 private immutable DECIMALS;
    uint256 private immutable TAG;
    uint256 private _rounds;
    Mood private _mood;

    constructor(uint8 decimals_, uint256 tag) {
        (DECIMALS, TAG) = (decimals_, tag);
    }

    modifier unlessBroken() {
        require(_mood != Mood.BROKEN, "broken");
        _;
    }

    function set(uint256 rounds, Mood mood) external {
        (_rounds, _mood) = (rounds, mood);
    }

    function decimals() external view unlessBroken returns (uint8) {
        return DECIMALS;
    }

    function description() external pure returns (string memory) {
        return "MOCK / USD";
    }

    function version() external pure returns (uint256) {
        return 7;
    }

    function getAnswer(uint256 roundId) public view returns (int256) {
        // forge-lint: disable-next-line(unsafe-typecast) -- small, or a test's business
        return _has(roundId) ? int256(TAG + roundId) : int256(0);
    }

    function getTimestamp(uint256 roundId) public view unlessBroken returns (uint256) {
        return _has(roundId) ? 2_000 + roundId : 0;
    }

    function latestRound() public view unlessBroken returns (uint256) {
        return _mood == Mood.WITHHOLDING ? 0 : _rounds;
    }

    function latestAnswer() external view returns (int256) {
        return getAnswer(latestRound());
    }

    function latestTimestamp() external view returns (uint256) {
        return getTimestamp(latestRound());
    }

    function getRoundData(uint80 roundId) public view unlessBroken returns (uint80, int256, uint256, uint256, uint80) {
        require(_has(roundId), "No data present");
        return (roundId, getAnswer(roundId), 1_000 + roundId, 2_000 + roundId, roundId - 1);
    }

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        // forge-lint: disable-next-line(unsafe-typecast) -- small
        if (_mood == Mood.UNDATED) return (uint80(_rounds), 1, 0, 0, uint80(_rounds));
        return getRoundData(uint80(latestRound()));
    }

    function _has(uint256 roundId) private view returns (bool) {
        return roundId != 0 && roundId <= _rounds;
    }
}

contract ZkFeedRegistryTest is Test {
    address internal constant BASE = address(0xB);
    address internal constant QUOTE = address(840);
    uint32 internal constant DELAY = 2 days;
    uint80 internal constant PHASE_1 = 1 << 64;
    uint80 internal constant PHASE_2 = 2 << 64;
    uint80 internal constant PHASE_3 = 3 << 64;

    address internal immutable OWNER = makeAddr("owner");
    address internal immutable OTHER = makeAddr("other");

    IZkFeedRegistry internal registry;
    MockFeed internal first;
    MockFeed internal second;

    function setUp() public {
        vm.warp(1_700_000_000);
        registry = new ZkFeedRegistry(OWNER, DELAY);
        (first, second) = (new MockFeed(8, 100), new MockFeed(8, 200));
    }

    function _propose(MockFeed feed) internal {
        vm.prank(OWNER);
        registry.proposeFeed(BASE, QUOTE, address(feed));
    }

    function _confirm(MockFeed feed) internal {
        vm.prank(OWNER);
        registry.confirmFeed(BASE, QUOTE, address(feed));
    }

    function _list(MockFeed feed) internal {
        _propose(feed);
        skip(DELAY);
        _confirm(feed);
    }

    function _cannotConfirm(MockFeed feed, bytes memory reason) internal {
        vm.expectRevert(reason);
        _confirm(feed);
    }

    /// @dev Phase 1: rounds 2 to 5 of `first`. Phase 2: rounds 3 and 4 of `second`.
    function _twoPhases() internal {
        first.set(2, MockFeed.Mood.OPEN);
        _list(first);
        first.set(5, MockFeed.Mood.OPEN);
        second.set(3, MockFeed.Mood.OPEN);
        _list(second);
        first.set(9, MockFeed.Mood.OPEN);
        second.set(4, MockFeed.Mood.OPEN);
    }

    function _assertRange(uint16 phaseId, uint80 starting, uint80 ending) internal view {
        (uint80 from, uint80 to) = registry.getPhaseRange(BASE, QUOTE, phaseId);
        assertEq(from, starting);
        assertEq(to, ending);
    }

    /// @dev The pair's rounds, newest first, in the order of `getPreviousRoundId`.
    function _walkBack() internal view returns (uint80[] memory ids) {
        ids = new uint80[](16);
        uint256 count = 0;
        uint80 id = type(uint80).max;
        while ((id = registry.getPreviousRoundId(BASE, QUOTE, id)) != 0) {
            ids[count++] = id;
        }
        assembly ("memory-safe") {
            mstore(ids, count)
        }
    }

    // Listing

    function test_anUnknownPairHasNothing() public {
        bytes memory reason = "Feed not found";
        vm.expectRevert(reason);
        registry.getFeed(BASE, QUOTE);
        vm.expectRevert(reason);
        registry.decimals(BASE, QUOTE);
        vm.expectRevert(reason);
        registry.description(BASE, QUOTE);
        vm.expectRevert(reason);
        registry.version(BASE, QUOTE);
        vm.expectRevert(reason);
        registry.latestRoundData(BASE, QUOTE);
        vm.expectRevert(reason);
        registry.getRoundData(BASE, QUOTE, PHASE_1 | 1);
        vm.expectRevert(reason);
        registry.latestAnswer(BASE, QUOTE);
        vm.expectRevert(reason);
        registry.latestTimestamp(BASE, QUOTE);
        vm.expectRevert(reason);
        registry.latestRound(BASE, QUOTE);
        vm.expectRevert("Feed not found for round");
        registry.getRoundFeed(BASE, QUOTE, PHASE_1 | 1);
        vm.expectRevert("Phase does not exist");
        registry.getPhase(BASE, QUOTE, 1);
        vm.expectRevert("Phase does not exist");
        registry.getPhaseRange(BASE, QUOTE, 1);
        vm.expectRevert("No proposed aggregator present");
        registry.proposedLatestRoundData(BASE, QUOTE);
        vm.expectRevert("No proposed aggregator present");
        registry.proposedGetRoundData(BASE, QUOTE, 1);
        assertEq(registry.getAnswer(BASE, QUOTE, PHASE_1 | 1), 0);
        assertEq(registry.getTimestamp(BASE, QUOTE, PHASE_1 | 1), 0);
        assertEq(registry.getCurrentPhaseId(BASE, QUOTE), 0);
        assertEq(address(registry.getPhaseFeed(BASE, QUOTE, 0)), address(0));
        assertEq(address(registry.getProposedFeed(BASE, QUOTE)), address(0));
        assertEq(registry.confirmableFrom(BASE, QUOTE), 0);
        assertEq(registry.getPreviousRoundId(BASE, QUOTE, PHASE_1 | 1), 0);
        assertEq(registry.getNextRoundId(BASE, QUOTE, 0), 0);
    }

    function test_aFirstFeedStandsInTheOpenBeforeItIsListed() public {
        first.set(3, MockFeed.Mood.OPEN);
        vm.expectEmit(address(registry));
        emit FeedRegistryInterface.FeedProposed(BASE, QUOTE, address(first), address(0), OWNER);
        _propose(first);
        uint64 from = uint64(vm.getBlockTimestamp()) + DELAY;
        assertEq(registry.changeDelay(), DELAY);
        assertEq(registry.confirmableFrom(BASE, QUOTE), from);
        assertEq(address(registry.getProposedFeed(BASE, QUOTE)), address(first));
        (uint80 id, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredIn) =
            registry.proposedLatestRoundData(BASE, QUOTE);
        assertEq(abi.encode(id, answer, startedAt, updatedAt, answeredIn), abi.encode(3, 103, 1_003, 2_003, 2));
        (id, answer, startedAt, updatedAt, answeredIn) = registry.proposedGetRoundData(BASE, QUOTE, 2);
        assertEq(abi.encode(id, answer, startedAt, updatedAt, answeredIn), abi.encode(2, 102, 1_002, 2_002, 1));
        vm.expectRevert("Feed not found");
        registry.getFeed(BASE, QUOTE);

        skip(DELAY - 1);
        _cannotConfirm(first, abi.encodeWithSelector(IZkFeedRegistry.TooEarly.selector, from));
        skip(1);
        assertFalse(registry.isFeedEnabled(address(first)));
        vm.expectEmit(address(registry));
        emit FeedRegistryInterface.FeedConfirmed(BASE, QUOTE, address(first), address(0), 1, OWNER);
        _confirm(first);

        assertEq(address(registry.getFeed(BASE, QUOTE)), address(first));
        assertTrue(registry.isFeedEnabled(address(first)));
        assertEq(registry.getCurrentPhaseId(BASE, QUOTE), 1);
        assertEq(address(registry.getPhaseFeed(BASE, QUOTE, 1)), address(first));
        assertEq(address(registry.getProposedFeed(BASE, QUOTE)), address(0));
        assertEq(registry.confirmableFrom(BASE, QUOTE), 0);
        // Exchanged, base and quote are another pair.
        vm.expectRevert("Feed not found");
        registry.getFeed(QUOTE, BASE);
    }

    function test_readsThroughTheCurrentFeed() public {
        first.set(3, MockFeed.Mood.OPEN);
        _list(first);
        assertEq(registry.decimals(BASE, QUOTE), 8);
        assertEq(registry.description(BASE, QUOTE), "MOCK / USD");
        assertEq(registry.version(BASE, QUOTE), 7);
        assertEq(registry.latestAnswer(BASE, QUOTE), 103);
        assertEq(registry.latestTimestamp(BASE, QUOTE), 2_003);
        assertEq(registry.latestRound(BASE, QUOTE), PHASE_1 | 3);
        (uint80 id, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredIn) =
            registry.latestRoundData(BASE, QUOTE);
        assertEq(
            abi.encode(id, answer, startedAt, updatedAt, answeredIn),
            abi.encode(PHASE_1 | 3, 103, 1_003, 2_003, PHASE_1 | 2)
        );
    }

    function test_roundsOfAPastPhaseStayReadable() public {
        _twoPhases();
        (uint80 id, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredIn) =
            registry.getRoundData(BASE, QUOTE, PHASE_1 | 4);
        assertEq(
            abi.encode(id, answer, startedAt, updatedAt, answeredIn),
            abi.encode(PHASE_1 | 4, 104, 1_004, 2_004, PHASE_1 | 3)
        );
        assertEq(registry.getAnswer(BASE, QUOTE, PHASE_1 | 4), 104);
        assertEq(registry.getTimestamp(BASE, QUOTE, PHASE_1 | 4), 2_004);
        assertEq(registry.getAnswer(BASE, QUOTE, PHASE_2 | 4), 204);
        assertEq(registry.latestAnswer(BASE, QUOTE), 204);
        vm.expectRevert("No data present");
        registry.getRoundData(BASE, QUOTE, PHASE_2 | 5);
        vm.expectRevert("Feed not found");
        registry.getRoundData(BASE, QUOTE, PHASE_3 | 1);
        assertEq(registry.getAnswer(BASE, QUOTE, PHASE_3 | 1), 0);
        assertEq(registry.getTimestamp(BASE, QUOTE, PHASE_3 | 1), 0);
    }

    function test_idsBeyondEightyBitsAreNobodys() public {
        _twoPhases();
        uint256 beyond = (1 << 80) | PHASE_1 | 4;
        assertEq(registry.getAnswer(BASE, QUOTE, beyond), 0);
        assertEq(registry.getTimestamp(BASE, QUOTE, beyond), 0);
    }

    // Access

    function test_onlyTheOwnerChangesAnything() public {
        bytes memory reason = abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, OTHER);
        vm.startPrank(OTHER);
        vm.expectRevert(reason);
        registry.proposeFeed(BASE, QUOTE, address(first));
        vm.stopPrank();
        _propose(first);
        skip(DELAY);
        vm.startPrank(OTHER);
        vm.expectRevert(reason);
        registry.confirmFeed(BASE, QUOTE, address(first));
        vm.expectRevert(reason);
        registry.withdrawFeed(BASE, QUOTE, address(first));
    }

    function test_theOwnerHandsOverInTwoSteps() public {
        Ownable2Step owned = Ownable2Step(address(registry));
        vm.prank(OWNER);
        owned.transferOwnership(OTHER);
        assertEq(owned.owner(), OWNER);
        vm.prank(OTHER);
        owned.acceptOwnership();
        assertEq(owned.owner(), OTHER);
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, OWNER));
        _propose(first);
    }

    // Proposals

    function test_onlyTheProposedFeedIsConfirmed() public {
        _cannotConfirm(first, abi.encodeWithSelector(IZkFeedRegistry.NotProposed.selector, first));
        vm.prank(OWNER);
        vm.expectRevert(abi.encodeWithSelector(IZkFeedRegistry.NotProposed.selector, address(0)));
        registry.confirmFeed(BASE, QUOTE, address(0));
        _propose(first);
        skip(DELAY);
        _cannotConfirm(second, abi.encodeWithSelector(IZkFeedRegistry.NotProposed.selector, second));
        _confirm(first);
        // Only once.
        _cannotConfirm(first, abi.encodeWithSelector(IZkFeedRegistry.NotProposed.selector, first));
    }

    function test_anotherProposalReplacesTheFirstAndWaitsAnew() public {
        _propose(first);
        skip(DELAY);
        _propose(second);
        uint64 from = uint64(vm.getBlockTimestamp()) + DELAY;
        _cannotConfirm(first, abi.encodeWithSelector(IZkFeedRegistry.NotProposed.selector, first));
        _cannotConfirm(second, abi.encodeWithSelector(IZkFeedRegistry.TooEarly.selector, from));
        skip(DELAY);
        _confirm(second);
        assertEq(address(registry.getFeed(BASE, QUOTE)), address(second));
    }

    function test_aProposalIsTakenBack() public {
        _propose(first);
        skip(DELAY);
        vm.startPrank(OWNER);
        vm.expectRevert(abi.encodeWithSelector(IZkFeedRegistry.NotProposed.selector, second));
        registry.withdrawFeed(BASE, QUOTE, address(second));
        vm.expectEmit(address(registry));
        emit IZkFeedRegistry.FeedProposalWithdrawn(BASE, QUOTE, address(first), OWNER);
        registry.withdrawFeed(BASE, QUOTE, address(first));
        vm.stopPrank();
        assertEq(address(registry.getProposedFeed(BASE, QUOTE)), address(0));
        assertEq(registry.confirmableFrom(BASE, QUOTE), 0);
        _cannotConfirm(first, abi.encodeWithSelector(IZkFeedRegistry.NotProposed.selector, first));
    }

    function test_theCurrentFeedIsNotProposed() public {
        _list(first);
        vm.expectRevert(abi.encodeWithSelector(IZkFeedRegistry.AlreadyCurrent.selector, first));
        _propose(first);
    }

    function test_onlyAContractIsProposed() public {
        vm.expectRevert(abi.encodeWithSelector(IZkFeedRegistry.NotAContract.selector, OTHER));
        _propose(MockFeed(OTHER));
        // A pair that was listed stays listed.
        _list(first);
        vm.expectRevert(abi.encodeWithSelector(IZkFeedRegistry.NotAContract.selector, address(0)));
        _propose(MockFeed(address(0)));
    }

    function test_aReplacementHasTheSameDecimals() public {
        _list(first);
        MockFeed other = new MockFeed(18, 0);
        other.set(1, MockFeed.Mood.OPEN);
        _propose(other);
        skip(DELAY);
        _cannotConfirm(other, abi.encodeWithSelector(IZkFeedRegistry.DecimalsDiffer.selector, 18, 8));
    }

    function test_aReplacementHasAnAnswer() public {
        _list(first);
        _propose(second);
        skip(DELAY);
        bytes memory reason = abi.encodeWithSelector(IZkFeedRegistry.NoAnswer.selector, second);
        _cannotConfirm(second, reason);
        second.set(3, MockFeed.Mood.WITHHOLDING);
        _cannotConfirm(second, reason);
        second.set(3, MockFeed.Mood.UNDATED);
        _cannotConfirm(second, reason);
        second.set(3, MockFeed.Mood.OPEN);
        _confirm(second);
        assertEq(registry.latestAnswer(BASE, QUOTE), 203);
    }

    function test_aFeedWithPhasesOfItsOwnIsRefused() public {
        first.set(PHASE_1 | 1, MockFeed.Mood.OPEN);
        _propose(first);
        skip(DELAY);
        _cannotConfirm(first, abi.encodeWithSelector(IZkFeedRegistry.RoundIdTooLarge.selector, PHASE_1 | 1));
        first.set(PHASE_1 - 1, MockFeed.Mood.OPEN);
        _confirm(first);
        assertEq(registry.latestRound(BASE, QUOTE), PHASE_2 - 1);
    }

    function test_aBrokenFeedIsReplaced() public {
        first.set(2, MockFeed.Mood.OPEN);
        _list(first);
        first.set(4, MockFeed.Mood.BROKEN);
        MockFeed other = new MockFeed(8, 0);
        other.set(1, MockFeed.Mood.OPEN);
        _list(other);
        assertEq(registry.latestAnswer(BASE, QUOTE), 1);
        // The old feed's rounds could not be read.
        _assertRange(1, PHASE_1 | 2, PHASE_1 | 1);
        assertEq(_walkBack().length, 1);
    }

    function test_aFeedOfTwoPairsStaysEnabledUntilBothReplacedIt() public {
        _list(first);
        vm.startPrank(OWNER);
        registry.proposeFeed(QUOTE, BASE, address(first));
        skip(DELAY);
        registry.confirmFeed(QUOTE, BASE, address(first));
        second.set(1, MockFeed.Mood.OPEN);
        registry.proposeFeed(BASE, QUOTE, address(second));
        registry.proposeFeed(QUOTE, BASE, address(second));
        skip(DELAY);
        registry.confirmFeed(BASE, QUOTE, address(second));
        assertTrue(registry.isFeedEnabled(address(first)));
        registry.confirmFeed(QUOTE, BASE, address(second));
        assertFalse(registry.isFeedEnabled(address(first)));
        assertTrue(registry.isFeedEnabled(address(second)));
    }

    // Phases

    function test_phasesKeepTheirRanges() public {
        _twoPhases();
        assertEq(registry.getCurrentPhaseId(BASE, QUOTE), 2);
        assertFalse(registry.isFeedEnabled(address(first)));
        FeedRegistryInterface.Phase memory phase = registry.getPhase(BASE, QUOTE, 1);
        assertEq(abi.encode(phase), abi.encode(1, 2, 5));
        assertEq(abi.encode(registry.getPhase(BASE, QUOTE, 2)), abi.encode(2, 3, 0));
        _assertRange(1, PHASE_1 | 2, PHASE_1 | 5);
        _assertRange(2, PHASE_2 | 3, PHASE_2 | 4);
        vm.expectRevert("Phase does not exist");
        registry.getPhase(BASE, QUOTE, 0);
        vm.expectRevert("Phase does not exist");
        registry.getPhaseRange(BASE, QUOTE, 3);
    }

    function test_aRoundBelongsToTheFeedWhosePhaseHasIt() public {
        _twoPhases();
        assertEq(address(registry.getRoundFeed(BASE, QUOTE, PHASE_1 | 2)), address(first));
        assertEq(address(registry.getRoundFeed(BASE, QUOTE, PHASE_1 | 5)), address(first));
        assertEq(address(registry.getRoundFeed(BASE, QUOTE, PHASE_2 | 3)), address(second));
        uint80[5] memory none = [uint80(0), PHASE_1 | 1, PHASE_1 | 6, PHASE_2 | 5, PHASE_3 | 1];
        for (uint256 i = 0; i < none.length; ++i) {
            vm.expectRevert("Feed not found for round");
            registry.getRoundFeed(BASE, QUOTE, none[i]);
        }
    }

    function test_walksBackThroughAllPhases() public {
        _twoPhases();
        uint80[6] memory expected = [PHASE_2 | 4, PHASE_2 | 3, PHASE_1 | 5, PHASE_1 | 4, PHASE_1 | 3, PHASE_1 | 2];
        uint80[] memory walked = _walkBack();
        assertEq(walked.length, expected.length);
        for (uint256 i = 0; i < walked.length; ++i) {
            assertEq(walked[i], expected[i]);
            // Then forward again.
            uint80 next = registry.getNextRoundId(BASE, QUOTE, walked[i]);
            assertEq(next, i == 0 ? 0 : expected[i - 1]);
        }
        assertEq(registry.getNextRoundId(BASE, QUOTE, 0), PHASE_1 | 2);
        assertEq(registry.getNextRoundId(BASE, QUOTE, PHASE_1), PHASE_1 | 2);
        assertEq(registry.getNextRoundId(BASE, QUOTE, PHASE_1 | 99), PHASE_2 | 3);
        assertEq(registry.getNextRoundId(BASE, QUOTE, PHASE_3), 0);
        assertEq(registry.getPreviousRoundId(BASE, QUOTE, PHASE_2), PHASE_1 | 5);
        assertEq(registry.getPreviousRoundId(BASE, QUOTE, PHASE_1 | 99), PHASE_1 | 5);
    }

    function test_aPhaseWithoutARoundIsEmpty() public {
        _list(first);
        _assertRange(1, PHASE_1 | 1, PHASE_1);
        assertEq(registry.latestRound(BASE, QUOTE), PHASE_1);
        assertEq(_walkBack().length, 0);
        assertEq(registry.getNextRoundId(BASE, QUOTE, 0), 0);
        second.set(1, MockFeed.Mood.OPEN);
        _list(second);
        assertEq(_walkBack().length, 1);
        assertEq(registry.getNextRoundId(BASE, QUOTE, 0), PHASE_2 | 1);
        vm.expectRevert("Feed not found for round");
        registry.getRoundFeed(BASE, QUOTE, PHASE_1);
    }

    function testFuzz_aFeedThatWithholdsItsLatestRoundKeepsItsRange(uint64 starting, uint64 rounds) public {
        rounds = uint64(bound(rounds, 1, type(uint64).max));
        starting = uint64(bound(starting, 0, rounds));
        first.set(starting, MockFeed.Mood.OPEN);
        _list(first);
        first.set(rounds, MockFeed.Mood.WITHHOLDING);
        uint80 from = starting == 0 ? 1 : starting;
        _assertRange(1, PHASE_1 | from, PHASE_1 | rounds);
        assertEq(registry.getPreviousRoundId(BASE, QUOTE, PHASE_2), PHASE_1 | rounds);
        // The range that is stored at its replacement is the same.
        second.set(1, MockFeed.Mood.OPEN);
        _list(second);
        _assertRange(1, PHASE_1 | from, PHASE_1 | rounds);
    }

    function test_theRangeEndsEvenIfAFeedHasEveryRound() public {
        _list(first);
        first.set(1 << 70, MockFeed.Mood.OPEN);
        _assertRange(1, PHASE_1 | 1, PHASE_2 - 1);
    }
}
