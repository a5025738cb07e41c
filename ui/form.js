// A form that must be sent once: its button says that it is under way. Without this script the server sees to
// it alone, by the key that the form holds.
"use strict";
for (const form of document.querySelectorAll("form[data-once]")) {
  form.addEventListener("submit", () => {
    const button = form.querySelector("button:not([type=button])");
    button.setAttribute("aria-busy", "true");
    // Not at once: what is disabled is not sent along.
    setTimeout(() => { button.disabled = true; }, 0);
  });
}
// A page that is come back to by the back button is whole again.
addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll("button[aria-busy]")) {
    button.disabled = false;
    button.removeAttribute("aria-busy");
  }
});
