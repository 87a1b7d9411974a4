// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {Test} from "forge-std/Test.sol";

import {ZkFeedRegistry} from "../src/ZkFeedRegistry.sol";
import {AggregatorInterface, AggregatorV3Interface} from "../src/interfaces/AggregatorV2V3Interface.sol";
import {IZkFeedRegistry} from "../src/interfaces/IZkFeedRegistry.sol";

/// @dev A feed behind a proxy, say, that works until it is listed and then turns. It has the rounds 1 to 3.
contract TurningFeed {
    enum Mood {
        WORKING,
        SILENT, // answers no bytes
        SHORT, // answers 31 bytes
        LONG, // answers 33 bytes
        WIDE, // answers words beyond uint8 and uint64
        BOMB, // answers as many zeros as its gas allows
        REVERTING,
        REVERT_BOMB, // reverts with as many zeros as its gas allows
        BURNING, // uses up all its gas at once
        LOOPING, // never comes to an end
        SLOW, // has every round, withholds the latest one, and takes 70,000 gas for each answer
        LYING, // tells other decimals
        TAKING, // takes the registry's ownership when it is asked
        RECURSING // asks the registry for its own rounds
    }

    address private immutable REGISTRY;
    Mood private _mood;

    constructor(address registry) {
        REGISTRY = registry;
    }

    function turn(Mood mood) external {
        _mood = mood;
    }

    fallback() external {
        Mood mood = _mood;
        if (mood == Mood.SILENT) _answer(0, 0);
        if (mood == Mood.SHORT) _answer(3, 31);
        if (mood == Mood.LONG) _answer(3, 33);
        if (mood == Mood.WIDE) _answer(type(uint256).max, 32);
        if (mood == Mood.BOMB) _bomb(false);
        if (mood == Mood.REVERTING) revert("broken");
        if (mood == Mood.REVERT_BOMB) _bomb(true);
        if (mood == Mood.LOOPING) while (gasleft() > 0) {}
        if (mood == Mood.BURNING) {
            assembly ("memory-safe") {
                invalid()
            }
        }
        if (mood == Mood.SLOW) {
            uint256 start = gasleft();
            while (start - gasleft() < 70_000) {}
            _answer(msg.sig == AggregatorInterface.latestRound.selector ? 0 : 8, 32);
        }
        // Half of the gas is left after an attempt, so that there still is an answer.
        if (mood == Mood.TAKING) {
            (bool isOk,) = REGISTRY.call{gas: gasleft() / 2}(abi.encodeCall(Ownable2Step.acceptOwnership, ()));
            isOk;
        }
        if (mood == Mood.RECURSING) {
            (bool isOk,) = REGISTRY.staticcall{gas: gasleft() / 2}(
                abi.encodeCall(IZkFeedRegistry(REGISTRY).latestRound, (address(0xB), address(840)))
            );
            require(isOk, "no answer");
        }
        _work(mood);
    }

    function _work(Mood mood) private pure {
        if (msg.sig == AggregatorV3Interface.decimals.selector) _answer(mood == Mood.LYING ? 18 : 8, 32);
        if (msg.sig == AggregatorInterface.getTimestamp.selector) {
            uint256 roundId = abi.decode(msg.data[4:], (uint256));
            _answer(roundId == 0 || roundId > 3 ? 0 : 1_000 + roundId, 32);
        }
        if (msg.sig == AggregatorV3Interface.latestRoundData.selector) _answer(1, 160);
        _answer(3, 32);
    }

    /// @dev Ends the call with `size` bytes: this word again and again.
    function _answer(uint256 word, uint256 size) private pure {
        assembly ("memory-safe") {
            let at := mload(0x40)
            for { let i := 0 } lt(i, size) { i := add(i, 32) } { mstore(add(at, i), word) }
            return(at, size)
        }
    }

    function _bomb(bool isRevert) private view {
        // Memory takes 3 gas a word, and a 512th of the square of the words.
        uint256 size = 32;
        while (6 * size / 32 + (size / 16) ** 2 / 512 < gasleft() * 9 / 10) size *= 2;
        assembly ("memory-safe") {
            if isRevert { revert(0, size) }
            return(0, size)
        }
    }
}

