// Runs before the first paint, so that no page flashes in the wrong theme.
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  try {
    for (const name of ["theme", "density"]) {
      const value = localStorage.getItem("casewire." + name);
      if (value) root.dataset[name] = value;
    }
  } catch {
    // Storage may be forbidden; the system's theme is right then.
  }
})();
