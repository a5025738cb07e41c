// The operator's pages in a real browser: on a phone, without scripts, without a server, and after a log-out.

import assert from "node:assert/strict";
import { test } from "node:test";
import { WIDTHS, accessible, keep, operate, rent, signUp, stage } from "./harness.mjs";

const { server, visitor, well } = stage({ SAEM_FAULTS__ENABLED: "true" }, async () => {
  const customer = await visitor();
  await signUp(customer, "긴이름".repeat(12));
  for (const name of ["샘 정수기 미니", "샘 얼음정수기"]) {
    await rent(customer, name);
    await customer.waitForSelector("text=렌탈이 확정되었습니다");
  }
});
const call = (path, body) => fetch(server.url + path, {
  method: "POST",
  headers: { authorization: `Bearer ${server.key}`, "content-type": "application/json" },
  body: JSON.stringify(body),
});

// Returns the controls outside the viewport, and the cells so narrow that words break.
const fits = (page) => page.evaluate(() => {
  const wide = document.documentElement.clientWidth;
  const pressed = [...document.querySelectorAll("main button, main a, main input:not([type=hidden])")];
  const out = pressed.filter((one) => one.getBoundingClientRect().right > wide);
  const lines = (one) => one.getBoundingClientRect().height / parseFloat(getComputedStyle(one).lineHeight);
  const broken = [...document.querySelectorAll("td b, td .button, td .tag")].filter((one) => lines(one) > 3.5);
  return [...out, ...broken].map((one) => one.outerHTML.slice(0, 120));
});

for (const locale of ["ko-KR", "en-US"]) {
  test(`on a phone the operator's lists are cards, and every button is in sight, ${locale}`, async () => {
    const page = await visitor({ width: WIDTHS.phone, locale });
    await operate(page, server.key);
    for (const path of ["/admin", "/admin/rentals", "/admin/deliveries", "/admin/messages?status=ALL", "/console"]) {
      await page.goto(path);
      assert.deepEqual(await fits(page), [], path);
    }
    await page.goto("/admin/rentals");
    await page.click("main td a >> nth=0");
    await page.waitForSelector("h1");
    assert.ok(await page.locator(".saga").isVisible(), "the diagram scrolls horizontally");
    assert.deepEqual(await fits(page), []);
    assert.ok(await page.locator("tbody th:has-text('RentalPlaced')").first().isVisible());
    await accessible(page);
    await keep(page, `saga-phone-${locale.slice(0, 2)}`);
  });
}

test("buttons of a list stay on one line beside long names", async () => {
  const page = await visitor({ locale: "en-US" });
  await operate(page, server.key, "/admin/deliveries");
  const heights = await page.locator("td .button").evaluateAll((all) => all.map((one) => one.offsetHeight));
  await page.goto("/console");
  heights.push(...await page.locator("td .button").evaluateAll((all) => all.map((one) => one.offsetHeight)));
  assert.ok(heights.length > 5 && Math.max(...heights) <= 44, `${heights}`);
  await page.goto("/admin/deliveries");
  await keep(page, "deliveries-desktop");
});

test("arrows of the history cross no text", async () => {
  const page = await visitor();
  await operate(page, server.key, "/admin/rentals");
  await page.click("main td a >> nth=0");
  await page.waitForSelector(".saga >> text=ProductDecreased");
  const crossed = await page.evaluate(() => {
    const boxes = [...document.querySelectorAll(".saga text")].map((text) => [text.textContent, text.getBBox()]);
    return [...document.querySelectorAll(".saga .arrow")].flatMap((arrow) => {
      const points = Array.from({ length: 200 }, (_, n) => arrow.getPointAtLength(arrow.getTotalLength() * n / 199));
      const within = ({ x, y, width, height }) => points.some((at) =>
        at.x > x && at.x < x + width && at.y > y && at.y < y + height);
      return boxes.filter(([, box]) => within(box)).map(([text]) => text);
    });
  });
  assert.deepEqual(crossed, []);
});

test("the console shows whether it is live", async () => {
  const [page, plain] = [await visitor(), await visitor({ javaScriptEnabled: false })];
  await operate(plain, server.key, "/console");
  assert.equal(await plain.locator("#live-state").isVisible(), false);
  assert.ok(await plain.locator("noscript a[href='/console']").isVisible());
  await operate(page, server.key, "/console");
  await page.waitForSelector("#live-state.on >> text=실시간");
  await page.waitForSelector("#most-window:text-is('100')");
  await page.route("**/console/live", (route) => route.fulfill({ status: 503, body: "" }));
  page.gone = true;
  await page.waitForSelector("#live-state:not(.on) >> text=연결이 끊겨");
  await page.unroute("**/console/live");
  await page.waitForSelector("#live-state.on >> text=실시간");
});

test("a log-out in another tab leads back after a new log-in", async () => {
  const page = await visitor();
  for (const [at, button] of [["/admin", "td button >> nth=0"], ["/console", "#mode-AUTO"]]) {
    await operate(page, server.key, at);
    const other = await page.context().newPage();
    await other.goto("/admin");
    await other.click("text=로그아웃");
    await other.waitForURL((url) => url.pathname === "/");
    await other.close();
    await page.click(button);
    await page.waitForURL((url) => url.pathname === "/admin/log-in");
    await page.fill("[name=operatorKey]", server.key);
    await page.click("main button");
    await page.waitForURL((url) => url.pathname === at);
  }
});

test("dismissing a parked target is confirmed first", async () => {
  const [page, customer] = [await visitor({ width: WIDTHS.phone }), await visitor()];
  const { items } = await (await fetch(`${server.url}/v1/products`)).json();
  const { id, name } = items.find((product) => product.stock > 2);
  for (let n = 0; n < 6; n += 1) {
    await call("/v1/operations/faults", { target: { kind: "product", id }, mode: "PANIC" });
    await call(`/v1/products/${id}/restock`, { quantity: 1 });
  }
  await signUp(customer, "보류된 고객");
  await rent(customer, name);
  await operate(page, server.key, "/console");
  await page.click("text=종결하기");
  await page.waitForSelector(".notice.wait >> text=더 이상 출고할 수 없으므로");
  await accessible(page);
  await keep(page, "dismiss-phone");
  await page.fill("[name=reason]", "손으로 맞춤");
  await page.click("text=네, 종결합니다");
  await page.waitForSelector(".notice.good >> text=보류 건을 종결했습니다.");
  await page.click(`[id="revive-${id}"]`);
  await page.waitForSelector(".notice.good >> text=격리를 해제했습니다.");
});

test("pages have no script errors and load nothing from other hosts", () => {
  well(5);
});
