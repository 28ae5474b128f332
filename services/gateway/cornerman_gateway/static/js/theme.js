// Sets dark or light before anything is painted. A classic script, because modules run too late for that.
(() => {
  let chosen = null;
  try {
    chosen = localStorage.getItem("cornerman.theme");
  } catch {
    chosen = null; // storage may be forbidden; the system's choice will do
  }
  const system = matchMedia("(prefers-color-scheme: light)");
  const apply = (theme) => {
    document.documentElement.dataset.theme = theme ?? (system.matches ? "light" : "dark");
  };
  apply(chosen);
  system.addEventListener("change", () => {
    if (!chosen) apply(null);
  });
  window.cornermanTheme = () => {
    chosen = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    apply(chosen);
    try {
      localStorage.setItem("cornerman.theme", chosen);
    } catch {
      return; // not kept, but shown
    }
  };
})();
