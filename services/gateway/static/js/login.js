// The login page: the token for a cookie, then back to where one came from.

import { api } from "./api.js";

const form = document.getElementById("login");
const token = document.getElementById("token");
const wrong = document.getElementById("wrong");

/** Only a path of this server; `//other` and `/\other` would leave it. */
function next() {
  const path = new URLSearchParams(location.search).get("next") ?? "/";
  return (/^\/(?![/\\])/.test(path) ? path : "/") + location.hash;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  wrong.textContent = "";
  token.removeAttribute("aria-invalid");
  if (!token.value) { wrong.textContent = "Give the token."; return; }
  try {
    await api("POST", "/api/session", { token: token.value });
    location.assign(next());
  } catch (error) {
    wrong.textContent = error.message;
    token.setAttribute("aria-invalid", "true");
    token.select();
  }
});
