// The pages in a real browser, by clicking.

import assert from "node:assert/strict";
import { test } from "node:test";
import { WIDTHS, accessible, keep, operate, rent, signUp, stage, step } from "./harness.mjs";

const { server, visitor, well } = stage({ SAEM_PAYMENT__DEADLINE_MS: "1200", SAEM_FAULTS__ENABLED: "true" });
const api = async (path) => {
  const answer = await fetch(server.url + path, { headers: { authorization: `Bearer ${server.key}` } });
  return answer.json();
};
const stock = async (name) => (await api("/v1/products")).items.find((product) => product.name === name).stock;
const eventually = async (what, look) => {
  for (const until = Date.now() + 20_000; Date.now() < until;) {
    if (await look()) return;
    await new Promise((next) => setTimeout(next, 25));
  }
  assert.fail(`never: ${what}`);
};

test("a customer rents and follows the delivery live", async () => {
  const page = await visitor();
  await signUp(page, "홍길동");
  const began = await stock("샘 정수기 패밀리");
  await rent(page, "샘 정수기 패밀리");
  await page.waitForSelector("text=렌탈이 확정되었습니다");
  await page.click("text=내 렌탈");
  await page.waitForURL("**/my");
  await page.evaluate(() => { globalThis.loadedOnce = true; });
  await page.waitForSelector("#live.on");
  await eventually("the unit is taken", async () => (await stock("샘 정수기 패밀리")) === began - 1);
  const shop = await visitor();
  await operate(shop, server.key, "/admin/deliveries");
  await shop.fill("[name=carrier]", "우체국택배");
  await shop.fill("[name=trackingNumber]", "6012-3456-7890");
  await shop.click("td >> text=출고");
  await page.waitForSelector("text=설치 기사님이 출발했습니다");
  assert.equal(await step(page).textContent(), "배송 중");
  await keep(page, "my-desktop");
  await shop.click("text=배송 중");
  await shop.click("td >> text=설치 완료");
  await page.waitForSelector("article .tag:text-is('설치 완료')");
  await page.waitForSelector("#messages >> text=설치");
  assert.equal(await page.evaluate(() => globalThis.loadedOnce), true, "it was never loaded again");
  await accessible(page);
});

test("two customers see their own rentals live", async () => {
  const [one, other] = await Promise.all([visitor(), visitor({ locale: "en-US", width: WIDTHS.phone })]);
  await signUp(one, "김하나");
  await signUp(other, "Lee Two");
  await Promise.all([one.goto("/my"), other.goto("/my")]);
  await Promise.all([one.waitForSelector("#live.on"), other.waitForSelector("#live.on")]);
  const [tab, otherTab] = await Promise.all([one.context().newPage(), other.context().newPage()]);
  await Promise.all([rent(tab, "샘 정수기 미니"), rent(otherTab, "샘 얼음정수기")]);
  await one.waitForSelector("#rentals >> text=샘 정수기 미니");
  await other.waitForSelector("#rentals >> text=샘 얼음정수기");
  await one.waitForSelector("text=배송 준비");
  assert.equal(await one.locator("#rentals article").count(), 1);
  assert.equal(await other.locator("#rentals article").count(), 1);
  await keep(other, "my-phone-en");
  await accessible(other);
});

test("a declined card is explained and the form keeps its fields", async () => {
  const page = await visitor();
  await signUp(page, "박거절");
  await rent(page, "샘 정수기 미니", "tok_decline");
  await page.waitForSelector("[role=alert] >> text=카드 승인이 거절되었습니다");
  assert.equal(await page.inputValue("[name=line1]"), "서울 중구 세종대로 110");
  await keep(page, "declined-desktop");
  await accessible(page);
  await page.check("[value=tok_ok]");
  await page.click("main form[action$='/rent'] button");
  await page.waitForSelector("text=렌탈이 확정되었습니다");
});

test("a deferred payment counts down and is paid later", async () => {
  const page = await visitor({ width: WIDTHS.phone });
  await signUp(page, "최나중");
  await rent(page, "샘 정수기 미니", "tok_error");
  await page.waitForSelector("text=결제 대기 중입니다");
  await page.waitForSelector(".countdown >> text=/결제할 수 있습니다/");
  await keep(page, "deferred-phone");
  await accessible(page);
  await page.waitForSelector(".countdown >> text=지금 결제할 수 있습니다");
  await eventually("it is paid", async () => {
    await page.check("#pay [value=tok_ok]");
    await page.click("#pay button:enabled");
    await page.waitForLoadState();
    return page.locator("text=렌탈이 확정되었습니다").isVisible();
  });
});

