// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IZkAggregatorFactory} from "./IZkAggregatorFactory.sol";

/// @title The hub of a verifiable oracle
/// @notice Many feeds, shared models. An answer becomes a round only if a quorum of reporters signed it, and a proof
/// shows that the feed's model, fed with the feed's own accepted history, scores it as normal. An answer that is
/// *proven* anomalous is not dropped: it puts the feed into `HELD`, where consumers can see it.
/// @dev The hub derives the model's inputs and builds the proof's public instances itself. A caller supplies signed
/// observations, claimed scores and a proof; nothing a caller supplies reaches a verifier as instances.
interface IZkOracle {
    /// @notice The stored status of a feed. Staleness is derived from time, a pause from `paused`.
    enum Status {
        EMPTY,
        OK,
        HELD
    }

    /// @notice How a move is measured. RELATIVE: against the smaller of the two answers (prices; answers above zero).
    /// ABSOLUTE: in the answer's own units (metrics that may be zero or negative).
    enum Kind {
        RELATIVE,
        ABSOLUTE
    }

    /// @notice Why an answer is held. ANOMALOUS: a score is above zero, or the move is clipped: too large for a model to
    /// tell how large. NOT_POSITIVE: a relative feed has no measure for it. REPEATED: it is the last answer again, more
    /// often than the feed allows.
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

    /// @notice What is fixed when a feed is made.
    /// @param description For instance "ETH / USD"; the feed id is its keccak256.
    /// @param sigma One standard deviation of a move over one heartbeat: ppm (RELATIVE) or answer units (ABSOLUTE).
    /// @param heartbeat Seconds within which a new round is due.
    /// @param maxAge Seconds that an observation may be old when it is submitted; 90 days at most.
    /// @param maxSkew Seconds that an observation may be ahead of the block's time; an hour at most.
    /// @param confirmations Further reports near a held answer that accept it; at least one, or a feed could freeze.
    /// @param confirmDelay Seconds that those reports must span, counted from the first held one; 7 days at most.
    /// @param maxRepeats Reports in a row that may repeat the last answer exactly; one more is held, and no insisting
    /// confirms it. 0: any number.
    /// @param tolerance How near "near" is, in thousandths of sigma of the move from the first held answer; below the
    /// clip of 32,767.
    /// @param maxSpread Largest move between two reporters of a round, in thousandths of sigma, below the clip of
    /// 32,767; 0: unbounded.
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
    /// @param reason Why. Only reports held for the same reason go on with a hold.
    /// @param firstAnswer The answer that started the hold; later ones within tolerance of it confirm it.
    /// @param confirmations How many reports have confirmed it so far.
    /// @param anomalies Anomalous reports, of whatever level, since the last accepted one; `anomalousSince` is the time
    /// of the first of them. When there are many of them over a long time, the feed follows: see `ZkOracle.PATIENCE`.
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

    /// @notice Everything that a reporter needs to derive the next features.
    /// @param lastReportAt The latest observation time that a reporter signed for the latest report, accepted or held.
    /// The next report's must all be later, so that no signature counts twice.
    /// @param repeats How many reports in a row have repeated the latest answer exactly.
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
    /// @param features Length n of one feature vector: n − 1 moves, newest first, then the time gap.
    /// @param outputs Scores per window.
    /// @param bindsModel Whether the first instance is the model's hash (weights hashed in-circuit). If not, the
    /// weights are in the verifying key, and the architecture is good for one model.
    /// @param batchSizes Windows per proof, ascending; `verifiers[i]` verifies `batchSizes[i]`.
    struct Architecture {
        uint8 features;
        uint8 outputs;
        bool bindsModel;
        uint16[] batchSizes;
        address[] verifiers;
        bytes32[] codeHashes;
    }

    /// @notice A model that feeds can use.
    /// @param modelHash Poseidon hash of the weights, as a field element; 0 if the architecture does not bind one.
    /// @param artifactHash Hash of the artifact's manifest, for auditors.
    /// @param scoreUnit What a score of "one" is in the model's integers, of 40 significant bits at most; used for
    /// `scoreRatio` only.
    struct Model {
        uint256 modelHash;
        uint32 architectureId;
        bytes32 artifactHash;
        uint128 scoreUnit;
    }

    /// @notice Evidence that a model's circuits work and are of this model: proofs of one statement, one for each circuit
    /// of the architecture, in its order.
    /// @param window A feature vector, repeated until each circuit's batch is full; each feature within ±32,767.
    /// @param scores The model's scores of it, the same in every circuit.
    struct Probe {
        int256[] window;
        int256[] scores;
        bytes[] proofs;
    }

    /// @notice What is proposed for a feed. Times are unix seconds after which a change may be activated; 0: nothing is
    /// proposed. `previousModel` is what a rollback returns to; 0: nothing.
    struct Proposals {
        uint64 modelFrom;
        uint64 reportersFrom;
        uint64 unpauseFrom;
        uint16 model;
        uint16 previousModel;
        uint8 quorum;
    }

