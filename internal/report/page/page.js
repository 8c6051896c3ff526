"use strict";
(() => {
const started = performance.now();
const D = JSON.parse(document.getElementById("data").textContent);
const R = D.report, S = D.servers;
const root = document.documentElement;

// ---- small helpers: every text goes into the page as a text node

const $ = (id) => document.getElementById(id);
function el(tag, props, ...children) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(props || {})) {
    if (k === "class") e.className = v;
    else if (k === "text") e.textContent = v;
    else if (k.startsWith("on")) e.addEventListener(k.slice(2), v);
    else e.setAttribute(k, v);
  }
  e.append(...children);
  return e;
}
function svg(tag, props, text) {
  const e = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [k, v] of Object.entries(props || {})) e.setAttribute(k, v);
  if (text !== undefined) e.textContent = text;
  return e;
}
const number = new Intl.NumberFormat("en-US");
const num = (n) => number.format(n);
function compact(n) {
  if (n < 100000) return num(n);
  const [d, s] = n < 1e6 ? [1e3, "K"] : n < 1e9 ? [1e6, "M"] : [1e9, "G"];
  return (n / d).toFixed(n / d < 10 ? 2 : n / d < 100 ? 1 : 0) + s;
}
function percent(n, of) {
  if (!of) return "–";
  const p = 100 * n / of;
  if (n > 0 && p < 0.1) return "<0.1%";
  if (n < of && p > 99.9) return ">99.9%";
  return p.toFixed(p < 10 || p > 99 && n < of ? 1 : 0) + "%";
}
function millis(ms) {
  if (ms === null || ms === undefined) return "–";
  if (ms >= 10000) return (ms / 1000).toFixed(1) + " s";
  return (ms < 10 ? ms.toFixed(1) : Math.round(ms)) + " ms";
}
function duration(s) {
  if (s < 60) return s.toFixed(s < 10 ? 1 : 0) + " s";
  if (s < 3600) return Math.floor(s / 60) + " min " + Math.round(s % 60) + " s";
  return Math.floor(s / 3600) + " h " + Math.round(s % 3600 / 60) + " min";
}
const pad = (n) => String(n).padStart(2, "0");
function day(d) { return d.getUTCFullYear() + "-" + pad(d.getUTCMonth() + 1) + "-" + pad(d.getUTCDate()); }
function clock(d, seconds) { return pad(d.getUTCHours()) + ":" + pad(d.getUTCMinutes()) + (seconds ? ":" + pad(d.getUTCSeconds()) : ""); }
const plural = (n, one, many) => num(n) + " " + (n === 1 ? one : many);
const words = { success: "answered", partial: "answered in part", timeout: "no answer", refused: "port closed", unreachable: "unreachable",
  incomplete: "incomplete answer", protocol_error: "malformed answer", send_error: "could not be sent", resolve_error: "name without address",
  blocked: "blocked", invalid_input: "invalid target", aborted: "scan stopped first" };
const label = (text) => text === "" ? "(empty)" : text;

// ---- tooltip

const tip = $("tip");
function hint(node, text) {
  node.addEventListener("pointermove", (ev) => {
    tip.textContent = text();
    tip.hidden = false;
    tip.style.left = Math.max(8, Math.min(ev.clientX + 14, innerWidth - tip.offsetWidth - 10)) + "px";
    tip.style.top = (ev.clientY + 36 + tip.offsetHeight > innerHeight ? ev.clientY - tip.offsetHeight - 12 : ev.clientY + 16) + "px";
  });
  node.addEventListener("pointerleave", () => { tip.hidden = true; });
}

// ---- theme

$("theme").addEventListener("click", () => {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});

// ---- header and key figures

const answered = R.statuses.success + R.statuses.partial;
function times() {
  let first = Infinity, last = -Infinity;
  for (const f of D.files) {
    if (!f.meta || !f.meta.start) continue;
    first = Math.min(first, Date.parse(f.meta.start));
    if (f.meta.end) last = Math.max(last, Date.parse(f.meta.end));
  }
  const t = D.timeline;
  if (first === Infinity && t.answered.length) [first, last] = [t.start * 1000, (t.start + t.width * t.answered.length) * 1000];
  if (first === Infinity) return "";
  const a = new Date(first), b = new Date(Math.max(last, first));
  return day(a) + " " + clock(a) + (day(a) === day(b) ? clock(a) === clock(b) ? "" : "–" + clock(b) : " to " + day(b) + " " + clock(b)) + " UTC";
}
$("title").textContent = R.servers ? plural(R.servers, "server", "servers") + ", " + plural(R.players.reported, "player", "players") :
  R.records ? "No server answered" : "No records";
