import { expect, test } from "vitest";

import { ConfigError, NO_CONFIG, parseConfig } from "../src/app/config.js";
import { hrefOf, parseRoute, type Route } from "../src/app/routes.js";
import { merge, parseChoice, parseUrls, UrlError } from "../src/app/settings.js";
import { nextTheme } from "../src/app/theme.js";
import { countsOf } from "../src/check/latest.js";
import { digitsFor, reachOf } from "../src/pages/feed/price-chart.js";
import { featureText, featureTitle } from "../src/pages/round/features.js";
import { scoreText } from "../src/pages/round/report.js";
import { ageText, answerShort, answerText, changeText, countText, durationText, shortHex, sigmaText } from "../src/ui/format.js";
import { sparkPath } from "../src/ui/sparkline.js";

test.each([
  [234_567_000_000n, 8, "2345.67"],
  [6_118_770_341_699n, 8, "61\u202f187.70341699"],
  [-33n, 1, "−3.3"],
  [0n, 8, "0.00"],
  [5n, 8, "0.00000005"],
  [-5n, 8, "−0.00000005"],
  [1_234_567n, 0, "1\u202f234\u202f567"],
  [10n ** 30n, 18, "1\u202f000\u202f000\u202f000\u202f000.00"],
])("%s with %i decimals is %s", (answer, decimals, text) => {
  expect(answerText(answer, decimals)).toBe(text);
});

test.each([
  [6_118_770_341_699n, 8, "61\u202f187.70"],
  [65_696_836_459n, 8, "656.9683"],
  [13_463_461_941n, 9, "13.46346"],
  [123n, 8, "0.00000123"],
  [99_999_999n, 8, "0.9999999"],
  [-33n, 1, "−3.3"],
])("a short answer is cut and never rounded: %s with %i decimals is %s", (answer, decimals, text) => {
  expect(answerShort(answer, decimals)).toBe(text);
});

test("changes, sigmas, counts and hashes", () => {
  expect([changeText(100n, 101n), changeText(100n, 99n), changeText(100n, 100n), changeText(0n, 5n), changeText(-1n, 5n)]).toEqual([
    "+1.00 %",
    "−1.00 %",
    "±0.00 %",
    null,
    null,
  ]);
  expect([sigmaText(1_250), sigmaText(-1_250), sigmaText(-1)]).toEqual(["1.25 σ", "−1.25 σ", "0.00 σ"]);
  expect([countText(1_234), countText(12_345), countText(-1_234_567n)]).toEqual(["1234", "12\u202f345", "−1\u202f234\u202f567"]);
  expect([shortHex("0x1234567890abcdef1234"), shortHex("0x12")]).toEqual(["0x1234…1234", "0x12"]);
});

test("ages and durations are said in one unit, or two where it matters", () => {
  expect([-5, 0, 59, 60, 3_599, 3_660, 36_000, 172_800, 86_400 * 1_000].map(ageText)).toEqual([
    "0 s",
    "0 s",
    "59 s",
    "1 min",
    "59 min",
    "1 h 1 min",
    "10 h",
    "2 d",
    "2.7 y",
  ]);
  expect([30, 60, 90, 3_600, 86_400, 5_400].map(durationText)).toEqual(["30 s", "1 min", "90 s", "1 h", "1 d", "90 min"]);
});

const WORD = `0x${"ab".repeat(32)}` as const;
const ROUTES: readonly Route[] = [
  { page: "feeds" },
  { page: "feed", feedId: WORD },
  { page: "round", feedId: WORD, roundId: 12 },
  { page: "report", feedId: WORD, transaction: WORD, logIndex: 3 },
  { page: "models" },
  { page: "model", modelNumber: 2 },
  { page: "claims" },
  { page: "settings" },
];

test.each(ROUTES)("the address of $page leads to it", (route) => {
  expect(parseRoute(hrefOf(route))).toEqual(route);
});

test.each(["#/feed", "#/feed/0x12", `#/feed/${WORD}/round/x`, `#/feed/${WORD}/round`, "#/model/-1", "#/claims/1", "#/<script>"])(
  "%s leads nowhere",
  (hash) => {
    expect(parseRoute(hash).page).toBe("missing");
  },
);

