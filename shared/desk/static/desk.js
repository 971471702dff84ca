// What every page needs. Nothing typed is kept in the browser.

const one = (css, root = document) => root.querySelector(css);
const all = (css, root = document) => [...root.querySelectorAll(css)];
const on = (name, handler, capture) => document.addEventListener(name, handler, capture);
const byId = (id) => document.getElementById(id);
const say = (text) => { byId("say").textContent = text; };
const resend = (el) => { if (el.isConnected) htmx.trigger(el, "desk:resend"); };
const stop = (e) => { e.preventDefault(); e.stopImmediatePropagation(); };
const around = (e, css) => e.target.closest?.(css);

// --- focus
function arrive() {
  const marked = one("[data-focus]");
  marked?.removeAttribute("data-focus");
  marked?.focus();
  all("[data-date]").forEach((el) => echo(el));
  return marked;
}
on("htmx:after:swap", arrive);

// --- a form back with errors keeps what was typed meanwhile
let returned;
on("htmx:before:swap", ({ detail: { ctx } }) => { returned = ctx.response?.status === 422; });
htmx.registerExtension("keep", {
  htmx_before_morph_node(el, { newNode }) { if (returned && el.matches(".input")) newNode.defaultValue = el.value; },
});

on("desk:say", (e) => {
  say(e.detail.text);
  const draft = around(e, "[data-draft]");
  if (draft) one("span", draft).textContent = e.detail.text;
});

// --- one submit at a time; the button keeps its focus
function busy(form, is) {
  form.toggleAttribute("data-busy", !!is);
  all("[type=submit]", form).forEach((el) => is ? el.setAttribute("aria-disabled", "true") : el.removeAttribute("aria-disabled"));
}
on("submit", (e) => {
  if (e.target.matches("[data-busy]")) stop(e);
  else if (e.target.matches("[data-guard]")) busy(e.target, true);
}, true);
on("click", (e) => { if (around(e, "[aria-disabled=true]")) stop(e); }, true);
on("htmx:finally:request", ({ detail: { ctx } }) => {
  if (ctx.sourceElement.matches("[data-busy]") && !ctx.hx?.redirect) busy(ctx.sourceElement);
});
addEventListener("pageshow", () => all("[data-busy]").forEach((form) => busy(form)));

// --- a lost connection
let waiting;
function lost(is) {
  byId("lost").hidden = !is;
  clearTimeout(waiting);
  if (is) waiting = setTimeout(probe, 3000);
}
async function probe() {
  try { await fetch("/livez", { method: "HEAD", cache: "no-store" }); } catch { return lost(true); }
  lost(false);
  all("[data-unsaved],[data-state=failed],[data-new-items]>:first-child").forEach(resend);
}
addEventListener("offline", () => lost(true));
addEventListener("online", probe);

function failed(el, status) {
  if (status === 401) byId("signed-off").hidden = false;
  if (!status) lost(true);
  const stream = el.closest("[data-new-items]");
  el.closest("[data-slot]")?.setAttribute("data-state", "failed");
  if (stream) one("[data-stopped]", stream).hidden = false;
  if ((status > 499 || status === 401) && (stream || el.matches("[data-draft]"))) setTimeout(resend, 5000, el);
}
on("htmx:error", ({ detail: { ctx } }) => { if (ctx && !ctx.response) failed(ctx.sourceElement, 0); });
on("htmx:after:request", ({ detail: { ctx } }) => {
  const el = ctx.sourceElement, { status } = ctx.response;
  if (status > 399) return failed(el, status);
  lost(false);
  byId("signed-off").hidden = true;
  el.closest("[data-slot]")?.removeAttribute("data-state");
  const form = el.matches("form");
  if (form) byId("problems").replaceChildren();
  if (form || el.sent === el.typed) (form ? one("[data-draft]", el) : el)?.removeAttribute("data-unsaved");
});

// --- drafts
on("input", (e) => {
  const draft = e.target.form && one("[data-draft]", e.target.form);
  if (!draft) return;
  draft.typed = (draft.typed || 0) + 1;
  draft.dataset.unsaved = "";
});
on("htmx:before:request", ({ detail: { ctx } }) => { ctx.sourceElement.sent = ctx.sourceElement.typed; });
addEventListener("beforeunload", (e) => { if (one("[data-unsaved]")) e.preventDefault(); });