document.title = "a2scan report: " + $("title").textContent;
{
  const names = D.files.map((f) => f.name);
  const shown = names.length > 4 ? [...names.slice(0, 3), plural(names.length - 3, "more file", "more files")] : names;
  $("subtitle").textContent = [times(), shown.join(", ")].filter(Boolean).join(" · ");
  const state = $("state"), badge = (text, kind) => state.append(el("span", { class: "badge " + (kind || ""), text }));
  if (R.complete === true) badge("Complete");
  if (R.complete === false) badge("Incomplete", "warn");
  if (R.shards.of > 1) badge(R.shards.present.length + " of " + R.shards.of + " shards", R.shards.missing.length ? "warn" : "plain");
  if (R.shards.missing.length) badge("Missing: shard " + R.shards.missing.slice(0, 12).join(", ") + (R.shards.missing.length > 12 ? ", …" : ""), "warn");
  if (R.duplicates) badge(plural(R.duplicates, "older record", "older records") + " left out", "plain");
  for (const f of D.files) if (f.cut) badge(f.name + " is damaged", "warn");
}
function tile(name, value, unit, note, share) {
  const t = el("div", { class: "tile" }, el("div", { class: "label", text: name }),
    el("div", { class: "value" }, value, ...(unit ? [" ", el("small", { text: unit })] : [])));
  if (share !== undefined) t.append(meter(share));
  t.append(el("div", { class: "note", text: note }));
  $("tiles").append(t);
}
function meter(share) {
  const i = el("i");
  i.style.width = 100 * Math.max(0, Math.min(1, share || 0)) + "%";
  return el("div", { class: "meter" }, i);
}
tile("Answered", percent(answered, R.records), "", compact(answered) + " of " + plural(R.records, "target", "targets"), answered / R.records);
tile("Players", compact(R.players.reported), "", "on " + compact(R.players.max) + " slots", R.players.reported / R.players.max);
tile("Median round trip", ...(R.rtt_ms.p50 === null ? ["–", ""] : millis(R.rtt_ms.p50).split(" ")),
  R.rtt_ms.p50 === null ? "none was measured" : "90% within " + millis(R.rtt_ms.p90) + ", 99% within " + millis(R.rtt_ms.p99));
tile("Games", num(D.games), "", plural(D.maps, "map", "maps"));
tile("Suspects", compact(R.suspect.servers), "", R.servers ? percent(R.suspect.servers, R.servers) + " of the servers" : "");

// ---- outcome

function stack(parts) {
  const total = parts.reduce((n, p) => n + p.n, 0);
  const s = el("div", { class: "stack", role: "img", "aria-label": parts.map((p) => p.name + " " + percent(p.n, total)).join(", ") });
  for (const p of parts) {
    if (!p.n) continue;
    const i = el("i");
    i.style.flex = p.n + " 1 0";
    i.style.background = "var(--" + p.color + ")";
    hint(i, () => p.name + "\n" + num(p.n) + " (" + percent(p.n, total) + ")");
    s.append(i);
  }
  return s;
}
function dot(color) {
  const d = el("span", { class: "dot" });
  d.style.background = "var(--" + color + ")";
  return d;
}
{
  const parts = Object.entries(R.statuses).map(([status, n]) => ({ name: words[status] || status, status, n, color: status })).filter((p) => p.n);
  const list = el("table", { class: "facts" });
  for (const p of [...parts].sort((a, b) => b.n - a.n))
    list.append(el("tr", {}, el("td", {}, dot(p.color), p.name), el("td", { class: "num", text: num(p.n) }), el("td", { class: "num muted", text: percent(p.n, R.records) })));
  const why = el("table", { class: "facts" });
  for (const c of D.causes.slice(0, 8))
    why.append(el("tr", {}, el("td", {}, dot(c.status), label(c.error)), el("td", { class: "num", text: num(c.n) })));
  const queries = el("table", { class: "facts" });
  for (const [name, counts] of Object.entries(R.sections)) {
    const asked = Object.values(counts).reduce((a, b) => a + b, 0);
    if (asked) queries.append(el("tr", {}, el("td", { text: name }), el("td", { class: "num", text: num(counts.success) + " of " + num(asked) }),
      el("td", { class: "num muted", text: percent(counts.success, asked) })));
  }
  const left = el("div", {}, list), right = el("div");
  if (D.causes.length) right.append(el("p", { class: "sub", text: "Reasons" }), why);
  if (queries.children.length > 1) left.append(el("p", { class: "sub", text: "Queries that were answered" }), queries);
  left.querySelectorAll(".sub").forEach((p) => { p.style.marginTop = "18px"; });
  $("outcome").append(parts.length ? stack(parts) : el("p", { class: "none", text: "The files hold no records." }), el("div", { class: "outcome" }, left, right));
}

