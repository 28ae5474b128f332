// A small line chart on a canvas: up to five series on one scale from zero, newest at the right edge.

import { colour, context2d } from "./dom.js";

const COLOURS = ["--chart-1", "--chart-2", "--chart-3", "--chart-4", "--chart-5"];

const SHORTEST = 30; // a young chart is not squeezed into a corner

export class Chart {
  /** @param {number} length points kept and shown, one each step */
  constructor(canvas, names, length = 120) {
    Object.assign(this, { canvas, names, length });
    this.series = names.map(() => []);
  }

  /** Appends one value for each series; NaN leaves a gap. */
  push(values) {
    this.series.forEach((points, index) => {
      points.push(values[index] ?? NaN);
      if (points.length > this.length) points.shift();
    });
  }

  get last() { return this.series.map((points) => points.at(-1)); }

  draw() {
    const surface = context2d(this.canvas);
    if (!surface) return;
    const { context, width, height } = surface;
    const finite = this.series.flat().filter(Number.isFinite);
    const top = Math.max(...finite, 1e-9) * 1.1;
    context.strokeStyle = colour("--line");
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(0, height - 0.5);
    context.lineTo(width, height - 0.5);
    context.stroke();
    this.series.forEach((points, index) => this.line(context, points, index, top, width, height));
  }

  line(context, points, index, top, width, height) {
    const step = width / (Math.max(SHORTEST, points.length) - 1);
    const x = (i) => width - (points.length - 1 - i) * step;
    const y = (value) => height - 1.5 - (value / top) * (height - 4);
    context.strokeStyle = colour(COLOURS[index]);
    context.lineWidth = 1.6;
    context.lineJoin = "round";
    context.beginPath();
    let open = false;
    points.forEach((value, i) => {
      if (!Number.isFinite(value)) { open = false; return; }
      if (open) context.lineTo(x(i), y(value));
      else context.moveTo(x(i), y(value));
      open = true;
    });
    context.stroke();
    const last = points.at(-1);
    if (!Number.isFinite(last)) return;
    context.fillStyle = colour(COLOURS[index]);
    context.beginPath();
    context.arc(width - 2, y(last), 2, 0, 7);
    context.fill();
  }
}
