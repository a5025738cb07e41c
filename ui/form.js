// Sends a form once: its button is busy meanwhile. The form's key makes repeated requests harmless without it.
"use strict";
for (const form of document.querySelectorAll("form[data-once]")) {
  form.addEventListener("submit", () => {
    const button = form.querySelector("button:not([type=button])");
    button.setAttribute("aria-busy", "true");
    // Deferred, because the value of a disabled button would not be sent.
    setTimeout(() => { button.disabled = true; }, 0);
  });
}
// The back button may restore the page from the browser's cache, with its buttons disabled.
addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll("button[aria-busy]")) {
    button.disabled = false;
    button.removeAttribute("aria-busy");
  }
});