// ---- lists with bars

const few = 8;
function bars(card, rows, total) {
  card.querySelectorAll(".bars, .more, .none").forEach((e) => e.remove());
  if (!rows.length) { card.append(el("p", { class: "none", text: "None." })); return; }
  const most = Math.max(...rows.map((r) => r.value), 1);
  const list = el("ul", { class: "bars" });
  const line = (r) => {
    const name = el("span", { class: "what" }, label(r.name));
    if (r.extra) name.append(el("small", { text: r.extra }));
    const what = r.pick ? el("button", { type: "button", title: "Show these servers", onclick: r.pick }, name) : name;
    name.title = r.name;
    what.classList.add("what");
    return el("li", {}, what, el("span", { class: "num" }, num(r.value), " ", el("small", { text: r.note })), meter(r.value / most));
  };
  for (const r of rows.slice(0, few)) list.append(line(r));
  card.append(list);
  if (rows.length > few) {
    const more = el("button", { class: "more", type: "button", text: "Show " + num(rows.length - few) + " more" });
    more.addEventListener("click", () => { rows.slice(few).forEach((r) => list.append(line(r))); more.remove(); });
    card.append(more);
  }
}
function switcher(card, rows) {
  const draw = (byPlayers) => {
    buttons.forEach((b, i) => b.setAttribute("aria-pressed", String((i === 1) === byPlayers)));
    const list = rows.map((r) => ({ ...r, value: byPlayers ? r.players : r.servers, note: byPlayers ? plural(r.servers, "server", "servers") : plural(r.players, "player", "players") }));
    bars(card, list.sort((a, b) => b.value - a.value));
  };
  const buttons = ["Servers", "Players"].map((text, i) => el("button", { type: "button", text, onclick: () => draw(i === 1) }));
  card.append(el("div", { class: "switch", role: "group" }, ...buttons));
  draw(false);
}
switcher($("games"), R.games.map((g) => ({ name: g.game, extra: g.app_id ? String(g.app_id) : "", servers: g.servers, players: g.players, pick: () => pick({ game: g.game, app: g.app_id }) })));
switcher($("maps"), R.maps.map((m) => ({ name: m.map, extra: m.game, servers: m.servers, players: m.players, pick: () => pick({ search: m.map }) })));
switcher($("versions"), R.versions.map((v) => ({ name: v.version, extra: v.game, servers: v.servers, players: v.players })));
bars($("hosts"), R.hosts.map((h) => ({ name: h.ip, value: h.servers, note: plural(h.players, "player", "players"), pick: () => pick({ search: (h.ip.includes(":") ? "[" + h.ip + "]" : h.ip) + ":" }) })));

// ---- plots

