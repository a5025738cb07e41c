// The operator's pages: forms that are sent once, and pictures, which no plain form can send as they are.
"use strict";
for (const form of document.querySelectorAll("form[data-once]")) {
  form.addEventListener("submit", () => {
    setTimeout(() => { for (const button of form.querySelectorAll("button")) button.disabled = true; }, 0);
  });
}
addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll("form[data-once] button")) button.disabled = false;
});
const picture = document.getElementById("picture");
picture?.addEventListener("change", async () => {
  const [file] = picture.files;
  if (!file) return;
  const wrong = document.getElementById("picture-wrong");
  wrong.textContent = "";
  picture.disabled = true;
  const headers = { "content-type": file.type, "x-csrf-token": document.body.dataset.csrf };
  const answer = await fetch(picture.dataset.to, { method: "PUT", headers, body: file }).catch(() => null);
  if (answer?.ok) location.assign(picture.dataset.done);
  else {
    wrong.textContent = picture.dataset.failed;
    picture.disabled = false;
  }
});
