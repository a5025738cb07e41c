// My Page moves by itself: each change of a row has the server write that rental anew. Without this script the
// page is right as of when it was loaded.
"use strict";
{
  const page = document.querySelector("[data-stream]");
  const rentals = document.getElementById("rentals");
  const messages = document.getElementById("messages");
  const live = document.getElementById("live");
  const told = document.getElementById("told");
  const only = rentals.querySelector("[data-whole]");
  const busy = new Set();
  const again = new Set();

  const get = async (path) => {
    const answer = await fetch(path, { headers: { accept: "text/html" }, redirect: "manual" });
    if (answer.type === "opaqueredirect") location.reload();
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
    const holder = document.createElement("template");
    holder.innerHTML = await answer.text();
    return holder.content;
  };

  const put = (id, piece) => {
    const fresh = piece.firstElementChild;
    const old = document.getElementById(id);
    if (old && Number(old.dataset.version) >= Number(fresh.dataset.version)) return;
    const inside = old && old.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    const before = old?.querySelector("[aria-current=step] b")?.textContent;
    fresh.classList.add("fresh");
    if (old) old.replaceWith(fresh);
    else {
      document.getElementById("none")?.remove();
      rentals.prepend(fresh);
    }
    if (inside) fresh.querySelector(`[href="${inside}"]`)?.focus();
    const now = fresh.querySelector("[aria-current=step] b, li:last-child b")?.textContent;
    if (now && now !== before) told.textContent = `${fresh.querySelector("h2").textContent}: ${now}`;
    count();
  };

  // One at a time for each rental, and the newest at last.
  const renew = async (id) => {
    if (only && only.id !== id) return;
    if (busy.has(id)) return void again.add(id);
    busy.add(id);
    try {
      do {
        again.delete(id);
        put(id, await get(`/my/rentals/${id}/${only ? "whole" : "card"}`));
      } while (again.has(id));
      // A form to pay belongs to a rental that waits.
      const pay = document.getElementById("pay");
      if (pay && !document.querySelector(`#${id} .countdown`)) pay.remove();
    } finally {
      busy.delete(id);
    }
  };

  let waiting = null;
  const renewMessages = () => {
    if (!messages || waiting) return;
    waiting = setTimeout(async () => {
      waiting = null;
      messages.replaceChildren(await get("/my/messages"));
    }, 400);
  };

  const stream = new EventSource(`/v1/mypage/stream?lastEventId=${page.dataset.stream}`);
  stream.addEventListener("open", () => { live.hidden = false; live.classList.add("on"); });
  stream.addEventListener("error", () => live.classList.remove("on"));
  stream.addEventListener("reset", () => location.reload());
  stream.addEventListener("row", (event) => {
    renew(JSON.parse(event.data).rentalId).catch((error) => console.warn(error));
    renewMessages();
  });
  // Messages are written a moment after what they tell of.
  stream.addEventListener("row", () => setTimeout(renewMessages, 1500));

  // The time until a payment may be tried again.
  const count = () => {
    for (const line of document.querySelectorAll(".countdown[data-until]")) {
      const left = Math.ceil((Date.parse(line.dataset.until) - Date.now()) / 1000);
      const text = left > 0 ? line.dataset.before.replace("{}", left) : line.dataset.after;
      if (line.textContent !== text) line.textContent = text;
    }
  };
  count();
  setInterval(count, 500);
  addEventListener("pagehide", () => stream.close());
}
