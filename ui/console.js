// Live console: reloads the parts that the server renders each second, and plots the metrics.
"use strict";
{
  const EVERY_MS = 1000;
  const POINTS = 120;
  const parts = document.getElementById("parts");
  const state = document.getElementById("live-state");
  const KEPT = "saem-console";
  let series = { requests: [[]], latency: [[]], window: [[], []], backlog: [[]] };
  let before = null;
  // Comparable between pages, and monotonic while a page is open.
  const wall_ms = () => performance.timeOrigin + performance.now();

  // Each button reloads the page. Plots, scroll position and focus are restored, unless the page opens with a
  // notice of the result.
  let pressed = null;
  addEventListener("submit", (event) => { pressed = event.submitter?.id; });
  addEventListener("pagehide", () => {
    const last = before && { ...before, buckets: [...before.buckets] };
    sessionStorage.setItem(KEPT, JSON.stringify({ at: wall_ms(), top: scrollY, pressed, series, last }));
  });
  const restore = () => {
    const kept = JSON.parse(sessionStorage.getItem(KEPT));
    if (!kept || wall_ms() - kept.at > 10 * EVERY_MS) return;
    series = kept.series;
    before = kept.last && { ...kept.last, buckets: new Map(kept.last.buckets) };
    if (!kept.pressed || location.search) return;
    scrollTo({ top: kept.top, behavior: "instant" });
    document.getElementById(kept.pressed)?.focus({ preventScroll: true });
  };

  const setLive = (live) => {
    const text = live ? state.dataset.on : state.dataset.off;
    if (state.textContent !== text) state.textContent = text;
    state.classList.toggle("on", live);
    state.hidden = false;
  };

  // Requests of /metrics, without those of the console.
  const requests = (text) => {
    const counts = { at: wall_ms(), total: 0, buckets: new Map() };
    const own = /route="(\/console[^"]*|\/metrics|\/v1\/mypage\/stream)"/;
    for (const line of text.split("\n")) {
      if (own.test(line)) continue;
      if (line.startsWith("saem_http_requests_total{")) counts.total += Number(line.split(" ").pop());
      const bucket = /^saem_http_request_duration_seconds_bucket\{.*le="([^"]+)".*\} (\S+)$/.exec(line);
      if (bucket) counts.buckets.set(bucket[1], (counts.buckets.get(bucket[1]) ?? 0) + Number(bucket[2]));
    }
    return counts;
  };

  // 95th percentile of the latency since the last refresh, as the bound of its bucket, in ms.
  const latency = (now) => {
    const since = [...now.buckets].map(([le, n]) => [Number(le.replace("+Inf", "Infinity")), n - (before.buckets.get(le) ?? 0)]);
    since.sort(([a], [b]) => a - b);
    const all = since.at(-1)?.[1] ?? 0;
    if (!all) return 0;
    const bound = since.find(([, n]) => n >= 0.95 * all)[0];
    return (Number.isFinite(bound) ? bound : 10) * 1000;
  };

  const draw = (name, unit) => {
    const svg = document.getElementById(`plot-${name}`);
    const most = Math.max(unit, ...series[name].flat());
    document.getElementById(`most-${name}`).textContent = Math.ceil(most).toLocaleString();
    const points = (values) => values.map((value, at) => {
      const x = 120 - (values.length - 1 - at) * (120 / (POINTS - 1));
      return `${x.toFixed(1)},${(96 - (value / most) * 88).toFixed(1)}`;
    });
    const shapes = series[name].flatMap((values, at) => {
      if (!values.length) return [];
      const line = document.createElementNS(svg.namespaceURI, "polyline");
      line.setAttribute("points", points(values).join(" "));
      line.setAttribute("class", at ? "line two" : "line");
      const area = document.createElementNS(svg.namespaceURI, "polygon");
      const first = points(values)[0].split(",")[0];
      area.setAttribute("points", `${first},100 ${points(values).join(" ")} 120,100`);
      area.setAttribute("class", "area");
      return at ? [line] : [area, line];
    });
    svg.replaceChildren(...shapes);
  };

  const add = (name, values, unit) => {
    values.forEach((value, at) => {
      series[name][at].push(value);
      if (series[name][at].length > POINTS) series[name][at].shift();
    });
    draw(name, unit);
  };

  const show = (name, value) => { document.getElementById(`value-${name}`).textContent = value; };

  const refresh = async () => {
    const [metrics, live] = await Promise.all([fetch("/metrics"), fetch("/console/live", { redirect: "manual" })]);
    if (live.type === "opaqueredirect") return location.reload();
    if (!metrics.ok || !live.ok) throw new Error(`${metrics.status} ${live.status}`);
    const now = requests(await metrics.text());
    const html = await live.text();
    // The new parts keep the focus.
    const focus = parts.contains(document.activeElement) ? document.activeElement : null;
    parts.innerHTML = html;
    if (focus?.id) document.getElementById(focus.id)?.focus({ preventScroll: true });
    const figures = document.getElementById("figures").dataset;
    if (before) {
      const rate = (now.total - before.total) / ((now.at - before.at) / 1000);
      add("requests", [rate], 10);
      show("requests", rate.toFixed(rate < 10 ? 1 : 0));
      const ms = latency(now);
      add("latency", [ms], 50);
      show("latency", ms ? `≤ ${ms}` : "–");
    }
    add("window", [Number(figures.slow), Number(figures.failed)], 100);
    show("slow", figures.slow);
    show("failed", figures.failed);
    add("backlog", [Number(figures.backlog)], 10);
    show("backlog", figures.backlog);
    before = now;
    setLive(true);
  };

  const again = async () => {
    if (!document.hidden) await refresh().catch(() => setLive(false));
    setTimeout(again, EVERY_MS);
  };
  restore();
  again();
}
