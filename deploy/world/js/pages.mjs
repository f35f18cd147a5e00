// Two clinicians in two simulated products, by keyboard alone, in a real Chromium. Arguments: a JSON object with the
// addresses of both products, Chromium's path and a folder for screenshots. Prints what was seen as JSON.
import { chromium } from "playwright-core";

const { pandalab, siilo, browser, shots, colleague } = JSON.parse(process.argv[2]);
const seen = { errors: [] };
const PATIENCE = 100_000; // ms, for failures
const chrome = await chromium.launch({ executablePath: browser, args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"] });

async function person(locale, width) {
  const context = await chrome.newContext({ locale, viewport: { width, height: 780 } });
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  page.on("pageerror", (error) => seen.errors.push(`${error}`));
  page.on("console", (line) => { if (line.type() === "error") seen.errors.push(line.text()); });
  return page;
}

// Tab, until what has the focus is this.
async function tabTo(page, selector) {
  for (let n = 0; n < 120; n++) {
    await page.keyboard.press("Tab");
    if (await page.evaluate((wanted) => document.activeElement?.matches(wanted) ?? false, selector)) return;
  }
  throw new Error(`the keyboard does not reach ${selector}`);
}
async function press(page, selector, key = "Enter") {
  await tabTo(page, selector);
  const stays = await page.evaluate(() => document.activeElement.matches("summary, input[type=checkbox]"));
  await (stays ? page.keyboard.press(key) : loads(page, key));
}
const loads = (page, key) => Promise.all([page.waitForNavigation(), page.keyboard.press(key)]);
async function write(page, text) {
  await page.locator("#text").focus(); // it has the focus when the page opens
  await page.keyboard.type(text);
  await loads(page, "Control+Enter");
}
const wide = (page) => page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
const last = (page, text) => page.locator(".log > li", { has: page.locator(".text", { hasText: text }) }).last();

const cleo = await person("fr-FR", 390);
const dan = await person("en-GB", 1000);
try {
  await cleo.goto(`${pandalab}/`);
  seen.label = await cleo.locator("header .label").innerText();
  await press(cleo, 'a[href="/u/cleo"]');
  await cleo.waitForURL("**/u/cleo");
  await tabTo(cleo, "#q");
  await cleo.keyboard.type("moreau");
  await loads(cleo, "Enter");
  await press(cleo, "input[type=checkbox]", "Space");
  await press(cleo, "fieldset + button");
  await cleo.waitForURL("**/new?**");
  seen.focused = await cleo.evaluate(() => document.activeElement.id);
  await write(cleo, "Bonjour <img src=x onerror=alert(1)>");
  await cleo.waitForURL("**/c/**");
  await last(cleo, "Bonjour").waitFor();

  await dan.goto(`${siilo}/u/dan`);
  seen.list = await dan.locator(".talks li").innerText();
  await press(dan, ".talks a");
  await last(dan, "Bonjour <img src=x onerror=alert(1)>").waitFor();
  await last(cleo, "Bonjour").locator(".state.read").waitFor(); // dan's page was visible: read
  await press(dan, ".actions > summary");
  await press(dan, '.actions a[href^="?reply"]');
  await dan.waitForURL("**?reply=**");
  await write(dan, "Oui, demain");
  await last(cleo, "Oui, demain").locator("blockquote", { hasText: "Bonjour" }).waitFor();

  await press(dan, ".actions > summary");
  await press(dan, 'button[value="👍"]');
  await last(cleo, "Bonjour").locator(".reactions", { hasText: "Dan Moreau" }).waitFor();

  await press(cleo, ".mine .actions > summary");
  await tabTo(cleo, ".actions textarea");
  await cleo.keyboard.press("Control+A");
  await cleo.keyboard.type("Bonjour Dan");
  await press(cleo, '.actions form[action$="/edits"] button');
  await last(dan, "Bonjour Dan").locator(".mark", { hasText: "corrected" }).waitFor();

  await dan.locator("#text").focus();
  await dan.keyboard.type("J");
  await cleo.locator(".types", { hasText: "Dan Moreau" }).waitFor();
  await dan.keyboard.press("Backspace");

  await cleo.locator("input[type=file]").setInputFiles([
    { name: "bilan é.pdf", mimeType: "application/pdf", buffer: Buffer.from("%PDF-1.4") },
    { name: "plaie.png", mimeType: "image/png", buffer: Buffer.from(
      "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64") },
  ]);
  await press(cleo, 'input[name="urgent"]', "Space");
  await write(cleo, "Potassium 6,8");
  const urgent = last(dan, "Potassium 6,8");
  await urgent.locator(".file", { hasText: "bilan é.pdf" }).waitFor();
  seen.urgent = await urgent.locator(".mark").first().innerText();
  seen.picture = await urgent.locator("img").evaluate((image) => image.complete || image.decode().then(() => true));

  await press(cleo, ".group > summary");
  await tabTo(cleo, 'input[name="add"]');
  await cleo.keyboard.type(colleague);
  await loads(cleo, "Enter");
  await cleo.locator(".group > summary", { hasText: "(3)" }).waitFor();
  await press(cleo, ".group > summary");
  await tabTo(cleo, '.group input[name="text"]');
  await cleo.keyboard.type("Sortie de jeudi");
  await loads(cleo, "Enter");
  await cleo.locator("h1", { hasText: "Sortie de jeudi" }).waitFor();
  await cleo.screenshot({ path: `${shots}/phone.png`, fullPage: true });
  seen.overflow = await wide(cleo);

  await press(cleo, ".mine:last-child .actions > summary");
  await press(cleo, '.mine:last-child form[action$="/removals"] button');
  await dan.locator(".gone").waitFor();
  await dan.goto(`${siilo}/u/dan`);
  seen.named = await dan.locator(".talks li").innerText();
  await dan.keyboard.press("Tab");
  seen.skip = await dan.evaluate(() => document.activeElement.className);
  await press(dan, ".talks a");
  await dan.locator(".gone").waitFor();
  await dan.screenshot({ path: `${shots}/desk.png`, fullPage: true });
  await press(dan, "a.language");
  await dan.locator("html[lang=fr]").waitFor();
  seen.french = await dan.locator(".send").innerText();
} catch (error) {
  seen.failed = `${error}`;
  await cleo.screenshot({ path: `${shots}/phone.png`, fullPage: true });
  await dan.screenshot({ path: `${shots}/desk.png`, fullPage: true });
}
await chrome.close();
console.log(JSON.stringify(seen));
process.exit(0);
