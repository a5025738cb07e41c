// A server, a browser, and the rules for every page: no script error, no request to other hosts, no finding of
// axe.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before } from "node:test";

// Packages are installed in the target directory, not beside the sources.
const require = createRequire(join(process.env.TEST_NODE_MODULES, "x.js"));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

export const WIDTHS = { phone: 390, desktop: 1280 };
const SHOTS = process.env.TEST_SCREENSHOTS;
mkdirSync(SHOTS, { recursive: true });

/// Starts a server with the sample purifiers; `close` ends it.
export const serve = async (settings = {}) => {
  const data = mkdtempSync(join(tmpdir(), "saem-browser-"));
  const env = { ...process.env, SAEM_LOG: "error", SAEM_LIMITS__REQUESTS_PER_SECOND: "0", ...settings };
  const args = ["serve", "--demo", "--listen", "127.0.0.1:0", "--data", data];
  const server = spawn(process.env.TEST_BINARY, args, { env, stdio: ["ignore", "pipe", "inherit"] });
  let said = "";
  const url = await new Promise((found, lost) => {
    server.once("exit", (code) => lost(new Error(`the server ended with ${code}: ${said}`)));
    server.stdout.on("data", (piece) => {
      said += piece;
      if (said.includes("try first")) found(/listens on (\S+)/.exec(said)[1]);
    });
  });
  const key = readFileSync(join(data, "operator.key"), "utf8").trim();
  const close = async () => {
    const ended = new Promise((end) => { server.removeAllListeners("exit"); server.once("exit", end); });
    server.kill("SIGTERM");
    await ended;
    rmSync(data, { recursive: true, force: true });
  };
  return { url, key, close };
};

/// Starts a browser; each `visitor` has its own cookies.
export const browse = async () => {
  const browser = await chromium.launch({
    executablePath: process.env.TEST_CHROMIUM, args: ["--no-sandbox", "--disable-gpu", "--force-color-profile=srgb"],
  });
  return {
    close: () => browser.close(),
    visitor: async ({ url, locale = "ko-KR", width = WIDTHS.desktop, javaScriptEnabled = true }) => {
      const context = await browser.newContext({
        baseURL: url, locale, javaScriptEnabled, viewport: { width, height: 900 }, reducedMotion: "reduce",
        timezoneId: "Asia/Seoul",
      });
      context.setDefaultTimeout(20_000);
      const page = await context.newPage();
      const wrong = [];
      // A refusal is an answer, which a browser puts on the console, too.
      const refused = /Failed to load resource: the server responded with a status of 4\d\d/;
      page.on("console", (line) => {
        if (line.type() === "error" && !refused.test(line.text())) wrong.push(line.text());
      });
      page.on("pageerror", (error) => wrong.push(String(error)));
      page.on("request", (request) => {
        if (!request.url().startsWith(url) && !request.url().startsWith("data:")) wrong.push(`loads ${request.url()}`);
      });
      page.well = () => assert.deepEqual(wrong, [], "nothing is wrong with any page");
      return page;
    },
  };
};

/// Server and browser for the tests of a file, after `prepare`.
export const stage = (settings, prepare = async () => {}) => {
  const [server, open] = [{}, []];
  let browser;
  const visitor = async (how = {}) => {
    const page = await browser.visitor({ url: server.url, ...how });
    open.push(page);
    return page;
  };
  before(async () => {
    Object.assign(server, await serve(settings));
    browser = await browse();
    await prepare();
  });
  after(async () => {
    await browser?.close();
    await server.close?.();
  });
  /// No page had an error, of more than so many that were opened.
  const well = (more) => {
    assert.ok(open.length > more);
    open.filter((page) => !page.gone).forEach((page) => page.well());
  };
  return { server, visitor, well };
};

/// Asserts that axe finds nothing on a page.
export const accessible = async (page) => {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, {
    runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
  }));
  const found = violations.map(({ id, help, nodes }) => ({ id, help, nodes: nodes.map((node) => node.html.slice(0, 160)) }));
  assert.deepEqual(found, [], `axe, ${page.url()}`);
};

/// Saves a screenshot of the whole page.
export const keep = async (page, name) => {
  // Nothing is cut off at the side.
  const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(over <= 0, `${name}: ${over} px too wide`);
  await page.screenshot({ path: join(SHOTS, `${name}.png`), fullPage: true });
};

let people = 0;

/// Signs up a new customer and opens `to`.
export const signUp = async (page, name, to = "/") => {
  people += 1;
  await page.goto(`/sign-up?to=${to}`);
  await page.fill("[name=name]", name);
  await page.fill("[name=phone]", `010-7000-${String(1000 + people)}`);
  await page.fill("[name=password]", "correct horse");
  await page.click("main button");
  await page.waitForURL((at) => at.pathname === to);
};

/// Logs in as the operator.
export const operate = async (page, key, to = "/admin") => {
  await page.goto(`/admin/log-in?to=${to}`);
  await page.fill("[name=operatorKey]", key);
  await page.click("main button");
  await page.waitForURL((at) => at.pathname === to);
};

/// Rents the product of this name with this card; the page then shows the result.
export const rent = async (page, product, card = "tok_ok") => {
  await page.goto("/");
  await page.click(`main h3 >> text="${product}"`);
  await page.fill("[name=postalCode]", "04524");
  await page.fill("[name=line1]", "서울 중구 세종대로 110");
  if (!["tok_ok", "tok_decline"].includes(card)) await page.click("fieldset summary");
  await page.check(`[value=${card}]`);
  await page.click("main form[action$='/rent'] button");
};

/// The current step, or else the last one.
export const step = (page) => page.locator("#rentals article").first().locator("[aria-current=step] b");
