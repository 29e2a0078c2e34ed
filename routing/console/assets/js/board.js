// The queue board: cards come and go as the feed tells, and nothing moves under
// the pointer or the focus while it does.
import { $, $$, announce, icon, make, setIcon, toast } from "./dom.js";
import { judge, tick } from "./clocks.js";
import { held, mine, queues } from "./counts.js";
import { bind } from "./keys.js";
import * as live from "./live.js";
import { capacity, category, due, initial, kind, n, priority, queue, slaOf, span, status, t } from "./words.js";

const list = $(".list");
const groups = new Map($$(".group").map((g) => [g.dataset.priority, g]));
const filter = $("main").dataset.queueFilter;
const waiting = new Map(); // cards held back while somebody points at the list
let pointing = false;

const shown = (id) => !filter || filter === id;
const find = (number) => document.getElementById("card-" + number);

function fill(el, c) {
  el.id = "card-" + c.number;
  Object.assign(el.dataset, { number: c.number, queue: c.queue, priority: c.priority, received: c.received_at, due: c.due_at ?? "", sla: c.sla, place: c.received_at + c.number });
  const slot = (name) => $(`[data-slot="${name}"]`, el);
  const now = Date.now();
  const received = Date.parse(c.received_at);
  const dueAt = c.due_at ? Date.parse(c.due_at) : 0;
  $("form", el).action = `/desk/cases/${c.number}/claim`;
  slot("number").textContent = c.number;
  setIcon(slot("channel"), c.channel_kind);
  slot("channel").title = kind(c.channel_kind);
  slot("category").textContent = category(c.category);
  slot("queue").textContent = queue(c.queue);
  slot("status").textContent = c.status === initial ? "" : status(c.status);
  const since = slot("received");
  since.dataset.since = c.received_at;
  since.dateTime = c.received_at;
  since.title = new Date(received).toLocaleString();
  since.textContent = span(now - received);
  const word = $(".due-word", el);
  word.dataset.dueAt = c.due_at ?? "";
  word.textContent = dueAt ? due(dueAt, now, true) : "";
  word.title = dueAt ? new Date(dueAt).toLocaleString() : "";
  $(".sla", el).toggleAttribute("hidden", !dueAt);
  const say = [c.number, priority(c.priority), kind(c.channel_kind), category(c.category), queue(c.queue), t("card.waiting", { span: span(now - received) })];
  if (dueAt) say.push(t("card.answer", { due: due(dueAt, now) }));
  slot("say").textContent = " " + say.join(", ");
  judge(el, now);
  return say.join(", ");
}

function create(c) {
  const el = $("#card-template").content.firstElementChild.cloneNode(true);
  return [el, fill(el, c)];
}

// before is the card that c comes in front of, in its group.
function spot(c) {
  const ol = $("ol", groups.get(c.priority) ?? groups.get("normal"));
  const at = Date.parse(c.received_at);
  const next = [...ol.children].find((el) => {
    const other = Date.parse(el.dataset.received);
    return other > at || (other === at && el.dataset.number > c.number);
  });
  return [ol, next ?? null];
}

// disturbs says whether putting something before next would move what is being
// pointed at or read out.
function disturbs(ol, next) {
  const anchor = $(".card:hover") ?? $(".card:focus-within");
  if (!pointing && !anchor) return false;
  if (!anchor) return true;
  if (!next) {
    const last = ol.lastElementChild;
    if (!last) return !!(anchor.compareDocumentPosition(ol) & Node.DOCUMENT_POSITION_PRECEDING);
    return last !== anchor && !!(anchor.compareDocumentPosition(last) & Node.DOCUMENT_POSITION_PRECEDING);
  }
  return next === anchor || !!(anchor.compareDocumentPosition(next) & Node.DOCUMENT_POSITION_PRECEDING);
}

