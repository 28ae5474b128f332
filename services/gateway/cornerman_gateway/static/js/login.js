// The login page: exchanges the token for a cookie, then returns to the page before.

import { api } from "./api.js";

const form = document.getElementById("login");
const token = /** @type {HTMLInputElement} */ (document.getElementById("token"));
const wrong = document.getElementById("wrong");

/** Only an address of this server: a browser reads `//other`, `/\other` and `/<tab>/other` as another one. */
function next() {
  try {
    const url = new URL(new URLSearchParams(location.search).get("next") ?? "/", location.origin);
    if (url.origin === location.origin) return url.origin + url.pathname + url.search + location.hash;
  } catch {
    // not an address
  }
  return "/" + location.hash;
}

// A browser that comes from another site withholds our cookie at first; a logged-in user needs no second login.
api("GET", "/api/session")
  .then(({ admitted }) => {
    if (admitted) location.replace(next());
  })
  .catch(() => 0);

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  wrong.textContent = "";
  token.removeAttribute("aria-invalid");
  if (!token.value) {
    wrong.textContent = "Give the token.";
    return;
  }
  try {
    await api("POST", "/api/session", { token: token.value });
    location.assign(next());
  } catch (error) {
    wrong.textContent = error.message;
    token.setAttribute("aria-invalid", "true");
    token.select();
  }
});
