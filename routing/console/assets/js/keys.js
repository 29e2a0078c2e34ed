// Shortcuts: one key, or g and then one. Pages add their own.
import { $, typing } from "./dom.js";
import { help } from "./menu.js";

const actions = new Map();
let after = "";
let timer = 0;

export const bind = (keys, fn) => actions.set(keys, fn);

const go = (path) => () => location.assign(path);

export function start() {
  bind("?", help);
  bind("g q", go("/desk/"));
  bind("g m", go("/desk/mine"));
  if ($('.nav[href="/desk/notices"]')) bind("g u", go("/desk/notices"));
  if ($('.nav[href="/desk/policy/templates"]')) bind("g t", go("/desk/policy/templates"));
  bind("n", () => $("[data-next]:not(:disabled)")?.click());
  bind("/", () => {
    const f = $("#find");
    if (f?.offsetParent) f.focus();
  });
  document.addEventListener("keydown", (e) => {
    if (e.defaultPrevented || e.altKey || e.ctrlKey || e.metaKey || $("dialog[open]")) return;
    if (typing(e.target)) {
      if (e.key === "Escape") e.target.blur();
      return;
    }
    // Shortcuts follow the key's place when another alphabet is switched on.
    const key = e.key.length === 1 && /[^\x00-\x7f]/.test(e.key) ? e.code.replace("Key", "").toLowerCase() : e.key.length === 1 ? e.key.toLowerCase() : e.key;
    const combined = after ? after + " " + key : key;
    clearTimeout(timer);
    after = "";
    const fn = actions.get(combined) ?? actions.get(key);
    if (fn) {
      if (fn(e) !== false) e.preventDefault();
    } else if (key === "g") {
      after = "g";
      timer = setTimeout(() => (after = ""), 1200);
    }
  });
}
