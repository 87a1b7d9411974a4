// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IZkOracle} from "../interfaces/IZkOracle.sol";
import {Features} from "./Features.sol";
import {Models} from "./Models.sol";
import {Shadows} from "./Shadows.sol";
import {Circuit, Config, ConfigSlot, PackedRound, RoundSlot, Track} from "./Slots.sol";
import {Feed, Store} from "./Store.sol";

/// @title The functions that add, change and read feeds
/// @notice The library is deployed by itself and linked, like `Models`. The hub decides who may call which function.
library Changes {
    /// @dev The same limit as in Chainlink's OCR.
    uint256 internal constant MAX_REPORTERS = 31;
    uint256 internal constant MAX_DESCRIPTION_BYTES = 64;
    uint256 internal constant LONGEST_CONFIRM_DELAY = 7 days;

    function addFeed(
        Store storage store,
        IZkOracle.FeedConfig calldata config,
        address[] calldata reporters,
        uint16 modelNumber
    ) external returns (bytes32 feedId) {
        _requireConfig(config);
        _requireReporters(reporters, config.quorum);
        Models.requireModel(store, modelNumber);
        feedId = keccak256(bytes(config.description));
        Feed storage feed = store.feeds[feedId];
        if (!feed.config.isEmpty()) revert IZkOracle.FeedExists(feedId);
        feed.config = ConfigSlot.pack(config, modelNumber);
        feed.description = config.description;
        _setReporters(feed, reporters);
        store.feedIds.push(feedId);
        emit IZkOracle.FeedAdded(feedId, config, reporters, modelNumber);
    }

    function proposeModel(
        Store storage store,
        bytes32 feedId,
        uint16 modelNumber,
        uint32 minCompared,
        uint32 maxDistance,
        uint64 activeFrom
    ) external {
        Feed storage feed = _feed(store, feedId);
        Models.requireModel(store, modelNumber);
        // Activating the active model would make it its own predecessor, and leave nothing to roll back to.
        if (modelNumber == feed.config.modelNumber()) revert IZkOracle.InvalidModel("modelNumber");
        feed.proposals.model = modelNumber;
        feed.proposals.modelFrom = activeFrom;
        Shadows.begin(feed, minCompared, maxDistance);
        emit IZkOracle.ModelProposed(feedId, modelNumber, activeFrom, minCompared, maxDistance);
    }

    function activateModel(Store storage store, bytes32 feedId) external {
        Feed storage feed = _feed(store, feedId);
        _requireActive(feed.proposals.modelFrom);
        Shadows.requireEnough(feed, feedId);
        (uint16 modelNumber, uint16 previous) = (feed.proposals.model, feed.config.modelNumber());
        feed.config = feed.config.withModelNumber(modelNumber);
        feed.proposals.previousModel = previous;
        _clearModelProposal(feed);
        emit IZkOracle.ModelActivated(feedId, modelNumber, previous);
    }

    function cancelModel(Store storage store, bytes32 feedId) external {
        Feed storage feed = _feed(store, feedId);
        if (feed.proposals.modelFrom == 0) revert IZkOracle.NothingProposed();
        uint16 modelNumber = feed.proposals.model;
        _clearModelProposal(feed);
        emit IZkOracle.ModelProposalCancelled(feedId, modelNumber);
    }

    function rollbackModel(Store storage store, bytes32 feedId) external {
        Feed storage feed = _feed(store, feedId);
        (uint16 previous, uint16 abandoned) = (feed.proposals.previousModel, feed.config.modelNumber());
        if (previous == 0) revert IZkOracle.NoPreviousModel();
        feed.proposals.previousModel = 0;
        feed.config = feed.config.withModelNumber(previous);
        // The proposed model was compared with the one that is gone, and may be the one that is active now.
        if (feed.proposals.modelFrom != 0) {
            emit IZkOracle.ModelProposalCancelled(feedId, feed.proposals.model);
            _clearModelProposal(feed);
        }
        emit IZkOracle.ModelRolledBack(feedId, previous, abandoned);
    }

    function proposeReporters(
        Store storage store,
        bytes32 feedId,
        address[] calldata reporters,
        uint8 quorum,
        uint64 activeFrom
    ) external {
        Feed storage feed = _feed(store, feedId);
        _requireReporters(reporters, quorum);
        feed.proposedReporters = reporters;
        feed.proposals.quorum = quorum;
        feed.proposals.reportersFrom = activeFrom;
        emit IZkOracle.ReportersProposed(feedId, reporters, quorum, activeFrom);
    }

    function activateReporters(Store storage store, bytes32 feedId) external {
        Feed storage feed = _feed(store, feedId);
        _requireActive(feed.proposals.reportersFrom);
        address[] memory activated = feed.proposedReporters;
        uint8 quorum = feed.proposals.quorum;
        _clearReportersProposal(feed);
        _setReporters(feed, activated);
        feed.config = feed.config.withQuorum(quorum);
        emit IZkOracle.ReportersActivated(feedId, activated, quorum);
    }

    function cancelReporters(Store storage store, bytes32 feedId) external {
        Feed storage feed = _feed(store, feedId);
        if (feed.proposals.reportersFrom == 0) revert IZkOracle.NothingProposed();
        _clearReportersProposal(feed);
        emit IZkOracle.ReportersProposalCancelled(feedId);
    }

    /// @dev If the feed is paused already, this cancels a proposed unpause.
    function pause(Store storage store, bytes32 feedId) external {
        _setPaused(_feed(store, feedId), true);
        emit IZkOracle.Paused(feedId);
    }

    function proposeUnpause(Store storage store, bytes32 feedId, uint64 activeFrom) external {
        Feed storage feed = _feed(store, feedId);
        if (!feed.config.paused()) revert IZkOracle.NotPaused(feedId);
        feed.proposals.unpauseFrom = activeFrom;
        emit IZkOracle.UnpauseProposed(feedId, activeFrom);
    }

    function unpause(Store storage store, bytes32 feedId) external {
        Feed storage feed = _feed(store, feedId);
        _requireActive(feed.proposals.unpauseFrom);
        _setPaused(feed, false);
        emit IZkOracle.Unpaused(feedId);
    }

    function feedConfig(Store storage store, bytes32 feedId) external view returns (IZkOracle.FeedConfig memory) {
        Feed storage feed = _feed(store, feedId);
        Config config = feed.config;
        return IZkOracle.FeedConfig({
            description: feed.description,
            kind: config.relative() ? IZkOracle.Kind.RELATIVE : IZkOracle.Kind.ABSOLUTE,
            decimals: config.decimals(),
            quorum: config.quorum(),
            confirmations: config.confirmations(),
            maxRepeats: config.maxRepeats(),
            heartbeat: config.heartbeat(),
            maxAge: config.maxAge(),
            maxSkew: config.maxSkew(),
            confirmDelay: config.confirmDelay(),
            tolerance: config.tolerance(),
            maxSpread: config.maxSpread(),
            sigma: config.sigma()
        });
    }

    /// @dev See `IZkOracle.features`. For a submission `Instances.writeWindow` writes the same features: a test
    /// compares them.
    function features(Store storage store, bytes32 feedId, int128 answer, uint32 observedAt, uint16 spread)
        external
        view
        returns (int256[] memory vector)
    {
        Feed storage feed = _feed(store, feedId);
        (Config config, Track track) = (feed.config, feed.track);
        Circuit circuit = store.circuits[Models.key(config.modelNumber(), 0)];
        uint256 length = circuit.features();
        vector = new int256[](length);
        vector[length - 1] = int256(Features.GAP_ONE);
        if (track.roundId() != 0) {
            PackedRound last = feed.rounds[track.roundId()];
            vector[0] = Features.move(config.relative(), config.sigma(), answer, last.answer());
            for (uint256 i = 1; i < length - 1; ++i) {
                vector[i] = Features.at(track.ring(), i - 1);
            }
            // forge-lint: disable-next-item(unsafe-typecast) -- clipped
            vector[length - 1] = int256(Features.gap(observedAt, last.observedAt(), config.heartbeat()));
        }
        if (circuit.hasSpread()) vector[length - 2] = int256(uint256(spread));
    }

    function _requireConfig(IZkOracle.FeedConfig calldata config) private pure {
        uint256 length = bytes(config.description).length;
        if (length == 0 || length > MAX_DESCRIPTION_BYTES) revert IZkOracle.InvalidConfig("description");
        if (config.sigma == 0) revert IZkOracle.InvalidConfig("sigma");
        if (config.heartbeat == 0) revert IZkOracle.InvalidConfig("heartbeat");
        if (config.maxAge == 0 || config.maxAge > RoundSlot.LONGEST_AGE) revert IZkOracle.InvalidConfig("maxAge");
        if (config.maxSkew > RoundSlot.LONGEST_SKEW) revert IZkOracle.InvalidConfig("maxSkew");
        // With none, an answer that the reporters agree on could be held for ever.
        if (config.confirmations == 0) revert IZkOracle.InvalidConfig("confirmations");
        if (config.confirmDelay > LONGEST_CONFIRM_DELAY) revert IZkOracle.InvalidConfig("confirmDelay");
        if (int256(uint256(config.tolerance)) >= Features.CLIP) revert IZkOracle.InvalidConfig("tolerance");
        if (int256(uint256(config.maxSpread)) >= Features.CLIP) revert IZkOracle.InvalidConfig("maxSpread");
    }

    function _requireReporters(address[] calldata reporters, uint8 quorum) private pure {
        uint256 count = reporters.length;
        if (quorum == 0 || count < quorum || count > MAX_REPORTERS) revert IZkOracle.InvalidReporters();
        for (uint256 i = 0; i < count; ++i) {
            if (reporters[i] == address(0)) revert IZkOracle.InvalidReporters();
            for (uint256 j = 0; j < i; ++j) {
                if (reporters[j] == reporters[i]) revert IZkOracle.InvalidReporters();
            }
        }
    }

    function _requireActive(uint64 activeFrom) private view {
        if (activeFrom == 0) revert IZkOracle.NothingProposed();
        if (block.timestamp < activeFrom) revert IZkOracle.TooEarly(activeFrom);
    }

    function _setPaused(Feed storage feed, bool paused) private {
        feed.config = feed.config.withPaused(paused);
        feed.proposals.unpauseFrom = 0;
    }

    function _setReporters(Feed storage feed, address[] memory added) private {
        address[] memory removed = feed.reporters;
        for (uint256 i = 0; i < removed.length; ++i) {
            feed.positions[removed[i]] = 0;
        }
        for (uint256 i = 0; i < added.length; ++i) {
            feed.positions[added[i]] = i + 1;
        }
        feed.reporters = added;
    }

    function _clearModelProposal(Feed storage feed) private {
        feed.proposals.model = 0;
        feed.proposals.modelFrom = 0;
        delete feed.shadow;
    }

    function _clearReportersProposal(Feed storage feed) private {
        delete feed.proposedReporters;
        feed.proposals.quorum = 0;
        feed.proposals.reportersFrom = 0;
    }

    /// @dev An unknown feed has an all-zero configuration; a known one has a heartbeat.
    function _feed(Store storage store, bytes32 feedId) private view returns (Feed storage feed) {
        feed = store.feeds[feedId];
        if (feed.config.isEmpty()) revert IZkOracle.UnknownFeed(feedId);
    }
}
