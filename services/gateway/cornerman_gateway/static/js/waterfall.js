// Where the time of a feedback went: capture, encoder, decider, generator to the first word and to the last.

import { fill, h } from "./dom.js";
import { clock, ms } from "./format.js";
import { isWordless } from "./session.js";

const MOST = 6;

/** Stage, the mark at its end, and what it is in words. */
export const STAGES = [
  ["capture", "published_at_s", "captured"],
  ["encoder", "encoded_at_s", "encoded"],
  ["decider", "decided_at_s", "decided"],
  ["generator", "first_token_at_s", "first word"],
  ["speaking", "last_token_at_s", "last word"],
];

/**
 * What each stage took, in order; a stage without a mark is left out, and the next one has its time.
 * @param {Record<string, number>} times unix seconds, 0 = not known
 * @returns {{stage: string, name: string, from_ms: number, ms: number}[]} from the moment of capture
 */
export function spansOf(times) {
  const from = times.captured_at_s;
  if (!from) return [];
  let at = from;
  return STAGES.flatMap(([stage, mark, name]) => {
    const end = times[mark];
    if (!end || end < at) return [];
    const span = { stage, name, from_ms: (at - from) * 1000, ms: (end - at) * 1000 };
    at = end;
    return [span];
  });
}

export class Waterfall {
  /** @param {import("./session.js").Session} session whose finished feedback is shown, newest first */
  constructor(session) {
    this.rows = [];
    this.list = h("ol", { class: "falls" }, h("li", { class: "quiet small" }, "after the first words"));
    this.scale = h("p", { class: "fall-scale quiet", "aria-hidden": "true" });
    this.element = h(
      "section",
      { class: "tile wide", "data-tile": "waterfall", title: "from the picture to the last word, each feedback" },
      h("header", {}, h("h3", {}, "latency of each feedback"), this.scale),
      this.list,
      h(
        "div",
        { class: "keys" },
        STAGES.map(([stage, , name]) => h("span", {}, h("i", { class: `swatch ink-${stage}` }), name)),
      ),
    );
    session.addEventListener("end", (/** @type {CustomEvent} */ { detail: { event } }) => this.take(event));
  }

  take(event) {
    if (event.kind !== "feedback" || event.status !== "done" || isWordless(event)) return;
    const spans = spansOf(event.times);
    if (!spans.length) return;
    this.rows = [{ pts_s: event.pts_s, spans }, ...this.rows].slice(0, MOST);
    this.show();
  }

  show() {
    const whole = ({ spans }) => spans.at(-1).from_ms + spans.at(-1).ms;
    const most = Math.max(...this.rows.map(whole));
    this.scale.textContent = `0 to ${ms(most)}`;
    fill(
      this.list,
      this.rows.map((row) => {
        const words = row.spans.map(({ name, ms: took }) => `${name} +${ms(took)}`).join(", ");
        const bars = row.spans.map(({ stage, from_ms: from, ms: took }) => {
          const bar = h("i", { class: `ink-${stage}` });
          Object.assign(bar.style, { left: `${(from / most) * 100}%`, width: `${(took / most) * 100}%` });
          return bar;
        });
        return h(
          "li",
          { title: words },
          h("span", {}, clock(row.pts_s)),
          h("span", { class: "fall", "aria-hidden": "true" }, bars),
          h("span", {}, ms(whole(row))),
          h("span", { class: "hidden" }, words),
        );
      }),
    );
  }
}
