// My cases: the table follows the live feed by reading itself anew.
import { $, $$ } from "./dom.js";
import { bind } from "./keys.js";
import * as live from "./live.js";
import { refresh } from "./regions.js";

export function start() {
  let timer = 0;
  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(() => refresh(location.href), 150);
  };
  live.on("mine", soon);
  live.on("link", (l) => l.back && soon());
  const step = (by) => () => {
    const links = $$(".row a");
    const at = links.indexOf(document.activeElement);
    const to = links[Math.max(0, Math.min(links.length - 1, at + by))];
    to?.focus();
    to?.closest(".row").scrollIntoView({ block: "nearest" });
  };
  bind("j", step(1));
  bind("k", step(-1));
  bind("c", () => $(".row:focus-within a")?.click());
}
