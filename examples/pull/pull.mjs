// Fills an order of `contracts/examples/PullConsumer.sol` at a feed's newest answer, and brings that answer to the chain
// in the same transaction, if the chain lacks it.
//
//     node pull.mjs CONSUMER
//
//     RPC_URL      the chain's node
//     UPDATES_URL  where the oracle serves updates: its [updates] listen
//     PRIVATE_KEY  pays for the transactions
//     TOKEN        the bearer token of a known caller, if the feed's model is private
//     DEADLINE_S   seconds to wait for an update that is young enough; default: 180
//
// The consumer says by the error `OracleDataRequired` (ERC-7412) that it needs an update, and of which feed.

import {
  BaseError,
  ContractFunctionRevertedError,
  createPublicClient,
  createWalletClient,
  decodeAbiParameters,
  getAddress,
  http,
  isAddress,
  parseAbi,
  parseEventLogs,
} from "viem";
import { privateKeyToAccount } from "viem/accounts";

const CONSUMER = parseAbi([
  "function order()",
  "function orderedAt(address buyer) view returns (uint256 time)",
  "function fill(address buyer, bytes update) returns (int128 answer)",
  "event Filled(address indexed buyer, int128 answer, uint32 observedAt)",
  "error NothingOrdered(address buyer)",
  "error OrderStands(uint256 until)",
  "error NotOfTheOrder(uint32 observedAt, uint256 ordered)",
  "error OracleDataRequired(address oracleContract, bytes oracleQuery, uint256 feeRequired)",
  "error FeedHeld(bytes32 feedId)",
  "error FeedPaused(bytes32 feedId)",
  "error NoData(bytes32 feedId)",
  "error WrongRound(bytes32 feedId, uint32 roundId, uint32 expected)",
  "error ObservationTooOld(bytes32 feedId, uint32 observedAt, uint256 earliest)",
]);

const QUERY = [{ name: "hub", type: "address" }, { name: "feedId", type: "bytes32" }, { name: "age", type: "uint256" }];

/** A failure that a person can do something about. */
class Failure extends Error {}

function setting(name) {
  const value = process.env[name];
  if (!value) throw new Failure(`${name} is not set`);
  return value;
}

const deadline = Date.now() + 1_000 * Number(process.env.DEADLINE_S ?? 180);

async function pause(seconds, why) {
  if (Date.now() + 1_000 * seconds > deadline) throw new Failure(`no update in time: ${why}`);
  await new Promise((resolve) => setTimeout(resolve, 1_000 * seconds));
}

/** Returns the feed's newest update, or null if the chain has it, or a newer answer. */
async function fetchUpdate(feedId) {
  const headers = process.env.TOKEN ? { Authorization: `Bearer ${process.env.TOKEN}` } : {};
  const url = `${setting("UPDATES_URL").replace(/\/$/, "")}/v1/update/${feedId}`;
  for (;;) {
    const answer = await fetch(url, { headers, redirect: "error", signal: AbortSignal.timeout(10_000) });
    if (answer.status === 200) return answer.json();
    if (answer.status === 204) return null;
    const { error } = await answer.json().catch(() => ({ error: "" }));
    if (answer.status !== 503 && answer.status !== 429) throw new Failure(`${url} answers ${answer.status}: ${error}`);
    await pause(Number(answer.headers.get("Retry-After") ?? 2), error);
  }
}

/** Returns the error with which a contract reverted; throws anything else. */
function revertOf(error) {
  const reverted = error instanceof BaseError ? error.walk((each) => each instanceof ContractFunctionRevertedError) : null;
  if (reverted?.data === undefined) throw error;
  return reverted.data;
}

async function main(consumer) {
  if (!isAddress(consumer ?? "")) throw new Failure("usage: node pull.mjs CONSUMER, the address of a PullConsumer");
  const transport = http(setting("RPC_URL"));
  const account = privateKeyToAccount(setting("PRIVATE_KEY"));
  const chain = createPublicClient({ transport, pollingInterval: 200 });
  const wallet = createWalletClient({ account, transport });
  const chainId = await chain.getChainId();
  const of = { address: getAddress(consumer), abi: CONSUMER, account };

  async function send(functionName, args) {
    const { request } = await chain.simulateContract({ ...of, functionName, args });
    const hash = await wallet.writeContract({ ...request, chain: null });
    const receipt = await chain.waitForTransactionReceipt({ hash });
    if (receipt.status !== "success") throw new Failure(`transaction ${hash} reverted: another state than simulated`);
    return receipt;
  }

  /** Returns null if the order can be filled with this update; else the error with which the consumer refuses. */
  async function refusal(update) {
    try {
      // The pending block has the time of the next one: the latest may be that of the order.
      await chain.simulateContract({ ...of, functionName: "fill", args: [account.address, update], blockTag: "pending" });
      return null;
    } catch (error) {
      return revertOf(error);
    }
  }

  if ((await chain.readContract({ ...of, functionName: "orderedAt", args: [account.address] })) === 0n) {
    await send("order", []);
  }
  let calldata = "0x";
  for (let refused; (refused = await refusal(calldata)) !== null; ) {
    if (refused.errorName === "NotOfTheOrder" && BigInt(refused.args[0]) <= refused.args[1]) {
      await pause(1, "no time has passed since the order");
      continue;
    }
    if (refused.errorName !== "OracleDataRequired") {
      throw new Failure(`the consumer refuses: ${refused.errorName}(${refused.args?.join(", ")})`);
    }
    if (calldata !== "0x") await pause(1, "the newest one is older than the order");
    const [hub, feedId] = decodeAbiParameters(QUERY, refused.args[1]);
    const update = await fetchUpdate(feedId);
    if (update === null) {
      calldata = "0x";
      await pause(1, "the chain has the newest one, which is older than the order");
      continue;
    }
    // The hub checks signatures and proof. This shows early that a server is of another chain or hub.
    if (update.chainId !== chainId || getAddress(update.hub) !== hub || update.feedId !== feedId) {
      throw new Failure(`the update is of feed ${update.feedId}, hub ${update.hub} on chain ${update.chainId}`);
    }
    calldata = update.calldata;
  }
  const receipt = await send("fill", [account.address, calldata]);
  const [filled] = parseEventLogs({ abi: CONSUMER, eventName: "Filled", logs: receipt.logs });
  const shown = {
    answer: filled.args.answer.toString(),
    observedAt: filled.args.observedAt,
    broughtIt: calldata !== "0x",
    transaction: receipt.transactionHash,
    gas: Number(receipt.gasUsed),
  };
  console.log(JSON.stringify(shown));
}

main(process.argv[2]).catch((error) => {
  console.error(error instanceof Failure ? error.message : (error.shortMessage ?? error.message));
  process.exitCode = 1;
});
