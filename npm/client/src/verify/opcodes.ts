/** The instructions of a verifier's code: those whose result depends on nothing but the call's data. */

const PUSH1 = 0x60;
const PUSH32 = 0x7f;

/**
 * Instructions that compute, read the calldata and the memory, jump, end, and call without leave to change anything. GAS
 * is among them, as calls of the curve's precompiles need it.
 */
const PURE: ReadonlySet<number> = new Set([
  ...range(0x00, 0x0b), // STOP and arithmetic
  ...range(0x10, 0x1d), // comparisons and bits
  ...[0x20, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3d, 0x3e], // KECCAK256, the call, its data, the code, what a call returned
  ...[0x50, 0x51, 0x52, 0x53, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x5b, 0x5e, 0x5f], // stack, memory, jumps
  ...range(PUSH1, 0x9f), // PUSH, DUP, SWAP
  ...[0xf3, 0xfa, 0xfd, 0xfe], // RETURN, STATICCALL, REVERT, INVALID
]);

/** The names of instructions that make code depend on more: the chain, its state, who calls, other code. */
const NAMES: ReadonlyMap<number, string> = new Map([
  ...([[0x30, "ADDRESS"], [0x31, "BALANCE"], [0x32, "ORIGIN"], [0x33, "CALLER"], [0x3a, "GASPRICE"]] as const),
  ...([[0x3b, "EXTCODESIZE"], [0x3c, "EXTCODECOPY"], [0x3f, "EXTCODEHASH"], [0x40, "BLOCKHASH"], [0x41, "COINBASE"]] as const),
  ...([[0x42, "TIMESTAMP"], [0x43, "NUMBER"], [0x44, "PREVRANDAO"], [0x45, "GASLIMIT"], [0x46, "CHAINID"]] as const),
  ...([[0x47, "SELFBALANCE"], [0x48, "BASEFEE"], [0x49, "BLOBHASH"], [0x4a, "BLOBBASEFEE"], [0x54, "SLOAD"]] as const),
  ...([[0x55, "SSTORE"], [0x5c, "TLOAD"], [0x5d, "TSTORE"], [0xf0, "CREATE"], [0xf1, "CALL"], [0xf2, "CALLCODE"]] as const),
  ...([[0xf4, "DELEGATECALL"], [0xf5, "CREATE2"], [0xff, "SELFDESTRUCT"]] as const),
]);

/**
 * Return the first instruction by which code could decide on the chain otherwise than in an EVM without a chain; null if it
 * has none. Constants of PUSH are no instructions. Code with data behind it may be refused although nothing runs there:
 * generated verifiers have none.
 */
export function foreignInstruction(code: Uint8Array): string | null {
  for (let at = 0; at < code.length; at++) {
    const instruction = code[at] ?? 0;
    if (!PURE.has(instruction)) return NAMES.get(instruction) ?? `0x${instruction.toString(16).padStart(2, "0")}`;
    if (instruction >= PUSH1 && instruction <= PUSH32) at += instruction - PUSH1 + 1;
  }
  return null;
}

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, at) => first + at);
}