function plot(card, height, draw) {
  const host = el("div");
  card.append(host);
  let width = 0;
  const render = () => {
    const w = Math.round(host.clientWidth);
    if (!w || w === width) return;
    width = w;
    const c = svg("svg", { class: "chart", width: w, height, viewBox: `0 0 ${w} ${height}`, role: "img" });
    draw(c, w, height);
    host.replaceChildren(c);
  };
  new ResizeObserver(render).observe(host);
  render();
}
const gutter = 46, head = 22; // for the labels of the vertical axis, and above the bars
function yAxis(c, w, bottom, most) {
  const step = nice(most / 3);
  for (let v = step; v <= most; v += step) {
    const y = bottom - (bottom - head) * v / most;
    c.append(svg("line", { class: "grid-line", x1: gutter, x2: w, y1: y, y2: y }), svg("text", { x: gutter - 8, y: y + 4, "text-anchor": "end" }, compact(v)));
  }
  c.append(svg("line", { class: "grid-line", x1: gutter, x2: w, y1: bottom, y2: bottom }));
}
function nice(w) {
  const e = Math.pow(10, Math.floor(Math.log10(Math.max(w, 1))));
  for (const m of [1, 2, 5]) if (m * e >= w) return m * e;
  return 10 * e;
}
if (!D.rtt || !D.rtt.length) $("rtt").append(el("p", { class: "none", text: "No round trip was measured." }));
else plot($("rtt"), 216, (c, w, h) => {
  const bottom = h - 22, n = D.rtt.length, most = Math.max(...D.rtt.map((b) => b.n)), bw = (w - gutter) / n;
  const step = D.rtt[0].to - D.rtt[0].from, end = step * n, x = (ms) => Math.min(w, gutter + (w - gutter) * ms / end);
  c.setAttribute("aria-label", "Round trip time: median " + millis(R.rtt_ms.p50) + ", 90% within " + millis(R.rtt_ms.p90));
  yAxis(c, w, bottom, most);
  D.rtt.forEach((b, i) => {
    const bh = (bottom - head) * b.n / most;
    if (b.n) c.append(svg("rect", { class: "bar", x: gutter + i * bw + 0.75, width: Math.max(bw - 1.5, 1), y: bottom - Math.max(bh, 1), height: Math.max(bh, 1), rx: Math.min(2, bw / 3) }));
  });
  const ticks = Math.max(2, Math.floor(w / 90)), tick = nice(end / ticks) >= step ? nice(end / ticks) : step;
  for (let v = 0; v <= end * 0.97; v += tick) c.append(svg("text", { x: x(v), y: h - 5, "text-anchor": "middle" }, num(+v.toPrecision(4)) + (v + tick > end * 0.97 ? " ms" : "")));
  for (const [name, v] of [["p50", R.rtt_ms.p50], ["p99", R.rtt_ms.p99]]) {
    if (v === null || v > end) continue;
    const right = x(v) > w - 44;
    c.append(svg("line", { class: "mark-line", x1: x(v), x2: x(v), y1: 4, y2: bottom }),
      svg("text", { class: "mark-text", x: x(v) + (right ? -5 : 5), y: 13, "text-anchor": right ? "end" : "start" }, name));
  }
  D.rtt.forEach((b, i) => {
    const hit = svg("rect", { class: "hit", x: gutter + i * bw, width: bw, y: 0, height: bottom });
    hint(hit, () => millis(b.from) + " to " + millis(b.to) + "\n" + plural(b.n, "record", "records"));
    c.append(hit);
  });
});
const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800, 2592000];
{
  const t = D.timeline, n = t.answered.length;
  if (!n) $("time").append(el("p", { class: "none", text: "The records have no times." }));
  else {
    plot($("time"), 190, (c, w, h) => {
      const bottom = h - 22, most = Math.max(...t.answered.map((a, i) => a + t.silent[i])), bw = (w - gutter) / n;
      c.setAttribute("aria-label", "Answers over time");
      yAxis(c, w, bottom, most);
      const gap = bw > 4 ? 1 : 0;
      t.answered.forEach((a, i) => {
        const ah = (bottom - head) * a / most, sh = (bottom - head) * t.silent[i] / most;
        if (a) c.append(svg("rect", { class: "bar", x: gutter + i * bw, width: bw - gap + (gap ? 0 : 0.3), y: bottom - ah, height: ah }));
        if (t.silent[i]) c.append(svg("rect", { class: "silent", x: gutter + i * bw, width: bw - gap + (gap ? 0 : 0.3), y: bottom - ah - sh, height: sh }));
      });
      const at = (i) => new Date((t.start + i * t.width) * 1000), span = t.width * n;
      const step = steps.find((s) => s >= span / Math.max(1, (w - gutter) / 90)) || 365 * 86400;
      for (let s = Math.ceil(t.start / step) * step; s <= t.start + span; s += step) {
        const x = gutter + (w - gutter) * (s - t.start) / span, d = new Date(s * 1000);
        const text = step >= 86400 ? day(d) : clock(d, step < 60);
        c.append(svg("text", { x: Math.min(x, w - 16), y: h - 5, "text-anchor": "middle" }, text));
      }
      t.answered.forEach((a, i) => {
        const hit = svg("rect", { class: "hit", x: gutter + i * bw, width: bw, y: 0, height: bottom });
        hint(hit, () => day(at(i)) + " " + clock(at(i), true) + " UTC, " + duration(t.width) + "\n" + num(a) + " answered\n" + num(t.silent[i]) + " did not");
        c.append(hit);
      });
    });
    $("time").append(el("div", { class: "legend" }, el("span", {}, dot("accent"), "answered"), el("span", {}, dot("timeout"), "not answered")));
  }
}

// ---- platforms