test("a rental is canceled after a confirmation and refunded live", async () => {
  const page = await visitor({ locale: "en-GB" });
  await signUp(page, "Cancel Kim");
  const began = await stock("샘 얼음정수기");
  await rent(page, "샘 얼음정수기");
  await page.waitForSelector("text=Your rental is confirmed");
  await eventually("the unit is taken", async () => (await stock("샘 얼음정수기")) === began - 1);
  await page.click("text=Cancel this rental");
  await page.waitForSelector("h1:text-is('Cancel this rental?')");
  await keep(page, "cancel-desktop-en");
  await accessible(page);
  await page.click("text=No, keep it");
  await page.click("text=Cancel this rental");
  await page.click("text=Yes, cancel it");
  await page.waitForSelector("text=Refunded");
  await eventually("the unit is back", async () => (await stock("샘 얼음정수기")) === began);
});

test("without scripts a customer rents and cancels", async () => {
  const page = await visitor({ javaScriptEnabled: false });
  await signUp(page, "무스크립트");
  await rent(page, "샘 정수기 미니");
  await page.waitForSelector("text=렌탈이 확정되었습니다");
  await page.click("text=렌탈 취소하기");
  await page.click("text=네, 취소합니다");
  await page.waitForURL(/\/my\/rentals\/[^/]+$/);
  await eventually("it is refunded", async () => {
    await page.reload();
    return page.locator(".steps >> text=환불 완료").isVisible();
  });
});

test("the operator registers, edits, restocks and withdraws a purifier", async () => {
  const page = await visitor();
  await operate(page, server.key);
  await page.click("summary");
  await page.fill("[name=name]", "샘 정수기 프로");
  await page.fill("[name=model]", "SAEM-700");
  await page.fill("[name=description]", "사무실을 위한 대용량 정수기");
  await page.fill("[name=fee]", "59900");
  await page.fill("[name=stock]", "0");
  await page.click("details button");
  await page.waitForSelector("h1:text-is('샘 정수기 프로')");
  await page.fill("[name=fee]", "54900");
  await page.click("main button:text-is('저장')");
  await page.waitForSelector("[name=fee][value='54900']");
  // A real image: the browser itself shows it, or would complain.
  const png = await page.locator(".big-face").screenshot();
  await page.setInputFiles("#image", { name: "pro.png", mimeType: "image/png", buffer: png });
  await page.waitForSelector(".big-face img[src^='/images/']");
  await page.waitForSelector(".notice.good >> text=사진을 올렸습니다.");
  await page.setInputFiles("#image", { name: "no.png", mimeType: "image/png", buffer: Buffer.from("no picture") });
  await page.waitForSelector("#image-wrong:not(:empty)");
  await accessible(page);
  const shop = await visitor();
  await signUp(shop, "구경꾼");
  await shop.goto("/");
  await shop.waitForSelector("article.gone >> text=품절");
  await page.goto("/admin");
  const row = page.locator("tr", { hasText: "샘 정수기 프로" });
  await row.locator("[name=quantity]").fill("7");
  await row.locator("button").click();
  await page.waitForSelector("tr:has-text('샘 정수기 프로') >> text=재고 7대");
  await keep(page, "admin-desktop");
  await rent(shop, "샘 정수기 프로");
  await shop.waitForSelector("text=렌탈이 확정되었습니다");
  await page.click("a:has-text('샘 정수기 프로')");
  await page.click("text=신규 렌탈 중단하기");
  await accessible(page);
  await page.click("text=네, 중단합니다");
  await page.waitForSelector(".notice.good >> text=신규 렌탈을 중단했습니다.");
  await shop.goto("/");
  assert.equal(await shop.locator("main >> text=샘 정수기 프로").count(), 0);
});

