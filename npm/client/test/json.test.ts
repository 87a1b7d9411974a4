import { expect, test } from "vitest";

import { isObject, JsonError, parseJson, writeJson } from "../src/json.js";

test.each([
  ['{"a": [1, -2.5, 1e3, true, false, null, "x\\u00e9\\n"], "b": {}}'],
  ["[]"],
  ["  7 "],
  ['"\\ud83d\\ude00"'],
  ["-0.0"],
])("%s is read as JSON.parse reads it", (text) => {
  expect(parseJson(text)).toEqual(JSON.parse(text));
});

test("large integers stay whole, and are written again", () => {
  const text = '{"lo":-170141183460469231731687303715884105728,"unit":9007199254740993,"small":9007199254740991}';
  const found = parseJson(text);
  expect(found).toEqual({ lo: -(2n ** 127n), unit: 9007199254740993n, small: 9007199254740991 });
  expect(writeJson(found)).toBe(text);
});

test("exact integers are bigints, and other numbers are not", () => {
  expect(parseJson('{"a": 1000, "b": 1e3, "c": -0, "d": 1.0, "e": "#7"}', "bigint")).toEqual({ a: 1000n, b: 1_000, c: 0n, d: 1, e: "#7" });
});

test.each([
  ["", "a value is missing"],
  ["{", "a key is missing"],
  ['{"a":1,"a":2}', "stands twice"],
  ["[1,]", "a value is missing"],
  ["[1 2]", "a list does not end"],
  ['{"a" 1}', "a colon is missing"],
  ["01", "something follows"],
  ['"\n"', "a text does not end"],
  ["1e999", "too large"],
  ["NaN", "a value is missing"],
  ["[".repeat(100), "nested more than 64 times"],
])("%s is refused", (text, problem) => {
  expect(() => parseJson(text)).toThrow(JsonError);
  expect(() => parseJson(text)).toThrow(problem);
});

test("a key cannot reach a prototype", () => {
  const found = parseJson('{"__proto__": {"polluted": 1}}');
  expect(isObject(found)).toBe(true);
  expect("polluted" in {}).toBe(false);
  expect(Object.getPrototypeOf(found)).toBe(Object.prototype);
});
