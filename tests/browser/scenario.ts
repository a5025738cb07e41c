// The whole scenario by a client whose types are made from the served contract: it compiles only if the
// contract says what is used here, and runs only if the server keeps it.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import createClient from "openapi-fetch";
import type { components, paths } from "./contract.js";

type Row = components["schemas"]["MyPageRow"];

const [url, operatorKey] = process.argv.slice(2) as [string, string];
const anyone = createClient<paths>({ baseUrl: url });
const as = (token: string) =>
  createClient<paths>({ baseUrl: url, headers: { Authorization: `Bearer ${token}` } });
const operator = as(operatorKey);

/** The answer, or an error that says what the problem was. */
const good = <T>({ data, error }: { data?: T; error?: unknown }): T => {
  if (data === undefined) throw new Error(JSON.stringify(error));
  return data;
};
const key = () => ({ "Idempotency-Key": randomUUID() });

const eventually = async <T>(what: string, look: () => Promise<T | undefined>): Promise<T> => {
  for (const until = Date.now() + 20_000; Date.now() < until; ) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((next) => setTimeout(next, 25));
  }
  throw new Error(`never: ${what}`);
};

/** The rows that the stream tells, from the beginning on. */
async function* watch(token: string): AsyncGenerator<Row> {
  const headers = { Authorization: `Bearer ${token}`, "Last-Event-ID": "0" };
  const stream = await fetch(`${url}/v1/mypage/stream`, { headers });
  let text = "";
  for await (const piece of stream.body!.pipeThrough(new TextDecoderStream())) {
    text += piece;
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const block = text.slice(0, end);
      text = text.slice(end + 2);
      const data = /^data: (.*)$/m.exec(block);
      if (data && block.includes("event: row")) yield JSON.parse(data[1]!) as Row;
    }
  }
}

const product = good(
  await operator.POST("/v1/products", {
    params: { header: key() },
    body: { name: "맑은샘 정수기", model: "MS-100", fee: 29_900, stock: 2 },
  }),
);

const phone = "010-5555-0001";
const password = "correct horse";
good(await anyone.POST("/v1/customers", { body: { name: "홍길동", phone, password } }));
const { token } = good(await anyone.POST("/v1/sessions", { body: { phone, password } }));
const customer = as(token);

const available = good(await anyone.GET("/v1/products", { params: { query: { available: true } } }));
assert.ok(available.items.some(({ id }) => id === product.id));

const rows: Row[] = [];
const watching = (async () => {
  for await (const row of watch(token)) {
    rows.push(row);
    if (row.deliveryStatus === "CANCELED") return;
  }
})();

const address = { recipient: "홍길동", postalCode: "04524", line1: "서울 중구 세종대로 110" };
const order = (card: string) => ({
  productId: product.id,
  address,
  paymentMethod: { type: "CARD" as const, token: card },
  expectedFee: product.fee,
});

const declined = await customer.POST("/v1/rentals", { body: order("tok_decline") });
assert.equal(declined.response.status, 402);
assert.equal(declined.error?.type, "/problems/payment-declined");

const placing = { params: { header: key() }, body: order("tok_ok") };
const rental = good(await customer.POST("/v1/rentals", placing));
assert.equal(rental.status, "CONFIRMED");
const again = await customer.POST("/v1/rentals", placing);
assert.equal(again.data?.id, rental.id);
assert.equal(again.response.headers.get("Idempotency-Replayed"), "true");

const path = { id: rental.id };
await eventually("the unit is taken", async () => {
  const { items } = good(await customer.GET("/v1/rentals/{id}/timeline", { params: { path } }));
  return items.find(({ type }) => type === "ProductDecreased");
});
const shown = good(await anyone.GET("/v1/products/{id}", { params: { path: { id: product.id } } }));
assert.equal(shown.stock, 1);

good(await customer.POST("/v1/rentals/{id}/cancel", { params: { path } }));
await watching;
// The stream tells a change at once; the list shows it a moment later.
const row = await eventually("My Page shows it, too", async () => {
  const params = { path: { rentalId: rental.id } };
  const now = good(await customer.GET("/v1/mypage/{rentalId}", { params }));
  return now.version >= rows.at(-1)!.version ? now : undefined;
});
assert.equal(row.rentalStatus, "CANCELED");
assert.equal(row.cancelReason, "CUSTOMER");
assert.ok(rows.some(({ rentalId, paymentStatus }) => rentalId === rental.id && paymentStatus === "APPROVED"));
assert.ok(rows.every(({ version }, at) => at === 0 || version > rows[at - 1]!.version));

const { items: messages } = good(await customer.GET("/v1/notifications"));
assert.ok(messages.some(({ event }) => event === "RentalCanceled"));
console.log(`${rows.length} rows were told`);
process.exit(0);