function put(c, fresh) {
  const old = find(c.number);
  if (old && !old.classList.contains("is-gone")) {
    const moved = old.dataset.priority !== c.priority || old.dataset.received !== c.received_at;
    if (!moved) return void fill(old, c);
    old.remove();
  } else if (old) old.remove();
  const [ol, next] = spot(c);
  if (fresh && disturbs(ol, next)) {
    waiting.set(c.number, c);
    return pill();
  }
  const [el, say] = create(c);
  if (fresh) {
    el.classList.add("is-new");
    announce(t("js.announce", { say }));
  }
  steady(() => ol.insertBefore(el, next));
}

// steady changes the list and keeps what is in view where it was.
function steady(change) {
  if (CSS.supports("overflow-anchor", "auto") || list.scrollTop === 0) return change();
  const top = list.getBoundingClientRect().top;
  const seen = $$(".card").find((c) => c.getBoundingClientRect().bottom > top);
  const was = seen?.getBoundingClientRect().top;
  change();
  if (seen) list.scrollTop += seen.getBoundingClientRect().top - was;
}

function pill() {
  const b = $("#held");
  b.hidden = waiting.size === 0;
  b.textContent = n("js.new_cards", waiting.size);
}

function flush() {
  const all = [...waiting.values()];
  waiting.clear();
  for (const c of all) {
    const [ol, next] = spot(c);
    const [el] = create(c);
    el.classList.add("is-new");
    ol.insertBefore(el, next);
  }
  pill();
  figures();
}

function gone(number, by) {
  waiting.delete(number);
  pill();
  const el = find(number);
  if (!el || el.classList.contains("is-gone")) return;
  el.classList.add("is-gone");
  const word = $(".due-word", el);
  delete word.dataset.dueAt;
  word.textContent = by ? t("card.taken_by", { name: by }) : t("card.taken");
  $("[data-take]", el).disabled = true;
  if (el.contains(document.activeElement)) step(1);
  setTimeout(sweep, 2500);
  el.dataset.goneAt = Date.now();
}

// sweep takes away cards that have faded, unless that would move what somebody
// points at.
function sweep() {
  if (pointing) return;
  for (const el of $$(".card.is-gone")) if (Date.now() - el.dataset.goneAt > 2000) el.remove();
  figures();
}

function figures() {
  for (const [, g] of groups) {
    const cards = $$(".card:not(.is-gone)", g).length;
    $("[data-group-count]", g).textContent = cards;
    g.hidden = $("ol", g).children.length === 0;
  }
  let total = 0, overdue = 0, oldest = Infinity;
  for (const [id, c] of queues) {
    if (!shown(id)) continue;
    total += c.waiting;
    overdue += c.overdue;
    if (c.waiting && c.oldest_received_at) oldest = Math.min(oldest, Date.parse(c.oldest_received_at));
  }
  if (queues.size === 0) return;
  $('[data-stat="waiting"]').textContent = total;
  $('[data-stat-word="waiting"]').textContent = n("board.waiting", total);
  $('[data-stat="overdue"]').textContent = overdue;
  $('[data-stat-word="overdue"]').textContent = n("board.overdue", overdue);
  $('[data-stat-box="overdue"]').hidden = overdue === 0;
  $('[data-stat-box="oldest"]').hidden = !isFinite(oldest);
  if (isFinite(oldest)) {
    const el = $('[data-stat="oldest"]');
    el.dataset.since = new Date(oldest).toISOString();
    el.textContent = span(Date.now() - oldest);
  }
  $(".list-head").hidden = total === 0;
  $("#empty").hidden = total > 0 || $$(".card").length > 0;
  $("[data-next]").disabled = total === 0;
}

function snapshot(f) {
  const now = new Map();
  for (const q of f.queues ?? []) if (shown(q.id)) for (const c of q.cards ?? []) now.set(c.number, c);
  for (const el of $$(".card")) if (!now.has(el.dataset.number)) el.remove();
  waiting.clear();
  pill();
  for (const c of now.values()) put(c, false);
  figures();
  hand();
}

