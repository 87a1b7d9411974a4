// SPDX-License-Identifier: MIT
pragma solidity >=0.8.20 <0.9.0;

import {IZkAggregatorFactory} from "./IZkAggregatorFactory.sol";

/// @title The hub of a verifiable oracle
/// @notice The hub keeps many feeds, which share models. An answer becomes a round only if a quorum of reporters signed
/// it, and a proof shows that the feed's model, fed with the feed's own accepted history, scores it as normal. An
/// answer that is *proven* anomalous is not dropped: it puts the feed into `HELD`, where consumers can see it.
/// @dev The hub derives the model's inputs and builds the proof's public instances itself. A caller supplies signed
/// observations, claimed scores and a proof, and never an instance.
interface IZkOracle {
    /// @notice The stored status of a feed. Staleness follows from the time, a pause from `paused`.
    enum Status {
        EMPTY,
        OK,
        HELD
    }

    /// @notice The measure of a move. RELATIVE: against the smaller of the two answers (prices; answers above zero).
    /// ABSOLUTE: in the answer's own units (metrics that may be zero or negative).
    enum Kind {
        RELATIVE,
        ABSOLUTE
    }

    /// @notice The reason why an answer is held. ANOMALOUS: a score is above zero, or the move is clipped, so that no
    /// model can tell how large it is. NOT_POSITIVE: the feed is relative, and moves can't be measured against an
    /// answer of zero or less. REPEATED: the last answer came again, more often than the feed allows.
    enum HoldReason {
        NONE,
        ANOMALOUS,
        NOT_POSITIVE,
        REPEATED
    }

    /// @notice One reporter's signature of a report. EIP-712 type:
    /// `Report(uint32 committee,uint32 epoch,uint32 observedAt,bytes32[] feedIds,uint32[] roundIds,int128[] answers,`
    /// `bytes32[] readings)`, domain `{name: "ZkOracle", version: "2", chainId, verifyingContract: hub}`.
    /// @param readings Hash of the reporter's readings: keccak256 of the concatenated hashes, one per feed.
    /// @param r The signature's r.
    /// @param vs The signature's s, with its parity in the highest bit (EIP-2098).
    struct Signature {
        bytes32 readings;
        bytes32 r;
        bytes32 vs;
    }

    /// @notice A report of one committee, its signatures, and the proof of what the model says about it.
    /// @param modelNumber The model that judges: the active one of each feed that is due, or, in a shadow submission,
    /// the proposed one.
    /// @param committee The committee of all listed feeds.
    /// @param epoch The committee's epoch. A change of reporters ends it, and with it all signatures.
    /// @param observedAt The time of the report, unix seconds. It is the same in every signature.
    /// @param feedIds The listed feeds, ascending.
    /// @param roundIds For each listed feed its next round, or 0 for a *reference*: a peer of a feed of the report that
    /// is not due itself. A reference is signed, but not judged, and nothing is written of it.
    /// @param signatures One per reporter.
    /// @param answers Big-endian int128: a row for each signature, with an answer for each listed feed. `NO_ANSWER`
    /// (the lowest int128) says that the reporter has none.
    /// @param medians One byte for each listed feed: the row that holds the median of its answers.
    /// @param scores Big-endian int128: for each feed that is due as many as the model's architecture has outputs.
    /// @param proof The ezkl proof for exactly the statement that the hub writes down.
    struct Submission {
        uint16 modelNumber;
        uint32 committee;
        uint32 epoch;
        uint32 observedAt;
        bytes32[] feedIds;
        uint32[] roundIds;
        Signature[] signatures;
        bytes answers;
        bytes medians;
        bytes scores;
        bytes proof;
    }

