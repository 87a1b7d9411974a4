export { getAddress, isAddress, isHex } from "viem";
export type { Address, Hex } from "viem";
