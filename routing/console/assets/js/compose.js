// The composer: two kinds of text, files by choice, drop and paste, and a draft
// that outlives the page.
import { $, $$, icon, make, toast } from "./dom.js";
import { t } from "./words.js";

let form, text, key, typedAt = 0, files = [];

export const writing = () => !!form && text.value.trim() !== "";
const chosen = () => form.elements.kind.value;

export function focus(which) {
  if (!form) return;
  const tab = $$('[name="kind"]', form).find((r) => r.value === which);
  if (tab) tab.checked = true;
  dress();
  text.focus();
}

// dress fits the words to the kind of text.
function dress() {
  const note = chosen() === "note";
  text.placeholder = text.dataset[note ? "note" : "answer"];
  const send = $(".send", form);
  $("span", send).textContent = send.dataset[note ? "note" : "answer"];
  grow();
}

function grow() {
  if (CSS.supports("field-sizing", "content")) return;
  text.style.height = "auto";
  text.style.height = Math.min(text.scrollHeight, innerHeight * 0.4) + "px";
}

function keep() {
  try {
    if (text.value.trim()) localStorage.setItem(key, JSON.stringify({ kind: chosen(), text: text.value, at: Date.now() }));
    else localStorage.removeItem(key);
  } catch {
    // Without storage the text lives in the field alone.
  }
}

function restore() {
  if (text.value) return;
  try {
    const d = JSON.parse(localStorage.getItem(key) ?? "null");
    if (!d) return;
    text.value = d.text;
    const tab = $$('[name="kind"]', form).find((r) => r.value === d.kind);
    if (tab) tab.checked = true;
    state(t("js.draft"));
  } catch {
    // A draft that cannot be read is none.
  }
}

function state(word, red = false) {
  const el = $("#composer-state");
  el.textContent = word;
  el.classList.toggle("is-red", red);
}

// newer shows above the field that the customer has written meanwhile.
export function newer(name, message) {
  const box = $("#newer");
  const said = message.querySelector(".message-text")?.textContent ?? "";
  const show = make("button", { type: "button", className: "button small", textContent: t("js.newer_show") });
  show.onclick = () => {
    message.scrollIntoView({ block: "center" });
    box.hidden = true;
    text.focus();
  };
  box.replaceChildren(icon("mine"), make("span", {}, make("b", { textContent: t("js.newer", { name }) }), " " + said), show);
  box.hidden = false;
}

// notice shows or takes away what stood in the way of the last try.
export function notice(fresh) {
  $(".notice", form)?.remove();
  if (fresh) $("#newer").before(fresh);
}

function add(list) {
  for (const f of list) files.push(f);
  picked();
}

function picked() {
  const ul = $("#picked");
  if (!ul) return;
  ul.hidden = files.length === 0;
  ul.replaceChildren(...files.map((f, i) => {
    const b = make("button", { type: "button" }, icon("x"));
    b.setAttribute("aria-label", t("js.remove_file", { name: f.name }));
    b.onclick = () => {
      files.splice(i, 1);
      picked();
      text.focus();
    };
    return make("li", {}, icon("file"), make("span", { textContent: f.name }), b);
  }));
}

function typing(number) {
  if (chosen() === "note" || Date.now() - typedAt < 4000 || !text.value) return;
  typedAt = Date.now();
  fetch(`/desk/cases/${number}/typing`, { method: "POST" }).catch(() => {});
}

// measure says what an answer takes where messages are paid by the part.
let asked = 0;
async function measure(number) {
  if (!form.dataset.measured) return;
  const mine = ++asked;
  if (chosen() === "note" || !text.value.trim()) return state("");
  try {
    const r = await fetch(`/desk/cases/${number}/measure`, { method: "POST", body: new URLSearchParams({ text: text.value }) });
    const words = r.ok ? await r.text() : "";
    if (mine === asked) state(words);
  } catch {
    // It is only a hint.
  }
}

export function start(number, post) {
  form = $("#composer");
  if (!form) return;
  text = $("#text");
  key = "casewire.draft." + number;
  restore();
  dress();
  let timer = 0;
  text.addEventListener("input", () => {
    state("");
    grow();
    typing(number);
    clearTimeout(timer);
    timer = setTimeout(() => {
      keep();
      measure(number);
    }, 250);
  });
  window.addEventListener("pagehide", keep);
  form.addEventListener("change", (e) => {
    if (e.target.name === "kind") {
      dress();
      keep();
      text.focus();
    }
    if (e.target.type === "file") {
      add(e.target.files);
      e.target.value = "";
      text.focus();
    }
  });
  text.addEventListener("keydown", (e) => {
    if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) {
      e.preventDefault();
      form.requestSubmit($(".send", form));
    }
  });
  text.addEventListener("paste", (e) => {
    if (e.clipboardData.files.length && $("#files")) {
      e.preventDefault();
      add(e.clipboardData.files);
    }
  });
  drop();
  form.addEventListener("submit", async (e) => {
    e.preventDefault();
    const send = $(".send", form);
    if (send.getAttribute("aria-disabled")) return;
    const note = chosen() === "note";
    if (!text.value.trim() && !files.length) return text.focus();
    const body = new FormData(form);
    body.delete("files");
    if (!note) for (const f of files) body.append("files", f, f.name);
    state(t("js.sending"));
    const sent = text.value;
    asked++;
    if (await post(form, send, body)) {
      if (text.value === sent) text.value = "";
      files = [];
      picked();
      $("#newer").hidden = true;
      state(t(note ? "js.noted" : "js.sent"));
      setTimeout(() => state(""), 3000);
      dress();
    } else state("");
    keep();
    text.focus();
  });
}

function drop() {
  const zone = $("#dropzone");
  if (!$("#files")) return;
  let depth = 0;
  const carries = (e) => [...(e.dataTransfer?.types ?? [])].includes("Files");
  document.addEventListener("dragenter", (e) => {
    if (carries(e) && ++depth) zone.hidden = false;
  });
  document.addEventListener("dragleave", (e) => {
    if (carries(e) && --depth <= 0) zone.hidden = true;
  });
  document.addEventListener("dragover", (e) => carries(e) && e.preventDefault());
  document.addEventListener("drop", (e) => {
    if (!carries(e)) return;
    e.preventDefault();
    depth = 0;
    zone.hidden = true;
    add(e.dataTransfer.files);
    text.focus();
  });
}
