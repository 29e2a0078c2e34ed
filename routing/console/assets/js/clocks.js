// Keeps every relative time on the page true without asking the server.
import { $$ } from "./dom.js";
import { brief, due, slaOf, span, t } from "./words.js";

function set(el, text) {
  if (el.textContent !== text) el.textContent = text;
}

export function tick(root = document) {
  const now = Date.now();
  for (const el of $$("time[data-since]", root)) {
    const at = Date.parse(el.dataset.since);
    if (at) set(el, "brief" in el.dataset ? brief(now - at) : span(now - at));
  }
  for (const el of $$("time[data-due-at]", root)) {
    const at = Date.parse(el.dataset.dueAt);
    if (at) set(el, due(at, now, el.matches(".due-word")));
  }
  for (const card of $$(".card[data-due]:not(.is-gone)", root)) judge(card, now);
}

// countdown shows what goes out within the hour by the second, and says once when
// its time has come.
function countdown() {
  for (const el of $$("time[data-sends-at]")) {
    const left = Math.ceil((Date.parse(el.dataset.sendsAt) - Date.now()) / 1000);
    if (left > 3600) continue;
    if (left > 0) set(el, t("hold.in", { time: Math.floor(left / 60) + ":" + String(left % 60).padStart(2, "0") }));
    else if (el.dataset.gone === undefined) {
      el.dataset.gone = "";
      set(el, t("hold.now"));
      document.dispatchEvent(new CustomEvent("sent"));
    }
  }
}

// judge draws how much of a card's time is over.
export function judge(card, now = Date.now()) {
  const received = Date.parse(card.dataset.received);
  const dueAt = Date.parse(card.dataset.due) || 0;
  const box = card.querySelector(".card-due");
  const sla = slaOf(received, dueAt, now);
  if (!box.classList.contains("is-" + sla)) {
    box.classList.remove("is-none", "is-ok", "is-soon", "is-overdue");
    box.classList.add("is-" + sla);
    card.dataset.sla = sla;
  }
  const fill = box.querySelector(".sla-fill");
  if (dueAt && fill) fill.setAttribute("width", Math.round(40 * Math.min(1, Math.max(0, (now - received) / (dueAt - received)))));
}

export function start() {
  tick();
  setInterval(tick, 15000);
  countdown();
  setInterval(countdown, 1000);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) tick();
  });
}
