// Reads a page anew from the server and takes over the parts that differ, without
// touching a field that somebody is writing in.
import { $, $$, make } from "./dom.js";
import { tick } from "./clocks.js";
import { t } from "./words.js";

const tags = new Map();

export async function refresh(url, then) {
  const headers = { "X-Part": "1" };
  if (tags.has(url)) headers["If-None-Match"] = tags.get(url);
  let r;
  try {
    r = await fetch(url, { headers, cache: "no-store" });
  } catch {
    return null;
  }
  if (r.status === 304) return r;
  if (r.ok) {
    tags.set(url, r.headers.get("ETag") ?? "");
    take(await r.text(), then);
  }
  return r;
}

// take replaces what differs in the page by what html has. The part that has just
// been saved is taken over even where the cursor stands.
export function take(html, then, saved) {
  const next = new DOMParser().parseFromString(html, "text/html");
  for (const fresh of $$("[data-region]", next)) {
    const old = $(`[data-region="${fresh.dataset.region}"]`);
    if (!old) continue;
    const name = fresh.dataset.region;
    if (name !== "guards" && (old === saved ? old.querySelector(".is-dirty") : busy(old))) {
      hold(old, fresh);
      continue;
    }
    swap(old, fresh);
  }
  const talk = $("[data-keyed]", next);
  if (talk) keyed($("[data-keyed]"), talk);
  tick();
  then?.(next);
}

// busy says that somebody has written, or is about to write, in this part.
function busy(el) {
  if (el.querySelector(".is-dirty")) return true;
  if ($$("input, textarea", el).some((f) => f.value !== f.defaultValue)) return true;
  const at = document.activeElement;
  return el.contains(at) && at.matches("input:not([type=radio]), select, textarea");
}

function swap(old, fresh) {
  if (same(old, fresh)) return;
  const head = (d) => d.querySelector("summary").textContent;
  const open = $$("details[open]", old).map(head);
  const at = document.activeElement;
  const focus = old.contains(at) ? path(old, at) : null;
  const caret = focus && at.matches("input") ? [at.selectionStart, at.selectionEnd] : null;
  old.replaceChildren(...fresh.childNodes);
  for (const d of $$("details", old)) if (open.includes(head(d))) d.open = true;
  const to = focus && $(focus, old);
  if (focus) point(to ?? old);
  if (to && caret && caret[0] !== null) to.setSelectionRange(...caret);
}

// point puts the focus back onto what stands where it was, or onto its part: the
// keyboard goes on from there.
function point(to) {
  if (to.matches("[data-region], [data-keyed] > *")) to.tabIndex = -1;
  to.focus({ preventScroll: true });
}

const guards = "version claim_no seen".split(" ").map((name) => `input[type="hidden"][name="${name}"]`).join(",");

// same says whether two parts read the same; then only what a form says unseen
// about the case's age is taken over.
function same(old, fresh) {
  if (normal(old) !== normal(fresh)) return false;
  const news = $$(guards, fresh);
  $$(guards, old).forEach((g, i) => (g.value = news[i].value));
  old.querySelector(".stale-part")?.remove();
  return true;
}

// normal is a part without what only the passing of time changes.
function normal(el) {
  const c = el.cloneNode(true);
  for (const time of $$("time[data-since], time[data-due-at], .spent-time", c)) time.textContent = "";
  for (const fill of $$(".sla-fill", c)) fill.removeAttribute("width");
  for (const d of $$("details", c)) d.removeAttribute("open");
  for (const b of $$(".is-busy, .is-dirty", c)) b.classList.remove("is-busy", "is-dirty");
  for (const b of $$('[aria-disabled="true"]', c)) b.removeAttribute("aria-disabled");
  for (const g of $$(guards, c)) g.removeAttribute("value");
  c.querySelector(".stale-part")?.remove();
  return c.innerHTML.replace(/ class=""/g, "");
}

function path(root, el) {
  if (el.id) return "#" + CSS.escape(el.id);
  if (el.name) return `[name="${CSS.escape(el.name)}"]${el.value && el.tagName === "BUTTON" ? `[value="${CSS.escape(el.value)}"]` : ""}`;
  const form = el.tagName === "BUTTON" && el.closest("form");
  if (form && root.contains(form)) return `form[action="${CSS.escape(form.getAttribute("action"))}"] button`;
  return el.tagName.toLowerCase();
}

// hold leaves the part as it is and offers the new one.
function hold(old, fresh) {
  if (same(old, fresh)) return;
  old.querySelector(".stale-part")?.remove();
  const b = make("button", { type: "button", className: "button small", textContent: t("js.reload") });
  b.onclick = () => {
    old.replaceChildren(...fresh.childNodes);
    point(old);
  };
  old.append(make("p", { className: "stale-part" }, make("span", { textContent: t("js.stale_part") }), b));
}

// folded is what an entry says, whatever of it somebody has opened.
const folded = (el) =>
  el.innerHTML.replaceAll(' open=""', "").replaceAll(' data-gone=""', "").replace(/(<time data-sends-at="[^>]*>)[^<]*/g, "$1");

// keyed takes over a list whose entries have ids, touching only what differs, so
// that nothing moves that somebody reads or has marked.
function keyed(old, fresh) {
  const focus = document.activeElement;
  const entry = [...old.children].find((c) => c.contains(focus));
  const want = [...fresh.children];
  const ids = new Set(want.map((c) => c.id));
  for (const c of [...old.children]) if (c.id && !ids.has(c.id)) c.remove();
  let at = old.firstElementChild;
  for (const w of want) {
    const have = w.id ? document.getElementById(w.id) : null;
    if (!have || !old.contains(have)) {
      if (w.matches(".message")) w.classList.add("is-new");
      old.insertBefore(w, at);
      continue;
    }
    if (folded(have) !== folded(w) || have.className.replace(" is-new", "") !== w.className) {
      const open = $$("details", have).map((d) => d.open);
      have.className = w.className;
      have.replaceChildren(...w.childNodes);
      $$("details", have).forEach((d, i) => (d.open = open[i]));
    }
    if (have !== at) old.insertBefore(have, at);
    at = have.nextElementSibling;
  }
  if (entry && document.activeElement !== focus) point(entry.isConnected ? ($(path(entry, focus), entry) ?? entry) : old);
}