    /// @notice The terms of a feed. They are fixed when the feed is made.
    /// @param description For instance "ETH / USD"; the feed id is its keccak256.
    /// @param decimals At most 18.
    /// @param confirmations Further reports near a held answer that confirm it. At least one, or a feed could freeze.
    /// @param maxRepeats Reports in a row that may repeat the last answer exactly. The next one is held, and no further
    /// report confirms it. 0: any number.
    /// @param heartbeat Seconds within which a new round is due; below 2^24.
    /// @param maxAge Seconds that a report may be old when it is submitted; 90 days at most.
    /// @param maxSkew Seconds that a report may be ahead of the block's time; an hour at most.
    /// @param confirmDelay Seconds that the confirming reports must span, counted from the first held one, both in
    /// signed time and in the blocks' time; 7 days at most. Where a sequencer chooses the blocks' time, it has to be
    /// longer than the sequencer's freedom.
    /// @param tolerance The largest distance from the first held answer at which a report still confirms it, in
    /// thousandths of sigma; below the clip of 32,767.
    /// @param maxSpread The largest spread of a report, in thousandths of sigma; below the clip of 32,767. 0:
    /// unbounded.
    /// @param sigma One standard deviation of a move over one heartbeat: ppm (RELATIVE) or answer units (ABSOLUTE).
    /// @param committee The committee whose reporters sign.
    /// @param peers Up to two other feeds of the same committee, which are signed with this one in every report. A peer
    /// may be added after the feed, so that two feeds can name each other.
    struct FeedConfig {
        string description;
        Kind kind;
        uint8 decimals;
        uint8 confirmations;
        uint8 maxRepeats;
        uint32 heartbeat;
        uint32 maxAge;
        uint32 maxSkew;
        uint32 confirmDelay;
        uint32 tolerance;
        uint32 maxSpread;
        uint64 sigma;
        uint32 committee;
        bytes32[] peers;
    }

    /// @notice An accepted round, as stored in one slot.
    /// @param answer The median of the reporters' answers.
    /// @param observedAt The time of the report, unix seconds.
    /// @param publishedAt The block's time, unix seconds.
    /// @param modelNumber The model that judged it.
    /// @param scoreRatio The largest score in thousandths of the model's score unit, rounded up and saturated to 24 bits.
    /// It is above zero exactly if the model called the answer anomalous: so the answer was confirmed after a hold.
    /// @param spread The distance between the lowest and the highest answer, in thousandths of sigma, clipped.
    /// @param count The number of reporters that had an answer.
    struct Round {
        int128 answer;
        uint32 observedAt;
        uint32 publishedAt;
        uint16 modelNumber;
        int24 scoreRatio;
        uint16 spread;
        uint8 count;
    }

    /// @notice The answer that a feed holds back.
    /// @param reason Why the answer is held. Only reports that are held for the same reason continue a hold.
    /// @param firstAnswer The answer that started the hold; later ones within tolerance of it confirm it.
    /// @param firstObservedAt The time of the report that started the hold; `firstSeenAt` is the time of its block.
    /// @param confirmations The number of reports that have confirmed it so far.
    /// @param anomalies Anomalous reports near any answer since the last accepted one. `anomalousSince` is the time of
    /// the first of them, `anomalousSeenAt` that of its block. When there are many over a long time, the feed follows:
    /// see `Holds.PATIENCE`.
    /// @param firstGap The gap with which the first held report was judged, in thousandths of the heartbeat. Reports
    /// near it are judged with the same gap, or the model's allowance, which grows with the gap, would accept by
    /// waiting what it has called anomalous.
    struct Held {
        HoldReason reason;
        int128 answer;
        int128 firstAnswer;
        uint32 firstObservedAt;
        uint32 firstSeenAt;
        uint32 observedAt;
        uint8 confirmations;
        uint16 modelNumber;
        int24 scoreRatio;
        uint16 anomalies;
        uint32 anomalousSince;
        uint32 anomalousSeenAt;
        uint16 firstGap;
    }

    /// @notice Circuits that share a shape. Private models of one architecture share their verifiers.
    /// @param features The features of one window, in order, a byte each: see the library `Features`. At most 32, each
    /// once, with the move among them.
    /// @param outputs Scores per window. An answer is held if any of them is above zero.
    /// @param bindsModel True if the first instance is the model's hash, because the circuit hashes the weights.
    /// Otherwise the weights are in the verifying key, and the architecture is good for one model.
    /// @param batchSizes Windows per proof, ascending; `verifiers[i]` verifies `batchSizes[i]`.
    struct Architecture {
        bytes features;
        uint8 outputs;
        bool bindsModel;
        uint16[] batchSizes;
        address[] verifiers;
        bytes32[] codeHashes;
    }

