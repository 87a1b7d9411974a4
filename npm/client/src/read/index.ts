export * from "./basics.js";
export { blocksAt, firstBlockFrom, readBlock, readHead, type BlockSpan, type Head } from "./blocks.js";
export { MODEL_CARD_CODE_HASH, readCards, type CardContract, type ProvenCard } from "./cards.js";
export * from "./endpoint.js";
export * from "./errors.js";
export { isStale, readFeed, readFeedIds, readFeeds, readFeedsOf, readRounds, readRoundsOf, type WantedRounds } from "./feeds.js";
export { endpointName, httpEndpoint, type HttpOptions } from "./http.js";
export { connectHub, HUB_DOMAIN, readChainId } from "./hub.js";
export { readAllLogs, readLogs, type Log, type LogFilter, type LogOptions, type LogPart } from "./logs.js";
export { readArchitecture, readCommittee, readCounts, readModel, readModels, type Counts } from "./models.js";
export { anyEndpoint } from "./pool.js";
export {
  findRound,
  readChanges,
  readHeldReports,
  readHolds,
  readReportsIn,
  wholeRange,
  type BlockRange,
  type HeldPart,
} from "./reports.js";
export { readSetup, type ModelSetup } from "./setup.js";
export { SlotError } from "./slots.js";
export { CEREMONY_NEG_S_G2, setupOf, type Setup } from "./srs.js";
export type * from "./types.js";
export { watchFeed, type WatchOptions } from "./watch.js";
export { readWords, type BlockTag, type Hub } from "./words.js";
