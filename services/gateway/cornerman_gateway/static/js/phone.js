// How a phone opens this page with its camera: a code to photograph, and what its browser will say.

import { api } from "./api.js";
import { fill, h } from "./dom.js";

/** Fills `element` with the way for a phone, or with what to start so that there is one. */
export async function phoneWay(element) {
  const way = await api("GET", "/api/phone");
  if (!way.url) {
    fill(element, h("p", { class: "small" }, way.advice), commandOf(way.command));
    return;
  }
  fill(
    element,
    h("img", { class: "qr", src: "/api/phone.svg", alt: `QR code of ${way.url}` }),
    h("p", { class: "small" }, h("code", {}, way.url)),
    h(
      "details",
      {},
      h("summary", {}, way.fingerprint ? "The phone warns about the certificate: why?" : "About the certificate"),
      h("p", { class: "small" }, way.advice),
      way.fingerprint
        ? [
            h("p", { class: "small" }, "If its browser shows a SHA-256 fingerprint, compare:"),
            h("p", { class: "fingerprint" }, h("code", {}, way.fingerprint)),
          ]
        : null,
    ),
    way.token_needed ? h("p", { class: "quiet small" }, "It asks once for the token of this server.") : null,
  );
}

/** A command to copy; a line never ends within the name of an option. */
function commandOf(text) {
  const words = text.split(/(--\w+)/).map((part) => (part.startsWith("--") ? h("span", {}, part) : part));
  return h("pre", { tabindex: "0", class: "command" }, words);
}
