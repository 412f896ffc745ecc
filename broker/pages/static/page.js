// Everything here is a comfort: each page does its work without it.
(() => {
  "use strict";
  const all = (selector) => document.querySelectorAll(selector);

  // A button or way to sign in that was pressed shows it, and is not pressed twice.
  let busy = null;
  const release = () => {
    if (busy) busy.removeAttribute("aria-busy");
    busy = null;
  };
  const press = (event, what) => {
    if (busy) return event.preventDefault();
    busy = what;
    what.setAttribute("aria-busy", "true");
    setTimeout(release, 8000);
  };
  for (const form of all("form")) {
    form.addEventListener("submit", (event) => press(event, event.submitter || form));
  }
  for (const link of all("a.choice, a.button")) {
    link.addEventListener("click", (event) => {
      if (!(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey)) press(event, link);
    });
  }
  addEventListener("pageshow", release);

  // Allow waits half a second whenever the window comes to the front: a click that was meant for
  // another window, which closed just then, does not count.
  for (const button of all("[data-guarded]")) {
    let timer = 0;
    const wait = () => {
      button.setAttribute("data-waiting", "");
      clearTimeout(timer);
      timer = setTimeout(() => button.removeAttribute("data-waiting"), 500);
    };
    wait();
    addEventListener("focus", wait);
    document.addEventListener("visibilitychange", wait);
    button.addEventListener("click", (event) => {
      if (button.hasAttribute("data-waiting")) event.preventDefault();
    });
  }

  // A page that only passes something on leaves by itself, except on the way back.
  const came = performance.getEntriesByType("navigation")[0];
  const form = document.querySelector("form[data-auto]");
  // Not form.submit(): a field may be named "submit".
  if (form && !(came && came.type === "back_forward")) HTMLFormElement.prototype.submit.call(form);

  // Back to the app as soon as all frames have had their time, and after three seconds whatever they do.
  const onward = document.querySelector("[data-onward]");
  if (onward && !(came && came.type === "back_forward")) {
    // The window's load, not each frame's: one that was quicker than this script tells nothing any more.
    const loaded = new Promise((done) => addEventListener("load", done));
    const late = new Promise((done) => setTimeout(done, 3000));
    Promise.race([loaded, late]).then(() => location.assign(onward.href));
  }

  for (const button of all("[data-copy]")) {
    const text = document.querySelector("[data-reference]");
    const label = button.textContent;
    button.hidden = false;
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(text.textContent);
        button.nextElementSibling.textContent = button.textContent = button.dataset.done;
        setTimeout(() => (button.textContent = label), 2000);
      } catch {
        // No clipboard here: one key press copies it.
        getSelection().selectAllChildren(text);
      }
    });
  }
})();