// --- live lists: the row being read never moves
const streamOf = (e) => around(e, "[data-new-items]");
on("htmx:sse:error", (e) => failed(e.target, e.detail.status ?? -1));
on("htmx:sse:after:connection", (e) => { one("[data-stopped]", streamOf(e)).hidden = true; });
on("htmx:sse:after:message", (e) => {
  const stream = streamOf(e);
  const list = byId(stream.dataset.newItems), holder = one("ol", stream), bar = one("[data-show-new]", stream), seen = new Set();
  for (const item of [...holder.children]) {
    const shown = one(`[id="${item.id}"]`, list);
    if (seen.has(item.id)) item.remove();
    else if (shown) shown.contains(document.activeElement) ? item.remove() : shown.replaceWith(item);
    seen.add(item.id);
  }
  const count = holder.children.length;
  one("span", bar).textContent = count;
  bar.hidden = !count;
  if (count) say(`新着 ${count}件`);
});
on("click", (e) => {
  const bar = around(e, "[data-show-new]");
  if (!bar) return;
  const items = [...one("ol", streamOf(e)).children];
  byId(streamOf(e).dataset.newItems).prepend(...items);
  bar.hidden = true;
  items[0].focus();
});

// --- rows
on("click", (e) => {
  const rows = around(e, "[data-rows]"), row = around(e, "[data-row]");
  if (!rows) return;
  const shown = all(":scope>[data-row]", rows), { label, max } = rows.dataset;
  if (around(e, "[data-remove]")) {
    const at = shown.indexOf(row);
    row.remove();
    one("[data-remove],[data-add]", shown[at + 1] || shown[at - 1] || rows).focus();
    rows.dispatchEvent(new Event("change", { bubbles: true }));
    say(`${label}の行を取り除きました`);
  } else if (around(e, "[data-add]") && shown.length < max) {
    const index = Math.max(-1, ...shown.map((el) => +el.dataset.row)) + 1, template = one(":scope>template", rows);
    template.insertAdjacentHTML("beforebegin", template.innerHTML.replaceAll("__n__", index).replaceAll("__m__", shown.length + 1));
    htmx.process(template.previousElementSibling);
    one("input,select,textarea", template.previousElementSibling)?.focus();
    say(`${label}の行を足しました`);
  }
});

// --- dates, as wareki.py reads them
const NEAR = { 今日: 0, 本日: 0, 昨日: -1, 一昨日: -2, 明日: 1, 明後日: 2 };
const YEAR_ONE = { M: 1868, 明: 1868, T: 1912, 大: 1912, S: 1926, 昭: 1926, H: 1989, 平: 1989, R: 2019, 令: 2019 };
const ERA = /^(明治?|大正?|昭和?|平成?|令和?|[MTSHR])(?:(元|\d\d?)[年./-](\d\d?)[月./-](\d\d?)日?|(\d\d)(\d\d)(\d\d))$/;
const WESTERN = /^(?:西暦)?(\d{4})[年./-](\d\d?)[月./-](\d\d?)日?$|^(\d{4})(\d\d)(\d\d)$/;
const JAPANESE = new Intl.DateTimeFormat("ja-JP-u-ca-japanese", { dateStyle: "long", timeZone: "UTC" });
const DAY = 864e5;

function readDate(text, today) {
  const typed = text.normalize("NFKC").replace(/\s/g, "").replace(/[‐‑‒–—―−ー]/g, "-").replace(/[。・]/g, ".").toUpperCase();
  if (typed in NEAR) return today + NEAR[typed] * DAY;
  if (/^[+-]\d{1,3}$/.test(typed)) return today + typed * DAY;
  const era = ERA.exec(typed), [y, m, d] = (era?.slice(2) ?? WESTERN.exec(typed)?.slice(1) ?? []).filter(Boolean);
  const first = era && YEAR_ONE[era[1][0]], year = era ? first - 1 + (y === "元" ? 1 : +y) : +y, day = new Date(Date.UTC(year, m - 1, d));
  const real = year > 1872 && day.getUTCMonth() === m - 1 && day.getUTCDate() === +d && (!era || YEAR_ONE[JAPANESE.format(day)[0]] === first);
  return real ? +day : NaN;
}
function echo(el, done) {
  const now = new Date(), today = Date.UTC(now.getFullYear(), now.getMonth(), now.getDate()), time = readDate(el.value, today);
  const iso = (at) => new Date(at).toISOString().slice(0, 10);
  let text = done && el.value.trim() ? "日付として読めません（例 S18.4.1）" : "";
  if (time === time) {
    const day = iso(time), next = iso(today + DAY), age = next.slice(0, 4) - day.slice(0, 4) - (next.slice(5) < day.slice(5));
    text = `${JAPANESE.format(time)}・${day}` + (el.dataset.date === "day" ? "" : time > today ? "・先の日付です" : `・${age}歳`);
  }
  byId(el.id + "-echo").textContent = text;
}
for (const name of ["input", "change"]) on(name, (e) => { if (e.target.matches("[data-date]")) echo(e.target, name === "change"); });

if (!arrive() && !one("[autofocus]") && !location.hash) one("h1")?.focus({ preventScroll: true });

// --- an open break-glass says how long it lasts; at its end the page is loaded again, and is closed
const tick = () => all("[data-until]").forEach((el) => {
  const left = Math.ceil((Date.parse(el.dataset.until) - Date.now()) / 6e4);
  left > 0 ? el.textContent = `あと${left}分` : location.reload();
});
tick();
setInterval(tick, 15e3);