    /// @notice A model that feeds can use.
    /// @param modelHash Poseidon hash of the weights, as a field element; 0 if the architecture does not bind one.
    /// @param artifactHash Hash of the artifact's manifest. Auditors use it.
    /// @param scoreUnit The score that counts as one limit, of 40 significant bits at most. It is used for `scoreRatio`
    /// only.
    struct Model {
        uint256 modelHash;
        uint32 architectureId;
        bytes32 artifactHash;
        uint128 scoreUnit;
    }

    /// @notice Evidence that a model's circuits work and are of this model. It has one proof for each circuit of the
    /// architecture, in the architecture's order, and all of them prove the same statement.
    /// @param window A feature vector, in the order of the architecture's list. It is repeated until each circuit's
    /// batch is full. Each feature is within ±32,767.
    /// @param scores The model's scores of that window, the same in every circuit.
    struct Probe {
        int256[] window;
        int256[] scores;
        bytes[] proofs;
    }

    /// @notice The proposals of a feed. A time is the unix second from which the change may be activated, for
    /// `CHANGE_WINDOW` seconds; 0: nothing is proposed. `previousModel` is the model that a rollback returns to, until
    /// `previousUntil`; 0: there is none.
    struct Proposals {
        uint64 modelFrom;
        uint64 unpauseFrom;
        uint64 previousUntil;
        uint16 model;
        uint16 previousModel;
    }

    /// @notice The proposed model's verdicts on reports, compared with what the active model made of the same reports.
    /// @param modelNumber The proposed model.
    /// @param reports Reports that the proposed model judged.
    /// @param compared Those of the reports that the active model judged as well.
    /// @param disagreements Those of the compared reports that one of the two models accepts and the other does not.
    /// @param minCompared The number of compared reports that an activation needs.
    /// @param maxDisagreements The most disagreements that an activation allows.
    struct ShadowTally {
        uint16 modelNumber;
        uint32 reports;
        uint32 compared;
        uint32 disagreements;
        uint32 minCompared;
        uint32 maxDisagreements;
    }

    /// @notice A round was accepted. If `confirmed` is true, the model called the answer anomalous, and repeated
    /// reports over time confirmed it as a regime change. `submitter` called the hub.
    event RoundAccepted(
        bytes32 indexed feedId,
        uint32 indexed roundId,
        int128 answer,
        uint32 observedAt,
        uint16 modelNumber,
        int256[] scores,
        bool confirmed,
        address submitter
    );

    /// @notice An answer is held. `roundId` is the round that the report was for; `confirmations` is how many reports
    /// have confirmed the held answer so far.
    event RoundHeld(
        bytes32 indexed feedId,
        uint32 indexed roundId,
        int128 answer,
        uint32 observedAt,
        uint16 modelNumber,
        int256[] scores,
        HoldReason reason,
        uint8 confirmations,
        address submitter
    );

    /// @notice The proposed model judged a report. Only the tally was written. `roundId` is the round that the report
    /// is for.
    event ShadowScored(
        bytes32 indexed feedId,
        uint32 indexed roundId,
        int128 answer,
        uint32 observedAt,
        uint16 modelNumber,
        int256[] scores
    );

    /// @notice A report that the proposed model had judged was found among the reports that the active model judged.
    /// @param agrees True if both models accept the report, or neither does.
    event ShadowCompared(bytes32 indexed feedId, uint32 indexed roundId, uint16 modelNumber, bool agrees);

