// Pages before the console: a pressed button shows that it works.
document.addEventListener("submit", (e) => {
  e.submitter?.classList.add("is-busy");
});
window.addEventListener("pageshow", () => {
  document.querySelectorAll(".is-busy").forEach((b) => b.classList.remove("is-busy"));
});
