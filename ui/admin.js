// The operator's pages: sends each form once, and uploads images, whose request body is the file itself.
"use strict";
for (const form of document.querySelectorAll("form[data-once]")) {
  form.addEventListener("submit", () => {
    setTimeout(() => { for (const button of form.querySelectorAll("button")) button.disabled = true; }, 0);
  });
}
addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll("form[data-once] button")) button.disabled = false;
});
const image = document.getElementById("image");
image?.addEventListener("change", async () => {
  const [file] = image.files;
  if (!file) return;
  const wrong = document.getElementById("image-wrong");
  wrong.textContent = "";
  image.disabled = true;
  const headers = { "content-type": file.type, "x-csrf-token": document.body.dataset.csrf };
  const answer = await fetch(image.dataset.to, { method: "PUT", headers, body: file }).catch(() => null);
  if (answer?.ok) location.assign(image.dataset.done);
  else {
    wrong.textContent = image.dataset.failed;
    image.disabled = false;
  }
});
