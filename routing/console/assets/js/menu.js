// Theme, density, language, and menus that close by themselves.
import { $, $$ } from "./dom.js";

function remember(name, value) {
  const root = document.documentElement;
  if (value) root.dataset[name] = value;
  else delete root.dataset[name];
  try {
    if (value) localStorage.setItem("casewire." + name, value);
    else localStorage.removeItem("casewire." + name);
  } catch {
    // It holds for this page then.
  }
  press(name);
}

function press(name) {
  const now = document.documentElement.dataset[name] ?? "";
  const key = name + "To";
  for (const b of $$(`[data-${name}-to]`)) b.setAttribute("aria-pressed", String(b.dataset[key] === now));
}

export function start() {
  press("theme");
  press("density");
  document.addEventListener("click", (e) => {
    const b = e.target.closest("button");
    if (b?.dataset.themeTo !== undefined) remember("theme", b.dataset.themeTo);
    if (b?.dataset.densityTo !== undefined) remember("density", b.dataset.densityTo);
    if (b?.hasAttribute("data-help")) help();
    for (const open of $$("details[data-popover][open]")) if (!open.contains(e.target)) open.open = false;
  });
  document.addEventListener("change", (e) => {
    if (e.target.matches("select[data-submit]")) e.target.form.requestSubmit();
  });
  document.addEventListener("keydown", (e) => {
    if (e.key !== "Escape") return;
    for (const open of $$("details[data-popover][open]")) {
      open.open = false;
      open.querySelector("summary").focus();
      e.preventDefault(); // or the page's own Escape would take the focus away
    }
  });
  window.addEventListener("storage", (e) => {
    const name = e.key?.replace("casewire.", "");
    if (name === "theme" || name === "density") remember(name, e.newValue ?? "");
  });
}

export function help() {
  for (const open of $$("details[data-popover][open]")) open.open = false;
  const d = $("#help");
  if (d && !d.open) d.showModal();
}