function hand() {
  const ul = $("#hand");
  if (!ul) return;
  const cases = [...mine.values()].sort((a, b) => Number(b.waiting) - Number(a.waiting) || Date.parse(b.updated_at) - Date.parse(a.updated_at));
  const rows = cases.map((m) => {
    const time = make("time", { textContent: span(Date.now() - Date.parse(m.updated_at)) });
    time.dataset.since = m.updated_at;
    const meta = make("span", { className: "hand-meta" }, make("span", { className: "status is-" + m.stage }, icon(m.stage), status(m.status)));
    if (m.waiting) meta.append(make("span", { className: "wrote" }, icon("dot"), t("hand.wrote")));
    return make("li", {}, make("a", { className: "hand-case" + (m.waiting ? " is-waiting" : ""), href: "/desk/cases/" + m.number },
      make("span", { className: "hand-top" }, make("span", { className: "hand-who", textContent: m.customer || t("customer.unknown") }), time),
      make("span", { className: "hand-subject", textContent: m.subject }), meta));
  });
  if (!rows.length) rows.push(make("li", { className: "hand-empty", textContent: t("hand.empty") }));
  const focused = ul.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  ul.replaceChildren(...rows);
  if (focused) $(`[href="${CSS.escape(focused)}"]`, ul)?.focus();
  $(".hand-figure b").textContent = held();
  const bar = $(".capacity");
  if (bar && capacity) {
    bar.querySelector(".sla-fill").setAttribute("width", Math.min(100, (100 * held()) / capacity));
    bar.classList.toggle("is-full", held() >= capacity);
    bar.setAttribute("aria-label", t("hand.capacity", { held: held(), capacity }));
  }
}

// step moves the choice to another card.
function step(by) {
  const all = $$(".card:not(.is-gone) [data-take]");
  if (!all.length) return;
  const here = document.activeElement?.closest(".card");
  let at = all.indexOf(document.activeElement);
  if (at < 0 && here) at = all.findIndex((b) => here.compareDocumentPosition(b) & Node.DOCUMENT_POSITION_FOLLOWING) - (by > 0 ? 1 : 0);
  const to = all[Math.max(0, Math.min(all.length - 1, at + by))];
  to.focus({ preventScroll: true });
  to.closest(".card").scrollIntoView({ block: "nearest" });
}

// claim sends the form and goes to the case; whatever stands in the way is said
// here, and the board stays.
async function claim(form, button) {
  button.classList.add("is-busy");
  try {
    const r = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)), redirect: "manual" });
    if (r.type === "opaqueredirect") {
      const path = new URL(form.action).pathname.replace(/\/claim$/, "");
      return location.assign(path);
    }
    const page = new DOMParser().parseFromString(await r.text(), "text/html");
    toast($(".notice p", page)?.textContent ?? t("js.failed"), { name: "alarm" });
  } catch {
    toast(t("js.failed"), { name: "offline" });
  }
  button.classList.remove("is-busy");
}

export function start() {
  live.on("snapshot", snapshot);
  live.on("card", (f) => {
    if (!shown(f.queue)) return;
    put(f.card, !find(f.card.number) && Date.now() - Date.parse(f.card.received_at) < 120000 || !find(f.card.number));
    figures();
  });
  live.on("gone", (f) => {
    if (shown(f.queue)) gone(f.case, f.by);
    figures();
  });
  live.on("counts", figures);
  live.on("mine", hand);

  list.addEventListener("pointerenter", (e) => (pointing = e.pointerType === "mouse"));
  list.addEventListener("pointerleave", () => {
    pointing = false;
    flush();
    sweep();
  });
  list.addEventListener("focusout", (e) => {
    if (!list.contains(e.relatedTarget) && !pointing) flush();
  });
  $("#held").addEventListener("click", () => {
    flush();
    list.scrollTo({ top: 0 });
  });
  document.addEventListener("submit", (e) => {
    const card = e.target.closest(".card");
    if (!card) return;
    e.preventDefault();
    claim(e.target, $("[data-take]", card));
  });
  bind("j", () => step(1));
  bind("k", () => step(-1));
  bind("ArrowDown", () => (document.activeElement?.closest(".list") ? step(1) : false));
  bind("ArrowUp", () => (document.activeElement?.closest(".list") ? step(-1) : false));
  bind("c", () => $(".card:focus-within [data-take]")?.click());
  bind("Escape", () => document.activeElement?.blur());
  tick();
}
