// Over the picture: how many repetitions of what, one bar each, whom it watches, and what it cannot see.

import { AngleChart } from "./angle.js";
import { fill, h } from "./dom.js";
import { number } from "./format.js";
import { hintOf, plain } from "./movement.js";

const SVG = "http://www.w3.org/2000/svg";
const MOST = 12; // bars
const SLOWEST_S = 6; // a bar of full height
const PARTS = {
  head: "M20 4a5 5 0 110 10 5 5 0 010-10z",
  shoulders: "M11 17h18",
  elbows: "M11 17l-4 11M29 17l4 11",
  hands: "M7 28l2 9M33 28l-2 9",
  hips: "M14 17l1 21h10l1-21",
  knees: "M15 38l-1 14M25 38l1 14",
  feet: "M14 52v13h-4M26 52v13h4",
};

export class Board {
  constructor() {
    this.count = h("p", { class: "count" });
    this.bars = h("ol", { class: "bars", "aria-label": "Repetitions" });
    this.whom = h("p", { class: "badge whom" });
    this.text = h("p", {});
    this.figure = h("div", { class: "figure", "aria-hidden": "true" });
    this.hint = h("div", { class: "hint", role: "status", hidden: true }, this.figure, this.text);
    this.angle = new AngleChart();
    const parts = [this.whom, this.count, this.bars, this.angle.element, this.hint];
    this.element = h("div", { class: "board", hidden: true }, parts);
  }

  /**
   * @param {ReturnType<typeof import("./movement.js").movementAt>} movement null hides it all
   * @param {ReturnType<typeof import("./angle.js").measuredAt>} measured null hides the angle
   */
  show(movement, measured, mirrored = false) {
    this.angle.show(movement && measured);
    const key = JSON.stringify(movement && [movement.about, movement.repetitions.length, mirrored]);
    if (key === this.key) return;
    this.key = key;
    this.element.hidden = !movement;
    if (!movement) return;
    const { about, repetitions, hold } = movement;
    this.count.hidden = !about.exercise;
    fill(this.count, h("b", {}, String(about.repetitions)), ` ${hold ? "s" : "×"} ${plain(about.exercise)}`);
    this.bars.hidden = !repetitions.length;
    fill(this.bars, repetitions.slice(-MOST).map(bar));
    this.whom.hidden = about.people < 2 || !about.whom;
    const sides = { left: "right", right: "left" };
    const whom = mirrored ? about.whom.replace(/left|right/, (side) => sides[side]) : about.whom;
    this.whom.textContent = `Watching ${whom}`;
    const hint = hintOf(about);
    this.hint.hidden = !hint;
    if (this.text.textContent !== hint) this.text.textContent = hint;
    this.figure.hidden = !about.missing.length;
    fill(this.figure, silhouette(about.missing));
  }
}

function bar({ good, mistakes, seconds }) {
  const tempo = Number.isFinite(seconds) ? `, ${number(seconds)} s` : "";
  const words = `${good ? "good" : mistakes.join(", ")}${tempo}`;
  const tall = Number.isFinite(seconds) ? Math.min(1, Math.max(0.3, seconds / SLOWEST_S)) : 0.5;
  const item = h("li", { class: good ? "good" : "mistake", title: words }, h("span", { class: "hidden" }, words));
  item.style.height = `${Math.round(tall * 100)}%`;
  return item;
}

/** A body; the parts that are not seen are marked. */
function silhouette(missing) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 40 70");
  for (const [part, line] of Object.entries(PARTS)) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", line);
    path.setAttribute("class", missing.includes(part) ? "missing" : "");
    svg.append(path);
  }
  return svg;
}