test("a choice counts before the configuration, and a broken one does not", () => {
  const hub = "0x00000000000000000000000000000000000000b0";
  const configured = { ...NO_CONFIG, hub, endpoints: ["http://a"] } as const;
  expect(merge(parseChoice(null), configured)).toEqual({ hub, endpoints: ["http://a"], isChosen: false });
  expect(merge(parseChoice('{"endpoints":["http://b"]}'), configured)).toEqual({ hub, endpoints: ["http://b"], isChosen: true });
  for (const text of ["{", "1", "null", '{"hub":1,"endpoints":[1]}', '{"hub":"0x12","endpoints":[]}']) {
    expect(parseChoice(text)).toEqual({ hub: null, endpoints: null });
  }
});

test("URLs are read one a line, and a wrong one is named", () => {
  expect(parseUrls(" https://a.example/key \n\nhttp://127.0.0.1:8545 https://a.example/key")).toEqual([
    "https://a.example/key",
    "http://127.0.0.1:8545",
  ]);
  expect(() => parseUrls("localhost")).toThrow(UrlError);
  expect(() => parseUrls("wss://a.example")).toThrow(/does not begin with https/);
  expect(() => parseUrls("https://me:secret@a.example")).toThrow(/user's name/);
  expect(() => parseUrls("https://me:secret@a.example")).not.toThrow(/secret/);
});

test("config.json is read strictly", () => {
  const hub = "0x00000000000000000000000000000000000000b0";
  const files = [{ name: "quadratic", files: { "vk.key": "public/quadratic/vk.key" } }];
  expect(parseConfig("{}")).toEqual(NO_CONFIG);
  expect(parseConfig(JSON.stringify({ hub, endpoints: ["http://a"], fromBlock: 7, publicFiles: files, other: 1 }))).toEqual({
    ...NO_CONFIG,
    hub,
    endpoints: ["http://a"],
    fromBlock: 7n,
    publicFiles: files,
  });
  for (const text of [
    "",
    "[]",
    "null",
    '{"hub":"0x12"}',
    '{"endpoints":"http://a"}',
    '{"endpoints":[1]}',
    '{"fromBlock":-1}',
    '{"fromBlock":1.5}',
    '{"publicFiles":[{"name":1}]}',
    '{"publicFiles":[{"name":"a","files":{"vk.key":1}}]}',
    '{"modelCards":true}',
  ]) {
    expect(() => parseConfig(text)).toThrow(ConfigError);
  }
});

test("features are said in units that people know", () => {
  expect([featureTitle("past_0"), featureTitle("past_11"), featureTitle("move"), featureTitle("new")]).toEqual([
    "Last move",
    "Move 12 back",
    "Move now",
    "new",
  ]);
  expect([featureText("gap", 1_500), featureText("move", -2_500), featureText("count", 3), featureText("peer_seen_0", 1)]).toEqual([
    "1.50 heartbeats",
    "−2.50 σ",
    "3",
    "yes",
  ]);
});

test("scores are short", () => {
  expect([scoreText(0n), scoreText(-999_999n), scoreText(12_345_678n), scoreText(-12_345_678n)]).toEqual([
    "0",
    "−999\u202f999",
    "1.23 × 10^7",
    "−1.23 × 10^7",
  ]);
});

test("a far held value does not flatten the line, a near one is in sight", () => {
  expect(reachOf([100, null, 110], [120, 90])).toEqual({ low: 90, high: 120 });
  expect(reachOf([100, 110], [1_000, -1_000])).toEqual({ low: 100, high: 110 });
  expect(reachOf([null], [5])).toBeNull();
});

test("an axis has the decimals that tell its numbers apart", () => {
  expect([digitsFor(50_000, 8), digitsFor(50, 8), digitsFor(0.5, 8), digitsFor(0.000_01, 8), digitsFor(5, 0), digitsFor(0, 8)]).toEqual([
    0, 1, 3, 7, 0, 2,
  ]);
});

test("a sparkline fills its box, and is empty for fewer than two values", () => {
  expect(sparkPath([], 10, 10)).toBe("");
  expect(sparkPath([1], 10, 10)).toBe("");
  expect(sparkPath([1, 3], 10, 10)).toBe("M0.0 8.0L10.0 2.0");
  expect(sparkPath([2, 2], 10, 10)).toBe("M0.0 5.0L10.0 5.0");
});

test("verdicts are counted, and themes follow each other", () => {
  expect(countsOf([{ verdict: "holds" }, { verdict: "fails" }, { verdict: "holds" }])).toEqual({ holds: 2, fails: 1, unchecked: 0 });
  expect(nextTheme(nextTheme(nextTheme("system")))).toBe("system");
});
