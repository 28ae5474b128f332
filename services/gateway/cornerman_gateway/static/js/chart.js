// A line chart on a canvas: values upwards from zero with their unit, time to the right, now at the right edge.

import { colour, context2d } from "./dom.js";
import { ms, number } from "./format.js";

const TEXT_PX = 0.66 * Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
const SHORTEST_S = 30; // a young chart is not squeezed into a corner
const STEPS_S = [5, 10, 15, 30, 60, 120, 300, 600];
const TICK_PX = 64; // between two times, at least

/** The next round number: 1, 2 or 5 times a power of ten. */
export function roundUp(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((part) => part * power).find((round) => round >= value * 0.999);
}

/** Seconds before now, at which a time is written: round steps, or the left end where there is no room for two. */
export function timesOf(span, width) {
  const step = STEPS_S.find((one) => (one / span) * width >= TICK_PX);
  if (!step || step > span) return [span];
  return Array.from({ length: Math.floor(span / step) }, (_, i) => (i + 1) * step);
}

const ago = (seconds) => (seconds < 60 || seconds % 60 ? `−${Math.round(seconds)} s` : `−${seconds / 60} min`);

/**
 * @typedef {{ink: string, dashed?: boolean}} Line the colour variable of what it means, less its dashes
 */
export class Chart {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {{lines: Line[], unit?: string, step_s?: number, length?: number, text?: (value: number) => string}} options
   *   `length` points are kept, one each `step_s` seconds; `text` writes a value, else number and unit
   */
  constructor(canvas, { lines, unit = "", step_s: step = 1, length = 120, text }) {
    this.canvas = canvas;
    this.lines = lines;
    this.step = step;
    this.length = length;
    this.text =
      text ??
      (unit === "ms" ? ms : undefined) ??
      ((value) => `${number(value, value < 10 ? 1 : 0)}${unit && ` ${unit}`}`);
    this.series = lines.map(() => []);
  }

  /** Appends one value for each line; NaN leaves a gap. */
  push(values) {
    this.series.forEach((points, index) => {
      points.push(values[index] ?? NaN);
      if (points.length > this.length) points.shift();
    });
  }

  draw() {
    const surface = context2d(this.canvas);
    if (!surface) return;
    const { context, width, height } = surface;
    const top = roundUp(Math.max(...this.series.flat().filter(Number.isFinite), 0));
    const floor = height - TEXT_PX * 1.5;
    const plot = { left: 0, right: width - 3, top: TEXT_PX * 0.6, floor, max: top };
    context.font = `${TEXT_PX}px ${getComputedStyle(document.body).fontFamily}`;
    this.values(context, plot);
    this.times(context, plot);
    this.lines.forEach((line, index) => this.line(context, plot, line, this.series[index]));
  }

  get span() {
    return Math.max(SHORTEST_S, (this.series[0].length - 1) * this.step);
  }

  /** Zero, half and the top; half only where it is written without rounding. */
  values(context, plot) {
    const marks = [plot.max, plot.max / 2, 0]
      .map((value) => [value, value ? this.text(value) : "0"])
      .map(([value, text]) => [value, value === plot.max || Number.parseFloat(text) === value ? text : ""]);
    plot.left = Math.max(...marks.map(([, text]) => context.measureText(text).width)) + 6;
    context.fillStyle = colour("--quiet");
    context.strokeStyle = colour("--line");
    context.lineWidth = 1;
    context.textBaseline = "middle";
    context.textAlign = "right";
    context.beginPath();
    for (const [value, text] of marks) {
      const y = Math.round(plot.floor - (value / plot.max) * (plot.floor - plot.top)) + 0.5;
      context.fillText(text, plot.left - 5, y);
      context.moveTo(plot.left, y);
      context.lineTo(plot.right, y);
    }
    context.stroke();
  }

  times(context, plot) {
    const wide = plot.right - plot.left;
    const below = plot.floor + TEXT_PX * 0.95;
    context.textAlign = "right";
    context.fillText("now", plot.right, below);
    context.textAlign = "center";
    context.beginPath();
    for (const seconds of timesOf(this.span, wide)) {
      const x = plot.right - (seconds / this.span) * wide;
      const half = context.measureText(ago(seconds)).width / 2;
      context.fillText(ago(seconds), Math.max(x, half), below);
      context.moveTo(Math.round(x) + 0.5, plot.floor);
      context.lineTo(Math.round(x) + 0.5, plot.floor + 3);
    }
    context.stroke();
    context.textAlign = "start";
  }

  line(context, plot, { ink, dashed = false }, points) {
    const x = (i) => plot.right - ((points.length - 1 - i) * this.step * (plot.right - plot.left)) / this.span;
    const y = (value) => plot.floor - (value / plot.max) * (plot.floor - plot.top);
    context.strokeStyle = colour(`--${ink}`);
    context.fillStyle = colour(`--${ink}`);
    context.lineWidth = 1.6;
    context.lineJoin = "round";
    context.setLineDash(dashed ? [3, 3] : []);
    context.beginPath();
    points.forEach((value, i) => {
      if (!Number.isFinite(value)) return;
      if (i && Number.isFinite(points[i - 1])) context.lineTo(x(i), y(value));
      else context.moveTo(x(i), y(value));
    });
    context.stroke();
    context.setLineDash([]);
    if (!Number.isFinite(points.at(-1))) return;
    context.beginPath();
    context.arc(plot.right, y(points.at(-1)), 2, 0, 7);
    context.fill();
  }
}
