// The editor of a template: languages as tabs, a preview that follows the typing,
// variables that go where the cursor is.
import { $, $$ } from "./dom.js";

const wait = 120; // ms after a keystroke
let form, cancel, timer, field, sent;

export function start() {
  form = $("[data-template]");
  if (!form) return;
  open(form.elements.lang.value);
  form.addEventListener("click", click);
  form.addEventListener("keydown", keys);
  form.addEventListener("focusin", (e) => {
    if (e.target.matches(".tpl-lang input, .tpl-lang textarea")) field = e.target;
  });
  form.addEventListener("input", (e) => {
    if (e.target.name !== "note") soon();
  });
  form.addEventListener("submit", () => (sent = true));
  window.addEventListener("beforeunload", (e) => {
    if (!sent && changed()) e.preventDefault();
  });
  if (changed()) soon(0); // somebody was quicker than this module
}

const changed = () => $$("input:not([type=hidden]), textarea", form).some((e) => (e.type === "checkbox" ? e.checked !== e.defaultChecked : e.value !== e.defaultValue));

function open(tag, focus = false) {
  form.elements.lang.value = tag;
  for (const el of $$("[data-of]", form)) el.toggleAttribute("data-shut", el.dataset.of !== tag);
  for (const b of $$("[data-tab]", form)) {
    const on = b.dataset.tab === tag;
    b.setAttribute("aria-selected", String(on));
    b.tabIndex = on ? 0 : -1;
    if (on && focus) b.focus();
  }
  field = form.elements["text." + tag];
}

function click(e) {
  const b = e.target.closest("button");
  if (b?.dataset.tab) {
    open(b.dataset.tab);
    soon(0);
  } else if (b?.dataset.insert) insert(b.dataset.insert);
  else if (b?.dataset.goto) goTo(b.dataset);
}

function keys(e) {
  if ((e.ctrlKey || e.metaKey) && (e.key === "Enter" || e.code === "KeyS")) {
    e.preventDefault();
    $("[data-save]", form).click();
    return;
  }
  const tab = e.target.closest("[data-tab]");
  if (!tab) return;
  const all = $$("[data-tab]", form);
  const at = all.indexOf(tab);
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1 }[e.key];
  if (to === undefined) return;
  e.preventDefault();
  open(all[(to + all.length) % all.length].dataset.tab, true);
  soon(0);
}

function insert(words) {
  if (!field) return;
  field.focus();
  // Through the browser's own editing, so that it can be undone.
  if (!document.execCommand("insertText", false, words)) {
    field.setRangeText(words, field.selectionStart, field.selectionEnd, "end");
    soon();
  }
}

// goTo puts the cursor where a finding is: lines and characters from 1.
function goTo({ goto, line, col }) {
  const el = form.elements[goto];
  if (!el) return;
  const lines = el.value.split("\n");
  let at = 0;
  for (let i = 0; i < line - 1 && i < lines.length; i++) at += lines[i].length + 1;
  at += [...(lines[line - 1] ?? "")].slice(0, col - 1).join("").length;
  el.focus();
  el.setSelectionRange(at, Math.min(at + 1, el.value.length));
}

function soon(after = wait) {
  clearTimeout(timer);
  timer = setTimeout(look, after);
}

async function look() {
  cancel?.abort();
  const mine = (cancel = new AbortController());
  try {
    const body = new URLSearchParams(new FormData(form));
    const r = await fetch("/desk/policy/preview", { method: "POST", body, headers: { "X-Part": "1" }, signal: mine.signal });
    if (!r.ok) return;
    const page = new DOMParser().parseFromString(await r.text(), "text/html");
    if (mine.signal.aborted) return;
    for (const fresh of $$("body > [id]", page)) {
      const old = document.getElementById(fresh.id);
      if (!old) continue;
      if (fresh.dataset.of) fresh.toggleAttribute("data-shut", fresh.dataset.of !== form.elements.lang.value);
      old.replaceWith(document.adoptNode(fresh));
    }
    if (!$(".is-wrong", form)) $(".notice.is-red")?.remove(); // what it said is mended
  } catch (e) {
    if (e.name !== "AbortError") soon(2000); // the server is away for a moment
  }
}
