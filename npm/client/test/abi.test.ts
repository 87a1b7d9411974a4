import { decodeErrorResult, encodeErrorResult, getAbiItem, type ContractFunctionReturnType } from "viem";
import { expect, expectTypeOf, test } from "vitest";

import { zkOracleAbi, zkOracleLensAbi } from "../src/index.js";

test("results have names", () => {
  const read = getAbiItem({ abi: zkOracleAbi, name: "latestWithStatus" });
  expect(read.outputs.map((each) => each.name)).toEqual(["roundId", "round", "status", "paused", "stale"]);
});

test("errors of the hub's libraries are among its errors", () => {
  const data = encodeErrorResult({ abi: zkOracleAbi, errorName: "FeedPaused", args: [`0x${"11".repeat(32)}`] });
  expect(decodeErrorResult({ abi: zkOracleAbi, data }).errorName).toBe("FeedPaused");
});

test("TypeScript knows the types of results", () => {
  type State = ContractFunctionReturnType<typeof zkOracleLensAbi, "view", "feedState">;
  expectTypeOf<State["answer"]>().toEqualTypeOf<bigint>();
  expectTypeOf<State["held"]["reason"]>().toEqualTypeOf<number>();
});
