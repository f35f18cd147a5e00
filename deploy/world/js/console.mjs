// An operator in the console, in a real Chromium: every page in both languages, on a desk by day and on a phone by night,
// judged by axe-core (WCAG 2.1 AA); then by keyboard alone: one delivery is given up; then out, here and at the provider.
// Argument: a JSON object with the console's address, Chromium's path, a folder for screenshots, the pages, who logs in,
// and a delivery; in `filled`, another console with a session in it. Prints what was seen as JSON.
import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const { url, browser, shots, pages, who, delivery, filled } = JSON.parse(process.argv[2]);
const PATIENCE = 100_000; // ms, for failures
const AXE = readFileSync(new URL("./node_modules/axe-core/axe.min.js", import.meta.url), "utf-8");
const RULES = { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"], resultTypes: ["violations"] };
const seen = { errors: [], violations: [], wide: [], unseen: [], shown: [], judged: 0 };
const chrome = await chromium.launch({ executablePath: browser, args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"] });

async function person(how) {
  const context = await chrome.newContext({ ignoreHTTPSErrors: true, javaScriptEnabled: true, ...how }); // a private authority
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  page.on("pageerror", (error) => seen.errors.push(`${error}`));
  page.on("console", (line) => { if (line.type() === "error") seen.errors.push(`${page.url()} ${line.text()}`); });
  return page;
}

async function logIn(page) {
  await page.goto(`${url}/waiting`);
  await judge(page);
  await page.locator("a.button").click();
  await page.getByRole("button", { name: who, exact: true }).click();
  await page.waitForURL(`${url}/waiting`);
}

// Zero violations; nothing wider than the screen.
async function judge(page) {
  await page.evaluate(AXE);
  const { violations, lang } = await page.evaluate(async (rules) => {
    const { violations } = await window.axe.run(rules);
    return { violations, lang: document.documentElement.lang };
  }, RULES);
  for (const one of violations) seen.violations.push(`${lang} ${page.url()} ${one.id}: ${one.nodes.map((node) => node.html).join(" | ")}`);
  seen.judged += 1;
}
async function narrow(page) {
  await page.setViewportSize({ width: 320, height: 640 });
  const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  if (over > 0) seen.wide.push(`${page.url()} by ${over}`);
}

// Tab, until what has the focus is this; whatever has it on the way shows so.
async function tabTo(page, selector) {
  for (let n = 0; n < 120; n++) {
    await page.keyboard.press("Tab");
    const [there, shown, what] = await page.evaluate((wanted) => {
      const one = document.activeElement;
      const { outlineStyle, outlineWidth } = getComputedStyle(one);
      return [one.matches(wanted), outlineStyle !== "none" && parseFloat(outlineWidth) >= 2, one.outerHTML.slice(0, 90)];
    }, selector);
    if (!shown) seen.unseen.push(what);
    if (there) return;
  }
  throw new Error(`the keyboard does not reach ${selector}`);
}

const desk = await person({ locale: "fr-FR", viewport: { width: 1200, height: 800 } });
const phone = await person({ locale: "en-GB", viewport: { width: 320, height: 640 }, colorScheme: "dark" });
try {
  for (const page of [desk, phone]) await logIn(page);
  for (const page of [desk, phone]) await page.context().addCookies([{ name: "console", value: filled.cookie, url: filled.url }]);
  for (const address of [...pages.map((path) => url + path), ...filled.pages.map((path) => filled.url + path)]) {
    await Promise.all([desk, phone].map(async (page) => {
      if (page === desk) await page.setViewportSize({ width: 1200, height: 800 });
      await page.goto(address);
      await judge(page);
      await narrow(page);
    }));
  }
  await Promise.all([desk, phone].map(async (page) => { // the answer to a form, which no address has
    await page.goto(`${filled.url}/product/siilo`);
    await page.locator("form[action$=token] input[name=sure]").check();
    await page.locator("form[action$=token] button").click();
    seen.shown.push(await page.locator("textarea").inputValue());
    await judge(page);
    await narrow(page);
  }));
  await phone.goto(`${url}/`);
  await phone.screenshot({ path: `${shots}/phone.png` });
  await desk.setViewportSize({ width: 1200, height: 800 });
  await desk.goto(`${url}/`);
  await desk.screenshot({ path: `${shots}/desk.png` });

  await desk.goto(`${url}/delivery/${delivery}`);
  await desk.keyboard.press("Tab");
  seen.first = await desk.evaluate(() => document.activeElement.className);
  await tabTo(desk, "input[name=sure]");
  await desk.keyboard.press("Space");
  await tabTo(desk, "button.bad");
  await Promise.all([desk.waitForURL("**/message/**"), desk.keyboard.press("Enter")]);
  seen.dropped = await desk.locator("[role=status]").innerText();
  seen.states = await desk.locator("main").innerText();
  await desk.getByRole("link", { name: "English" }).click();
  seen.switched = await desk.evaluate(() => document.documentElement.lang);

  await desk.locator("header form button").click();
  await desk.getByRole("button", { name: "Oui" }).click();
  await desk.waitForURL(`${url}/login/out**`);
  seen.out = await desk.locator("[role=status]").innerText();
  await desk.goto(`${url}/waiting`);
  seen.after = desk.url();
} catch (error) {
  seen.failed = `${error}`;
  await desk.screenshot({ path: `${shots}/desk.png` });
  seen.body = await desk.locator("body").innerText();
}
await chrome.close();
console.log(JSON.stringify(seen));
process.exit(0);
