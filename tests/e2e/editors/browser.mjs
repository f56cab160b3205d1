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
// A page with text that is not saved asks before it goes.
page.on("dialog", (dialog) => dialog.accept());

// The rows of the editor in use, by the number beside each, without what an editor adds to them.
function readRows() {
  const editor = document.querySelector(".editor-group-container.active .monaco-editor");
  if (!editor) {
    return {};
  }
  const numbers = {};
  for (const one of editor.querySelectorAll(".margin-view-overlays > div")) {
    const number = one.querySelector(".line-numbers")?.textContent;
    if (number) {
      numbers[one.style.top] = number;
    }
  }
  const rows = {};
  for (const line of editor.querySelectorAll(".view-lines > .view-line")) {
    const spans = [...line.querySelectorAll(":scope > span > span")];
    const own = spans.filter((one) => !one.className.includes("ghost-text"));
    const text = own.map((one) => one.textContent).join("").replaceAll("\u00a0", " ");
    rows[numbers[line.style.top]] = text;
  }
  return rows;
}

// What the editor draws behind its rows, which is not text of the page.
function readBehind() {
  return [...document.querySelectorAll(".view-line span")]
    .map((one) => getComputedStyle(one, "::after").content)
    .filter((text) => text && text !== "none" && text !== "normal");
}

const operations = {
  open: ({ url }) => page.goto(url).then(() => true),
  press: ({ key }) => page.keyboard.press(key),
  type: ({ text }) => page.keyboard.type(text, { delay: 30 }),
  click: ({ selector }) => page.click(selector, { timeout: 20000 }),
  texts: ({ selector }) => page.$$eval(selector, (all) => all.map((one) => one.textContent)),
  visible: ({ selector }) => page.locator(selector).first().isVisible(),
  wait: ({ selector }) => page.waitForSelector(selector, { timeout: 60000 }).then(() => true),
  rows: () => page.evaluate(readRows),
  behind: () => page.evaluate(readBehind),
  screenshot: ({ path }) => page.screenshot({ path }).then(() => true),
  close: () => browser.close(),
};

console.log(JSON.stringify({ ready: true }));
for await (const line of readline.createInterface({ input: process.stdin })) {
  const { op, ...given } = JSON.parse(line);
  try {
    console.log(JSON.stringify({ value: (await operations[op](given)) ?? null }));
  } catch (error) {
    console.log(JSON.stringify({ error: String(error).slice(0, 500) }));
  }
  if (op === "close") {
    break;
  }
}
process.exit(0);