    /// @notice What the proposed model said of reports, beside what became of them under the active one.
    /// @param modelNumber The proposed model.
    /// @param reports Reports that it judged.
    /// @param compared How many of them the active model judged too.
    /// @param disagreements How many of those one of the two accepts and the other does not.
    /// @param distance How far apart the two score ratios of the latest compared report are, in thousandths.
    /// @param minCompared Compared reports that an activation needs.
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

    /// @notice A round was accepted. `confirmed` tells that the model called the answer anomalous and that repeated
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

    /// @notice An answer is held. `roundId` is the round that it did not become, `confirmations` how many reports have
    /// confirmed it so far.
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

    /// @notice The proposed model judged a report; nothing was written but the tally. `roundId` is the round that the
    /// report is for.
    event ShadowScored(
        bytes32 indexed feedId,
        uint32 indexed roundId,
        int128 answer,
        uint32 observedAt,
        uint16 modelNumber,
        int256[] scores
    );

    /// @notice A report that the proposed model had judged was found again under the active one.
    /// @param agrees Whether both accept it, or neither does.
    /// @param distance Between the score ratios, in thousandths.
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
    /// @notice The proof is longer than any verifier reads: refused before it costs its sender memory.
    error ProofTooLong(uint256 length, uint256 longest);
    /// @notice No model has this number. Models are numbered from 1.
    error UnknownModel(uint16 modelNumber);
    /// @notice More updates than the largest circuit of the model's architecture takes.
    error NoCircuitForBatch(uint256 updates);
    /// @notice No feed has this id, the keccak256 of a description.
    error UnknownFeed(bytes32 feedId);
    /// @notice A feed appears twice, or behind one of a larger id.
    error FeedsNotAscending(bytes32 feedId);
    /// @notice The guardian or the admin has paused the feed.
    error FeedPaused(bytes32 feedId);
    /// @notice The proof is of another model than the feed's active one: a change took effect, or was rolled back.
    error ModelNotActive(bytes32 feedId, uint16 modelNumber, uint16 active);
    /// @notice `proposed` is 0 if no model is.
    error ModelNotProposed(bytes32 feedId, uint16 modelNumber, uint16 proposed);
    /// @notice Signed for a round that exists already (another submission came first), or for a later one than the next.
    error WrongRound(bytes32 feedId, uint32 roundId, uint32 expected);
    /// @notice Fewer observations than the feed's quorum.
    error QuorumNotMet(bytes32 feedId, uint256 observations, uint256 quorum);
    /// @notice More observations than a feed can have reporters.
    error TooManyObservations(bytes32 feedId, uint256 observations);
    /// @notice `signer` is zero if the signature is malformed or not canonical.
    error NotAReporter(bytes32 feedId, address signer);
    /// @notice One reporter signed two of the observations.
    error DuplicateReporter(bytes32 feedId, address signer);
    /// @notice The observations do not ascend by answer.
    error ObservationsNotSorted(bytes32 feedId);
    /// @notice A relative feed's first answer is zero or less: nothing could be measured against it.
    error AnswerOutOfRange(bytes32 feedId, int128 answer);
    /// @notice The lowest and the highest answer are further apart than the feed allows, in thousandths of sigma.
    error SpreadTooWide(bytes32 feedId, uint256 spread, uint256 maxSpread);
    /// @notice Observed no later than the latest time that was signed for the last report, accepted or held. For shadow
    /// submissions: than for the last one of these, too.
    error ObservationNotNewer(bytes32 feedId, uint32 observedAt, uint32 lastReportAt);
    /// @notice Observed later than the block's time and the feed's skew allow: a clock is wrong.
    error ObservationInFuture(bytes32 feedId, uint32 observedAt, uint256 latest);
    /// @notice Observed longer ago than the feed's `maxAge`.
    error ObservationTooOld(bytes32 feedId, uint32 observedAt, uint256 earliest);
    /// @notice Not as many scores as the architecture has outputs.
    error WrongScoreCount(bytes32 feedId, uint256 scores, uint256 expected);
    /// @notice The score is none of the circuit's integers, which are below 2^127 in magnitude.
    error ScoreOutOfRange(bytes32 feedId, int256 score);
    /// @notice The verifier did not answer with exactly `true`: the proof is of another statement than the hub wrote
    /// down (other history, scores, weights or batch size, or a report that came first), damaged, or there was too little gas.
    error ProofRejected();

