// Small comforts. Every page does all its work without this file.
"use strict";

// Buttons that only make sense with a script stay hidden until now.
for (const button of document.querySelectorAll("[data-needs-script]")) {
  button.hidden = false;
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-switch-all], [data-print], [data-copy]");
  if (!button) return;
  if (button.hasAttribute("data-print")) {
    window.print();
  } else if (button.hasAttribute("data-copy")) {
    copy(button);
  } else {
    // "All on" and "All off" only move the switches; nothing is sent before a person answers.
    const on = button.dataset.switchAll === "on";
    for (const box of button.form.querySelectorAll(".switch:not(:disabled)")) {
      box.checked = on;
    }
  }
});

async function copy(button) {
  const source = document.getElementById(button.dataset.copy);
  await navigator.clipboard.writeText(source.textContent.trim());
  button.textContent = button.dataset.done;
}

// The page shows UTC; the reader's own clock appears when pointing at a time.
for (const time of document.querySelectorAll("time[datetime]")) {
  const at = new Date(time.dateTime);
  if (!Number.isNaN(at.getTime())) time.title = at.toLocaleString();
}

// More text than the portal takes is not sent at all: the longest field says so, nothing is lost.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.dataset.most) return;
  const texts = [...form.querySelectorAll("textarea, input[type=text]")];
  const multipart = form.enctype === "multipart/form-data";
  const sizes = texts.map(({ value }) => sizeOf(value, multipart));
  const margin = 50_000; // for the names of the fields and what else is sent with them
  if (sizes.reduce((sum, size) => sum + size, margin) <= Number(form.dataset.most)) return;
  event.preventDefault();
  const longest = texts[sizes.indexOf(Math.max(...sizes))];
  longest.setCustomValidity(form.dataset.tooLong);
  longest.addEventListener("input", () => longest.setCustomValidity(""), { once: true });
  longest.reportValidity();
});

function sizeOf(text, multipart) {
  return multipart ? new TextEncoder().encode(text).length : new URLSearchParams({ "": text }).toString().length;
}