{
  const colors = ["c1", "c2", "c3", "c4"];
  const block = (title, counts, names) => {
    const parts = Object.entries(counts).map(([k, n], i) => ({ name: names[k] || k, n, color: k === "unknown" ? "c4" : colors[i] })).filter((p) => p.n);
    const total = parts.reduce((a, p) => a + p.n, 0);
    if (!total) return;
    $("platforms").append(el("div", { class: "platform" }, el("p", { class: "sub", text: title }), stack(parts),
      el("div", { class: "legend" }, ...parts.map((p) => el("span", {}, dot(p.color), p.name + " " + percent(p.n, total))))));
  };
  block("Operating system", R.environments, { linux: "Linux", windows: "Windows", mac: "macOS" });
  block("Kind", R.server_types, {});
  block("Password", R.passwords, { public: "none", private: "required" });
  block("VAC", R.vac, { true: "secured", false: "not secured" });
  if (!R.servers) $("platforms").append(el("p", { class: "none", text: "No server answered." }));
}

// ---- suspects

{
  const card = $("suspects");
  if (!R.suspect.servers) card.append(el("p", { class: "none", text: "No server contradicts itself." }));
  else {
    card.append(el("p", { class: "muted", text: plural(R.suspect.servers, "server reports figures", "servers report figures") + " that contradict each other. Each rule has innocent explanations: see docs/suspects.md." }));
    const list = el("ul", { class: "suspects" });
    D.reasons.forEach((r, i) => {
      const n = R.suspect.reasons[r.name];
      if (n) list.append(el("li", {}, el("span", { class: "mono", text: r.name }), el("button", { type: "button", title: "Show these servers", text: num(n), onclick: () => pick({ reason: i }) }), el("p", { text: r.text })));
    });
    card.append(list);
  }
}

// ---- the scan

{
  const list = el("div", { class: "scans" });
  for (const f of D.files.slice(0, 50)) {
    const m = f.meta, box = el("div", { class: "scan" }, el("h3", { text: f.name }));
    if (!m) box.append(el("p", { class: "muted", text: "No metadata next to this file." }));
    else {
      const dl = el("dl"), fact = (k, v) => dl.append(el("div", {}, el("dt", { text: k }), el("dd", { text: v })));
      const start = m.start && new Date(m.start);
      if (start) fact("Began", day(start) + " " + clock(start, true) + " UTC");
      fact("Took", m.end ? duration(m.duration_s) : "–");
      fact("End", m.end_reason ? m.end_reason.replace("_", " ") : "running, or killed");
      fact("Targets", num(m.targets));
      fact("Packets sent", num(m.sent));
      fact("Packets received", num(m.received));
      fact("Rate", num(Math.round(m.rate_pps)) + " packets/s");
      fact("Lost by this machine", num(m.dropped));
      if (m.shards > 1) fact("Shard", m.shard + " of " + m.shards);
      fact("a2scan", m.version);
      box.append(dl);
      if (m.command_line) box.append(el("code", { class: "command mono", text: m.command_line }));
      if (m.user_notes) box.append(el("p", { text: m.user_notes }));
      if (m.notes && m.notes.length) box.append(el("ul", { class: "notes" }, ...m.notes.map((n) => el("li", { text: n }))));
    }
    list.append(box);
  }
  $("scan").append(list);
}
$("foot").textContent = D.tool + " · made " + day(new Date(D.made)) + " " + clock(new Date(D.made)) + " UTC";

// ---- the table of servers: only the rows in view exist

const N = S.name ? S.name.length : 0;
const environments = ["Linux", "Windows", "macOS", "unknown"], types = ["dedicated", "listen", "proxy", "unknown"];
const flag = { environment: (i) => S.flags[i] & 3, type: (i) => S.flags[i] >> 2 & 3, visibility: (i) => S.flags[i] >> 4 & 3, vac: (i) => S.flags[i] >> 6 & 3 };
const text = (column) => (i) => S.texts[S[column][i]];