test("orders continue while products are paused from the console", async () => {
  const [page, shop] = [await visitor(), await visitor()];
  await operate(page, server.key, "/console");
  await page.waitForSelector("#live-state.on");
  const began = await stock("샘 정수기 패밀리");
  await page.click("#context-product");
  await page.waitForSelector("tr:has-text('product') .tag:text-is('일시 중지')");
  await page.waitForSelector("#context-product:focus");
  await signUp(shop, "정계속");
  for (const _ of [1, 2]) {
    await rent(shop, "샘 정수기 패밀리");
    await shop.waitForSelector("text=렌탈이 확정되었습니다");
  }
  assert.equal(await stock("샘 정수기 패밀리"), began, "nothing is taken while the products rest");
  await eventually("the backlog is shown", async () => Number(await page.textContent("#value-backlog")) > 0);
  await page.waitForSelector("#plot-requests .line", { state: "attached" });
  await keep(page, "console-desktop");
  await accessible(page);
  await page.evaluate(() => scrollTo({ top: 300, behavior: "instant" }));
  const drawn = () => page.$eval("#plot-backlog .line", (line) => line.points.numberOfItems);
  const before = await drawn();
  await page.click("#context-product");
  await page.waitForSelector("tr:has-text('product') .tag:text-is('정상')");
  await page.waitForSelector("#plot-backlog .line", { state: "attached" });
  assert.ok((await drawn()) > before, "its plots go on");
  assert.equal(await page.evaluate(() => scrollY), 300, "the scroll position is kept");
  await eventually("the units are taken", async () => (await stock("샘 정수기 패밀리")) === began - 2);
  await page.goto("/admin/rentals");
  await page.click("a:has-text('흐름 보기') >> nth=0");
  await page.waitForSelector(".saga >> text=RentalPlaced");
  await keep(page, "saga-desktop");
  await accessible(page);
});

test("a delayed message is shown as sent without a reload", async () => {
  const [page, customer] = [await visitor(), await visitor()];
  await operate(page, server.key, "/console");
  await page.click("#context-notification");
  await page.waitForSelector("tr:has-text('notification') .tag:text-is('일시 중지')");
  await signUp(customer, "문기다");
  await rent(customer, "샘 정수기 패밀리");
  await customer.waitForSelector("text=렌탈이 확정되었습니다");
  await customer.goto("/my");
  await customer.waitForSelector("#messages >> text=발송 중");
  await page.click("#context-notification");
  await customer.waitForSelector("#messages:has-text('발송 완료'):not(:has-text('발송 중'))");
});

test("a quarantined actor is revived on the console", async () => {
  const page = await visitor();
  await operate(page, server.key, "/console");
  const [{ id }] = (await api("/v1/products")).items;
  for (let n = 0; n < 6; n += 1) {
    await fetch(`${server.url}/v1/operations/faults`, {
      method: "POST",
      headers: { authorization: `Bearer ${server.key}`, "content-type": "application/json" },
      body: JSON.stringify({ target: { kind: "product", id }, mode: "PANIC" }),
    });
    await fetch(`${server.url}/v1/products/${id}/restock`, {
      method: "POST",
      headers: { authorization: `Bearer ${server.key}`, "content-type": "application/json" },
      body: JSON.stringify({ quantity: 1 }),
    });
  }
  await page.click(`[id="revive-${id}"]`);
  await page.waitForSelector("#live-state.on");
  await eventually("it is out of quarantine", async () => (await page.locator(`[id="revive-${id}"]`).count()) === 0);
});

const PUBLIC = ["/", "/sign-up", "/log-in", "/admin/log-in"];
for (const [name, width] of Object.entries(WIDTHS)) {
  for (const locale of ["ko-KR", "en-US"]) {
    test(`every page is accessible and fits, ${name}, ${locale}`, async () => {
      const [page, shop] = [await visitor({ locale, width }), await visitor({ locale, width })];
      const shot = (of) => `${of}-${name}-${locale.slice(0, 2)}`;
      for (const path of PUBLIC) {
        await page.goto(path);
        await accessible(page);
        await keep(page, shot(path === "/" ? "shop" : path.replaceAll("/", "_").slice(1)));
      }
      await signUp(page, locale === "ko-KR" ? "이고운" : "Grace Lee");
      await page.goto("/");
      await page.click("main article a >> nth=0");
      await accessible(page);
      await keep(page, shot("product"));
      await rent(page, "샘 정수기 미니");
      await page.waitForSelector(".notice.good");
      await accessible(page);
      await keep(page, shot("rental"));
      await page.goto("/my");
      await page.waitForSelector("#messages li >> nth=0");
      await accessible(page);
      await keep(page, shot("my"));
      await operate(shop, server.key);
      for (const path of ["/admin", "/admin/rentals", "/admin/deliveries", "/admin/messages?status=ALL", "/console"]) {
        await shop.goto(path);
        if (path === "/console") await shop.waitForSelector("#plot-requests .line", { state: "attached" });
        await accessible(shop);
        await keep(shop, shot(path.slice(1).replaceAll("/", "_").split("?")[0]));
      }
      await shop.goto("/admin");
      await shop.click("tbody a >> nth=0");
      await accessible(shop);
      await keep(shop, shot("edit"));
    });
  }
}

test("pages have no script errors and load nothing from other hosts", () => {
  well(10);
});
