// Shows how the connection stands: a dot beside the operator's name, and a banner
// once it has been lost for more than a moment.
import { $, $$, icon, make, toast } from "./dom.js";
import * as live from "./live.js";
import { t } from "./words.js";

let counting = 0;

function dot(className, word) {
  for (const el of $$("[data-link]")) el.className = "link-dot " + className;
  for (const el of $$("[data-link-word]")) el.textContent = word;
}

function banner(...children) {
  const bar = $("#alertbar");
  bar.replaceChildren(...children);
  bar.hidden = children.length === 0;
}

export function start() {
  live.on("link", (l) => {
    clearInterval(counting);
    document.body.classList.toggle("is-offline", l.state === "off");
    if (l.state === "live") {
      banner();
      dot("is-live", t("js.live"));
      if (l.back) toast(t("js.back"));
    } else if (l.state === "off") {
      dot("is-off", t("js.connecting"));
      if (l.tries > 1 || !navigator.onLine) lost(l.retryAt);
    } else if (l.state === "signed-out") {
      dot("is-off", t("js.signed_out"));
      banner(icon("lock"), make("span", { textContent: t("js.signed_out") }),
        make("a", { className: "button small primary", href: "/desk/sign-in?back=" + encodeURIComponent(location.pathname + location.search), textContent: t("js.sign_in") }));
    }
  });
}

function lost(at) {
  const left = make("small");
  left.setAttribute("aria-live", "off");
  const show = () => (left.textContent = t("js.retry", { n: Math.max(0, Math.ceil((at - Date.now()) / 1000)) }));
  show();
  counting = setInterval(show, 1000);
  const now = make("button", { type: "button", className: "button small", textContent: t("js.retry_now") });
  now.onclick = () => live.retry();
  const bar = $("#alertbar");
  if (!bar.hidden && bar.dataset.off) {
    bar.querySelector("small")?.replaceWith(left);
    return;
  }
  bar.dataset.off = "1";
  banner(icon("offline"), make("span", { textContent: t("js.offline") }), left, now);
}