// Servers are in the order of their addresses, texts in that of the alphabet, so that
// every sort compares numbers.
const limit = (n) => Math.max(-1, Math.min(n, 2 ** 35)); // a key and an index fit into 53 bits
const columns = [
  { id: "name", title: "Server", key: (i) => S.name_rank[i] },
  { id: "addr", title: "Address", key: (i) => i },
  { id: "game", title: "Game", key: (i) => S.game[i] },
  { id: "map", title: "Map", key: (i) => S.map[i] },
  { id: "players", title: "Players", right: true, key: (i) => limit(S.players[i]), down: true },
  { id: "bots", title: "Bots", right: true, key: (i) => limit(S.bots[i]), down: true },
  { id: "rtt", title: "RTT", right: true, key: (i) => S.rtt[i] < 0 ? 2 ** 35 : limit(S.rtt[i]) },
  { id: "version", title: "Version", key: (i) => S.version[i] },
];
let lowerNames, lowerTexts; // made by the first search
// matcher returns a test of servers: one of its texts contains the term.
function matcher(term) {
  lowerNames ||= S.name.map((n) => n.toLowerCase());
  lowerTexts ||= S.texts.map((t) => t.toLowerCase());
  const hits = Uint8Array.from(lowerTexts, (t) => t.includes(term) ? 1 : 0);
  return (i) => hits[S.game[i]] || hits[S.map[i]] || hits[S.version[i]] || hits[S.tag[i]] || lowerNames[i].includes(term) || S.addr[i].includes(term);
}
const filters = [
  { name: "With players", test: (i) => S.players[i] > 0 },
  { name: "Not full", test: (i) => S.players[i] < S.max[i] },
  { name: "No password", test: (i) => flag.visibility(i) === 0 },
  { name: "VAC", test: (i) => flag.vac(i) === 0 },
  { name: "Suspects", test: (i) => S.suspect[i] !== 0 },
];
const state = { search: "", game: "", on: new Set(), reason: -1, sort: columns[4], down: true, order: new Uint32Array(0) };

function select() {
  const tests = [...state.on].map((f) => f.test);
  for (const term of state.search.toLowerCase().split(/\s+/).filter(Boolean)) tests.push(matcher(term));
  if (state.reason >= 0) tests.push((i) => S.suspect[i] >> state.reason & 1);
  if (state.game !== "") { const [app, game] = gameOptions[+state.game]; tests.push((i) => S.game[i] === game && S.app_id[i] === app); }
  const keys = new Float64Array(N), sign = state.down ? -1 : 1, key = state.sort.key;
  let n = 0;
  outer: for (let i = 0; i < N; i++) {
    for (const t of tests) if (!t(i)) continue outer;
    keys[n++] = sign * key(i) * 131072 + i;
  }
  const sorted = keys.subarray(0, n).sort();
  state.order = new Uint32Array(n);
  for (let k = 0; k < n; k++) state.order[k] = ((sorted[k] % 131072) + 131072) % 131072;
}
function refresh() {
  select();
  const n = state.order.length;
  $("shown").textContent = (n === N ? num(N) : num(n) + " of " + num(N)) + (S.total > N ? " (those with most players, of " + num(S.total) + ")" : "");
  $("columns").querySelectorAll("[data-column]").forEach((h) => {
    const on = h.dataset.column === state.sort.id;
    h.setAttribute("aria-sort", on ? state.down ? "descending" : "ascending" : "none");
    h.querySelector(".arrow").textContent = on ? state.down ? "↓" : "↑" : "";
  });
  $("chips").querySelectorAll("button").forEach((b, i) => b.setAttribute("aria-pressed", String(filters[i] ? state.on.has(filters[i]) : true)));
  view.scrollTop = 0;
  drawn = "";
  render();
}
const view = $("view"), spacer = $("spacer"), pool = [];
let drawn = "";
function makeRow() {
  const row = el("div", { class: "row", role: "row" });
  const cell = (c) => { const e = el("span", { class: c, role: "cell" }); row.append(e); return e; };
  const p = { row, name: cell("name"), addr: cell("addr mono"), game: cell("game"), map: cell("map"), players: cell("r c-players"), bots: cell("r c-bots"), rtt: cell("r c-rtt"), version: cell("c-version"), second: cell("second"), i: -1 };
  row.addEventListener("click", () => detail(p.i));
  spacer.append(row);
  return p;
}
function fillRow(p, i) {
  p.i = i;
  p.name.replaceChildren(el("span", { class: "text", text: label(S.name[i]) }));
  if (flag.visibility(i) === 1) p.name.append(el("span", { class: "tag", text: "password" }));
  if (S.suspect[i]) p.name.append(el("span", { class: "tag warn", text: "suspect" }));
  p.name.title = S.name[i];
  p.addr.textContent = p.addr.title = S.addr[i];
  p.game.textContent = S.texts[S.game[i]];
  p.map.textContent = S.texts[S.map[i]];
  p.version.textContent = S.texts[S.version[i]];
  const bar = el("i");
  bar.style.width = 100 * Math.min(1, S.players[i] / Math.max(S.max[i], 1)) + "%";
  p.players.replaceChildren(num(S.players[i]) + "/" + num(S.max[i]), el("span", { class: "fill" }, bar));
  p.bots.textContent = S.bots[i] ? num(S.bots[i]) : "–";
  p.rtt.textContent = S.rtt[i] < 0 ? "–" : millis(S.rtt[i] / 1000);
  p.second.textContent = S.addr[i] + " · " + S.texts[S.map[i]] + " · " + (S.rtt[i] < 0 ? "–" : millis(S.rtt[i] / 1000)) + " · " + S.texts[S.game[i]];
}
function render() {
  const n = state.order.length, h = matchMedia("(max-width: 720px)").matches ? 60 : 40;
  const first = Math.max(0, Math.floor(view.scrollTop / h) - 3), count = Math.min(n - first, Math.ceil((view.clientHeight || 680) / h) + 6);
  const now = h + " " + first + " " + count;
  if (now === drawn) return;
  drawn = now;
  spacer.style.height = n * h + "px";
  while (pool.length < count) pool.push(makeRow());
  pool.forEach((p, k) => {
    p.row.hidden = k >= count;
    if (k >= count) return;
    p.row.style.transform = "translateY(" + (first + k) * h + "px)";
    fillRow(p, state.order[first + k]);
  });
  view.querySelectorAll(".empty").forEach((e) => e.remove());
  if (!n) view.append(el("div", { class: "empty", text: N ? "No server matches." : "No server answered." }));
}
function detail(i) {
  $("detail-name").textContent = label(S.name[i]);
  $("detail-addr").replaceChildren(S.addr[i] + " ", el("a", { href: "steam://connect/" + S.addr[i], rel: "noreferrer", text: "connect" }));
  const dl = $("detail-list");
  dl.replaceChildren();
  const fact = (k, v) => dl.append(el("div", {}, el("dt", { text: k }), el("dd", { text: v })));
  fact("Game", label(S.texts[S.game[i]]) + (S.app_id[i] ? " (" + S.app_id[i] + ")" : ""));
  fact("Map", label(S.texts[S.map[i]]));
  fact("Players", num(S.players[i]) + " of " + num(S.max[i]));
  fact("Bots", num(S.bots[i]));
  if (S.listed[i] >= 0) fact("Listed players", num(S.listed[i]));
  fact("Version", S.texts[S.version[i]] || "–");
  fact("Round trip", S.rtt[i] < 0 ? "–" : millis(S.rtt[i] / 1000));
  fact("System", environments[flag.environment(i)] + ", " + types[flag.type(i)]);
  fact("Password", ["none", "required", "unknown"][flag.visibility(i)]);
  fact("VAC", ["secured", "not secured", "unknown"][flag.vac(i)]);
  if (S.tag[i]) fact("Tag", S.texts[S.tag[i]]);
  D.reasons.forEach((r, k) => { if (S.suspect[i] >> k & 1) fact("Suspect: " + r.name, r.text); });
  $("detail").showModal();
}
$("detail").addEventListener("click", (ev) => { if (ev.target === $("detail")) $("detail").close(); });

