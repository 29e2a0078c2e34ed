// What every page of the console needs; the page's own module comes after it.
import * as clocks from "./clocks.js";
import { start as counts } from "./counts.js";
import * as keys from "./keys.js";
import * as link from "./link.js";
import * as live from "./live.js";
import * as menu from "./menu.js";

menu.start();
keys.start();
clocks.start();
link.start();
counts();

const pages = { board: "./board.js", case: "./case.js", mine: "./mine.js", template: "./template.js" };
const page = pages[document.body.dataset.page];
if (page) (await import(page)).start();

document.addEventListener("submit", (e) => {
  if (!e.defaultPrevented && !e.target.getAttribute("target")) e.submitter?.classList.add("is-busy");
});
window.addEventListener("pageshow", () => {
  document.querySelectorAll(".is-busy").forEach((b) => b.classList.remove("is-busy"));
});

live.start(document.body.dataset.live);
