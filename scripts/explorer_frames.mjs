// Take the frames of the explorer's moving picture: node scripts/explorer_frames.mjs URL FEED_ID ROUND FOLDER
//
// `scripts/moving_pictures.py` calls it. Each frame is a picture FOLDER/NUMBER-MILLISECONDS.png of the real pages.
import { mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const [, , url, feedId, round, folder] = process.argv;
const require = createRequire(path.resolve(import.meta.dirname, "../explorer/package.json"));
const { chromium } = require("playwright-core");
const packed = (await import(require.resolve("@sparticuz/chromium"))).default;

mkdirSync(folder, { recursive: true });
const named = process.env["CHROMIUM"];
const browser = await chromium.launch({
  executablePath: named ?? (await packed.executablePath()),
  args: named === undefined ? packed.args : ["--no-sandbox"],
});
const page = await browser.newPage({
  viewport: { width: 1_280, height: 800 },
  deviceScaleFactor: 0.75,
  colorScheme: "dark",
  timezoneId: "UTC",
});
let taken = 0;

async function frame(milliseconds) {
  taken += 1;
  await page.screenshot({ path: path.join(folder, `${String(taken).padStart(3, "0")}-${String(milliseconds)}.png`) });
}

try {
  await page.goto(`${url}#/`);
  await page.getByRole("table", { name: "Feeds" }).getByRole("row").nth(1).waitFor();
  await page.waitForTimeout(3_000); // sparklines are drawn
  await frame(2_500);
  await page.goto(`${url}#/feed/${feedId}`);
  await page.getByRole("table", { name: "Rounds" }).getByRole("row").nth(1).waitFor();
  await page.waitForTimeout(3_000);
  await frame(3_000);
  await page.goto(`${url}#/feed/${feedId}/round/${round}`);
  const button = page.getByRole("button", { name: "Check it here" });
  await button.waitFor();
  await frame(1_500);
  await button.click();
  const result = page.getByRole("status", { name: "Result of the check" });
  const steps = page.getByRole("list", { name: "Steps of the check" });
  let shown = "";
  for (let waited = 0; waited < 600; waited += 1) {
    const now = (await steps.count()) === 0 ? "" : await steps.innerText();
    if (now !== shown) {
      shown = now;
      await steps.scrollIntoViewIfNeeded();
      await frame(450);
    }
    if ((await result.count()) > 0 && /\S/.test(await result.innerText())) break;
    await page.waitForTimeout(50);
  }
  await page.waitForTimeout(500);
  await page.evaluate(() => scrollTo(0, 0));
  await result.evaluate((element) => element.scrollIntoView({ block: "center" }));
  await frame(3_000);
  for (let row = 0; row < 5; row += 1) {
    await page.mouse.wheel(0, 200);
    await page.waitForTimeout(300);
    await frame(row === 4 ? 3_000 : 500);
  }
} finally {
  await browser.close();
}
