// A professional logs in by Pro Santé Connect and talks with a colleague, in a real Chromium. Argument: a JSON object with
// the page's address, Chromium's path, a folder for screenshots, and what is said. Prints what was seen as JSON.
import { chromium } from "playwright-core";

const { app, browser, shots, who, hears, answers, struckOff } = JSON.parse(process.argv[2]);
const PATIENCE = 100_000; // ms, for failures
const seen = { errors: [] };
const chrome = await chromium.launch({ executablePath: browser, args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"] });

async function person() {
  const context = await chrome.newContext({ locale: "fr-FR", viewport: { width: 900, height: 600 } });
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  page.on("pageerror", (error) => seen.errors.push(`${error}`));
  return page;
}

async function present(page, name) {
  await page.goto(app);
  await page.locator("a").click();
  seen.simulator = await page.locator("p").first().innerText();
  await page.getByRole("button", { name, exact: true }).click();
}

const page = await person();
try {
  await present(page, who);
  await page.locator("#state", { hasText: "connecté : @" }).waitFor();
  seen.state = await page.locator("#state").innerText();
  seen.name = await page.locator("#name").innerText();
  seen.address = page.url();
  const heard = page.locator("#log > li", { hasText: hears });
  await heard.waitFor();
  seen.heard = await heard.innerText();
  seen.encrypted = await heard.getAttribute("data-encrypted");
  await page.locator("input").fill(answers);
  await page.keyboard.press("Enter");
  await page.locator("#log > li", { hasText: answers }).waitFor();
  await page.screenshot({ path: `${shots}/talk.png` });

  const other = await person();
  await present(other, struckOff);
  await other.getByText("struck_off").first().waitFor();
  seen.refused = await other.locator("body").innerText();
  await other.screenshot({ path: `${shots}/refused.png` });

  // They log out at the provider, in another tab of the same browser: the page's session is over.
  const tab = await page.context().newPage();
  await tab.goto(await logoutAddress(page));
  await tab.getByRole("button", { name: "Oui" }).click();
  await page.locator("#state", { hasText: "déconnecté" }).waitFor();
  seen.ended = await page.locator("#state").innerText();
} catch (error) {
  seen.failed = `${error}`;
  await page.screenshot({ path: `${shots}/talk.png` });
  seen.body = await page.locator("body").innerText();
}
await chrome.close();
console.log(JSON.stringify(seen));
process.exit(0);

function logoutAddress(page) {
  return page.evaluate(() => document.documentElement.dataset.logout);
}