    event CommitteeAdded(uint32 indexed committee, address[] reporters, uint8 quorum);
    event FeedAdded(bytes32 indexed feedId, FeedConfig config, uint16 modelNumber);
    event AggregatorLinked(bytes32 indexed feedId, address aggregator);
    event ArchitectureAdded(uint32 indexed architectureId, Architecture architecture);
    event ModelAdded(uint16 indexed modelNumber, Model model);
    event ModelProposed(
        bytes32 indexed feedId,
        uint16 indexed modelNumber,
        uint64 activeFrom,
        uint32 minCompared,
        uint32 maxDisagreements
    );
    event ModelActivated(bytes32 indexed feedId, uint16 indexed modelNumber, uint16 previous);
    event ModelProposalCancelled(bytes32 indexed feedId, uint16 indexed modelNumber);
    event ModelRolledBack(bytes32 indexed feedId, uint16 indexed modelNumber, uint16 abandoned);
    event ReportersProposed(uint32 indexed committee, address[] reporters, uint8 quorum, uint64 activeFrom);
    event ReportersActivated(uint32 indexed committee, uint32 epoch, address[] reporters, uint8 quorum);
    event ReportersProposalCancelled(uint32 indexed committee);
    event Paused(bytes32 indexed feedId);
    event UnpauseProposed(bytes32 indexed feedId, uint64 activeFrom);
    event Unpaused(bytes32 indexed feedId);

    // Errors of a submission, in the order of the checks that raise them.
    /// @notice No listed feed is due. In a shadow submission: the model is proposed for none of them,
    /// or its proposals have expired.
    error NothingDue();
    /// @notice The parts of the submission do not fit together: the number of round ids, medians, answers or scores, or
    /// there are more listed feeds than `MAX_FEEDS`.
    error MalformedSubmission();
    /// @notice The proof is longer than any verifier reads. It is refused before it costs its sender memory.
    error ProofTooLong(uint256 length, uint256 longest);
    /// @notice No committee has this id. They are numbered from 1.
    error UnknownCommittee(uint32 committee);
    /// @notice The report was signed for another epoch of the committee. Its reporters have changed.
    error WrongEpoch(uint32 committee, uint32 epoch, uint32 current);
    /// @notice There are more signatures than a committee can have reporters.
    error TooManySignatures(uint256 signatures);
    /// @notice A feed appears twice, or after one of a larger id.
    error FeedsNotAscending(bytes32 feedId);
    /// @notice No feed has this id, the keccak256 of a description.
    error UnknownFeed(bytes32 feedId);
    /// @notice The feed belongs to another committee.
    error WrongCommittee(bytes32 feedId, uint32 committee, uint32 expected);
    /// @notice The guardian or the admin has paused the feed.
    error FeedPaused(bytes32 feedId);
    /// @notice The proof is of another model than the feed's active one. A change took effect, or the model was rolled
    /// back.
    error ModelNotActive(bytes32 feedId, uint16 modelNumber, uint16 active);
    /// @notice The report is signed for a round that exists already (another submission came first), or for a round
    /// after the next one.
    error WrongRound(bytes32 feedId, uint32 roundId, uint32 expected);
    /// @notice The report is no later than the feed's last one, accepted or held. A shadow submission has to be later
    /// than the last shadow submission, too.
    error ObservationNotNewer(bytes32 feedId, uint32 observedAt, uint32 lastReportAt);
    /// @notice The report is later than the block's time and the feed's skew allow. Some clock is wrong.
    error ObservationInFuture(bytes32 feedId, uint32 observedAt, uint256 latest);
    /// @notice The report is older than the feed's `maxAge`.
    error ObservationTooOld(bytes32 feedId, uint32 observedAt, uint256 earliest);
    /// @notice No model has this number. Models are numbered from 1.
    error UnknownModel(uint16 modelNumber);
    /// @notice More feeds are due than the largest circuit of the model's architecture takes.
    error NoCircuitForBatch(uint256 due);
    /// @notice No reporter of the committee signed this report. `signer` is zero if the signature is malformed or not
    /// canonical.
    error NotAReporter(uint32 committee, address signer);
    /// @notice One reporter signed twice.
    error DuplicateReporter(uint32 committee, address signer);
    /// @notice Fewer reporters than the quorum have an answer for the feed.
    error QuorumNotMet(bytes32 feedId, uint256 answers, uint256 quorum);
    /// @notice The named row does not hold the median of the feed's answers.
    error NotTheMedian(bytes32 feedId);
    /// @notice The lowest and the highest answer are further apart than the feed allows, in thousandths of sigma.
    error SpreadTooWide(bytes32 feedId, uint256 spread, uint256 maxSpread);
    /// @notice The first answer of a relative feed is zero or less. No move could be measured against it.
    error AnswerOutOfRange(bytes32 feedId, int128 answer);
    /// @notice A peer of a feed that is due is not listed.
    error PeerMissing(bytes32 feedId, bytes32 peer);
    /// @notice The score is not one of the circuit's integers, whose magnitude is below 2^127.
    error ScoreOutOfRange(bytes32 feedId, int256 score);
    /// @notice The verifier did not answer with exactly `true`. Either the proof is of another statement than the hub
    /// wrote down (other history, scores, weights or batch size, or a report that came first), or it is damaged, or
    /// there was too little gas.
    error ProofRejected();

