// What tells most about the exercise at hand, over the last seconds up to the picture: the angle or distance that a
// mistake is judged by, and where the mistake begins.

import { context2d, h } from "./dom.js";
import { number } from "./format.js";

export const SPAN_S = 12;
const GAP_S = 1; // values further apart are not joined
const LEAST = { deg: 40, ratio: 0.4 }; // of the axis: noise must not fill it

/** Words and unit of each measure of the table of mistakes. */
export const MEASURES = {
  knee: ["Knee angle", "deg"],
  front_knee: ["Front knee angle", "deg"],
  elbow_lo: ["Elbow angle", "deg"],
  lean: ["Lean of the trunk", "deg"],
  hip_offset: ["Hips below the line", "deg"],
  neck: ["Neck angle", "deg"],
  arms_hi: ["Arms raised", "deg"],
  wrist_hi: ["Hands above shoulders", "ratio"],
  wrist_lo: ["Lower hand above shoulders", "ratio"],
  upper_arm: ["Upper arm from the trunk", "deg"],
  knee_gap: ["Knees apart, of the ankles", "ratio"],
  feet_gap: ["Feet apart", "ratio"],
  past_toes: ["Front knee past its toes", "ratio"],
  thigh_hi: ["Thigh raised", "deg"],
  bridge: ["Hip angle", "deg"],
  ankle_up: ["Feet raised", "ratio"],
  hip_up: ["Hips above knees", "ratio"],
  roll: ["Sideways lean", "deg"],
};

export const shown = (value, unit) => (unit === "deg" ? `${number(value, 0)}°` : `${number(value * 100, 0)} %`);

/**
 * The newest measure up to a media time, with its values of the last seconds.
 * @param {any[]} decisions of one run, in order
 * @param {number} pts media time of the picture on screen; Infinity = none moves, the newest decision counts
 * @returns {{measure: string, limit: number | null, worse: string, points: [number, number][]} | null}
 */
export function measuredAt(decisions, pts) {
  const now = Number.isFinite(pts) ? pts : (decisions.at(-1)?.pts_s ?? 0);
  const last = decisions.findLast(({ pts_s: at, about }) => at <= now && at > now - SPAN_S && about?.measure);
  if (!last || !MEASURES[last.about.measure]) return null;
  const { measure, limit, worse } = last.about;
  const until = Math.min(now, decisions.at(-1).pts_s);
  const points = [];
  for (const { pts_s: at, about } of decisions) {
    if (at < until - SPAN_S - GAP_S || about?.measure !== measure) continue;
    about.measured_pts_s.forEach((time, i) => {
      const newer = !points.length || time > points.at(-1)[0];
      if (newer && time > until - SPAN_S && time <= until + 0.05) points.push([time, about.measured[i]]);
    });
  }
  return points.length ? { measure, limit: limit ?? null, worse, points } : null;
}

export class AngleChart {
  constructor() {
    this.title = h("span", {});
    this.value = h("b", {});
    this.bound = h("span", {});
    this.span = h("span", { class: "span" });
    this.canvas = /** @type {HTMLCanvasElement} */ (h("canvas", { role: "img" }));
    this.element = h(
      "div",
      { class: "angle", hidden: true },
      h("p", {}, this.title, " ", this.value),
      this.canvas,
      h("p", { class: "bound" }, this.bound, this.span),
    );
  }

  /** @param {ReturnType<typeof measuredAt>} found null hides it */
  show(found) {
    this.element.hidden = !found;
    if (!found) return;
    const { measure, limit, worse, points } = found;
    const [words, unit] = MEASURES[measure];
    this.title.textContent = words;
    this.value.textContent = shown(points.at(-1)[1], unit);
    const bound = limit === null ? "" : `${worse === "above" ? "at most" : "at least"} ${shown(limit, unit)}`;
    this.bound.textContent = bound;
    this.span.textContent = `last ${SPAN_S} s`;
    this.canvas.setAttribute("aria-label", `${words} ${this.value.textContent}, over the last ${SPAN_S} seconds`);
    this.paint(points, limit, worse, LEAST[unit]);
  }

  paint(points, limit, worse, least) {
    const surface = context2d(this.canvas);
    if (!surface) return;
    const { context, width, height } = surface;
    const values = [...points.map(([, value]) => value), ...(limit === null ? [] : [limit])];
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const range = Math.max(high - low, least) * 1.15;
    const base = (low + high - range) / 2;
    const end = points.at(-1)[0];
    const x = (time) => width - 4 - ((end - time) / SPAN_S) * (width - 4);
    const y = (value) => height - ((value - base) / range) * height;
    if (limit !== null) {
      context.fillStyle = "rgb(255 180 84 / 18%)";
      const [top, bottom] = worse === "above" ? [0, y(limit)] : [y(limit), height];
      context.fillRect(0, top, width, bottom - top);
      context.strokeStyle = "#ffb454";
      context.setLineDash([4, 4]);
      context.beginPath();
      context.moveTo(0, y(limit));
      context.lineTo(width, y(limit));
      context.stroke();
      context.setLineDash([]);
    }
    context.strokeStyle = "#f6f8fa";
    context.fillStyle = "#f6f8fa";
    context.lineWidth = 2;
    context.lineJoin = "round";
    context.beginPath();
    points.forEach(([time, value], i) => {
      if (i && time - points[i - 1][0] <= GAP_S) context.lineTo(x(time), y(value));
      else context.moveTo(x(time), y(value));
    });
    context.stroke();
    context.beginPath();
    context.arc(x(end), y(points.at(-1)[1]), 3, 0, 7);
    context.fill();
  }
}
