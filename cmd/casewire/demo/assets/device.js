// Keeps a device's page fresh and sends its short forms without leaving it. All of
// it works without this script, by plain forms and a reload.

const open = (method, address, body) => new Promise((resolve, reject) => {
  const ask = new XMLHttpRequest();
  ask.open(method, address);
  ask.responseType = "document";
  ask.onload = () => (ask.response && ask.status < 400 ? resolve(ask.response) : reject(new Error(`answer ${ask.status}`)));
  ask.onerror = () => reject(new Error("no answer"));
  ask.send(body);
});

// blend leaves alone what is the same, so that nothing is read aloud twice and a
// voice plays on.
const blend = (now, next) => {
  const was = [...now.children], will = [...next.children];
  will.forEach((n, i) => {
    if (!was[i]) now.append(document.importNode(n, true));
    else if (was[i].outerHTML !== n.outerHTML) was[i].replaceWith(document.importNode(n, true));
  });
  for (const n of was.slice(will.length)) n.remove();
};

// show takes over the parts of the page that change. A part with a state keeps
// what was written in it until the state is another.
const show = (page) => {
  for (const now of document.querySelectorAll("[data-live]")) {
    const next = page.getElementById(now.id);
    if (!next) continue;
    const same = now.dataset.live === "state" ? now.dataset.state === next.dataset.state : now.innerHTML === next.innerHTML;
    if (same) continue;
    for (const [k, v] of Object.entries(next.dataset)) now.dataset[k] = v;
    const [list, fresh] = [now, next].map((n) => n.querySelector(":scope > ol"));
    if (list && fresh) { blend(list, fresh); continue; }
    now.replaceChildren(...[...next.childNodes].map((n) => document.importNode(n, true)));
  }
  const last = page.getElementById("text")?.dataset.last;
  if (last !== undefined && text()) text().dataset.last = last;
};

const text = () => document.getElementById("text");
const here = () => { const u = new URL(location.href); u.searchParams.delete("error"); return u.href; };

document.querySelector(".who [aria-current]")?.scrollIntoView({ inline: "center", block: "nearest" });

let asking = null; // one look at a time, and one more when something changed meanwhile
let again = false;
const refresh = async () => {
  if (asking) { again = true; return; }
  do {
    again = false;
    asking = open("GET", here()).then(show, () => {});
    await asking;
  } while (again);
  asking = null;
};

// A page that nobody looks at holds no connection.
let feed = null;
const listen = () => {
  if (document.hidden) { feed?.close(); feed = null; return; }
  if (feed) return;
  feed = new EventSource(document.body.dataset.liveUrl);
  feed.addEventListener("open", refresh);
  feed.addEventListener("change", refresh);
};
document.addEventListener("visibilitychange", listen);
addEventListener("pagehide", () => { feed?.close(); feed = null; });
addEventListener("pageshow", listen);
listen();

const shut = () => { for (const m of document.querySelectorAll("details.menu[open]")) m.open = false; };

const send = async (form, button) => {
  if (form.dataset.busy) return;
  const area = form.querySelector("textarea");
  if (button?.value === "edit" && area && !area.value.trim()) {
    area.value = area.dataset.last;
    form.querySelector(".send").value = "edit";
    shut();
    area.focus();
    return;
  }
  const body = new FormData(form, button);
  form.dataset.busy = "yes";
  try {
    const page = await open("POST", form.action || location.pathname, body);
    if (area && !page.querySelector("#fault [role=alert]")) {
      form.reset();
      area.value = "";
      form.querySelector(".send").value = "say";
    }
    show(page);
  } catch {
    // What was written stays where it is.
    const words = document.createElement("p");
    words.className = "fault";
    words.setAttribute("role", "alert");
    words.textContent = document.body.dataset.failed;
    document.getElementById("fault").replaceChildren(words);
  } finally {
    delete form.dataset.busy;
  }
  shut();
  text()?.focus({ preventScroll: true });
};

document.addEventListener("submit", (e) => {
  if (!e.target.matches("[data-quiet]")) return;
  e.preventDefault();
  send(e.target, e.submitter);
});

document.addEventListener("keydown", (e) => {
  if (e.key === "Enter" && !e.shiftKey && !e.isComposing && e.target.matches(".composer textarea")) {
    e.preventDefault();
    e.target.form.requestSubmit(e.target.form.querySelector(".send"));
  }
  if (e.key === "Escape") {
    const menu = e.target.closest("details.menu[open]");
    shut();
    menu?.querySelector("summary").focus();
  }
});

document.addEventListener("click", (e) => { if (!e.target.closest("details.menu")) shut(); });
document.addEventListener("change", (e) => {
  if (e.target.matches(".composer input[type=file]") && e.target.files.length) e.target.form.requestSubmit(e.target.form.querySelector(".send"));
});
