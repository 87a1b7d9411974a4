// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IZkAggregator} from "../interfaces/IZkAggregator.sol";
import {IZkOracle} from "../interfaces/IZkOracle.sol";
import {Code} from "./Code.sol";
import {Features} from "./Features.sol";
import {Models} from "./Models.sol";
import {Shadows} from "./Shadows.sol";
import {Config, ConfigSlot, PeerSlot, RoundSlot} from "./Slots.sol";
import {Committee, Feed, Store, Stores} from "./Store.sol";

/// @title The functions that add and change feeds and committees
/// @notice The library is deployed by itself and linked, like `Models`. The hub decides who may call which function.
library Changes {
    /// @dev A proposal can be activated for this long, and a model rolled back for this long.
    uint32 internal constant CHANGE_WINDOW = 30 days;
    /// @dev Consumers compute 10 ** (18 − decimals).
    uint256 internal constant MOST_DECIMALS = 18;
    /// @dev The same limit as in Chainlink's OCR.
    uint256 internal constant MAX_REPORTERS = 31;
    uint256 internal constant MAX_DESCRIPTION_BYTES = 64;
    uint256 internal constant LONGEST_CONFIRM_DELAY = 7 days;

    function addCommittee(address[] calldata reporters, uint8 quorum) external returns (uint32 committeeId) {
        Store storage store = Stores.get();
        _requireReporters(reporters, quorum);
        committeeId = ++store.committeeCount;
        // A feed's word has 24 bits for it.
        if (committeeId > type(uint24).max) revert IZkOracle.InvalidReporters();
        _setReporters(store.committees[committeeId], reporters, quorum);
        emit IZkOracle.CommitteeAdded(committeeId, reporters, quorum);
    }

    function addFeed(IZkOracle.FeedConfig calldata config, uint16 modelNumber) external returns (bytes32 feedId) {
        Store storage store = Stores.get();
        _requireConfig(config);
        committee(store, config.committee);
        Models.requireModel(store, modelNumber);
        feedId = keccak256(bytes(config.description));
        Feed storage feed = store.feeds[feedId];
        if (!feed.config.isEmpty()) revert IZkOracle.FeedExists(feedId);
        feed.config = ConfigSlot.pack(config, modelNumber);
        feed.description = config.description;
        _setPeers(store, feed, feedId, config);
        store.feedIds.push(feedId);
        emit IZkOracle.FeedAdded(feedId, config, modelNumber);
    }

    function linkAggregator(bytes32 feedId) external {
        Feed storage feed = _feed(feedId);
        if (feed.config.linked()) revert IZkOracle.AggregatorAlreadyLinked(feedId);
        IZkOracle hub = IZkOracle(address(this));
        IZkAggregator.Terms memory plain;
        address adapter = hub.aggregatorFactory().addressOf(hub, feedId, plain);
        if (adapter.code.length == 0) revert IZkOracle.AggregatorNotDeployed(adapter);
        feed.config = feed.config.withLinked();
        emit IZkOracle.AggregatorLinked(feedId, adapter);
    }

    function proposeModel(bytes32 feedId, uint16 modelNumber, uint32 minCompared, uint32 maxDisagreements) external {
        uint64 activeFrom = _activeFrom();
        Store storage store = Stores.get();
        Feed storage feed = _feed(feedId);
        Models.requireModel(store, modelNumber);
        // Activating the active model would make it its own predecessor, and leave nothing to roll back to.
        if (modelNumber == feed.config.modelNumber()) revert IZkOracle.InvalidModel("modelNumber");
        feed.proposals.model = modelNumber;
        feed.proposals.modelFrom = activeFrom;
        Shadows.begin(feed, minCompared, maxDisagreements);
        emit IZkOracle.ModelProposed(feedId, modelNumber, activeFrom, minCompared, maxDisagreements);
    }

    function activateModel(bytes32 feedId) external {
        Feed storage feed = _feed(feedId);
        _requireActive(feed.proposals.modelFrom);
        Shadows.requireEnough(feed, feedId);
        (uint16 modelNumber, uint16 previous) = (feed.proposals.model, feed.config.modelNumber());
        feed.config = feed.config.withModelNumber(modelNumber);
        feed.proposals.previousModel = previous;
        feed.proposals.previousUntil = uint64(block.timestamp) + CHANGE_WINDOW;
        _clearModelProposal(feed);
        emit IZkOracle.ModelActivated(feedId, modelNumber, previous);
    }

    function cancelModel(bytes32 feedId) external {
        Feed storage feed = _feed(feedId);
        if (feed.proposals.modelFrom == 0) revert IZkOracle.NothingProposed();
        uint16 modelNumber = feed.proposals.model;
        _clearModelProposal(feed);
        emit IZkOracle.ModelProposalCancelled(feedId, modelNumber);
    }

    function rollbackModel(bytes32 feedId) external {
        Feed storage feed = _feed(feedId);
        (uint16 previous, uint16 abandoned) = (feed.proposals.previousModel, feed.config.modelNumber());
        if (previous == 0 || block.timestamp > feed.proposals.previousUntil) revert IZkOracle.NoPreviousModel();
        (feed.proposals.previousModel, feed.proposals.previousUntil) = (0, 0);
        feed.config = feed.config.withModelNumber(previous);
        // The proposed model was compared with the one that is gone, and may be the one that is active now.
        if (feed.proposals.modelFrom != 0) {
            emit IZkOracle.ModelProposalCancelled(feedId, feed.proposals.model);
            _clearModelProposal(feed);
        }
        emit IZkOracle.ModelRolledBack(feedId, previous, abandoned);
    }

    function proposeReporters(uint32 committeeId, address[] calldata reporters, uint8 quorum) external {
        uint64 activeFrom = _activeFrom();
        Store storage store = Stores.get();
        Committee storage changed = committee(store, committeeId);
        _requireReporters(reporters, quorum);
        changed.proposed = reporters;
        changed.proposedQuorum = quorum;
        changed.proposedFrom = activeFrom;
        emit IZkOracle.ReportersProposed(committeeId, reporters, quorum, activeFrom);
    }

    function activateReporters(uint32 committeeId) external {
        Store storage store = Stores.get();
        Committee storage changed = committee(store, committeeId);
        _requireActive(changed.proposedFrom);
        address[] memory activated = changed.proposed;
        uint8 quorum = changed.proposedQuorum;
        _clearReportersProposal(changed);
        _setReporters(changed, activated, quorum);
        emit IZkOracle.ReportersActivated(committeeId, changed.epoch, activated, quorum);
    }

    function cancelReporters(uint32 committeeId) external {
        Store storage store = Stores.get();
        Committee storage changed = committee(store, committeeId);
        if (changed.proposedFrom == 0) revert IZkOracle.NothingProposed();
        _clearReportersProposal(changed);
        emit IZkOracle.ReportersProposalCancelled(committeeId);
    }

    /// @dev If the feed is paused already, this cancels a proposed unpause.
    function pause(bytes32 feedId) external {
        _setPaused(_feed(feedId), true);
        emit IZkOracle.Paused(feedId);
    }

    function proposeUnpause(bytes32 feedId) external {
        uint64 activeFrom = _activeFrom();
        Feed storage feed = _feed(feedId);
        if (!feed.config.paused()) revert IZkOracle.NotPaused(feedId);
        feed.proposals.unpauseFrom = activeFrom;
        emit IZkOracle.UnpauseProposed(feedId, activeFrom);
    }

    function unpause(bytes32 feedId) external {
        Feed storage feed = _feed(feedId);
        _requireActive(feed.proposals.unpauseFrom);
        _setPaused(feed, false);
        emit IZkOracle.Unpaused(feedId);
    }

    /// @dev Committees have an epoch from the start.
    function committee(Store storage store, uint32 committeeId) internal view returns (Committee storage found) {
        found = store.committees[committeeId];
        if (found.epoch == 0) revert IZkOracle.UnknownCommittee(committeeId);
    }

    /// @dev True if the time for a change that was proposed for `activeFrom` is over.
    function isExpired(uint64 activeFrom) internal view returns (bool) {
        return block.timestamp > activeFrom + CHANGE_WINDOW;
    }

    function _requireConfig(IZkOracle.FeedConfig calldata config) private pure {
        uint256 length = bytes(config.description).length;
        if (length == 0 || length > MAX_DESCRIPTION_BYTES) revert IZkOracle.InvalidConfig("description");
        if (config.decimals > MOST_DECIMALS) revert IZkOracle.InvalidConfig("decimals");
        if (config.sigma == 0) revert IZkOracle.InvalidConfig("sigma");
        if (config.heartbeat == 0 || config.heartbeat > type(uint24).max) revert IZkOracle.InvalidConfig("heartbeat");
        if (config.maxAge == 0 || config.maxAge > RoundSlot.LONGEST_AGE) revert IZkOracle.InvalidConfig("maxAge");
        if (config.maxSkew > RoundSlot.LONGEST_SKEW) revert IZkOracle.InvalidConfig("maxSkew");
        // With none, an answer that the reporters agree on could be held for ever.
        if (config.confirmations == 0) revert IZkOracle.InvalidConfig("confirmations");
        // With none, a whole hold could begin and end in one block.
        if (config.confirmDelay == 0 || config.confirmDelay > LONGEST_CONFIRM_DELAY) {
            revert IZkOracle.InvalidConfig("confirmDelay");
        }
        if (int256(uint256(config.tolerance)) >= Features.CLIP) revert IZkOracle.InvalidConfig("tolerance");
        if (int256(uint256(config.maxSpread)) >= Features.CLIP) revert IZkOracle.InvalidConfig("maxSpread");
    }

    /// @dev With an odd quorum of 2f + 1, the median stays within the honest answers as long as at most f lie. An even
    /// quorum costs a signature more and tolerates no liar more.
    function _requireReporters(address[] calldata reporters, uint8 quorum) private view {
        uint256 count = reporters.length;
        if (quorum % 2 == 0 || count < quorum || count > MAX_REPORTERS) revert IZkOracle.InvalidReporters();
        for (uint256 i = 0; i < count; ++i) {
            if (!Code.canSign(reporters[i])) revert IZkOracle.InvalidReporters();
            for (uint256 j = 0; j < i; ++j) {
                if (reporters[j] == reporters[i]) revert IZkOracle.InvalidReporters();
            }
        }
    }

    /// @dev A peer that exists already has to be of the same committee. One that is added later is checked where it
    /// matters: all feeds of a submission are of one committee.
    function _setPeers(Store storage store, Feed storage feed, bytes32 feedId, IZkOracle.FeedConfig calldata config)
        private
    {
        bytes32[] calldata peers = config.peers;
        if (peers.length > Features.MAX_PEERS) revert IZkOracle.InvalidConfig("peers");
        for (uint256 i = 0; i < peers.length; ++i) {
            // As a report finds them: by the first halves of their ids.
            bool isTwice = i != 0 && bytes16(peers[i]) == bytes16(peers[0]);
            // forge-lint: disable-next-line(unsafe-typecast) -- a peer is known by the first half of its id
            bool isItself = bytes16(peers[i]) == bytes16(feedId);
            Config known = store.feeds[peers[i]].config;
            bool isOther = !known.isEmpty() && known.committee() != config.committee;
            if (peers[i] == 0 || isItself || isTwice || isOther) revert IZkOracle.InvalidConfig("peers");
            feed.peers[i] = PeerSlot.pack(peers[i], 0);
            feed.peerRests = PeerSlot.withRest(feed.peerRests, i, peers[i]);
        }
    }

    function _requireActive(uint64 activeFrom) private view {
        if (activeFrom == 0) revert IZkOracle.NothingProposed();
        if (block.timestamp < activeFrom) revert IZkOracle.TooEarly(activeFrom);
        if (isExpired(activeFrom)) revert IZkOracle.ProposalExpired(activeFrom + CHANGE_WINDOW);
    }

    /// @dev The library runs as the hub, so it can ask the hub for its delay.
    function _activeFrom() private view returns (uint64) {
        return uint64(block.timestamp) + IZkOracle(address(this)).changeDelay();
    }

    function _setPaused(Feed storage feed, bool paused) private {
        feed.config = feed.config.withPaused(paused);
        feed.proposals.unpauseFrom = 0;
    }

    /// @dev Begins a new epoch, so that nothing that was signed before counts any more.
    function _setReporters(Committee storage changed, address[] memory added, uint8 quorum) private {
        address[] memory removed = changed.reporters;
        for (uint256 i = 0; i < removed.length; ++i) {
            changed.positions[removed[i]] = 0;
        }
        for (uint256 i = 0; i < added.length; ++i) {
            changed.positions[added[i]] = i + 1;
        }
        changed.reporters = added;
        // forge-lint: disable-next-item(unsafe-typecast) -- at most MAX_REPORTERS
        (changed.epoch, changed.quorum, changed.size) = (changed.epoch + 1, quorum, uint8(added.length));
    }

    function _clearModelProposal(Feed storage feed) private {
        feed.proposals.model = 0;
        feed.proposals.modelFrom = 0;
        delete feed.shadow;
    }

    function _clearReportersProposal(Committee storage changed) private {
        delete changed.proposed;
        changed.proposedQuorum = 0;
        changed.proposedFrom = 0;
    }

    /// @dev An unknown feed has an all-zero configuration; a known one has a heartbeat.
    function _feed(bytes32 feedId) private view returns (Feed storage feed) {
        feed = Stores.get().feeds[feedId];
        if (feed.config.isEmpty()) revert IZkOracle.UnknownFeed(feedId);
    }
}
