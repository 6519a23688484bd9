// Runs before the page is painted, so that a chosen theme does not flash.
(() => {
  const themes = ["auto", "light", "dark"];
  const key = "softmax-serving-theme";
  const root = document.documentElement;

  function stored() {
    try {
      return localStorage.getItem(key);
    } catch {
      return null; // storage is switched off: the choice lasts as long as the page
    }
  }

  function apply(theme) {
    root.dataset.theme = theme;
    const button = document.getElementById("theme");
    if (button) button.textContent = `Theme: ${theme}`;
  }

  apply(themes.includes(stored()) ? stored() : "auto");

  addEventListener("DOMContentLoaded", () => {
    apply(root.dataset.theme);
    document.getElementById("theme").addEventListener("click", () => {
      const next = themes[(themes.indexOf(root.dataset.theme) + 1) % themes.length];
      apply(next);
      try {
        localStorage.setItem(key, next);
      } catch {
        // as above
      }
    });
  });
})();
