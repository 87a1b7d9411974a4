// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IZkAggregatorFactory} from "../src/interfaces/IZkAggregatorFactory.sol";
import {IZkOracle} from "../src/interfaces/IZkOracle.sol";
import {IZkOracleLens} from "../src/interfaces/IZkOracleLens.sol";
import {IHub} from "./IHub.sol";
import {OracleTest} from "./OracleTest.sol";
import {Rules} from "./Rules.sol";

// forge-lint: disable-start(unsafe-typecast) -- fuzzed values of any bits, and small counters

/// @dev Two committees and four feeds, what is known of them by `Rules` and their own reports, and the making of more
/// reports. Nothing of it is read from the hub.
abstract contract Quorums is OracleTest {
    struct Members {
        uint32 id;
        uint32 epoch;
        uint8 quorum;
        /// Places in the pool of keys.
        uint256[] places;
        /// The committee's feeds, ascending by their ids.
        uint256[] feeds;
    }

    struct Expected {
        IZkOracleLens.FeedState[4] states;
        IZkOracleLens.Committee[2] committees;
        uint32[4] seenAt;
    }

    uint256 internal constant FEEDS = 4;
    uint256 internal constant POOL = 7;
    uint256 public constant HASH = 98;

    bytes32[FEEDS] public ids;
    Rules.Feed[FEEDS] internal _feeds;
    Members[2] internal _committees;
    /// What each round has to be, made when it was reported.
    mapping(bytes32 => mapping(uint32 => bytes32)) public written;
    mapping(uint16 model => uint256 hash) internal hashes;
    mapping(uint16 model => bytes list) internal lists;
    /// The time of the block with the feed's last report.
    uint32[FEEDS] internal seenAt;
    uint16[2] internal seers;
    uint16[2] internal plains;
    uint256[POOL] internal pool;
    bytes internal lastCall;
    uint256 internal random;

    uint256 public confirmed;
    uint256 public heldReports;
    uint256 public repeatedReports;
    uint256 public outlasted;
    uint256 public forgeries;
    uint256 public shadows;
    uint256 public epochs;
    uint256 public references;
    uint256 public frozenGaps;
    uint256 public missingAnswers;
    uint256 public seenPeers;
    uint256 public afterMore;

    /// @dev The hub is there already: a model can't be added in the transaction of its architecture, and each call of
    /// the handler is one transaction.
    function begin(IHub hub_, IZkAggregatorFactory factory_, uint16[2] memory seers_, uint16[2] memory plains_)
        external
    {
        (hub, factory, lens) = (hub_, factory_, IZkOracleLens(hub_.lens()));
        (seers, plains) = (seers_, plains_);
        for (uint256 i = 0; i < 2; ++i) {
            (hashes[seers[i]], lists[seers[i]]) = (HASH + i, ALL_FEATURES);
            (hashes[plains[i]], lists[plains[i]]) = (HASH + i, FEATURES);
        }
        _addReporters(POOL);
        for (uint256 i = 0; i < POOL; ++i) {
            pool[i] = keys[i];
        }
        vm.startPrank(ADMIN);
        // Three feeds with a quorum of one and a model that looks for two peers. They have two, one and none, so each may
        // come after one that has more. And one feed alone, with a quorum of three.
        _committees[0].quorum = 1;
        _committees[1].quorum = 3;
        for (uint256 c = 0; c < 2; ++c) {
            _committees[c].id = hub.addCommittee(_choose(c, c, 4), _committees[c].quorum);
            _committees[c].epoch = 1;
        }
        // In the order of their ids: a feed with fewer peers comes after one with more.
        string[4] memory names = ["a", "b", "d", "alone"];
        for (uint256 i = 0; i < FEEDS; ++i) {
            ids[i] = keccak256(bytes(names[i]));
        }
        for (uint256 i = 0; i < FEEDS; ++i) {
            _addFeed(i, names[i]);
        }
        vm.stopPrank();
        for (uint256 i = 0; i < FEEDS; ++i) {
            _linked(ids[i]);
        }
    }

    function _addFeed(uint256 i, string memory name) internal {
        uint256 c = i < 3 ? 0 : 1;
        IZkOracle.FeedConfig memory config =
            _config(name, i == 1 ? IZkOracle.Kind.ABSOLUTE : IZkOracle.Kind.RELATIVE, _committees[c].id);
        config.maxRepeats = i == 1 ? 2 : 0;
        // So much time may be between the two clocks.
        config.maxAge = 3 * CONFIRM_DELAY;
        config.peers = _peerIds(i);
        Rules.Feed storage feed = _feeds[i];
        (feed.isRelative, feed.sigma, feed.maxRepeats) = (i != 1, int256(uint256(config.sigma)), config.maxRepeats);
        (feed.model, feed.variance) = (c == 0 ? seers[0] : plains[0], 131_072_000);
        hub.addFeed(config, feed.model);
        // The committee's list stays sorted.
        uint256[] storage sorted = _committees[c].feeds;
        sorted.push(i);
        for (uint256 k = sorted.length - 1; k > 0 && ids[sorted[k - 1]] > ids[sorted[k]]; --k) {
            (sorted[k - 1], sorted[k]) = (sorted[k], sorted[k - 1]);
        }
    }

    // What the tests compare

    /// @dev What the lens shows.
    function read()
        external
        view
        returns (IZkOracleLens.FeedState[] memory states, IZkOracleLens.Committee[2] memory committees)
    {
        bytes32[] memory all = new bytes32[](FEEDS);
        for (uint256 i = 0; i < FEEDS; ++i) {
            all[i] = ids[i];
        }
        states = lens.feedStates(hub, all);
        for (uint256 c = 0; c < 2; ++c) {
            committees[c] = lens.committee(hub, _committees[c].id);
        }
    }

    /// @dev What it has to show.
    function expected() external view returns (Expected memory found) {
        found.seenAt = seenAt;
        for (uint256 i = 0; i < FEEDS; ++i) {
            found.states[i] = _expected(i);
        }
        for (uint256 c = 0; c < 2; ++c) {
            Members storage committee = _committees[c];
            address[] memory reporters = new address[](committee.places.length);
            for (uint256 i = 0; i < reporters.length; ++i) {
                reporters[i] = signers[committee.places[i]];
            }
            found.committees[c] =
                IZkOracleLens.Committee(committee.epoch, committee.quorum, reporters, 0, 0, new address[](0));
        }
    }

    function _expected(uint256 which) internal view returns (IZkOracleLens.FeedState memory state) {
        Rules.Feed storage feed = _feeds[which];
        (state.held, state.heldReports) = (feed.held, uint8(feed.heldReports % 256));
        state.status = feed.held.reason != IZkOracle.HoldReason.NONE
            ? IZkOracle.Status.HELD
            : feed.rounds == 0 ? IZkOracle.Status.EMPTY : IZkOracle.Status.OK;
        (state.paused, state.roundId, state.answer) = (feed.paused, feed.rounds, feed.answer);
        (state.observedAt, state.publishedAt) = (feed.observedAt, feed.publishedAt);
        (state.lastReportAt, state.modelNumber) = (feed.lastReportAt, feed.model);
        (state.repeats, state.variance) = (feed.repeats, uint32(feed.variance));
        for (uint256 i = 0; i < 12; ++i) {
            state.returns_[i] = int16(feed.ring[i]);
        }
        state.committee = _committees[which < 3 ? 0 : 1].id;
        state.peers = _peerIds(which);
        state.peerAnswers = new int128[](state.peers.length);
        for (uint256 k = 0; k < state.peers.length; ++k) {
            state.peerAnswers[k] = feed.bases[k];
        }
    }

    /// @dev The first two feeds name each other, and the first one names the third, too.
    function _peersOf(uint256 which) internal pure returns (uint256[] memory peers) {
        peers = new uint256[](which < 2 ? 2 - which : 0);
        if (which == 0) (peers[0], peers[1]) = (1, 2);
        if (which == 1) peers[0] = 0;
    }

    function _peerIds(uint256 which) internal view returns (bytes32[] memory found) {
        uint256[] memory peers = _peersOf(which);
        found = new bytes32[](peers.length);
        for (uint256 k = 0; k < peers.length; ++k) {
            found[k] = ids[peers[k]];
        }
    }

    // Making a report

    /// @dev Time passes on the chain: not at all, a little, or much.
    function _pass() internal {
        uint256 style = _random(4);
        if (style == 1) skip(_random(120));
        if (style > 1) skip(_random(2 * HEARTBEAT));
    }

    /// @dev A report of the committee's feeds without answers, with a time that the hub allows.
    function _plan(uint256 c, bool[] memory due) internal returns (Draft memory draft) {
        Members storage committee = _committees[c];
        uint256 count = committee.feeds.length;
        (draft.committee, draft.epoch) = (committee.id, committee.epoch);
        (draft.feedIds, draft.roundIds) = (new bytes32[](count), new uint32[](count));
        uint256 dueCount = 0;
        uint32 last = 0;
        for (uint256 i = 0; i < count; ++i) {
            Rules.Feed storage feed = _feeds[committee.feeds[i]];
            draft.feedIds[i] = ids[committee.feeds[i]];
            if (!due[i]) continue;
            (draft.roundIds[i], draft.modelNumber) = (feed.rounds + 1, feed.model);
            if (feed.lastReportAt > last) last = feed.lastReportAt;
            ++dueCount;
        }
        draft.scores = new int256[][](dueCount);
        // Signed time goes its own way.
        if (last >= _now() + MAX_SKEW) skip(1 + last - _now() - MAX_SKEW);
        uint256 low = _now() - 3 * CONFIRM_DELAY;
        if (last + 1 > low) low = last + 1;
        uint256 high = _now() + MAX_SKEW;
        draft.observedAt = uint32(_random(3) == 0 ? low : low + _random(high - low + 1));
        _sign(committee);
        draft.answers = new int128[][](keys.length);
        for (uint256 j = 0; j < keys.length; ++j) {
            draft.answers[j] = new int128[](count);
        }
    }

    /// @dev Chooses who signs: a quorum, or more.
    function _sign(Members storage committee) internal {
        uint256 size = committee.places.length;
        uint256 rows = committee.quorum + _random(size - committee.quorum + 1);
        uint256 start = _random(size);
        delete keys;
        for (uint256 j = 0; j < rows; ++j) {
            keys.push(pool[committee.places[(start + j) % size]]);
        }
    }

    /// @dev Answers of all kinds. Beyond the quorum, some have none.
    function _fill(uint256 c, Draft memory draft, bool[] memory due) internal {
        uint256[] storage listed = _committees[c].feeds;
        uint256 at = 0;
        for (uint256 i = 0; i < listed.length; ++i) {
            int128 answer = _answer(listed[i]);
            uint256 spare = keys.length - _committees[c].quorum;
            int128 apart = _random(2) == 0 ? int128(0) : answer / 500;
            for (uint256 j = 0; j < keys.length; ++j) {
                draft.answers[j][i] = answer + apart * (int128(int256(_random(3))) - 1);
                if (spare == 0 || _random(3) != 0) continue;
                draft.answers[j][i] = NO_ANSWER;
                --spare;
                ++missingAnswers;
            }
            if (due[i]) {
                draft.scores[at++] = _scores(_random(3) == 0 ? int256(_random(1e10)) : -int256(_random(1e10)));
            } else {
                ++references;
            }
        }
    }

    /// @dev Anything, the last answer, near it, or near a held one.
    function _answer(uint256 which) internal returns (int128 answer) {
        Rules.Feed storage feed = _feeds[which];
        // One feed repeats itself often.
        uint256 style = which == 1 && _random(2) == 0 ? 1 : _random(6);
        answer = int128(int256(_random(2 ** 40))) - 2 ** 36;
        if (style == 1) answer = feed.answer;
        if (style == 2 || style == 3) answer = feed.answer + feed.answer / 1_000 * int128(int256(_random(16)));
        if (style == 4) answer = feed.held.firstAnswer + feed.held.firstAnswer / 100;
        if (style == 5) answer = feed.held.firstAnswer;
        // Otherwise there would be no first round.
        if (feed.rounds == 0 && feed.isRelative && answer <= 1_000) answer = 1_000;
    }

    /// @dev One feed is due, at the block's time or soon after; the others are references. All signers agree.
    function _planOne(uint256 which, int128 answer, int256 score) internal returns (Draft memory draft) {
        uint256 c = which < 3 ? 0 : 1;
        uint256[] storage listed = _committees[c].feeds;
        bool[] memory due = new bool[](listed.length);
        for (uint256 i = 0; i < listed.length; ++i) {
            due[i] = listed[i] == which;
        }
        draft = _plan(c, due);
        draft.observedAt = _feeds[which].lastReportAt >= _now() ? _feeds[which].lastReportAt + 1 : _now();
        for (uint256 i = 0; i < listed.length; ++i) {
            int128 given = due[i] ? answer : _feeds[listed[i]].answer + 1;
            for (uint256 j = 0; j < keys.length; ++j) {
                draft.answers[j][i] = given;
            }
        }
        draft.scores[0] = _scores(score);
    }

    function _sendOne(uint256 which, int128 answer, int256 score) internal {
        _send(which < 3 ? 0 : 1, _planOne(which, answer, score));
    }

    function _prove(Draft memory draft) internal returns (IZkOracle.Submission memory submission) {
        return _prove(draft, _see(draft));
    }

    function _prove(Draft memory draft, Rules.Seen[] memory seen)
        internal
        view
        returns (IZkOracle.Submission memory submission)
    {
        submission = _signed(draft);
        uint256 batch = draft.scores.length == 1 ? 1 : 4;
        submission.proof = _proof(_statement(hashes[draft.modelNumber], _windows(draft, seen), draft.scores, batch));
    }

    // The rules, applied to a report

    function _windows(Draft memory draft, Rules.Seen[] memory seen) internal view returns (int256[][] memory windows) {
        windows = new int256[][](draft.scores.length);
        bytes memory list = lists[draft.modelNumber];
        uint256 at = 0;
        for (uint256 i = 0; i < draft.feedIds.length; ++i) {
            if (draft.roundIds[i] != 0) windows[at++] = Rules.window(_feeds[_which(draft.feedIds[i])], seen[i], list);
        }
    }

    /// @dev What the report says about the feeds that are due.
    function _see(Draft memory draft) internal returns (Rules.Seen[] memory seen) {
        seen = new Rules.Seen[](draft.feedIds.length);
        for (uint256 i = 0; i < seen.length; ++i) {
            if (draft.roundIds[i] != 0) seen[i] = _see(draft, i, _which(draft.feedIds[i]));
        }
    }

    /// @dev What the report says about one feed and its peers.
    function _see(Draft memory draft, uint256 index, uint256 which) internal returns (Rules.Seen memory seen) {
        Rules.Feed storage feed = _feeds[which];
        seen = Rules.see(feed, _present(draft, index), draft.observedAt);
        uint256[] memory peers = _peersOf(which);
        for (uint256 k = 0; k < peers.length; ++k) {
            seen.peers[k] = _median(draft, _place(draft, ids[peers[k]]));
            (seen.peerMoves[k], seen.peerSeen[k]) =
                Rules.peerMove(_feeds[peers[k]], feed.rounds == 0, seen.peers[k], feed.bases[k]);
            if (seen.peerSeen[k]) ++seenPeers;
        }
        for (uint256 i = 0; i < index; ++i) {
            bool hasMore = _peersOf(_which(draft.feedIds[i])).length > peers.length;
            if (draft.roundIds[i] != 0 && hasMore) ++afterMore;
        }
    }

    function _send(uint256 c, Draft memory draft) internal {
        // What is seen is of the time before the report.
        Rules.Seen[] memory seen = _see(draft);
        uint256[] storage listed = _committees[c].feeds;
        IZkOracle.Submission memory submission = _prove(draft, seen);
        hub.submit(submission);
        lastCall = abi.encodeCall(hub.submit, (submission));
        uint256 at = 0;
        for (uint256 i = 0; i < listed.length; ++i) {
            if (draft.roundIds[i] != 0) _apply(listed[i], draft, seen[i], draft.scores[at++][0]);
        }
    }

    function _apply(uint256 which, Draft memory draft, Rules.Seen memory seen, int256 score) internal {
        Rules.Feed storage feed = _feeds[which];
        seenAt[which] = _now();
        if (seen.isFrozen) ++frozenGaps;
        Rules.Outcome outcome = Rules.apply_(feed, seen, draft, score, _now());
        if (outcome == Rules.Outcome.HELD) {
            ++heldReports;
            if (feed.held.reason == IZkOracle.HoldReason.REPEATED) ++repeatedReports;
            return;
        }
        if (outcome != Rules.Outcome.ACCEPTED) ++confirmed;
        if (outcome == Rules.Outcome.OUTLASTED) ++outlasted;
        written[ids[which]][feed.rounds] = keccak256(
            abi.encode(
                IZkOracle.Round({
                    answer: seen.answer,
                    observedAt: draft.observedAt,
                    publishedAt: _now(),
                    modelNumber: draft.modelNumber,
                    scoreRatio: Rules.ratio(score),
                    spread: uint16(uint256(seen.spread)),
                    count: uint8(seen.count)
                })
            )
        );
    }

    // Small things

    /// @dev The committee's new members are neighbours in the pool.
    function _choose(uint256 c, uint256 start, uint256 size) internal returns (address[] memory chosen) {
        chosen = new address[](size);
        delete _committees[c].places;
        for (uint256 i = 0; i < size; ++i) {
            uint256 place = (start + i) % POOL;
            _committees[c].places.push(place);
            chosen[i] = signers[place];
        }
    }

    function _other(uint16 model) internal view returns (uint16) {
        if (model == seers[0]) return seers[1];
        if (model == seers[1]) return seers[0];
        return model == plains[0] ? plains[1] : plains[0];
    }

    function _which(bytes32 id) internal view returns (uint256 which) {
        while (ids[which] != id) ++which;
    }

    function _place(Draft memory draft, bytes32 id) internal pure returns (uint256 place) {
        while (draft.feedIds[place] != id) ++place;
    }

    function _random(uint256 below) internal returns (uint256) {
        random = uint256(keccak256(abi.encode(random)));
        return random % below;
    }
}

// forge-lint: disable-end(unsafe-typecast)
