// Drives Chromium for a test: a command as JSON on each line of the input, an answer on each of the
// output. Knows nothing of what is tested.
import { createRequire } from "node:module";
import readline from "node:readline";

const [folder, chromium] = process.argv.slice(2);
const { chromium: browserType } = createRequire(`${folder}/package.json`)("playwright-core");
const browser = await browserType.launch({
  executablePath: chromium,
  args: [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
  ],
});
const page = await browser.newPage({ viewport: { width: 1200, height: 760 } });

const operations = {
  open: ({ url }) => page.goto(url),
  press: ({ key }) => page.keyboard.press(key),
  type: ({ text }) => page.keyboard.type(text, { delay: 30 }),
  click: ({ selector }) => page.click(selector, { timeout: 20000 }),
  texts: ({ selector }) => page.$$eval(selector, (all) => all.map((one) => one.textContent)),
  wait: ({ selector }) => page.waitForSelector(selector, { timeout: 60000 }).then(() => true),
  after: () => page.evaluate(() =>
    [...document.querySelectorAll(".view-line span")]
      .map((one) => getComputedStyle(one, "::after").content)
      .filter((text) => text && text !== "none" && text !== "normal")),
  screenshot: ({ path }) => page.screenshot({ path }).then(() => true),
  close: () => browser.close(),
};

console.log(JSON.stringify({ ready: true }));
for await (const line of readline.createInterface({ input: process.stdin })) {
  const { op, ...given } = JSON.parse(line);
  try {
    console.log(JSON.stringify({ value: (await operations[op](given)) ?? null }, (key, value) =>
      value && typeof value === "object" && value.constructor?.name === "Response" ? true : value));
  } catch (error) {
    console.log(JSON.stringify({ error: String(error).slice(0, 500) }));
  }
  if (op === "close") {
    break;
  }
}
process.exit(0);
