// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC5267} from "@openzeppelin/contracts/interfaces/IERC5267.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

import {IZkOracle} from "./interfaces/IZkOracle.sol";
import {IZkOracleLens} from "./interfaces/IZkOracleLens.sol";
import {Features} from "./libraries/Features.sol";
import {Holds} from "./libraries/Holds.sol";
import {HubReader} from "./libraries/HubReader.sol";
import {Circuit, Config, HeldSlots, PackedRound, PeerSlot, Track} from "./libraries/Slots.sol";

/// @title Reads what a hub stores and its consumers do not need
contract ZkOracleLens is IZkOracleLens {
    bytes32 private constant REPORT_TYPEHASH = keccak256(
        "Report(uint32 committee,uint32 epoch,uint32 observedAt,bytes32[] feedIds,uint32[] roundIds,int128[] answers,bytes32[] readings)"
    );
    bytes32 private constant DOMAIN_TYPEHASH =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");

    /// @inheritdoc IZkOracleLens
    function feedIds(IZkOracle hub) external view override returns (bytes32[] memory ids) {
        return HubReader.list(hub, HubReader.member(HubReader.FEED_IDS));
    }

    /// @inheritdoc IZkOracleLens
    function feedState(IZkOracle hub, bytes32 feedId) external view override returns (FeedState memory state) {
        return _state(hub, feedId);
    }

    /// @inheritdoc IZkOracleLens
    function feedStates(IZkOracle hub, bytes32[] calldata ids)
        external
        view
        override
        returns (FeedState[] memory states)
    {
        states = new FeedState[](ids.length);
        for (uint256 i = 0; i < ids.length; ++i) {
            states[i] = _state(hub, ids[i]);
        }
    }

    /// @inheritdoc IZkOracleLens
    function feedConfig(IZkOracle hub, bytes32 feedId)
        external
        view
        override
        returns (IZkOracle.FeedConfig memory found)
    {
        Config config = HubReader.config(hub, feedId);
        found.description = HubReader.description(hub, feedId);
        found.kind = config.relative() ? IZkOracle.Kind.RELATIVE : IZkOracle.Kind.ABSOLUTE;
        found.decimals = config.decimals();
        found.confirmations = config.confirmations();
        found.maxRepeats = config.maxRepeats();
        found.heartbeat = config.heartbeat();
        found.maxAge = config.maxAge();
        found.maxSkew = config.maxSkew();
        found.confirmDelay = config.confirmDelay();
        found.tolerance = config.tolerance();
        found.maxSpread = config.maxSpread();
        found.sigma = config.sigma();
        found.committee = config.committee();
        (found.peers,) = _peers(HubReader.words(hub, HubReader.feedSlot(feedId), HubReader.FEED_WORDS));
    }

    /// @inheritdoc IZkOracleLens
    function committeeCount(IZkOracle hub) external view override returns (uint32 count) {
        return uint32(HubReader.word(hub, HubReader.member(0)) >> 32);
    }

    /// @inheritdoc IZkOracleLens
    function committee(IZkOracle hub, uint32 committeeId) external view override returns (Committee memory found) {
        uint256 slot = HubReader.entry(HubReader.member(HubReader.COMMITTEES), committeeId);
        uint256 word = HubReader.word(hub, slot);
        // forge-lint: disable-start(unsafe-typecast) -- each cast takes a field from the word
        found.epoch = uint32(word);
        if (found.epoch == 0) revert IZkOracle.UnknownCommittee(committeeId);
        found.quorum = uint8(word >> 32);
        found.proposedQuorum = uint8(word >> 48);
        found.proposedFrom = uint64(word >> 56);
        // forge-lint: disable-end(unsafe-typecast)
        found.reporters = _addresses(HubReader.list(hub, slot + 1));
        found.proposedReporters = _addresses(HubReader.list(hub, slot + 2));
    }

    /// @inheritdoc IZkOracleLens
    function architectureCount(IZkOracle hub) external view override returns (uint32 count) {
        // forge-lint: disable-next-item(unsafe-typecast) -- a field of the word
        return uint32(HubReader.word(hub, HubReader.member(0)));
    }

    /// @inheritdoc IZkOracleLens
    function architecture(IZkOracle hub, uint32 architectureId)
        external
        view
        override
        returns (IZkOracle.Architecture memory found)
    {
        return HubReader.architecture(hub, architectureId);
    }

    /// @inheritdoc IZkOracleLens
    function modelCount(IZkOracle hub) external view override returns (uint16 count) {
        // forge-lint: disable-next-item(unsafe-typecast) -- a field of the word
        return uint16(HubReader.word(hub, HubReader.member(0)) >> 64);
    }

    /// @inheritdoc IZkOracleLens
    function model(IZkOracle hub, uint16 modelNumber) external view override returns (IZkOracle.Model memory found) {
        return HubReader.model(hub, modelNumber);
    }

    /// @inheritdoc IZkOracleLens
    function proposals(IZkOracle hub, bytes32 feedId)
        external
        view
        override
        returns (IZkOracle.Proposals memory proposed)
    {
        // slither-disable-next-line unused-return -- it reverts if there is no such feed
        HubReader.config(hub, feedId);
        return _proposals(HubReader.word(hub, HubReader.feedSlot(feedId) + 7));
    }

    /// @inheritdoc IZkOracleLens
    function shadow(IZkOracle hub, bytes32 feedId) external view override returns (IZkOracle.ShadowTally memory tally) {
        // slither-disable-next-line unused-return -- it reverts if there is no such feed
        HubReader.config(hub, feedId);
        bytes32[] memory words = HubReader.words(hub, HubReader.feedSlot(feedId) + 7, 2);
        uint256 counts = uint256(words[1]);
        tally.modelNumber = _proposals(uint256(words[0])).model;
        // forge-lint: disable-start(unsafe-typecast) -- each cast takes a field from the word
        tally.reports = uint32(counts);
        tally.compared = uint32(counts >> 32);
        tally.disagreements = uint32(counts >> 64);
        tally.minCompared = uint32(counts >> 96);
        tally.maxDisagreements = uint32(counts >> 128);
        // forge-lint: disable-end(unsafe-typecast)
    }

    /// @inheritdoc IZkOracleLens
    /// @dev The hub derives the same in a submission: a test compares them.
    function features(
        IZkOracle hub,
        bytes32 feedId,
        int128 answer,
        uint32 observedAt,
        uint16 spread,
        uint8 count,
        int128[] calldata peerAnswers
    ) external view override returns (int256[] memory vector) {
        FeedState memory state = _state(hub, feedId);
        Config config = HubReader.config(hub, feedId);
        int256[] memory table = new int256[](Features.CODES);
        table[Features.GAP] = int256(Features.GAP_ONE);
        if (state.roundId != 0) {
            table[Features.MOVE] = Features.move(config.relative(), config.sigma(), answer, state.answer);
            // forge-lint: disable-next-item(unsafe-typecast) -- clipped
            table[Features.GAP] = int256(_gap(config, state, answer, observedAt));
        }
        table[Features.SPREAD] = int256(uint256(spread));
        table[Features.COUNT] = int256(uint256(count));
        table[Features.VARIANCE] = int256(uint256(state.variance >> Features.VARIANCE_FRACTION_BITS));
        for (uint256 i = 0; i < Features.RING_SIZE; ++i) {
            table[Features.PAST + i] = state.returns_[i];
        }
        for (uint256 k = 0; k < state.peers.length; ++k) {
            if (k >= peerAnswers.length) revert IZkOracle.PeerMissing(feedId, state.peers[k]);
            if (state.roundId == 0) continue;
            Config peer = HubReader.config(hub, state.peers[k]);
            (int256 moved, bool isSeen) =
                Features.peerMove(peer.relative(), peer.sigma(), peerAnswers[k], state.peerAnswers[k]);
            table[Features.PEER_MOVE + k] = moved;
            table[Features.PEER_SEEN + k] = isSeen ? int256(1) : int256(0);
        }
        Circuit circuit = HubReader.circuit(hub, HubReader.CIRCUITS, state.modelNumber, 0);
        uint256 list = HubReader.word(hub, HubReader.entry(HubReader.member(HubReader.MODELS), state.modelNumber) + 1);
        vector = new int256[](circuit.features());
        for (uint256 i = 0; i < vector.length; ++i) {
            vector[i] = table[uint8(bytes32(list)[i])];
        }
    }

    /// @inheritdoc IZkOracleLens
    function reportDigest(
        IZkOracle hub,
        uint32 committeeId,
        uint32 epoch,
        uint32 observedAt,
        bytes32[] calldata ids,
        uint32[] calldata roundIds,
        int128[] calldata answers,
        bytes32 readings
    ) external view override returns (bytes32 digest) {
        bytes32 content = keccak256(
            abi.encode(
                REPORT_TYPEHASH,
                committeeId,
                epoch,
                observedAt,
                keccak256(abi.encodePacked(ids)),
                keccak256(abi.encodePacked(roundIds)),
                keccak256(abi.encodePacked(answers)),
                readings
            )
        );
        // slither-disable-next-line unused-return -- the domain has no salt and no extensions
        (, string memory name, string memory version, uint256 chainId, address verifying,,) =
            IERC5267(address(hub)).eip712Domain();
        bytes32 domain = keccak256(
            abi.encode(DOMAIN_TYPEHASH, keccak256(bytes(name)), keccak256(bytes(version)), chainId, verifying)
        );
        return MessageHashUtils.toTypedDataHash(domain, content);
    }

    function _state(IZkOracle hub, bytes32 feedId) private view returns (FeedState memory state) {
        uint256 slot = HubReader.feedSlot(feedId);
        bytes32[] memory words = HubReader.words(hub, slot, HubReader.FEED_WORDS);
        (Config config, Track track) = (Config.wrap(uint256(words[0])), Track.wrap(uint256(words[1])));
        if (config.isEmpty()) revert IZkOracle.UnknownFeed(feedId);
        state.roundId = track.roundId();
        PackedRound last =
            PackedRound.wrap(HubReader.word(hub, HubReader.entry(slot + HubReader.ROUNDS, state.roundId)));
        IZkOracle.Round memory round = last.unpack();
        state.status =
            config.held() ? IZkOracle.Status.HELD : state.roundId == 0 ? IZkOracle.Status.EMPTY : IZkOracle.Status.OK;
        state.paused = config.paused();
        (state.answer, state.observedAt, state.publishedAt) = (round.answer, round.observedAt, round.publishedAt);
        state.lastReportAt = state.observedAt;
        state.modelNumber = config.modelNumber();
        state.repeats = last.repeats();
        state.variance = track.variance();
        for (uint256 i = 0; i < Features.RING_SIZE; ++i) {
            // forge-lint: disable-next-item(unsafe-typecast) -- stored as int16
            state.returns_[i] = int16(Features.at(track.ring(), i));
        }
        (state.peers, state.peerAnswers) = _peers(words);
        state.committee = config.committee();
        state.heldReports = HeldSlots.heldReports(uint256(words[3]));
        if (config.held()) {
            state.held = HeldSlots.unpack(uint256(words[2]), uint256(words[3]));
            state.lastReportAt = state.held.observedAt;
        }
    }

    /// @param words The first words of a feed.
    function _peers(bytes32[] memory words) private pure returns (bytes32[] memory peers, int128[] memory answers) {
        uint256 count = Config.wrap(uint256(words[0])).peers();
        (peers, answers) = (new bytes32[](count), new int128[](count));
        for (uint256 k = 0; k < count; ++k) {
            uint256 word = uint256(words[4 + k]);
            (peers[k], answers[k]) = (PeerSlot.id(word, uint256(words[6]), k), PeerSlot.answer(word));
        }
    }

    function _gap(Config config, FeedState memory state, int128 answer, uint32 observedAt)
        private
        pure
        returns (uint256)
    {
        bool isAnomalous = state.held.reason == IZkOracle.HoldReason.ANOMALOUS;
        if (isAnomalous && Holds.isNear(config, answer, state.held.firstAnswer)) return state.held.firstGap;
        return Features.gap(observedAt, state.observedAt, config.heartbeat());
    }

    function _proposals(uint256 word) private pure returns (IZkOracle.Proposals memory proposed) {
        // forge-lint: disable-start(unsafe-typecast) -- each cast takes a field from the word
        proposed.modelFrom = uint64(word);
        proposed.unpauseFrom = uint64(word >> 64);
        proposed.previousUntil = uint64(word >> 128);
        proposed.model = uint16(word >> 192);
        proposed.previousModel = uint16(word >> 208);
        // forge-lint: disable-end(unsafe-typecast)
    }

    function _addresses(bytes32[] memory words) private pure returns (address[] memory found) {
        found = new address[](words.length);
        for (uint256 i = 0; i < words.length; ++i) {
            found[i] = address(uint160(uint256(words[i])));
        }
    }
}
