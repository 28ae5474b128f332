// A small line chart on a canvas: up to five series on one scale from zero, the newest value at the right edge.

import { colour, context2d } from "./dom.js";
import { number } from "./format.js";

const COLOURS = ["--chart-1", "--chart-2", "--chart-3", "--chart-4", "--chart-5"];

const TEXT_PX = 0.62 * Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
const SHORTEST = 30; // a young chart is not squeezed into a corner

export class Chart {
  /** @param {number} length points kept and shown, one each step */
  constructor(canvas, length = 120) {
    this.canvas = canvas;
    this.length = length;
    this.series = [];
    this.steps = 0;
  }

  /** Appends one value for each series; NaN leaves a gap. A series that comes later begins where it comes. */
  push(values) {
    this.steps = Math.min(this.steps + 1, this.length);
    values.slice(0, COLOURS.length).forEach((value, index) => {
      const points = (this.series[index] ??= []);
      points.push(value);
      if (points.length > this.length) points.shift();
    });
  }

  draw() {
    const surface = context2d(this.canvas);
    if (!surface) return;
    const { context, width, height } = surface;
    const finite = this.series.flat().filter(Number.isFinite);
    const most = Math.max(...finite, 0);
    const top = (most || 1) * 1.08;
    context.strokeStyle = colour("--line");
    context.lineWidth = 1;
    context.beginPath();
    for (const y of [0.5, height - 0.5]) {
      context.moveTo(0, y);
      context.lineTo(width, y);
    }
    context.stroke();
    const left = most > 0 ? this.scale(context, number(most, most < 10 ? 1 : 0)) : 0;
    this.series.forEach((points, index) => this.line(context, points, index, top, left, width, height));
  }

  /** Writes the largest value at the top left, and returns how wide it is. */
  scale(context, text) {
    context.fillStyle = colour("--quiet");
    context.font = `${TEXT_PX}px ${getComputedStyle(document.body).fontFamily}`;
    context.textBaseline = "top";
    context.fillText(text, 1, 2.5);
    return context.measureText(text).width + 5;
  }

  line(context, points, index, top, left, width, height) {
    const step = (width - 3 - left) / (Math.max(SHORTEST, this.steps) - 1);
    const x = (i) => width - 3 - (points.length - 1 - i) * step;
    const y = (value) => height - 1.5 - (value / top) * (height - 4);
    const shade = colour(COLOURS[index]);
    const runs = [];
    points.forEach((value, i) => {
      if (!Number.isFinite(value)) return;
      if (i && Number.isFinite(points[i - 1])) runs.at(-1).push([x(i), y(value)]);
      else runs.push([[x(i), y(value)]]);
    });
    context.strokeStyle = shade;
    context.fillStyle = shade;
    context.lineWidth = 1.6;
    context.lineJoin = "round";
    for (const run of runs) {
      const path = new Path2D();
      for (const [left, top] of run) path.lineTo(left, top);
      context.stroke(path);
      if (index) continue; // one shaded area reads well, several do not
      path.lineTo(run.at(-1)[0], height);
      path.lineTo(run[0][0], height);
      context.globalAlpha = 0.14;
      context.fill(path);
      context.globalAlpha = 1;
    }
    if (!Number.isFinite(points.at(-1))) return;
    context.beginPath();
    context.arc(width - 3, y(points.at(-1)), 2, 0, 7);
    context.fill();
  }
}