    // Errors of administration.
    /// @notice There is a feed of this description.
    error FeedExists(bytes32 feedId);
    /// @notice The named field of a feed's configuration is out of its bounds.
    error InvalidConfig(string field);
    /// @notice No quorum, fewer reporters than it or more than 31, one twice, or the zero address.
    error InvalidReporters();
    /// @notice The named part of an architecture is out of its bounds, or sizes and verifiers do not fit together.
    error InvalidArchitecture(string field);
    /// @notice No architecture has this id. They are numbered from 1.
    error UnknownArchitecture(uint32 architectureId);
    /// @notice There is no contract at a verifier's address.
    error VerifierHasNoCode(address verifier);
    /// @notice The named part of a model does not fit its architecture, or the proposed model is the active one.
    error InvalidModel(string field);
    /// @notice There is no such proposal to activate or cancel.
    error NothingProposed();
    /// @notice Only a paused feed can be unpaused.
    error NotPaused(bytes32 feedId);
    /// @notice The proposal takes effect at this time, unix seconds.
    error TooEarly(uint64 activeFrom);
    /// @notice The feed has had no other model since it was made or last rolled back.
    error NoPreviousModel();
    /// @notice The proposed model has judged too few reports that the active one judged too.
    error ShadowTooShort(uint32 compared, uint32 minCompared);
    /// @notice The proposed model's latest compared score is too far from the active one's.
    error ShadowTooFar(uint32 distance, uint32 maxDistance);
    /// @notice There is nothing yet at the address that the factory gives the feed's adapter.
    error AggregatorNotDeployed(address aggregator);
    /// @notice A feed's adapter is linked once.
    error AggregatorAlreadyLinked(bytes32 feedId);

    // Errors of reading.
    /// @notice The feed has no round yet.
    error NoData(bytes32 feedId);
    /// @notice An answer is held, so the latest one is in doubt.
    error FeedHeld(bytes32 feedId);
    /// @notice The latest round was observed more than `age` seconds ago.
    error PriceTooOld(bytes32 feedId, uint32 observedAt, uint256 age);

    /// @notice Submits signed observations of up to B feeds with one proof. Anyone may call: the signatures carry
    /// the authority, the proof the verdict.
    /// @param modelNumber The model that is active for each of the feeds.
    /// @param updates One per feed, ascending by feed id. A batch shorter than its circuit is padded with its last window.
    /// @param proof The ezkl proof for exactly the statement that the hub writes down.
    function submit(uint16 modelNumber, FeedUpdate[] calldata updates, bytes calldata proof) external;

    /// @notice As `submit`, for the model that is *proposed* for each of the feeds: the same checks, but no round and no
    /// hold comes of it. The verdict is counted, and compared with what becomes of the same report under the active
    /// model. Every observation has to be newer than those of the last such submission.
    function submitShadow(uint16 modelNumber, FeedUpdate[] calldata updates, bytes calldata proof) external;

    /// @notice The tally of the proposed model; all zero if none is proposed.
    function shadow(bytes32 feedId) external view returns (ShadowTally memory);

    /// @notice The features that a candidate would be judged by now: n − 1 moves, newest first, then the gap.
    function features(bytes32 feedId, int128 answer, uint32 observedAt) external view returns (int256[] memory);

    function feedState(bytes32 feedId) external view returns (FeedState memory);
    function feedConfig(bytes32 feedId) external view returns (FeedConfig memory);
    function feedIds() external view returns (bytes32[] memory);
    function reporters(bytes32 feedId) external view returns (address[] memory);
    /// @notice The linked adapter; zero if none is.
    function aggregator(bytes32 feedId) external view returns (address);
    /// @notice What deploys the adapters.
    function aggregatorFactory() external view returns (IZkAggregatorFactory);
    /// @notice What is proposed for a feed.
    function proposals(bytes32 feedId)
        external
        view
        returns (Proposals memory proposed, address[] memory proposedReporters);
    /// @notice Whether a round is overdue: the latest observation is older than `heartbeat` + `maxAge`, an observation
    /// being allowed `maxAge` on its way. True if there is no round yet.
    function isStale(bytes32 feedId) external view returns (bool);

    /// @notice A past round; all zero if there is none of this id.
    function getRound(bytes32 feedId, uint32 roundId) external view returns (Round memory);

    /// @notice The latest accepted round. Reverts with `NoData` if there is none.
    function latestRound(bytes32 feedId) external view returns (uint32 roundId, Round memory round);

    /// @notice The latest round and all that says whether to use it, in one call. Round 0, all zero, if there is none.
    function latestWithStatus(bytes32 feedId)
        external
        view
        returns (uint32 roundId, Round memory round, Status status, bool paused, bool stale);

    /// @notice The answer, if it is not older than `age` seconds, and the feed is neither held nor paused.
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

    // Administration. Additions are immediate, as they concern no existing consumer; changes of an existing feed are
    // proposed, visible, and take effect after `changeDelay`. Nobody can set an answer. The admin adds, proposes and
    // activates; the admin or the guardian cancels, rolls back and pauses.
    function changeDelay() external view returns (uint32);
    function addArchitecture(
        uint8 features_,
        uint8 outputs,
        bool bindsModel,
        uint16[] calldata batchSizes,
        address[] calldata verifiers
    ) external returns (uint32 architectureId);
    /// @notice Adds a model whose proofs every circuit of the architecture accepts, as `probe` shows.
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
    /// @notice Links, once, the adapter that emits Chainlink's events for this feed: the factory's, not strict.
    function linkAggregator(bytes32 feedId) external;
    /// @notice Proposes a model, and says what it has to show in its shadow period.
    /// @param minCompared Reports that both models have to have judged.
    /// @param maxDistance How far apart the two score ratios of the latest of them may be, in thousandths; not looked at
    /// where `minCompared` is 0.
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