    // Errors of administration.
    /// @notice A feed with this description exists already.
    error FeedExists(bytes32 feedId);
    /// @notice The named field of a feed's configuration is out of its bounds.
    error InvalidConfig(string field);
    /// @notice The quorum is even, there are fewer reporters than the quorum or more than 31, one is named twice, or one
    /// can't sign: the zero address, or a contract.
    error InvalidReporters();
    /// @notice The named part of an architecture is out of its bounds, or sizes and verifiers do not fit together.
    error InvalidArchitecture(string field);
    /// @notice No architecture has this id. They are numbered from 1.
    error UnknownArchitecture(uint32 architectureId);
    /// @notice There is no contract at a verifier's address, or code that its account can replace (EIP-7702).
    error NoFixedCode(address verifier);
    /// @notice The verifier has other code than when its architecture was added.
    error VerifierChanged(address verifier);
    /// @notice The named part of a model does not fit its architecture; the architecture has its only model, or was added
    /// in the same transaction, in which a verifier can still vanish and be replaced; the model needs more peers than the
    /// feed has; or the proposed model is the active one.
    error InvalidModel(string field);
    /// @notice There is no proposal to activate or cancel.
    error NothingProposed();
    /// @notice Only a paused feed can be unpaused.
    error NotPaused(bytes32 feedId);
    /// @notice The proposal can't be activated before this time, unix seconds.
    error TooEarly(uint64 activeFrom);
    /// @notice The proposal could be activated until this time, unix seconds. It has to be proposed again.
    error ProposalExpired(uint64 until);
    /// @notice There is no model to return to: the feed has had no other one since it was made or last rolled back, or
    /// the time for a rollback is over.
    error NoPreviousModel();
    /// @notice The delay of the admin's handover can't be shorter than `changeDelay`.
    error HandoverTooShort(uint48 delay, uint32 changeDelay);
    /// @notice The proposed model has judged too few reports that the active one judged too.
    error ShadowTooShort(uint32 compared, uint32 minCompared);
    /// @notice The proposed model disagrees with the active one on too many of the compared reports.
    error ShadowTooFar(uint32 disagreements, uint32 maxDisagreements);
    /// @notice The factory has not deployed the feed's plain adapter yet.
    error AggregatorNotDeployed(address aggregator);
    /// @notice The feed's adapter is linked already.
    error AggregatorAlreadyLinked(bytes32 feedId);

    // Errors of reading.
    /// @notice The feed has no round yet.
    error NoData(bytes32 feedId);
    /// @notice The feed holds an answer back, so the latest round is in doubt.
    error FeedHeld(bytes32 feedId);
    /// @notice The latest round was observed more than `age` seconds ago.
    error PriceTooOld(bytes32 feedId, uint32 observedAt, uint256 age);

    /// @notice Submits a signed report with its proof. Anyone may call: the signatures carry the authority, the proof
    /// carries the verdict.
    function submit(Submission calldata submission) external;

    /// @notice Does what `submit` does, unless the chain has all of it: for each feed that is due, its round or a report
    /// that is at least as late. Then nothing happens. A consumer that brings a report in its own transaction does not
    /// fail because somebody else brought it first.
    /// @return written True if the report was submitted now.
    function submitIfNewer(Submission calldata submission) external returns (bool written);

