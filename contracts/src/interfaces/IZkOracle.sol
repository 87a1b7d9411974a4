// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

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

    /// @notice One reporter's signed observation. EIP-712 type:
    /// `Observation(bytes32 feedId,uint32 roundId,int128 answer,uint32 observedAt)`,
    /// domain `{name: "ZkOracle", version: "1", chainId, verifyingContract: hub}`.
    struct Observation {
        int128 answer;
        uint32 observedAt;
        uint8 v;
        bytes32 r;
        bytes32 s;
    }

    /// @notice One feed's part of a submission. Observations are sorted by answer, ascending.
    /// @param roundId The round that these observations were signed for: the feed's latest round + 1.
    /// @param scores The model's integer scores, as many as the architecture has outputs.
    struct FeedUpdate {
        bytes32 feedId;
        uint32 roundId;
        Observation[] observations;
        int256[] scores;
    }

    /// @notice The terms of a feed. They are fixed when the feed is made.
    /// @param description For instance "ETH / USD"; the feed id is its keccak256.
    /// @param sigma One standard deviation of a move over one heartbeat: ppm (RELATIVE) or answer units (ABSOLUTE).
    /// @param heartbeat Seconds within which a new round is due.
    /// @param maxAge Seconds that an observation may be old when it is submitted; 90 days at most.
    /// @param maxSkew Seconds that an observation may be ahead of the block's time; an hour at most.
    /// @param confirmations Further reports near a held answer that confirm it. At least one, or a feed could freeze.
    /// @param confirmDelay Seconds that those reports must span, counted from the first held one; 7 days at most.
    /// @param maxRepeats Reports in a row that may repeat the last answer exactly. The next one is held, and no further
    /// report confirms it. 0: any number.
    /// @param tolerance The largest distance from the first held answer at which a report still confirms it, in
    /// thousandths of sigma; below the clip of 32,767.
    /// @param maxSpread The largest spread of a report, in thousandths of sigma; below the clip of 32,767. 0:
    /// unbounded.
    /// @param quorum Signed observations that a round needs.
    struct FeedConfig {
        string description;
        Kind kind;
        uint8 decimals;
        uint8 quorum;
        uint8 confirmations;
        uint8 maxRepeats;
        uint32 heartbeat;
        uint32 maxAge;
        uint32 maxSkew;
        uint32 confirmDelay;
        uint32 tolerance;
        uint32 maxSpread;
        uint64 sigma;
    }

    /// @notice An accepted round, as stored in one slot.
    /// @param observedAt Median of the reporters' observation times, unix seconds.
    /// @param publishedAt The block's time, unix seconds.
    /// @param modelNumber The model that accepted it.
    /// @param scoreRatio The largest score in thousandths of the model's score unit, saturated to 24 bits.
    struct Round {
        int128 answer;
        uint32 observedAt;
        uint32 publishedAt;
        uint16 modelNumber;
        int24 scoreRatio;
    }

    /// @notice The answer that a feed holds back.
    /// @param reason Why the answer is held. Only reports that are held for the same reason continue a hold.
    /// @param firstAnswer The answer that started the hold; later ones within tolerance of it confirm it.
    /// @param confirmations The number of reports that have confirmed it so far.
    /// @param anomalies Anomalous reports near any answer since the last accepted one. `anomalousSince` is the time of
    /// the first of them. When there are many over a long time, the feed follows: see `ZkOracle.PATIENCE`.
    struct Held {
        HoldReason reason;
        int128 answer;
        int128 firstAnswer;
        uint32 firstObservedAt;
        uint32 observedAt;
        uint8 confirmations;
        uint16 modelNumber;
        int24 scoreRatio;
        uint16 anomalies;
        uint32 anomalousSince;
    }

    /// @notice Everything that a reporter needs in order to derive the next features.
    /// @param lastReportAt The latest observation time that a reporter signed for the latest report, accepted or held.
    /// All times of the next report must be later, so that no signature counts twice.
    /// @param repeats The number of reports in a row that have repeated the latest answer exactly.
    /// @param returns_ The last accepted moves, newest first, in thousandths of sigma.
    /// @param held All zero unless the status is HELD.
    struct FeedState {
        Status status;
        bool paused;
        uint32 roundId;
        int128 answer;
        uint32 observedAt;
        uint32 publishedAt;
        uint32 lastReportAt;
        uint16 modelNumber;
        uint8 repeats;
        int16[14] returns_;
        Held held;
    }

    /// @notice Circuits that share a shape. Private models of one architecture share their verifiers.
    /// @param features Length n of one feature vector: n − 1 moves, newest first, then the time gap; with a spread n − 2
    /// moves, the spread, the gap.
    /// @param outputs Scores per window.
    /// @param bindsModel True if the first instance is the model's hash, because the circuit hashes the weights.
    /// Otherwise the weights are in the verifying key, and the architecture is good for one model.
    /// @param hasSpread True if the model sees the spread of the report: how far apart the lowest and the highest
    /// answer are, in thousandths of sigma, clipped to 32,767; 0 where the quorum is one reporter. The hub computes it
    /// from the signed observations.
    /// @param batchSizes Windows per proof, ascending; `verifiers[i]` verifies `batchSizes[i]`.
    struct Architecture {
        uint8 features;
        uint8 outputs;
        bool bindsModel;
        bool hasSpread;
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
    /// @param window A feature vector. It is repeated until each circuit's batch is full. Each feature is within
    /// ±32,767.
    /// @param scores The model's scores of that window, the same in every circuit.
    struct Probe {
        int256[] window;
        int256[] scores;
        bytes[] proofs;
    }

    /// @notice The proposals of a feed. A time is the unix second from which the change may be activated; 0: nothing is
    /// proposed. `previousModel` is the model that a rollback returns to; 0: there is none.
    struct Proposals {
        uint64 modelFrom;
        uint64 reportersFrom;
        uint64 unpauseFrom;
        uint16 model;
        uint16 previousModel;
        uint8 quorum;
    }

    /// @notice The proposed model's verdicts on reports, compared with what the active model made of the same reports.
    /// @param modelNumber The proposed model.
    /// @param reports Reports that the proposed model judged.
    /// @param compared Those of the reports that the active model judged as well.
    /// @param disagreements Those of the compared reports that one of the two models accepts and the other does not.
    /// @param distance The difference between the two score ratios of the latest compared report, in thousandths.
    /// @param minCompared The number of compared reports that an activation needs.
    /// @param maxDistance The largest `distance` that an activation allows.
    struct ShadowTally {
        uint16 modelNumber;
        uint32 reports;
        uint32 compared;
        uint32 disagreements;
        uint32 distance;
        uint32 minCompared;
        uint32 maxDistance;
    }

    /// @notice A round was accepted. If `confirmed` is true, the model called the answer anomalous, and repeated
    /// reports over time confirmed it as a regime change.
    event RoundAccepted(
        bytes32 indexed feedId,
        uint32 indexed roundId,
        int128 answer,
        uint32 observedAt,
        uint16 modelNumber,
        int256[] scores,
        bool confirmed
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
        uint8 confirmations
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
    /// @param distance The difference between the two score ratios, in thousandths.
    event ShadowCompared(
        bytes32 indexed feedId, uint32 indexed roundId, uint16 modelNumber, bool agrees, uint32 distance
    );

    event FeedAdded(bytes32 indexed feedId, FeedConfig config, address[] reporters, uint16 modelNumber);
    event AggregatorLinked(bytes32 indexed feedId, address aggregator);
    event ArchitectureAdded(uint32 indexed architectureId, Architecture architecture);
    event ModelAdded(uint16 indexed modelNumber, Model model);
    event ModelProposed(
        bytes32 indexed feedId, uint16 indexed modelNumber, uint64 activeFrom, uint32 minCompared, uint32 maxDistance
    );
    event ModelActivated(bytes32 indexed feedId, uint16 indexed modelNumber, uint16 previous);
    event ModelProposalCancelled(bytes32 indexed feedId, uint16 indexed modelNumber);
    event ModelRolledBack(bytes32 indexed feedId, uint16 indexed modelNumber, uint16 abandoned);
    event ReportersProposed(bytes32 indexed feedId, address[] reporters, uint8 quorum, uint64 activeFrom);
    event ReportersActivated(bytes32 indexed feedId, address[] reporters, uint8 quorum);
    event ReportersProposalCancelled(bytes32 indexed feedId);
    event Paused(bytes32 indexed feedId);
    event UnpauseProposed(bytes32 indexed feedId, uint64 activeFrom);
    event Unpaused(bytes32 indexed feedId);

    // Errors of a submission, in the order of the checks that raise them.
    /// @notice The submission carries no update.
    error NoUpdates();
    /// @notice The proof is longer than any verifier reads. It is refused before it costs its sender memory.
    error ProofTooLong(uint256 length, uint256 longest);
    /// @notice No model has this number. Models are numbered from 1.
    error UnknownModel(uint16 modelNumber);
    /// @notice There are more updates than the largest circuit of the model's architecture takes.
    error NoCircuitForBatch(uint256 updates);
    /// @notice No feed has this id, the keccak256 of a description.
    error UnknownFeed(bytes32 feedId);
    /// @notice A feed appears twice, or after one of a larger id.
    error FeedsNotAscending(bytes32 feedId);
    /// @notice The guardian or the admin has paused the feed.
    error FeedPaused(bytes32 feedId);
    /// @notice The proof is of another model than the feed's active one. A change took effect, or the model was rolled
    /// back.
    error ModelNotActive(bytes32 feedId, uint16 modelNumber, uint16 active);
    /// @notice The proof is of another model than the feed's proposed one. `proposed` is 0 if no model is proposed.
    error ModelNotProposed(bytes32 feedId, uint16 modelNumber, uint16 proposed);
    /// @notice The observations are signed for a round that exists already (another submission came first), or for a
    /// round after the next one.
    error WrongRound(bytes32 feedId, uint32 roundId, uint32 expected);
    /// @notice There are fewer observations than the feed's quorum.
    error QuorumNotMet(bytes32 feedId, uint256 observations, uint256 quorum);
    /// @notice There are more observations than a feed can have reporters.
    error TooManyObservations(bytes32 feedId, uint256 observations);
    /// @notice No reporter of the feed signed this observation. `signer` is zero if the signature is malformed or not
    /// canonical.
    error NotAReporter(bytes32 feedId, address signer);
    /// @notice One reporter signed two of the observations.
    error DuplicateReporter(bytes32 feedId, address signer);
    /// @notice The observations are not sorted by answer, ascending.
    error ObservationsNotSorted(bytes32 feedId);
    /// @notice The first answer of a relative feed is zero or less. No move could be measured against it.
    error AnswerOutOfRange(bytes32 feedId, int128 answer);
    /// @notice The lowest and the highest answer are further apart than the feed allows, in thousandths of sigma.
    error SpreadTooWide(bytes32 feedId, uint256 spread, uint256 maxSpread);
    /// @notice The observation is no later than the latest time that was signed for the last report, accepted or held.
    /// A shadow submission has to be later than the last shadow submission, too.
    error ObservationNotNewer(bytes32 feedId, uint32 observedAt, uint32 lastReportAt);
    /// @notice The observation is later than the block's time and the feed's skew allow. Some clock is wrong.
    error ObservationInFuture(bytes32 feedId, uint32 observedAt, uint256 latest);
    /// @notice The observation is older than the feed's `maxAge`.
    error ObservationTooOld(bytes32 feedId, uint32 observedAt, uint256 earliest);
    /// @notice The number of scores is not the architecture's number of outputs.
    error WrongScoreCount(bytes32 feedId, uint256 scores, uint256 expected);
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
    /// @notice The quorum is zero, there are fewer reporters than the quorum or more than 31, one is named twice, or
    /// one is the zero address.
    error InvalidReporters();
    /// @notice The named part of an architecture is out of its bounds, or sizes and verifiers do not fit together.
    error InvalidArchitecture(string field);
    /// @notice No architecture has this id. They are numbered from 1.
    error UnknownArchitecture(uint32 architectureId);
    /// @notice There is no contract at a verifier's address.
    error VerifierHasNoCode(address verifier);
    /// @notice The named part of a model does not fit its architecture, or the proposed model is the active one.
    error InvalidModel(string field);
    /// @notice There is no proposal to activate or cancel.
    error NothingProposed();
    /// @notice Only a paused feed can be unpaused.
    error NotPaused(bytes32 feedId);
    /// @notice The proposal can't be activated before this time, unix seconds.
    error TooEarly(uint64 activeFrom);
    /// @notice The feed has had no other model since it was made or last rolled back.
    error NoPreviousModel();
    /// @notice The proposed model has judged too few reports that the active one judged too.
    error ShadowTooShort(uint32 compared, uint32 minCompared);
    /// @notice The proposed model's latest compared score is too far from the active one's.
    error ShadowTooFar(uint32 distance, uint32 maxDistance);
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

    /// @notice Submits signed observations of up to B feeds with one proof. Anyone may call: the signatures carry the
    /// authority, the proof carries the verdict.
    /// @param modelNumber The model that is active for each of the feeds.
    /// @param updates One per feed, ascending by feed id. A batch shorter than its circuit is padded with its last window.
    /// @param proof The ezkl proof for exactly the statement that the hub writes down.
    function submit(uint16 modelNumber, FeedUpdate[] calldata updates, bytes calldata proof) external;

    /// @notice Submits a report to the model that is *proposed* for each of the feeds. The checks are those of
    /// `submit`, but the report becomes neither a round nor a hold. The verdict is counted, and compared with what
    /// becomes of the same report under the active model. Every observation has to be newer than those of the last such
    /// submission.
    function submitShadow(uint16 modelNumber, FeedUpdate[] calldata updates, bytes calldata proof) external;

    /// @notice The tally of the proposed model; all zero if no model is proposed.
    function shadow(bytes32 feedId) external view returns (ShadowTally memory);

    /// @notice The features by which the model would judge a candidate now: n − 1 moves, newest first, then the gap.
    /// With a spread, see `Architecture.hasSpread`.
    /// @param spread The spread of the reporters' answers, in thousandths of sigma. A model that does not see it
    /// ignores it.
    function features(bytes32 feedId, int128 answer, uint32 observedAt, uint16 spread)
        external
        view
        returns (int256[] memory);

    function feedState(bytes32 feedId) external view returns (FeedState memory);
    function feedConfig(bytes32 feedId) external view returns (FeedConfig memory);
    function feedIds() external view returns (bytes32[] memory);
    function reporters(bytes32 feedId) external view returns (address[] memory);
    /// @notice The linked adapter; zero if none is linked.
    function aggregator(bytes32 feedId) external view returns (address);
    /// @notice The factory that deploys the adapters.
    function aggregatorFactory() external view returns (IZkAggregatorFactory);
    /// @notice The proposals of a feed.
    function proposals(bytes32 feedId)
        external
        view
        returns (Proposals memory proposed, address[] memory proposedReporters);
    /// @notice True if a round is overdue: the latest observation is older than `heartbeat` + `maxAge`, since an
    /// observation may be `maxAge` old when it arrives. Also true if there is no round yet.
    function isStale(bytes32 feedId) external view returns (bool);

    /// @notice A past round; all zero if there is no round with this id.
    function getRound(bytes32 feedId, uint32 roundId) external view returns (Round memory);

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

    /// @notice Architectures are numbered from 1.
    function architectureCount() external view returns (uint32);
    function architecture(uint32 architectureId) external view returns (Architecture memory);
    /// @notice Models are numbered from 1.
    function modelCount() external view returns (uint16);
    function model(uint16 modelNumber) external view returns (Model memory);
    /// @notice The EIP-712 digest that a reporter signs.
    function observationDigest(bytes32 feedId, uint32 roundId, int128 answer, uint32 observedAt)
        external
        view
        returns (bytes32);

    // Administration. Additions are immediate, since they concern no existing consumer. Changes of an existing feed are
    // proposed in the open and take effect after `changeDelay`. Nobody can set an answer. The admin adds, proposes and
    // activates; the admin or the guardian cancels, rolls back and pauses.
    function changeDelay() external view returns (uint32);
    function addArchitecture(
        uint8 features_,
        uint8 outputs,
        bool bindsModel,
        bool hasSpread,
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
    function addFeed(FeedConfig calldata config, address[] calldata reporters_, uint16 modelNumber)
        external
        returns (bytes32 feedId);
    /// @notice Links the factory's plain adapter of the feed, which then emits Chainlink's events. A feed is linked
    /// once.
    function linkAggregator(bytes32 feedId) external;
    /// @notice Proposes a model, and says what it has to show in its shadow period.
    /// @param minCompared The number of reports that both models must have judged.
    /// @param maxDistance The largest difference allowed between the two score ratios of the latest compared report, in
    /// thousandths. It is ignored if `minCompared` is 0.
    function proposeModel(bytes32 feedId, uint16 modelNumber, uint32 minCompared, uint32 maxDistance) external;
    function activateModel(bytes32 feedId) external;
    function cancelModel(bytes32 feedId) external;
    function rollbackModel(bytes32 feedId) external;
    function proposeReporters(bytes32 feedId, address[] calldata reporters_, uint8 quorum) external;
    function activateReporters(bytes32 feedId) external;
    function cancelReporters(bytes32 feedId) external;
    function pause(bytes32 feedId) external;
    function proposeUnpause(bytes32 feedId) external;
    function unpause(bytes32 feedId) external;
}
