// Pictures of the console for the README. Argument: a JSON object with the console's address, Chromium's path, who logs in,
// and pictures: a name, a path, a language, a width, a height, a colour scheme. In a path `{message}` is the message that
// has waited longest.
import { chromium } from "playwright-core";

const { url, browser, who, pictures } = JSON.parse(process.argv[2]);
const chrome = await chromium.launch({ executablePath: browser, args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"] });
for (const { file, path, language, width, height, scheme } of pictures) {
  const context = await chrome.newContext({ locale: language, viewport: { width, height }, colorScheme: scheme });
  const page = await context.newPage();
  await page.goto(`${url}/waiting`);
  await page.locator("a.button").click();
  await page.getByRole("button", { name: who, exact: true }).click();
  await page.waitForURL(`${url}/waiting`);
  const waits = await page.locator('td a[href^="/message/"]').first().getAttribute("href");
  await page.goto(url + path.replace("/message/{message}", waits));
  await page.screenshot({ path: file });
  await context.close();
}
await chrome.close();
console.log("done");
process.exit(0);
