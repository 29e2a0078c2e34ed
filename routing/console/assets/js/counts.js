// Figures in the side bar: how many wait in each queue and since when, and how
// many cases the operator holds.
import { $$, toast } from "./dom.js";
import * as live from "./live.js";
import { brief, t } from "./words.js";

export const queues = new Map(); // id → {waiting, overdue, oldest_received_at}
export const mine = new Map(); // number → the case as the feed tells it

const active = (m) => ["new", "open", "waiting"].includes(m.stage);

export function start() {
  live.on("snapshot", (f) => {
    queues.clear();
    for (const q of f.queues ?? []) queues.set(q.id, q.counts);
    mine.clear();
    for (const m of f.mine ?? []) mine.set(m.number, m);
    show();
  });
  live.on("counts", (f) => {
    queues.set(f.queue, f);
    show();
  });
  live.on("mine", (f) => {
    const was = mine.get(f.case.number);
    if (f.gone) mine.delete(f.case.number);
    else mine.set(f.case.number, f.case);
    if (!f.gone && was && Date.parse(f.case.inbound_at) > Date.parse(was.inbound_at ?? 0) && !location.pathname.endsWith(f.case.number)) {
      toast(t("js.mine_wrote", { name: f.case.customer || t("customer.unknown"), case: f.case.number }), { name: "mine", link: "/desk/cases/" + f.case.number, label: t("js.newer_show") });
    }
    show();
  });
}

export const held = () => [...mine.values()].filter(active).length;

function show() {
  let total = 0;
  for (const [id, c] of queues) {
    total += c.waiting;
    for (const el of $$(`[data-queue="${CSS.escape(id)}"].nav, .chips [data-queue="${CSS.escape(id)}"]`)) {
      const count = el.querySelector("[data-count]");
      if (count) count.textContent = c.waiting;
      const oldest = el.querySelector("[data-oldest]");
      if (!oldest) continue;
      oldest.classList.toggle("is-overdue", c.overdue > 0);
      const at = c.oldest_received_at;
      if (!c.waiting || !at) oldest.replaceChildren();
      else {
        let time = oldest.querySelector("time");
        if (!time) oldest.append((time = document.createElement("time")));
        time.dataset.since = at;
        time.dataset.brief = "";
        time.textContent = brief(Date.now() - Date.parse(at));
      }
    }
  }
  for (const el of $$("[data-total]:not(#cards)")) el.textContent = total;
  for (const el of $$("[data-mine]")) el.textContent = held();
}
