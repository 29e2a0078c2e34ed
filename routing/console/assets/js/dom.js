// Small helpers over the document.
export const $ = (sel, root = document) => root.querySelector(sel);
export const $$ = (sel, root = document) => [...root.querySelectorAll(sel)];

const svg = "http://www.w3.org/2000/svg";

export function icon(name) {
  const el = document.createElementNS(svg, "svg");
  el.setAttribute("class", "icon");
  el.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(svg, "use");
  use.setAttribute("href", "#i-" + name);
  el.append(use);
  return el;
}

export function setIcon(el, name) {
  el.querySelector("use")?.setAttribute("href", "#i-" + name);
}

export function make(tag, props = {}, ...children) {
  const el = Object.assign(document.createElement(tag), props);
  el.append(...children.filter((c) => c !== null && c !== undefined));
  return el;
}

export function announce(text) {
  const at = document.getElementById("announce");
  if (at) at.textContent = text;
}

export function toast(text, { name = "check", link, label } = {}) {
  const box = document.getElementById("toasts");
  if (!box) return;
  const el = make("div", { className: "toast" }, icon(name), make("span", { textContent: text }));
  if (link) el.append(make("a", { href: link, textContent: label }));
  box.append(el);
  while (box.children.length > 3) box.firstChild.remove();
  setTimeout(() => el.remove(), 6000);
}

// typing says whether keys belong to a field rather than to shortcuts.
export function typing(target) {
  return target instanceof Element && target.closest("input:not([type=radio]):not([type=checkbox]), textarea, select, [contenteditable]") !== null;
}
