// The first line that a new person reads: what the demo is, and how to try it oneself.

import { h, icon } from "./dom.js";
import { keep, recall } from "./kept.js";

const DEMO = /[/\\]assets[/\\]demo\.mp4$/;

/** The line above the demo's picture; null for any other source, and once it was closed. */
export function introOf(source) {
  if (!DEMO.test(source.url) || recall("intro") === "closed") return null;
  const line = h(
    "aside",
    { class: "intro", "aria-label": "About the demo" },
    h("p", {}, h("b", {}, "A drawn figure exercises. "), "The coach watches, and speaks when it helps."),
    h("a", { class: "button primary", href: "#/add/camera" }, icon("camera"), "Try your camera"),
    h(
      "button",
      {
        type: "button",
        class: "plain",
        "aria-label": "Close this line",
        onclick: () => {
          keep("intro", "closed");
          line.remove();
        },
      },
      icon("close"),
    ),
  );
  return line;
}
