// The field that finds one way to sign in among those on the page. Without this, a form does it.
(() => {
  "use strict";
  const all = (selector) => document.querySelectorAll(selector);
  for (const search of all("[data-search]")) {
    const items = [...all(".choices > li")];
    const field = search.querySelector("[type=search]");
    const none = search.querySelector("[data-none]");
    const fold = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
    const filter = () => {
      // An address is no name.
      const words = field.value.includes("@") ? [] : fold(field.value).split(/\s+/);
      for (const item of items) item.hidden = !words.every((word) => fold(item.textContent).includes(word));
      none.textContent = items.some((item) => !item.hidden) ? "" : none.dataset.none;
    };
    field.addEventListener("input", filter);
    // What the browser kept in the field when coming back.
    filter();
  }
})();
