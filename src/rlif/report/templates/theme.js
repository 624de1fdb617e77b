// Light, dark, or as the system has it: a button that goes round, and a choice that is kept where it can be.
(() => {
  "use strict";
  const NEXT = { auto: "light", light: "dark", dark: "auto" };
  const root = document.documentElement;
  const kept = () => { try { return localStorage.getItem("rlif-theme"); } catch { return null; } };
  const keep = (theme) => { try { localStorage.setItem("rlif-theme", theme); } catch { /* a file may not */ } };
  const set = (theme) => { root.dataset.theme = theme in NEXT ? theme : "auto"; };
  set(kept() ?? "auto");
  addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const name = () => { button.textContent = `Theme: ${root.dataset.theme}`; };
    name();
    button.hidden = false;
    button.addEventListener("click", () => {
      set(NEXT[root.dataset.theme]);
      keep(root.dataset.theme);
      name();
    });
  });
})();
