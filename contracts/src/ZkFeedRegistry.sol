// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Ownable, Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";

import {AggregatorV2V3Interface} from "./interfaces/AggregatorV2V3Interface.sol";
import {FeedRegistryInterface, IZkFeedRegistry} from "./interfaces/IZkFeedRegistry.sol";
import {Code} from "./libraries/Code.sol";

/// @title A lookup of feeds by base and quote, in the manner of Chainlink's FeedRegistry
contract ZkFeedRegistry is IZkFeedRegistry, Ownable2Step {
    /// @dev One phase of a pair. Round ids are the feed's own.
    struct PhaseFeed {
        AggregatorV2V3Interface feed;
        uint64 startingRoundId;
        uint64 endingRoundId;
    }

    /// @dev `decimals` are those of the first feed, and of every later one.
    ///
    ///         255..248  247..240  239..176         175..160        159..0
    ///         unused    decimals  confirmableFrom  currentPhaseId  proposed
    struct Pair {
        AggregatorV2V3Interface proposed;
        uint16 currentPhaseId;
        uint64 confirmableFrom;
        uint8 decimals;
        mapping(uint256 phaseId => PhaseFeed phase) phases;
    }

    uint256 private constant PHASE_OFFSET = 64;

    /// @dev The gas that a feed may use for one answer. An adapter of a hub uses 15,000, and about twice as much if it
    /// asks an uptime feed. A search for a phase's last round asks 128 times at most. That takes 11 million gas, less
    /// than a transaction may use (2^24, EIP-7825).
    uint256 private constant READ_GAS = 80_000;
    /// @dev What must be left, so that the feed gets READ_GAS. A call passes on 63 of 64 parts, after 2,600 gas for an
    /// address that is asked for the first time.
    uint256 private constant READ_GAS_NEEDED = 86_000;

    uint32 private immutable _changeDelay;

    mapping(address base => mapping(address quote => Pair pair)) private _pairs;
    /// @dev The number of pairs that have this feed as their current one.
    mapping(AggregatorV2V3Interface feed => uint256 pairs) private _uses;

    /// @param owner_ The owner, who proposes and confirms. A handover takes two steps.
    /// @param changeDelay_ Seconds from a proposal to its earliest confirmation.
    constructor(address owner_, uint32 changeDelay_) Ownable(owner_) {
        _changeDelay = changeDelay_;
    }

    /// @inheritdoc IZkFeedRegistry
    function changeDelay() external view override returns (uint32 delay) {
        return _changeDelay;
    }

    // Changes

    /// @inheritdoc FeedRegistryInterface
    function proposeFeed(address base, address quote, address aggregator) external override onlyOwner {
        Pair storage pair = _pairs[base][quote];
        address current = address(_current(pair).feed);
        if (aggregator == current) revert AlreadyCurrent(aggregator);
        if (!Code.isContract(aggregator)) revert NotAContract(aggregator);
        pair.proposed = AggregatorV2V3Interface(aggregator);
        pair.confirmableFrom = uint64(block.timestamp) + _changeDelay;
        emit FeedProposed(base, quote, aggregator, current, msg.sender);
    }

    /// @inheritdoc IZkFeedRegistry
    function withdrawFeed(address base, address quote, address aggregator) external override onlyOwner {
        Pair storage pair = _pairs[base][quote];
        _requireProposed(pair, aggregator);
        (pair.proposed, pair.confirmableFrom) = (AggregatorV2V3Interface(address(0)), 0);
        emit FeedProposalWithdrawn(base, quote, aggregator, msg.sender);
    }

    /// @inheritdoc FeedRegistryInterface
    function confirmFeed(address base, address quote, address aggregator) external override onlyOwner {
        Pair storage pair = _pairs[base][quote];
        _requireProposed(pair, aggregator);
        if (block.timestamp < pair.confirmableFrom) revert TooEarly(pair.confirmableFrom);
        AggregatorV2V3Interface next = AggregatorV2V3Interface(aggregator);
        PhaseFeed storage ended = _current(pair);
        AggregatorV2V3Interface previous = ended.feed;
        (uint64 latest, uint8 places) = _examine(next);
        if (address(previous) == address(0)) {
            pair.decimals = places;
        } else {
            if (places != pair.decimals) revert DecimalsDiffer(places, pair.decimals);
            _requireAnswer(next);
            // The previous feed answers this and nothing else, so whatever it does, it is replaced.
            ended.endingRoundId = _lastRoundId(previous, ended.startingRoundId);
            --_uses[previous];
        }
        uint16 phaseId = ++pair.currentPhaseId;
        (pair.proposed, pair.confirmableFrom) = (AggregatorV2V3Interface(address(0)), 0);
        pair.phases[phaseId] = PhaseFeed({feed: next, startingRoundId: latest == 0 ? 1 : latest, endingRoundId: 0});
        ++_uses[next];
        emit FeedConfirmed(base, quote, aggregator, address(previous), phaseId, msg.sender);
    }

    function _requireProposed(Pair storage pair, address aggregator) internal view {
        if (pair.confirmableFrom == 0 || aggregator != address(pair.proposed)) revert NotProposed(aggregator);
    }

    /// @dev The round id and the decimals that a feed gives before it is listed, asked as it will be asked later.
    function _examine(AggregatorV2V3Interface feed) internal view returns (uint64 latest, uint8 places) {
        (bool isOk, uint256 roundId) = _ask(feed, abi.encodeCall(feed.latestRound, ()));
        if (!isOk) revert UnreadableFeed(address(feed));
        if (roundId > type(uint64).max) revert RoundIdTooLarge(roundId);
        uint256 word;
        (isOk, word) = _ask(feed, abi.encodeCall(feed.decimals, ()));
        if (!isOk || word > type(uint8).max) revert UnreadableFeed(address(feed));
        // forge-lint: disable-next-item(unsafe-typecast) -- bounded above
        return (uint64(roundId), uint8(word));
    }

    /// @dev Reverts unless the feed has a latest answer with a time.
    function _requireAnswer(AggregatorV2V3Interface feed) internal view {
        uint256[] memory round = new uint256[](5);
        if (
            !_ask(feed, abi.encodeCall(feed.latestRoundData, ()), round) || round[0] > type(uint80).max || round[3] == 0
                || round[4] > type(uint80).max
        ) revert NoAnswer(address(feed));
    }

    // The current feed

    /// @inheritdoc FeedRegistryInterface
    function decimals(address base, address quote) external view override returns (uint8 places) {
        return getFeed(base, quote).decimals();
    }

    /// @inheritdoc FeedRegistryInterface
    function description(address base, address quote) external view override returns (string memory text) {
        return getFeed(base, quote).description();
    }

    /// @inheritdoc FeedRegistryInterface
    function version(address base, address quote) external view override returns (uint256 number) {
        return getFeed(base, quote).version();
    }

    /// @inheritdoc FeedRegistryInterface
    function latestRoundData(address base, address quote)
        external
        view
        override
        returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound)
    {
        uint16 phaseId = _pairs[base][quote].currentPhaseId;
        (roundId, answer, startedAt, updatedAt, answeredInRound) = getFeed(base, quote).latestRoundData();
        return (_join(phaseId, roundId), answer, startedAt, updatedAt, _join(phaseId, answeredInRound));
    }

    /// @inheritdoc FeedRegistryInterface
    function latestAnswer(address base, address quote) external view override returns (int256 answer) {
        return getFeed(base, quote).latestAnswer();
    }

    /// @inheritdoc FeedRegistryInterface
    function latestTimestamp(address base, address quote) external view override returns (uint256 timestamp) {
        return getFeed(base, quote).latestTimestamp();
    }

    /// @inheritdoc FeedRegistryInterface
    function latestRound(address base, address quote) external view override returns (uint256 roundId) {
        return _join(_pairs[base][quote].currentPhaseId, getFeed(base, quote).latestRound());
    }

    /// @inheritdoc FeedRegistryInterface
    function getFeed(address base, address quote) public view override returns (AggregatorV2V3Interface feed) {
        feed = _current(_pairs[base][quote]).feed;
        require(address(feed) != address(0), "Feed not found");
    }

    // Rounds of any phase

    /// @inheritdoc FeedRegistryInterface
    function getRoundData(address base, address quote, uint80 roundId_)
        external
        view
        override
        returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound)
    {
        (uint16 phaseId, uint64 feedRoundId) = _split(roundId_);
        AggregatorV2V3Interface feed = getPhaseFeed(base, quote, phaseId);
        require(address(feed) != address(0), "Feed not found");
        (roundId, answer, startedAt, updatedAt, answeredInRound) = feed.getRoundData(feedRoundId);
        return (_join(phaseId, roundId), answer, startedAt, updatedAt, _join(phaseId, answeredInRound));
    }

    /// @inheritdoc FeedRegistryInterface
    function getAnswer(address base, address quote, uint256 roundId) external view override returns (int256 answer) {
        (AggregatorV2V3Interface feed, uint64 feedRoundId) = _find(base, quote, roundId);
        return address(feed) == address(0) ? int256(0) : feed.getAnswer(feedRoundId);
    }

    /// @inheritdoc FeedRegistryInterface
    function getTimestamp(address base, address quote, uint256 roundId)
        external
        view
        override
        returns (uint256 timestamp)
    {
        (AggregatorV2V3Interface feed, uint64 feedRoundId) = _find(base, quote, roundId);
        return address(feed) == address(0) ? 0 : feed.getTimestamp(feedRoundId);
    }

    /// @inheritdoc FeedRegistryInterface
    function getRoundFeed(address base, address quote, uint80 roundId)
        external
        view
        override
        returns (AggregatorV2V3Interface feed)
    {
        (uint16 phaseId,) = _split(roundId);
        feed = getPhaseFeed(base, quote, phaseId);
        if (address(feed) != address(0)) {
            (uint80 starting, uint80 ending) = _range(_pairs[base][quote], phaseId);
            if (roundId < starting || roundId > ending) feed = AggregatorV2V3Interface(address(0));
        }
        require(address(feed) != address(0), "Feed not found for round");
    }

    /// @inheritdoc FeedRegistryInterface
    function getPreviousRoundId(address base, address quote, uint80 roundId)
        external
        view
        override
        returns (uint80 previousRoundId)
    {
        Pair storage pair = _pairs[base][quote];
        (uint16 phaseId,) = _split(roundId);
        if (phaseId > pair.currentPhaseId) phaseId = pair.currentPhaseId;
        for (; phaseId > 0; --phaseId) {
            (uint80 starting, uint80 ending) = _range(pair, phaseId);
            if (ending < starting || roundId <= starting) continue;
            return roundId > ending ? ending : roundId - 1;
        }
        return 0;
    }

    /// @inheritdoc FeedRegistryInterface
    function getNextRoundId(address base, address quote, uint80 roundId)
        external
        view
        override
        returns (uint80 nextRoundId)
    {
        Pair storage pair = _pairs[base][quote];
        (uint256 phaseId,) = _split(roundId);
        if (phaseId == 0) phaseId = 1;
        for (; phaseId <= pair.currentPhaseId; ++phaseId) {
            (uint80 starting, uint80 ending) = _range(pair, phaseId);
            if (ending < starting || roundId >= ending) continue;
            return roundId < starting ? starting : roundId + 1;
        }
        return 0;
    }

    // Phases

    /// @inheritdoc FeedRegistryInterface
    function getCurrentPhaseId(address base, address quote) external view override returns (uint16 currentPhaseId) {
        return _pairs[base][quote].currentPhaseId;
    }

    /// @inheritdoc FeedRegistryInterface
    function getPhaseFeed(address base, address quote, uint16 phaseId)
        public
        view
        override
        returns (AggregatorV2V3Interface feed)
    {
        return _pairs[base][quote].phases[phaseId].feed;
    }

    /// @inheritdoc FeedRegistryInterface
    function getPhase(address base, address quote, uint16 phaseId) external view override returns (Phase memory found) {
        PhaseFeed memory phase = _pairs[base][quote].phases[phaseId];
        require(address(phase.feed) != address(0), "Phase does not exist");
        return Phase(phaseId, phase.startingRoundId, phase.endingRoundId);
    }

    /// @inheritdoc FeedRegistryInterface
    function getPhaseRange(address base, address quote, uint16 phaseId)
        external
        view
        override
        returns (uint80 startingRoundId, uint80 endingRoundId)
    {
        require(address(getPhaseFeed(base, quote, phaseId)) != address(0), "Phase does not exist");
        return _range(_pairs[base][quote], phaseId);
    }

    /// @inheritdoc FeedRegistryInterface
    function isFeedEnabled(address aggregator) external view override returns (bool isEnabled) {
        return _uses[AggregatorV2V3Interface(aggregator)] != 0;
    }

    // Proposals

    /// @inheritdoc FeedRegistryInterface
    function getProposedFeed(address base, address quote)
        external
        view
        override
        returns (AggregatorV2V3Interface feed)
    {
        return _pairs[base][quote].proposed;
    }

    /// @inheritdoc FeedRegistryInterface
    function proposedGetRoundData(address base, address quote, uint80 roundId)
        external
        view
        override
        returns (uint80 id, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound)
    {
        return _proposed(base, quote).getRoundData(roundId);
    }

    /// @inheritdoc FeedRegistryInterface
    function proposedLatestRoundData(address base, address quote)
        external
        view
        override
        returns (uint80 id, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound)
    {
        return _proposed(base, quote).latestRoundData();
    }

    /// @inheritdoc IZkFeedRegistry
    function confirmableFrom(address base, address quote) external view override returns (uint64 time) {
        return _pairs[base][quote].confirmableFrom;
    }

    // Details

    function _current(Pair storage pair) internal view returns (PhaseFeed storage) {
        return pair.phases[pair.currentPhaseId];
    }

    function _proposed(address base, address quote) internal view returns (AggregatorV2V3Interface feed) {
        feed = _pairs[base][quote].proposed;
        require(address(feed) != address(0), "No proposed aggregator present");
    }

    /// @dev Zero if there is none. An id beyond 80 bits names no round.
    function _find(address base, address quote, uint256 roundId)
        internal
        view
        returns (AggregatorV2V3Interface feed, uint64 feedRoundId)
    {
        if (roundId > type(uint80).max) return (feed, 0);
        uint16 phaseId;
        // forge-lint: disable-next-item(unsafe-typecast) -- bounded above
        (phaseId, feedRoundId) = _split(uint80(roundId));
        feed = getPhaseFeed(base, quote, phaseId);
    }

    /// @dev The first and last round id of a phase, which must exist.
    function _range(Pair storage pair, uint256 phaseId) internal view returns (uint80 starting, uint80 ending) {
        PhaseFeed memory phase = pair.phases[phaseId];
        if (phaseId == pair.currentPhaseId) phase.endingRoundId = _lastRoundId(phase.feed, phase.startingRoundId);
        return (_join(phaseId, phase.startingRoundId), _join(phaseId, phase.endingRoundId));
    }

    /// @dev The feed's last round since `starting`, or `starting` − 1. A feed may withhold its latest round id, or
    /// revert. Then this function asks for rounds in steps that double and then halve, which works because ids have no
    /// gaps.
    function _lastRoundId(AggregatorV2V3Interface feed, uint64 starting) internal view returns (uint64) {
        (bool isOk, uint256 latest) = _ask(feed, abi.encodeCall(feed.latestRound, ()));
        // forge-lint: disable-next-item(unsafe-typecast) -- bounded here
        if (isOk && latest >= starting && latest <= type(uint64).max) return uint64(latest);
        uint256 last = uint256(starting) - 1;
        uint256 step = 1;
        // slither-disable-start divide-before-multiply -- nothing is lost: only powers of two are halved
        while (_hasRound(feed, last + step)) {
            last += step;
            step *= 2;
        }
        for (; step > 1; step /= 2) {
            if (_hasRound(feed, last + step / 2)) last += step / 2;
        }
        // slither-disable-end divide-before-multiply
        // forge-lint: disable-next-item(unsafe-typecast) -- no larger id counts as a round
        return uint64(last);
    }

    function _hasRound(AggregatorV2V3Interface feed, uint256 roundId) internal view returns (bool) {
        if (roundId > type(uint64).max) return false;
        (bool isOk, uint256 timestamp) = _ask(feed, abi.encodeCall(feed.getTimestamp, (roundId)));
        return isOk && timestamp != 0;
    }

    /// @dev The feed's answer of one word; false if it gives none.
    function _ask(AggregatorV2V3Interface feed, bytes memory question)
        internal
        view
        returns (bool isOk, uint256 answer)
    {
        uint256[] memory words = new uint256[](1);
        isOk = _ask(feed, question, words);
        answer = words[0];
    }

    /// @dev Fills `words` with the feed's answer. Returns false if the feed reverts, uses more than its gas, or answers
    /// more or fewer words. It can do nothing else: it has no more gas to use, it changes no state, and no more than
    /// the words are copied.
    function _ask(AggregatorV2V3Interface feed, bytes memory question, uint256[] memory words)
        internal
        view
        returns (bool isOk)
    {
        if (gasleft() < READ_GAS_NEEDED) revert TooLittleGas(gasleft(), READ_GAS_NEEDED);
        assembly ("memory-safe") {
            let size := mul(mload(words), 32)
            isOk := staticcall(READ_GAS, feed, add(question, 32), mload(question), add(words, 32), size)
            isOk := and(isOk, eq(returndatasize(), size))
        }
    }

    function _join(uint256 phaseId, uint256 feedRoundId) internal pure returns (uint80) {
        // forge-lint: disable-next-item(unsafe-typecast) -- a phase has 16 bits; feeds with larger ids are not confirmed
        return uint80((phaseId << PHASE_OFFSET) | uint64(feedRoundId));
    }

    function _split(uint80 roundId) internal pure returns (uint16 phaseId, uint64 feedRoundId) {
        // forge-lint: disable-next-item(unsafe-typecast) -- the parts of 80 bits
        return (uint16(roundId >> PHASE_OFFSET), uint64(roundId));
    }
}
