// Live changes on a customer's pages, and their announcements for screen readers, in a real browser.

import assert from "node:assert/strict";
import { test } from "node:test";
import { WIDTHS, accessible, keep, operate, rent, serve, signUp, stage, step } from "./harness.mjs";

// Streams end within a second after their session.
const { server, visitor, well } = stage({ SAEM_HTTP__KEEP_ALIVE_MS: "3000" });
const api = async (path, how = {}) => {
  const headers = { authorization: `Bearer ${server.key}`, "content-type": "application/json" };
  const answer = await fetch(server.url + path, { headers, ...how });
  assert.ok(answer.ok, `${path}: ${answer.status}`);
  return answer.json();
};
const breaker = (mode) => api("/v1/operations/payment/breaker", { method: "PUT", body: JSON.stringify({ mode }) });
/// Takes a step of the newest delivery as the operator, once that is possible.
const deliver = async (verb) => {
  const { items: [{ id }] } = await api("/v1/deliveries");
  for (const until = Date.now() + 20_000; Date.now() < until;) {
    const done = await api(`/v1/deliveries/${id}/${verb}`, { method: "POST" }).catch(() => null);
    if (done) return;
    await new Promise((next) => setTimeout(next, 50));
  }
  assert.fail(`never: ${verb}`);
};

test("each change is announced once, and the confirmation goes", async () => {
  const page = await visitor();
  await signUp(page, "귀기울");
  await rent(page, "샘 정수기 미니");
  await page.waitForSelector("#new >> text=렌탈이 확정되었습니다");
  await page.waitForSelector("#live.on >> text=실시간");
  await page.evaluate(() => {
    globalThis.announced = [];
    const line = document.getElementById("announcement");
    new MutationObserver(() => globalThis.announced.push(line.textContent)).observe(line, { childList: true });
  });
  assert.equal(await step(page).textContent(), "배송 준비");
  await deliver("dispatch");
  await page.waitForSelector("#announcement:has-text('설치 기사님이 출발했습니다')", { state: "attached" });
  assert.equal(await step(page).textContent(), "배송 중");
  assert.equal(await page.locator("#new").count(), 0, "the confirmation is gone");
  await deliver("complete");
  await page.waitForSelector("article .tag:text-is('설치 완료')");
  await page.waitForSelector("#announcement:has-text('설치를 마쳤습니다')", { state: "attached" });
  const announced = await page.evaluate(() => globalThis.announced);
  assert.deepEqual(announced, ["샘 정수기 미니: 설치 기사님이 출발했습니다.", "샘 정수기 미니: 설치를 마쳤습니다."]);
});

test("a confirmation goes when the rental is canceled elsewhere", async () => {
  const page = await visitor({ locale: "en-US" });
  await signUp(page, "Otto Elsewhere");
  await rent(page, "샘 정수기 미니");
  await page.waitForSelector("#new");
  await page.waitForSelector("#live.on");
  const tab = await page.context().newPage();
  await tab.goto(`${new URL(page.url()).pathname}/cancel`);
  await tab.click("text=Yes, cancel it");
  await page.waitForSelector("#new", { state: "detached" });
  await page.waitForSelector("dd:has-text('Refunded')");
  await page.waitForSelector("#announcement:has-text('canceled and refunded')", { state: "attached" });
});

test("pay buttons are disabled until the next attempt", async () => {
  const page = await visitor({ width: WIDTHS.phone });
  await signUp(page, "기다림");
  await breaker("FORCED_OPEN");
  await rent(page, "샘 정수기 미니");
  await page.waitForSelector(".countdown >> text=/초 뒤에/");
  assert.equal(await page.isDisabled("#pay button"), true);
  await page.waitForSelector("#pay-wait >> text=/초 뒤에/");
  await keep(page, "pay-early-phone");
  await accessible(page);
  const tab = await page.context().newPage();
  await tab.goto("/my");
  await tab.waitForSelector(".countdown >> text=/초 뒤에/");
  assert.equal(await tab.isVisible("article >> text=지금 결제하기"), false);
  await tab.waitForSelector("article >> text=지금 결제하기");
  await keep(tab, "my-payable-phone");
  await page.waitForSelector("#announcement:has-text('지금 결제할 수 있습니다')", { state: "attached" });
  await page.click("#pay button");
  await page.waitForSelector("[role=alert] >> text=아직 결제를 마치지 못했습니다");
  await page.waitForSelector(".countdown >> text=/초 뒤에/");
  assert.equal(await page.isDisabled("#pay button"), true);
  await keep(page, "pay-again-phone");
  await accessible(page);
  await breaker("AUTO");
  await page.click("#pay button:enabled");
  await page.waitForSelector("text=렌탈이 확정되었습니다");
});

