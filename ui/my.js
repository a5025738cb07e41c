// Live My Page: reloads a rental that the server renders whenever its row changes.
"use strict";
{
  const page = document.querySelector("[data-stream]");
  const rentals = document.getElementById("rentals");
  const messages = document.getElementById("messages");
  const live = document.getElementById("live");
  const announcement = document.getElementById("announcement");
  const only = rentals.querySelector("[data-whole]");
  const busy = new Set();
  const again = new Set();
  let position = page.dataset.stream;

  // The response to a form has the form's URL, so the page's own URL is loaded.
  const reload = () => location.assign(page.dataset.at);

  const get = async (path) => {
    const answer = await fetch(path, { headers: { accept: "text/html" }, redirect: "manual" });
    if (answer.type === "opaqueredirect") reload();
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
    fresh.classList.add("fresh");
    if (old) old.replaceWith(fresh);
    else {
      document.getElementById("none")?.remove();
      rentals.prepend(fresh);
    }
    if (inside) fresh.querySelector(`[href="${inside}"]`)?.focus();
    const { announcement: text } = fresh.dataset;
    if (text !== old?.dataset.announcement) announcement.textContent = text;
    // The confirmation goes once the purifier has left, or the rental is canceled.
    if (only && !("new" in fresh.dataset)) document.getElementById("new")?.remove();
    count();
  };

  // One request at a time for each rental; changes meanwhile cause another one.
  const renew = async (id) => {
    if (only && only.id !== id) return;
    if (busy.has(id)) return void again.add(id);
    busy.add(id);
    try {
      do {
        again.delete(id);
        put(id, await get(`/my/rentals/${id}/${only ? "whole" : "card"}`));
      } while (again.has(id));
      // Only a deferred payment has a form.
      const pay = document.getElementById("pay");
      if (pay && !document.querySelector(`#${id} .countdown`)) pay.remove();
    } finally {
      busy.delete(id);
    }
  };

  let waiting = null;
  const renewMessages = (after_ms = 400) => {
    if (!messages || waiting) return;
    waiting = setTimeout(async () => {
      waiting = null;
      await get("/my/messages").then((piece) => messages.replaceChildren(piece)).catch((error) => console.warn(error));
      watchMessages();
    }, after_ms);
  };
  // No event reports that a message was sent.
  const watchMessages = () => {
    if (messages?.querySelector("[data-sending]")) renewMessages(3000);
  };
  watchMessages();

  const show = (on) => {
    live.hidden = false;
    live.classList.toggle("on", on);
    live.textContent = on ? live.dataset.on : live.dataset.off;
  };

  let stream = null;
  const listen = () => {
    stream = new EventSource(`/v1/mypage/stream?lastEventId=${position}`);
    stream.addEventListener("open", () => show(true));
    stream.addEventListener("error", lose);
    stream.addEventListener("reset", reload);
    stream.addEventListener("row", (event) => {
      position = event.lastEventId;
      renew(JSON.parse(event.data).rentalId).catch((error) => console.warn(error));
      renewMessages();
      // Messages are written a moment after their event.
      setTimeout(renewMessages, 1500);
    });
  };
  // A browser reconnects unless the server refused the stream; after a log-out, the page redirects to the log-in.
  const lose = () => {
    show(false);
    if (stream.readyState !== EventSource.CLOSED) return;
    fetch(page.dataset.at, { redirect: "manual" }).catch(() => null).then((answer) => {
      if (answer?.type === "opaqueredirect") reload();
      else setTimeout(listen, 3000);
    });
  };
  listen();

  // Countdown to the next payment attempt by this page's clock; the buttons are disabled until then.
  const until = new WeakMap();
  const left_s = (line) => {
    if (!until.has(line)) until.set(line, performance.now() + Number(line.dataset.left));
    return Math.ceil((until.get(line) - performance.now()) / 1000);
  };
  const count = () => {
    for (const line of rentals.querySelectorAll(".countdown")) {
      const left = left_s(line);
      const text = left > 0 ? line.dataset.before.replace("{}", left) : line.dataset.after;
      if (line.textContent === text) continue;
      if (left <= 0 && line.dataset.counted) announcement.textContent = text;
      if (left > 0) line.dataset.counted = "yes";
      line.textContent = text;
    }
    for (const act of document.querySelectorAll("[data-payable]")) {
      const line = (act.closest("article") ?? rentals).querySelector(".countdown");
      const early = line !== null && left_s(line) > 0;
      if (act.matches("button")) {
        if (!act.hasAttribute("aria-busy")) act.disabled = early;
        const wait = document.getElementById("pay-wait");
        wait.hidden = !early;
        wait.textContent = early ? line.textContent : "";
      } else act.hidden = early;
    }
  };
  count();
  setInterval(count, 500);
  addEventListener("pagehide", () => stream.close());
  addEventListener("pageshow", (event) => { if (event.persisted) reload(); });
}
