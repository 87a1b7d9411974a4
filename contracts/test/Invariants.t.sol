// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IZkAggregatorFactory} from "../src/interfaces/IZkAggregatorFactory.sol";
import {IZkOracle} from "../src/interfaces/IZkOracle.sol";
import {IZkOracleLens} from "../src/interfaces/IZkOracleLens.sol";
import {IHub} from "./IHub.sol";
import {OracleTest} from "./OracleTest.sol";
import {Rules} from "./Rules.sol";

// forge-lint: disable-start(unsafe-typecast) -- fuzzed values of any bits, and small counters

/// @dev Reports of all kinds, forgeries, replays, administration and the passing of two times, in any order. The handler
/// derives its knowledge of a feed from its own calls, by the rules of `Rules`, and never from the hub.
contract Handler is OracleTest {
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
        // Three feeds that all see each other, with a quorum of one, and one alone, with a quorum of three.
        _committees[0].quorum = 1;
        _committees[1].quorum = 3;
        for (uint256 c = 0; c < 2; ++c) {
            _committees[c].id = hub.addCommittee(_choose(c, c, 4), _committees[c].quorum);
            _committees[c].epoch = 1;
        }
        string[4] memory names = ["a", "b", "c", "alone"];
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
        if (c == 0) {
            config.peers = new bytes32[](2);
            (config.peers[0], config.peers[1]) = (ids[(i + 1) % 3], ids[(i + 2) % 3]);
        }
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
        state.held = feed.held;
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
        if (which == 3) return state;
        (state.peers, state.peerAnswers) = (new bytes32[](2), new int128[](2));
        for (uint256 k = 0; k < 2; ++k) {
            (state.peers[k], state.peerAnswers[k]) = (ids[(which + 1 + k) % 3], feed.bases[k]);
        }
    }

    // A quorum's reports

    /// @dev Any report of a quorum, or of more: any answers, some of them missing, any times that the hub allows.
    function report(uint256 seed) external {
        random = seed;
        uint256 c = _random(4) == 0 ? 1 : 0;
        _pass();
        uint256[] storage listed = _committees[c].feeds;
        uint256 lead = listed[_random(listed.length)];
        if (_feeds[lead].paused) return;
        bool[] memory due = new bool[](listed.length);
        for (uint256 i = 0; i < due.length; ++i) {
            Rules.Feed storage feed = _feeds[listed[i]];
            due[i] = listed[i] == lead || (_random(2) == 0 && !feed.paused && feed.model == _feeds[lead].model);
        }
        Draft memory draft = _plan(c, due);
        _fill(c, draft, due);
        _send(c, draft);
    }

    /// @dev Agreeing reports of one level, as in a regime change. The feed follows within its bound.
    function insist(uint256 seed) external {
        random = seed;
        uint256 which = _random(FEEDS);
        Rules.Feed storage feed = _feeds[which];
        if (feed.paused) return;
        int128 answer = _random(3) == 0 ? int128(777e8) : int128(int256(1 + _random(1e12)));
        bool isRepetition = which == 1 && feed.answer == answer;
        uint32 before = feed.rounds;
        // The first report may start a hold. Then come as many as the feed needs, over at least its delay.
        for (uint256 i = 0; i < 3 + _random(3); ++i) {
            skip(CONFIRM_DELAY / 2 + 1);
            _sendOne(which, answer, 5);
        }
        require(feed.rounds > before || isRepetition, "the feed froze");
    }

    /// @dev An answer that keeps falling, so far that no report is near another. The feed follows even so.
    function fall(uint256 seed) external {
        random = seed;
        uint256 which = _random(FEEDS);
        Rules.Feed storage feed = _feeds[which];
        if (feed.paused) return;
        uint32 before = feed.rounds;
        // It avoids the levels of an earlier fall, because a repetition is no anomaly.
        int128 answer = 1e16 - int128(uint128(feed.rounds)) * 1e6;
        for (uint256 i = 0; i < 12 + _random(2); ++i) {
            skip(CONFIRM_DELAY / 2);
            answer = answer * 9 / 10;
            _sendOne(which, answer, 5);
        }
        require(feed.rounds > before, "the feed froze");
    }

    // Attempts by others

    /// @dev Only a quorum, with a proof of exactly the statement, writes anything.
    function forge(uint256 seed) external {
        random = seed;
        uint256 kind = _random(13);
        uint256 which = _random(FEEDS);
        uint256 c = which < 3 ? 0 : 1;
        skip(1 + _random(2 * HEARTBEAT));
        Draft memory draft = _planOne(which, _answer(which), -1);
        if (kind == 12 && !_cutPeer(draft)) return;
        IZkOracle.Submission memory submission = kind == 12 ? _signed(draft) : _prove(draft);
        if (!_break(submission, draft, kind, c)) return;
        try hub.submit(submission) {
            revert("a forgery was taken");
        } catch {
            ++forgeries;
        }
        if (lastCall.length != 0) {
            (bool isOk,) = address(hub).call(lastCall);
            require(!isOk, "a replay was taken");
        }
    }

    /// @dev Nothing that the admin and the guardian do sets an answer.
    function administer(uint256 seed) external {
        random = seed;
        uint256 which = _random(FEEDS);
        Rules.Feed storage feed = _feeds[which];
        bytes32 id = ids[which];
        uint256 kind = _random(6);
        if (kind == 0 && !feed.paused) {
            vm.prank(GUARDIAN);
            hub.pause(id);
            feed.paused = true;
        } else if (feed.paused) {
            vm.startPrank(ADMIN);
            hub.proposeUnpause(id);
            skip(DELAY);
            hub.unpause(id);
            vm.stopPrank();
            feed.paused = false;
        } else if (kind <= 2) {
            uint16 next = _other(feed.model);
            vm.startPrank(ADMIN);
            hub.proposeModel(id, next, 0, 0);
            skip(DELAY);
            hub.activateModel(id);
            vm.stopPrank();
            (feed.previous, feed.previousUntil, feed.model) = (feed.model, _now() + CHANGE_WINDOW, next);
        } else if (kind == 3) {
            bool isLate = feed.previous == 0 || _now() > feed.previousUntil;
            vm.prank(GUARDIAN);
            if (isLate) vm.expectRevert(IZkOracle.NoPreviousModel.selector);
            hub.rollbackModel(id);
            if (!isLate) (feed.model, feed.previous) = (feed.previous, 0);
        } else if (kind == 4) {
            _changeReporters(which < 3 ? 0 : 1);
        } else {
            _shadow(which);
        }
    }

    function _changeReporters(uint256 c) internal {
        Members storage changed = _committees[c];
        uint8 quorum = _random(2) == 0 ? 1 : 3;
        address[] memory chosen = _choose(c, _random(POOL), quorum + _random(POOL - quorum + 1));
        vm.startPrank(ADMIN);
        hub.proposeReporters(changed.id, chosen, quorum);
        skip(DELAY);
        hub.activateReporters(changed.id);
        vm.stopPrank();
        (changed.epoch, changed.quorum) = (changed.epoch + 1, quorum);
        ++epochs;
    }

    /// @dev The proposed model's verdict is counted, and changes nothing else.
    function _shadow(uint256 which) internal {
        uint16 next = _other(_feeds[which].model);
        vm.startPrank(ADMIN);
        hub.proposeModel(ids[which], next, 0, 0);
        skip(60);
        Draft memory draft = _planOne(which, _answer(which), _random(2) == 0 ? int256(9) : int256(-9));
        draft.modelNumber = next;
        hub.submitShadow(_prove(draft));
        hub.cancelModel(ids[which]);
        vm.stopPrank();
        ++shadows;
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

    function _prove(Draft memory draft) internal view returns (IZkOracle.Submission memory submission) {
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
    function _see(Draft memory draft) internal view returns (Rules.Seen[] memory seen) {
        seen = new Rules.Seen[](draft.feedIds.length);
        for (uint256 i = 0; i < seen.length; ++i) {
            if (draft.roundIds[i] != 0) seen[i] = _see(draft, i, _which(draft.feedIds[i]));
        }
    }

    /// @dev What the report says about one feed and its peers.
    function _see(Draft memory draft, uint256 index, uint256 which) internal view returns (Rules.Seen memory seen) {
        Rules.Feed storage feed = _feeds[which];
        seen = Rules.see(feed, _present(draft, index), draft.observedAt);
        if (which == 3) return seen;
        for (uint256 k = 0; k < 2; ++k) {
            uint256 peer = (which + 1 + k) % 3;
            seen.peers[k] = _median(draft, _place(draft, ids[peer]));
            (seen.peerMoves[k], seen.peerSeen[k]) =
                Rules.peerMove(_feeds[peer], feed.rounds == 0, seen.peers[k], feed.bases[k]);
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

    // Forgeries

    /// @dev Takes the second listed feed out: a peer, or the feed that is due.
    function _cutPeer(Draft memory draft) internal pure returns (bool) {
        if (draft.feedIds.length < 3 || draft.roundIds[1] != 0) return false;
        (draft.feedIds[1], draft.roundIds[1]) = (draft.feedIds[2], draft.roundIds[2]);
        bytes32[] memory feedIds = draft.feedIds;
        uint32[] memory roundIds = draft.roundIds;
        assembly ("memory-safe") {
            mstore(feedIds, 2)
            mstore(roundIds, 2)
        }
        for (uint256 j = 0; j < draft.answers.length; ++j) {
            int128[] memory row = draft.answers[j];
            row[1] = row[2];
            assembly ("memory-safe") {
                mstore(row, 2)
            }
        }
        return true;
    }

    /// @dev Changes a submission so that nobody signed, or proved, what it says.
    function _break(IZkOracle.Submission memory s, Draft memory draft, uint256 kind, uint256 c)
        internal
        returns (bool)
    {
        uint256 rows = s.signatures.length;
        if (kind == 0) {
            (, uint256 stranger) = makeAddrAndKey("stranger");
            s.signatures[_random(rows)] = OracleTest._sign(stranger, draft, draft.answers[0]);
        } else if (kind == 1) {
            // Below the quorum: fewer rows, or fewer answers in them.
            if (rows != _committees[c].quorum) return false;
            draft.answers[_random(rows)][_random(draft.feedIds.length)] = NO_ANSWER;
            IZkOracle.Submission memory signed = _signed(draft);
            (s.signatures, s.answers) = (signed.signatures, signed.answers);
        } else if (kind == 2) {
            s.proof = abi.encode(keccak256(s.proof));
        } else if (kind == 3) {
            s.scores = abi.encodePacked(int128(-2));
        } else if (kind == 4) {
            uint256 at = _random(s.answers.length);
            s.answers[at] = bytes1(uint8(s.answers[at]) ^ uint8(1 + _random(255)));
        } else if (kind == 5) {
            for (uint256 i = 0; i < s.roundIds.length; ++i) {
                uint32 roundId = s.roundIds[i];
                if (roundId != 0) s.roundIds[i] = _random(2) == 0 ? roundId + 1 : roundId - 1;
            }
        } else if (kind == 6) {
            // A statement with one other feature: another move of a peer, another gap.
            int256[][] memory windows = _windows(draft, _see(draft));
            windows[0][_random(windows[0].length)] += _random(2) == 0 ? int256(1) : int256(-1);
            s.proof = _proof(_statement(hashes[draft.modelNumber], windows, draft.scores, 1));
        } else if (kind == 7) {
            s.epoch += 1;
        } else if (kind == 8) {
            s.committee = _committees[1 - c].id;
        } else if (kind == 9) {
            // Not the time that was signed; most of these are times that would do.
            s.observedAt -= 1;
        } else if (kind == 10) {
            s.signatures[rows - 1] = s.signatures[0];
            if (rows == 1) s.signatures[0].readings = keccak256(s.proof);
        } else if (kind == 11) {
            s.medians[_random(s.medians.length)] = bytes1(uint8(rows + _random(256 - rows)));
        }
        return true;
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

contract InvariantsTest is OracleTest {
    Handler internal handler;

    function setUp() public override {
        super.setUp();
        handler = new Handler();
        uint16[2] memory seers;
        uint16[2] memory plains;
        for (uint256 i = 0; i < 2; ++i) {
            seers[i] = _model(handler.HASH() + i, ALL_FEATURES);
            plains[i] = _model(handler.HASH() + i, FEATURES);
        }
        handler.begin(hub, factory, seers, plains);
        targetContract(address(handler));
        // Reports come more often than calls that make many of them.
        bytes4[] memory selectors = new bytes4[](24);
        for (uint256 i = 0; i < selectors.length; ++i) {
            selectors[i] = i < 3 ? Handler.forge.selector : Handler.report.selector;
        }
        (selectors[3], selectors[4]) = (Handler.insist.selector, Handler.fall.selector);
        (selectors[5], selectors[6]) = (Handler.administer.selector, Handler.administer.selector);
        targetSelector(FuzzSelector({addr: address(handler), selectors: selectors}));
    }

    function _model(uint256 hash, bytes memory list) internal returns (uint16) {
        vm.prank(ADMIN);
        return _addModel(hash, _addArchitecture(list, 1, true), keccak256(list), SCORE_UNIT);
    }

    /// @dev Without these the invariant would say little.
    function test_handlerReachesEverything() public {
        for (uint256 i = 0; i < 150; ++i) {
            uint256 seed = uint256(keccak256(abi.encode(i)));
            uint256 kind = seed % 16;
            if (kind < 9) handler.report(seed);
            else if (kind == 9) handler.insist(seed);
            else if (kind == 10) handler.fall(seed);
            else if (kind < 14) handler.forge(seed);
            else handler.administer(seed);
            if (i % 10 == 0) invariant_stateIsWhatTheQuorumMadeIt();
        }
        assertGt(handler.confirmed(), 5, "confirmed");
        assertGt(handler.outlasted(), 1, "outlasted");
        assertGt(handler.heldReports(), 50, "held");
        assertGt(handler.repeatedReports(), 0, "repeated");
        assertGt(handler.frozenGaps(), 10, "frozen");
        assertGt(handler.references(), 50, "references");
        assertGt(handler.missingAnswers(), 50, "missing");
        assertGt(handler.forgeries(), 15, "forgeries");
        assertGt(handler.shadows(), 0, "shadows");
        assertGt(handler.epochs(), 1, "epochs");
        invariant_stateIsWhatTheQuorumMadeIt();
        afterInvariant();
    }

    /// forge-config: default.invariant.include-storage = false
    /// forge-config: default.invariant.include-push-bytes = false
    /// forge-config: default.invariant.dictionary-weight = 0
    /// @dev One invariant, one campaign: the whole state of each feed and committee comes from the quorums' reports and
    /// the announced changes, by the rules, and from nothing else.
    function invariant_stateIsWhatTheQuorumMadeIt() public view {
        // Few calls: each of them takes longer than what it does.
        (IZkOracleLens.FeedState[] memory states, IZkOracleLens.Committee[2] memory committees) = handler.read();
        Handler.Expected memory expected = handler.expected();
        for (uint256 i = 0; i < states.length; ++i) {
            if (keccak256(abi.encode(states[i])) != keccak256(abi.encode(expected.states[i]))) {
                _assertSame(states[i], expected.states[i]);
            }
            _assertHold(states[i].held, expected.seenAt[i]);
        }
        assertEq(abi.encode(committees), abi.encode(expected.committees), "committees");
    }

    /// @dev History is immutable and has no gaps, its times grow, and the ring equals what can be derived from it.
    function afterInvariant() public view {
        for (uint256 i = 0; i < 4; ++i) {
            bytes32 id = handler.ids(i);
            IZkOracleLens.FeedState memory state = lens.feedState(hub, id);
            IZkOracle.FeedConfig memory config = lens.feedConfig(hub, id);
            IZkOracle.Round memory earlier;
            for (uint32 roundId = 1; roundId <= state.roundId; ++roundId) {
                IZkOracle.Round memory round = hub.getRound(id, roundId);
                assertEq(keccak256(abi.encode(round)), handler.written(id, roundId), "history changed");
                assertGt(round.observedAt, earlier.observedAt, "times");
                assertGe(round.publishedAt, earlier.publishedAt, "blocks");
                if (config.kind == IZkOracle.Kind.RELATIVE) assertGt(round.answer, 0, "unwritable answer");
                uint32 back = state.roundId - roundId;
                if (back < 12) {
                    int256 moved = roundId == 1 ? int256(0) : _move(config, round.answer, earlier.answer);
                    assertEq(state.returns_[back], moved, "ring");
                }
                earlier = round;
            }
            assertEq(hub.getRound(id, state.roundId + 1).publishedAt, 0, "a round of the future");
        }
    }

    /// @dev The bounds of a hold: after as many agreeing reports as the feed needs, over its delay on both clocks, it is
    /// held no more, nor after four times as many that do not agree.
    /// @param seenAt The time of the last report's block.
    function _assertHold(IZkOracle.Held memory held, uint32 seenAt) internal pure {
        if (held.reason != IZkOracle.HoldReason.ANOMALOUS) return;
        bool isLong =
            held.observedAt - held.firstObservedAt >= CONFIRM_DELAY && seenAt - held.firstSeenAt >= CONFIRM_DELAY;
        assertFalse(isLong && held.confirmations >= 2, "held beyond the bound");
        isLong = held.observedAt - held.anomalousSince >= 4 * CONFIRM_DELAY
            && seenAt - held.anomalousSeenAt >= 4 * CONFIRM_DELAY;
        assertFalse(isLong && held.anomalies >= 12, "held beyond all patience");
        assertGe(held.firstGap, 1_000, "gap");
    }

    /// @dev Field by field, to say which one differs.
    function _assertSame(IZkOracleLens.FeedState memory state, IZkOracleLens.FeedState memory expected) internal pure {
        assertEq(uint8(state.status), uint8(expected.status), "status");
        assertEq(state.paused, expected.paused, "paused");
        assertEq(state.roundId, expected.roundId, "round");
        assertEq(state.answer, expected.answer, "answer");
        assertEq(state.observedAt, expected.observedAt, "observed");
        assertEq(state.publishedAt, expected.publishedAt, "published");
        assertEq(state.lastReportAt, expected.lastReportAt, "last report");
        assertEq(state.modelNumber, expected.modelNumber, "model");
        assertEq(state.repeats, expected.repeats, "repeats");
        assertEq(state.variance, expected.variance, "variance");
        assertEq(abi.encode(state.returns_), abi.encode(expected.returns_), "ring");
        assertEq(state.peers, expected.peers, "peers");
        assertEq(abi.encode(state.peerAnswers), abi.encode(expected.peerAnswers), "bases");
        assertEq(abi.encode(state.held), abi.encode(expected.held), "held");
        assertEq(state.committee, expected.committee, "committee");
    }
}

// forge-lint: disable-end(unsafe-typecast)