test("without scripts nothing is live, and payment is always possible", async () => {
  const page = await visitor({ javaScriptEnabled: false });
  await signUp(page, "무실시간");
  await breaker("FORCED_OPEN");
  await rent(page, "샘 정수기 미니");
  await page.waitForSelector("text=결제 대기 중입니다");
  assert.equal(await page.isVisible("#live"), false);
  await breaker("AUTO");
  await page.click("#pay button");
  await page.waitForSelector("text=렌탈이 확정되었습니다");
  await page.goto("/my");
  assert.equal(await page.isVisible("#live"), false);
});

test("a page without a session leads to the log-in and back", async () => {
  const page = await visitor();
  await signUp(page, "나갔다");
  await page.goto("/my");
  await page.waitForSelector("#live.on");
  const tab = await page.context().newPage();
  await tab.goto("/");
  await tab.click("text=로그아웃");
  await page.waitForURL("**/log-in?to=/my");
});

test("a form's page without a session leads back to the rental", async () => {
  const page = await visitor();
  await signUp(page, "다시올");
  await breaker("FORCED_OPEN");
  await rent(page, "샘 정수기 미니");
  await page.waitForSelector("#pay");
  await breaker("AUTO");
  await page.check("[value=tok_decline]");
  await page.click("#pay button:enabled");
  await page.waitForSelector("[role=alert] >> text=카드 승인이 거절되었습니다");
  await page.waitForSelector("#live.on");
  const at = new URL(page.url()).pathname.replace(/\/pay$/, "");
  const tab = await page.context().newPage();
  await tab.goto("/");
  await tab.click("text=로그아웃");
  await page.waitForURL(`**/log-in?to=${at}`);
});

test("a page shows that the server is unreachable", async () => {
  const own = await serve();
  const page = await visitor({ url: own.url });
  // Not among those that must have no error: losing the server is one.
  page.gone = true;
  await signUp(page, "끊김");
  await page.goto("/my");
  await page.waitForSelector("#live.on");
  await own.close();
  await page.waitForSelector("#live:not(.on) >> text=다시 연결하는 중");
});

for (const [name, width] of Object.entries(WIDTHS)) {
  test(`cards are as high as one another, whatever they show, ${name}`, async () => {
    const [page, shop] = [await visitor({ width }), await visitor()];
    await operate(shop, server.key);
    await shop.click("tbody a >> nth=0");
    await shop.fill("[name=description]", "길게 이어지는 설명입니다. ".repeat(60));
    await shop.click("main button:text-is('저장')");
    const png = await shop.locator(".big-face").screenshot();
    await shop.setInputFiles("#image", { name: "wide.png", mimeType: "image/png", buffer: png });
    await shop.waitForSelector(".big-face img[src^='/images/']");
    await page.goto("/");
    await page.waitForSelector(".face img");
    await page.locator(".face img").first().scrollIntoViewIfNeeded();
    const faces = await page.locator(".face").evaluateAll((all) => all.map((face) => face.getBoundingClientRect()));
    const high = new Set(faces.map((face) => Math.round(face.height)));
    assert.equal(high.size, 1, `${[...high]}`);
    const clamped = await page.locator(".clamp").evaluateAll((all) => all.map((text) => text.clientHeight));
    assert.ok(Math.max(...clamped) < 60, `${clamped}`);
    await keep(page, `cards-${name}`);
  });
}

test("pages have no script errors and load nothing from other hosts", () => {
  well(6);
});
