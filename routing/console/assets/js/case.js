// The page of one case: it follows the feed, and sends forms without leaving.
import { $, $$, icon, make, toast, announce } from "./dom.js";
import * as compose from "./compose.js";
import { bind } from "./keys.js";
import * as live from "./live.js";
import { refresh, take } from "./regions.js";
import { t } from "./words.js";

const main = $("main");
const number = main.dataset.number;
const here = location.pathname + location.search;
let last = Number(main.dataset.last);
let timer = 0;

const talk = () => $("#talk");
const atEnd = () => talk().scrollHeight - talk().scrollTop - talk().clientHeight < 80;
const toEnd = () => (talk().scrollTop = talk().scrollHeight);

// read takes over what is new and keeps the reader's place.
async function read() {
  const end = atEnd();
  const r = await refresh(here, after);
  if (end) toEnd();
  if (r && (r.status === 403 || r.status === 404)) {
    toast(t("js.lost", { case: number }), { name: "lock" });
    location.assign("/desk/");
  }
}

function soon(ms = 60) {
  clearTimeout(timer);
  timer = setTimeout(read, ms);
}

// after looks whether the customer has written while somebody writes to them.
function after(next) {
  const incoming = $$('.message[data-direction="in"]', talk());
  const newest = incoming.at(-1);
  const seq = Number(newest?.dataset.seq ?? 0);
  if (seq <= last) return;
  last = seq;
  const name = incoming.findLast((m) => m.querySelector(".message-head"))?.querySelector("strong")?.textContent ?? "";
  announce(t("js.newer", { name }));
  if (compose.writing()) compose.newer(name, newest);
}

// post sends a form and takes the answer's page over. It says whether it worked.
export async function post(form, submitter, body) {
  submitter?.classList.add("is-busy");
  submitter?.setAttribute("aria-disabled", "true");
  const part = form.closest("[data-region]");
  const fields = () => $$("input:not([type=hidden]), select, textarea", part ?? form);
  const before = new Map(fields().map((f) => [f, f.value]));
  try {
    const multipart = form.enctype === "multipart/form-data";
    body ??= new FormData(form, submitter);
    const r = await fetch(form.action, { method: "POST", headers: { "X-Part": "1" }, body: multipart ? body : new URLSearchParams(body) });
    const path = new URL(r.url).pathname;
    if (r.redirected && r.ok && path.toLowerCase() !== location.pathname.toLowerCase()) {
      location.assign(r.url);
      return true;
    }
    if (r.status === 401) {
      live.retry();
      throw new Error("signed out");
    }
    const end = atEnd();
    const html = await r.text();
    // What was typed while the save was under way stays.
    const typed = fields().filter((f) => before.has(f) && before.get(f) !== f.value);
    const settled = r.ok || typed.length === 0;
    if (settled) form.classList.remove("is-dirty");
    take(html, (next) => {
      after(next);
      if (form.id === "composer") compose.notice($(".composer .notice", next));
    }, settled && part);
    for (const f of part && settled ? typed : []) {
      const to = f.isConnected ? f : $(`[name="${CSS.escape(f.name)}"]`, part);
      if (!to) continue;
      to.value = f.value;
      to.closest("[data-dirty]")?.classList.add("is-dirty");
    }
    if (end || (r.ok && form.id === "composer")) toEnd();
    if (!r.ok) $(".notice")?.scrollIntoView({ block: "nearest" });
    return r.ok;
  } catch {
    toast(t("js.failed"), { name: "offline" });
    return false;
  } finally {
    submitter?.classList.remove("is-busy");
    submitter?.removeAttribute("aria-disabled");
  }
}

// copied puts a field's text onto the clipboard, or marks it to be copied by hand
// where the page may not.
async function copied(field) {
  field.select();
  try {
    await navigator.clipboard.writeText(field.value);
    toast(t("js.copied"));
  } catch {
    // It is marked.
  }
}

function panel(open) {
  main.classList.toggle("is-detailed", open);
  const b = $("[data-panel]");
  b?.setAttribute("aria-expanded", String(open));
  if (open) $("#details").focus({ preventScroll: true });
  else if ($("#details").contains(document.activeElement)) b?.focus();
}

export function start() {
  toEnd();
  compose.start(number, post);
  live.watch(number);
  live.on("changed", (f) => f.case === number && soon());
  live.on("mine", (f) => f.case.number === number && soon());
  live.on("link", (l) => l.state === "live" && l.back && soon());
  // Deliveries change without a word from the feed: look now and then, as long
  // as somebody is there.
  let seen = Date.now();
  for (const e of ["pointermove", "keydown", "focus"]) window.addEventListener(e, () => (seen = Date.now()), { passive: true });
  setInterval(() => !document.hidden && Date.now() - seen < 300000 && read(), 15000);
  document.addEventListener("visibilitychange", () => !document.hidden && soon());
  document.addEventListener("sent", () => [800, 2500, 6000].forEach((ms) => setTimeout(read, ms)));

  document.addEventListener("submit", async (e) => {
    const form = e.target;
    if (form.id === "composer" || form.method !== "post" || !form.action.includes("/desk/cases/") || /\/(release|claim)$/.test(form.action)) return;
    e.preventDefault();
    if (e.submitter?.getAttribute("aria-disabled")) return;
    if (await post(form, e.submitter)) {
      if (!form.action.endsWith("/link")) toast(t("js.saved"));
      for (const ms of [800, 2500, 6000]) setTimeout(read, ms);
    }
  });
  document.addEventListener("input", (e) => e.target.closest("[data-dirty]")?.classList.add("is-dirty"));
  document.addEventListener("click", (e) => {
    const copy = e.target.closest("[data-copy]");
    if (copy) return copied(document.getElementById(copy.dataset.copy));
    if (e.target.closest("[data-panel]")) return panel(!main.classList.contains("is-detailed"));
    if (main.classList.contains("is-detailed") && !e.target.closest("#details")) panel(false);
  });
  bind("r", () => compose.focus("answer"));
  bind("m", () => compose.focus("note"));
  bind("d", () => panel(!main.classList.contains("is-detailed")));
  bind("Escape", () => {
    if (main.classList.contains("is-detailed")) return panel(false);
    document.activeElement?.blur();
  });
  const scroll = (by) => () => talk().scrollBy({ top: by });
  bind("j", scroll(120));
  bind("k", scroll(-120));
}