    /// @notice Submits a report to the model that is *proposed* for feeds. The checks are those of `submit`, but the
    /// report becomes neither a round nor a hold. The verdict is counted, and compared with what becomes of the same
    /// report under the active model. Listed feeds for which the model is not proposed count as references, so the
    /// signatures of the report itself serve. The report has to be newer than that of the last such submission.
    function submitShadow(Submission calldata submission) external;

    /// @notice The linked adapter; zero if none is linked.
    function aggregator(bytes32 feedId) external view returns (address adapter);
    /// @notice The factory that deploys the adapters.
    function aggregatorFactory() external view returns (IZkAggregatorFactory factory);
    /// @notice A contract that reads everything else that the hub stores: see `IZkOracleLens`. The hub never calls it.
    function lens() external view returns (address reader);
    /// @notice Words of the hub's storage.
    function extsload(bytes32[] calldata slots) external view returns (bytes32[] memory words);

    /// @notice True if a round is overdue: the latest observation is older than `heartbeat` + `maxAge`, since an
    /// observation may be `maxAge` old when it arrives. Also true if there is no round yet.
    function isStale(bytes32 feedId) external view returns (bool stale);

    /// @notice A past round; all zero if there is no round with this id.
    function getRound(bytes32 feedId, uint32 roundId) external view returns (Round memory round);

    /// @notice The latest accepted round. Reverts with `NoData` if there is none.
    function latestRound(bytes32 feedId) external view returns (uint32 roundId, Round memory round);

    /// @notice The latest round and everything that says whether to use it, in one call. If there is no round, the id
    /// and the round are all zero.
    function latestWithStatus(bytes32 feedId)
        external
        view
        returns (uint32 roundId, Round memory round, Status status, bool paused, bool stale);

    /// @notice The latest answer. Reverts if it is older than `age` seconds, or if the feed is held or paused.
    function getPriceNoOlderThan(bytes32 feedId, uint256 age) external view returns (int128 answer, uint32 observedAt);

    // Administration. Additions are immediate, since they concern no existing consumer. Changes of an existing feed or
    // committee are proposed in the open, take effect after `changeDelay` at the earliest, and expire `CHANGE_WINDOW`
    // later. Nobody can set an answer. The admin adds, proposes and activates; the admin or the guardian cancels, rolls
    // back and pauses.
    function changeDelay() external view returns (uint32 delay);
    function addCommittee(address[] calldata reporters, uint8 quorum) external returns (uint32 committee);
    function addArchitecture(
        bytes calldata features,
        uint8 outputs,
        bool bindsModel,
        uint16[] calldata batchSizes,
        address[] calldata verifiers
    ) external returns (uint32 architectureId);
    /// @notice Adds a model. `probe` has to show that every circuit of the architecture proves it.
    function addModel(
        uint256 modelHash,
        uint32 architectureId,
        bytes32 artifactHash,
        uint128 scoreUnit,
        Probe calldata probe
    ) external returns (uint16 modelNumber);
    function addFeed(FeedConfig calldata config, uint16 modelNumber) external returns (bytes32 feedId);
    /// @notice Links the factory's plain adapter of the feed, which then emits Chainlink's events. A feed is linked
    /// once.
    function linkAggregator(bytes32 feedId) external;
    /// @notice Proposes a model, and says what it has to show in its shadow period.
    /// @param minCompared The number of reports that both models must have judged.
    /// @param maxDisagreements The most of the compared reports that one of the two models may accept while the other does
    /// not. It is ignored if `minCompared` is 0.
    function proposeModel(bytes32 feedId, uint16 modelNumber, uint32 minCompared, uint32 maxDisagreements) external;
    function activateModel(bytes32 feedId) external;
    function cancelModel(bytes32 feedId) external;
    function rollbackModel(bytes32 feedId) external;
    function proposeReporters(uint32 committee, address[] calldata reporters, uint8 quorum) external;
    function activateReporters(uint32 committee) external;
    function cancelReporters(uint32 committee) external;
    function pause(bytes32 feedId) external;
    function proposeUnpause(bytes32 feedId) external;
    function unpause(bytes32 feedId) external;
}