const gameOptions = [];
{
  const counts = new Map();
  for (let i = 0; i < N; i++) {
    const key = S.app_id[i] + " " + S.game[i];
    const c = counts.get(key) || { app: S.app_id[i], game: S.game[i], n: 0 };
    c.n++;
    counts.set(key, c);
  }
  $("game").append(el("option", { value: "", text: "All games" }));
  [...counts.values()].sort((a, b) => b.n - a.n).slice(0, 500).forEach((c) => {
    $("game").append(el("option", { value: String(gameOptions.length), text: label(S.texts[c.game]) + (c.app ? " · " + c.app : "") + " (" + num(c.n) + ")" }));
    gameOptions.push([c.app, c.game]);
  });
}
for (const c of columns) {
  const b = el("button", { type: "button", onclick: () => {
    if (state.sort === c) state.down = !state.down;
    else [state.sort, state.down] = [c, !!c.down];
    refresh();
  } }, c.title, el("span", { class: "arrow", "aria-hidden": "true" }));
  $("columns").append(el("span", { role: "columnheader", "data-column": c.id, class: (c.right ? "r " : "") + "c-" + c.id }, b));
}
for (const f of filters) {
  $("chips").append(el("button", { type: "button", "aria-pressed": "false", text: f.name, onclick: () => {
    if (!state.on.delete(f)) state.on.add(f);
    state.reason = -1;
    refreshReason();
    refresh();
  } }));
}
// refreshReason shows the chip of the one reason that is filtered by, if any.
function refreshReason() {
  $("chips").querySelectorAll("[data-reason]").forEach((e) => e.remove());
  if (state.reason >= 0) $("chips").append(el("button", { type: "button", "data-reason": "", "aria-pressed": "true", text: D.reasons[state.reason].name + " ✕", onclick: () => { state.reason = -1; refreshReason(); refresh(); } }));
}
function pick(what) {
  state.search = what.search || "";
  state.on.clear();
  state.reason = what.reason === undefined ? -1 : what.reason;
  state.game = "";
  if (what.game !== undefined) {
    const i = gameOptions.findIndex(([app, game]) => app === what.app && S.texts[game] === what.game);
    if (i >= 0) state.game = String(i); else state.search = what.game;
  }
  $("search").value = state.search;
  $("game").value = state.game;
  refreshReason();
  refresh();
  $("servers").scrollIntoView({ behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
}
$("search").addEventListener("input", () => { state.search = $("search").value; refresh(); });
$("game").addEventListener("change", () => { state.game = $("game").value; refresh(); });
let asked = false;
view.addEventListener("scroll", () => {
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => { asked = false; render(); });
});
new ResizeObserver(() => render()).observe(view);
refresh();
if (location.hash === "#dark" || location.hash === "#light") root.dataset.theme = location.hash.slice(1);
const ready = performance.now() - started;

// ---- a test of the page by itself, for page.html#selftest

if (location.hash.startsWith("#selftest")) {
  const out = { ready_ms: ready, failures: [], ms: {} };
  const check = (ok, what) => { if (!ok) out.failures.push(what); };
  const timed = (name, f) => { const t = performance.now(); f(); view.getBoundingClientRect(); out.ms[name] = performance.now() - t; };
  const rows = () => [...spacer.children].filter((r) => !r.hidden);
  addEventListener("securitypolicyviolation", (ev) => check(false, "policy violation: " + ev.violatedDirective));
  try {
    check(N === (S.total > N ? N : R.servers), "servers in the table");
    check(spacer.children.length <= 60, spacer.children.length + " rows exist");
    check(rows().length === Math.min(N, rows().length) && (!N || rows().length > 0), "rows in view");
    for (const c of columns) for (const down of [false, true]) {
      [state.sort, state.down] = [c, down];
      timed("sort " + c.id + (down ? " down" : ""), refresh);
      check(state.order.length === N, "sort by " + c.id + " lost servers");
      for (let k = 1; k < N; k++) {
        const d = c.key(state.order[k - 1]) - c.key(state.order[k]);
        if (down ? d < 0 : d > 0) { check(false, "sort by " + c.id); break; }
      }
    }
    if (N) {
      const some = state.order[N >> 1];
      $("search").value = S.addr[some];
      timed("search", () => $("search").dispatchEvent(new Event("input")));
      check(state.order.includes(some) && state.order.length < Math.max(N, 2), "search of an address");
      check(rows()[0].querySelector(".addr").textContent.startsWith(S.addr[some]), "the row that was searched");
      $("search").value = "e";
      timed("search many", () => $("search").dispatchEvent(new Event("input")));
      $("search").value = "no server has this name \u0001";
      $("search").dispatchEvent(new Event("input"));
      check(state.order.length === 0 && view.querySelector(".empty"), "search without a result");
      pick({});
      state.on.add(filters[4]);
      timed("filter", refresh);
      check(state.order.length === S.suspect.filter((s) => s).length, "filter");
      pick({ game: S.texts[S.game[some]], app: S.app_id[some] });
      check(state.order.length === S.game.filter((g, i) => g === S.game[some] && S.app_id[i] === S.app_id[some]).length, "filter by game");
      pick({});
      view.scrollTop = 1e9;
      render();
      check(rows().some((r) => r.querySelector(".addr").textContent === S.addr[state.order[N - 1]]), "the last row");
      check(spacer.children.length <= 60, "rows after scrolling");
      view.scrollTop = 0;
      render();
      detail(some);
      check($("detail").open && $("detail-name").textContent === label(S.name[some]), "detail");
      $("detail").close();
    }
    check(document.scripts.length === 2, "scripts on the page");
    check(document.querySelectorAll("style, link[rel=stylesheet]").length === 1, "styles on the page");
    check(!document.querySelector("main img, main iframe, main object, main embed, main form, main [onerror], main [style*='url']"), "foreign elements");
    check(window.pwned === undefined, "a server's script ran");
    check(document.body.scrollWidth <= innerWidth, "the page is wider than the window: " + document.body.scrollWidth);
    check(performance.getEntriesByType("resource").filter((e) => !e.name.startsWith("data:")).length === 0, "requests");
  } catch (err) {
    check(false, String(err && err.stack || err));
  }
  $("selftest").textContent = "selftest " + JSON.stringify(out);
}
})();