/// @dev Whatever a listed feed does, its pair gets another one, and the rounds of other phases are found.
contract BrokenFeedsTest is Test {
    address internal constant BASE = address(0xB);
    address internal constant QUOTE = address(840);
    uint80 internal constant PHASE_1 = 1 << 64;
    uint80 internal constant PHASE_2 = 2 << 64;
    /// @dev The most that a transaction may use (EIP-7825).
    uint256 internal constant TRANSACTION_GAS = 1 << 24;

    ZkFeedRegistry internal registry;
    TurningFeed internal old;

    function setUp() public {
        vm.warp(1_700_000_000);
        registry = new ZkFeedRegistry(address(this), 0);
        old = _feed();
        _list(address(old));
    }

    function _feed() internal returns (TurningFeed) {
        return new TurningFeed(address(registry));
    }

    function _list(address feed) internal {
        registry.proposeFeed(BASE, QUOTE, feed);
        (bool isOk, bytes memory reason) =
            address(registry).call{gas: TRANSACTION_GAS}(abi.encodeCall(registry.confirmFeed, (BASE, QUOTE, feed)));
        assertTrue(isOk, string(reason));
        assertEq(address(registry.getFeed(BASE, QUOTE)), feed);
    }

    function _ask(bytes memory question) internal view returns (uint256, uint256) {
        (bool isOk, bytes memory answer) = address(registry).staticcall{gas: TRANSACTION_GAS}(question);
        assertTrue(isOk, string(answer));
        if (answer.length == 32) return (abi.decode(answer, (uint256)), 0);
        return abi.decode(answer, (uint256, uint256));
    }

    /// @dev The feed turns in its second phase, after a phase with the rounds 3 to 3 of another feed.
    function _turn(TurningFeed.Mood mood, uint80 last) internal {
        TurningFeed turned = _feed();
        _list(address(turned));
        turned.turn(mood);
        _replace(address(turned), last);
    }

    /// @param last The last round of the turned feed that the registry finds.
    function _replace(address turned, uint80 last) internal {
        _assertRounds(last);
        _list(address(_feed()));
        _assertRounds(last);
        assertFalse(registry.isFeedEnabled(turned));
        assertEq(registry.decimals(BASE, QUOTE), 8);
        assertEq(registry.latestRound(BASE, QUOTE), (3 << 64) | 3);
    }

    /// @dev The rounds of the first phase, 3, and of the second, 3 to `last`, are found through every view.
    function _assertRounds(uint80 last) internal view {
        (uint256 starting, uint256 ending) = _ask(abi.encodeCall(registry.getPhaseRange, (BASE, QUOTE, 2)));
        assertEq(starting, PHASE_2 | 3);
        assertEq(ending, PHASE_2 | last);
        (starting, ending) = _ask(abi.encodeCall(registry.getPhaseRange, (BASE, QUOTE, 1)));
        assertEq(starting, PHASE_1 | 3);
        assertEq(ending, PHASE_1 | 3);
        (uint256 found,) = _ask(abi.encodeCall(registry.getPreviousRoundId, (BASE, QUOTE, PHASE_2 | 3)));
        assertEq(found, PHASE_1 | 3);
        (found,) = _ask(abi.encodeCall(registry.getNextRoundId, (BASE, QUOTE, 0)));
        assertEq(found, PHASE_1 | 3);
        (found,) = _ask(abi.encodeCall(registry.getRoundFeed, (BASE, QUOTE, PHASE_1 | 3)));
        assertEq(found, uint160(address(old)));
    }

    function test_aWorkingFeed() public {
        _turn(TurningFeed.Mood.WORKING, 3);
    }

    function test_aFeedThatAnswersNothing() public {
        _turn(TurningFeed.Mood.SILENT, 2);
    }

    function test_aFeedThatAnswersHalfAWord() public {
        _turn(TurningFeed.Mood.SHORT, 2);
    }

    function test_aFeedThatAnswersTooMuch() public {
        _turn(TurningFeed.Mood.LONG, 2);
    }

    function test_aFeedWhoseNumbersFitNoType() public {
        // Its time fits, so that it seems to have every round.
        _turn(TurningFeed.Mood.WIDE, type(uint64).max);
    }

    function test_aFeedThatAnswersAsMuchAsItCan() public {
        _turn(TurningFeed.Mood.BOMB, 2);
    }

    function test_aFeedThatReverts() public {
        _turn(TurningFeed.Mood.REVERTING, 2);
    }

    function test_aFeedThatRevertsWithAsMuchAsItCan() public {
        _turn(TurningFeed.Mood.REVERT_BOMB, 2);
    }

    function test_aFeedThatBurnsItsGas() public {
        _turn(TurningFeed.Mood.BURNING, 2);
    }

    function test_aFeedThatNeverEnds() public {
        _turn(TurningFeed.Mood.LOOPING, 2);
    }

    /// @dev It makes the search for its last round as long, and each step as expensive, as it can.
    function test_aFeedThatIsAsSlowAsItMayBe() public {
        _turn(TurningFeed.Mood.SLOW, type(uint64).max);
    }

    /// @dev The pair's decimals are those that it was listed with, whatever the feed says later.
    function test_aFeedThatTellsOtherDecimals() public {
        _turn(TurningFeed.Mood.LYING, 3);
    }

    function test_aFeedWithoutCode() public {
        TurningFeed gone = _feed();
        _list(address(gone));
        vm.etch(address(gone), "");
        _replace(address(gone), 2);
    }

    function test_aFeedThatTakesTheRegistry() public {
        TurningFeed taking = _feed();
        _list(address(taking));
        registry.transferOwnership(address(taking));
        taking.turn(TurningFeed.Mood.TAKING);
        _replace(address(taking), 3);
        assertEq(registry.owner(), address(this));
        assertEq(registry.pendingOwner(), address(taking));
    }

    function test_aFeedThatAsksTheRegistryForItself() public {
        _turn(TurningFeed.Mood.RECURSING, 2);
    }

    /// @dev The old feed has no say, but the pair's decimals stay: consumers rely on them.
    function test_aBrokenFeedsReplacementHasThePairsDecimals() public {
        old.turn(TurningFeed.Mood.BURNING);
        TurningFeed next = _feed();
        next.turn(TurningFeed.Mood.LYING);
        registry.proposeFeed(BASE, QUOTE, address(next));
        vm.expectRevert(abi.encodeWithSelector(IZkFeedRegistry.DecimalsDiffer.selector, 18, 8));
        registry.confirmFeed(BASE, QUOTE, address(next));
    }

    /// @dev Whoever gives a question little gas gets no answer, instead of a wrong one.
    function testFuzz_littleGasIsNoAnswer(uint256 gas) public view {
        gas = bound(gas, 50_000, 300_000);
        (bool isOk, bytes memory answer) =
            address(registry).staticcall{gas: gas}(abi.encodeCall(registry.getPhaseRange, (BASE, QUOTE, 1)));
        if (isOk) assertEq(answer, abi.encode(PHASE_1 | 3, PHASE_1 | 3));
        // forge-lint: disable-next-line(unsafe-typecast) -- the error's selector is asked for
        else assertEq(bytes4(answer), IZkFeedRegistry.TooLittleGas.selector);
        assertTrue(isOk ? gas > 86_000 : gas < 110_000);
    }

    /// @dev A feed that the registry could not read later is not listed, not even as a pair's first.
    function test_aFeedThatCanNotBeReadIsNotListed() public {
        TurningFeed.Mood[9] memory moods = [
            TurningFeed.Mood.SILENT,
            TurningFeed.Mood.SHORT,
            TurningFeed.Mood.LONG,
            TurningFeed.Mood.WIDE,
            TurningFeed.Mood.BOMB,
            TurningFeed.Mood.REVERTING,
            TurningFeed.Mood.REVERT_BOMB,
            TurningFeed.Mood.BURNING,
            TurningFeed.Mood.LOOPING
        ];
        for (uint256 i = 0; i < moods.length; ++i) {
            TurningFeed feed = _feed();
            feed.turn(moods[i]);
            // Base and quote exchanged are a pair without a feed.
            registry.proposeFeed(QUOTE, BASE, address(feed));
            if (moods[i] == TurningFeed.Mood.WIDE) {
                vm.expectRevert(abi.encodeWithSelector(IZkFeedRegistry.RoundIdTooLarge.selector, type(uint256).max));
            } else {
                vm.expectRevert(abi.encodeWithSelector(IZkFeedRegistry.UnreadableFeed.selector, feed));
            }
            registry.confirmFeed(QUOTE, BASE, address(feed));
        }
    }

    function test_aFeedWhoseDecimalsFitNoTypeIsNotListed() public {
        TurningFeed feed = _feed();
        registry.proposeFeed(QUOTE, BASE, address(feed));
        bytes memory question = abi.encodeCall(AggregatorV3Interface.decimals, ());
        bytes[2] memory answers = [abi.encode(256), abi.encode(8, 8)];
        for (uint256 i = 0; i < answers.length; ++i) {
            vm.mockCall(address(feed), question, answers[i]);
            vm.expectRevert(abi.encodeWithSelector(IZkFeedRegistry.UnreadableFeed.selector, feed));
            registry.confirmFeed(QUOTE, BASE, address(feed));
        }
    }

    function test_aReplacementsAnswerIsChainlinks() public {
        TurningFeed feed = _feed();
        registry.proposeFeed(BASE, QUOTE, address(feed));
        bytes memory question = abi.encodeCall(AggregatorV3Interface.latestRoundData, ());
        bytes[4] memory answers = [
            abi.encode(3, 1, 1, 1),
            abi.encode(3, 1, 1, 1, 3, 3),
            abi.encode(1 << 80, 1, 1, 1, 3),
            abi.encode(3, 1, 1, 1, 1 << 80)
        ];
        for (uint256 i = 0; i < answers.length; ++i) {
            vm.mockCall(address(feed), question, answers[i]);
            vm.expectRevert(abi.encodeWithSelector(IZkFeedRegistry.NoAnswer.selector, feed));
            registry.confirmFeed(BASE, QUOTE, address(feed));
        }
    }

    /// @dev Its key could put another feed in its place after everybody has examined it.
    function test_anAccountThatDelegatesIsNoFeed() public {
        address account = makeAddr("account");
        vm.etch(account, abi.encodePacked(hex"ef0100", address(old)));
        vm.expectRevert(abi.encodeWithSelector(IZkFeedRegistry.NotAContract.selector, account));
        registry.proposeFeed(BASE, QUOTE, account);
    }
}
