// Decisions and words over media time, on a canvas. Mouse, touch and keys choose a decision and show its picture.

import { colour, context2d, h, oncePerFrame } from "./dom.js";
import { clock } from "./format.js";

const SPANS = [30, 120, 600];
const AXIS_PX = 1.2 * Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
const TOP_PX = 4;
const PIN_PX = 7;
const EDGE_PX = PIN_PX + 2; // room for the newest pin
const SILENCE_PX = 3;
const HELP = "Choose a bar or a pin to see the picture it was about.";

export class Timeline {
  /**
   * @param {(moment: {run: string, pts_s: number, decision?: object, saying?: object}) => void} onMoment
   * @param {() => ({run: string, pts_s: number} | null)} shown the picture that is on screen now
   */
  constructor(canvas, tip, session, onMoment, shown) {
    this.draw = oncePerFrame(() => this.paint());
    this.canvas = canvas;
    this.tip = tip;
    this.session = session;
    this.onMoment = onMoment;
    this.shown = shown;
    this.span = SPANS[0];
    this.chosen = null;
    this.stats = false; // also motion
    this.choose(null);
    for (const name of ["decision", "start", "text", "end", "run", "ready", "dropped"])
      session.addEventListener(name, this.draw);
    canvas.addEventListener("pointermove", (event) => this.choose(this.nearest(event.offsetX)));
    canvas.addEventListener("pointerleave", () => {
      if (document.activeElement !== canvas) this.choose(null);
    });
    canvas.addEventListener("click", (event) => {
      this.choose(this.nearest(event.offsetX));
      this.open();
    });
    canvas.addEventListener("keydown", (event) => this.key(event));
    this.observer = new ResizeObserver(this.draw);
    this.observer.observe(canvas);
  }

  /** Buttons that choose how much is shown. */
  zoom() {
    const buttons = SPANS.map((span) =>
      h(
        "button",
        {
          type: "button",
          class: "plain",
          "aria-pressed": String(span === this.span),
          onclick: () => {
            this.span = span;
            buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(SPANS[i] === span)));
            this.draw();
          },
        },
        span < 60 ? `${span} s` : `${span / 60} min`,
      ),
    );
    return buttons;
  }

  get end() {
    return Math.max(this.session.decisions.at(-1)?.pts_s ?? 0, this.span);
  }

  x(pts, width) {
    return width - EDGE_PX - ((this.end - pts) / this.span) * (width - EDGE_PX);
  }

  sayings() {
    return [...this.session.sayings.values()].filter(
      (s) => s.run === this.session.run && s.pts_s !== null && s.pts_s !== undefined,
    );
  }

  paint() {
    const surface = context2d(this.canvas);
    if (!surface) return;
    const { context, width, height } = surface;
    const floor = height - AXIS_PX;
    const from = this.end - this.span;
    const rows = this.session.decisions.filter((d) => d.pts_s >= from - 2);
    this.axis(context, width, height, from);
    if (!this.session.decisions.length) this.empty(context, width, floor);
    this.bars(context, rows, width, floor);
    this.motion(context, rows, width, floor);
    for (const saying of this.sayings()) if (saying.pts_s >= from) this.mark(context, saying, width, floor);
    this.playhead(context, width, floor);
    if (this.chosen) {
      context.strokeStyle = colour("--text");
      context.lineWidth = 1;
      const x = Math.round(this.x(this.chosen.pts_s, width)) + 0.5;
      context.beginPath();
      context.moveTo(x, 0);
      context.lineTo(x, floor);
      context.stroke();
    }
    this.canvas.setAttribute("aria-label", this.label());
  }

  label() {
    const said = this.sayings().length;
    const counts = `${this.session.decisions.length} decisions and ${said} sayings`;
    return `Timeline: ${counts}. Left and right arrows choose, Enter shows the picture.`;
  }

  axis(context, width, height, from) {
    const step = this.span / 6;
    context.fillStyle = colour("--quiet");
    context.strokeStyle = colour("--line");
    context.font = `${AXIS_PX * 0.62}px ${getComputedStyle(document.body).fontFamily}`;
    context.beginPath();
    for (let t = Math.ceil(from / step) * step; t <= this.end; t += step) {
      const x = this.x(t, width);
      context.moveTo(x, TOP_PX);
      context.lineTo(x, height - AXIS_PX);
      const text = clock(t).replace(/\.0$/, "");
      const wide = context.measureText(text).width;
      context.fillText(text, Math.min(Math.max(0, x - wide / 2), width - wide), height - 4);
    }
    context.stroke();
  }

  empty(context, width, floor) {
    context.fillStyle = colour("--quiet");
    context.textAlign = "center";
    context.fillText("The first decision comes after the first second of video.", width / 2, floor / 2, width);
    context.textAlign = "start";
  }

  /** One bar a decision: silence a thin line. With stats, words are tall and coloured: their height is confidence. */
  bars(context, rows, width, floor) {
    const per = rows.length > 1 ? (rows.at(-1).pts_s - rows[0].pts_s) / (rows.length - 1) : 0.5;
    const wide = Math.max(1, Math.min(AXIS_PX * 0.6, (per / this.span) * width * 0.72));
    const shades = { next: colour("--bar"), feedback: colour("--praise"), correct: colour("--correction") };
    for (const row of rows) {
      const spoke = this.stats && row.action !== "next";
      const tall = spoke ? Math.max(SILENCE_PX, 0.8 * row.confidence * (floor - TOP_PX - 6)) : SILENCE_PX;
      const round = Math.min(3, wide / 2);
      context.fillStyle = spoke ? shades[row.action] : shades.next;
      context.beginPath();
      context.roundRect(
        this.x(row.pts_s, width) - wide / 2,
        floor - tall,
        wide,
        tall,
        spoke ? [round, round, 0, 0] : 0,
      );
      context.fill();
    }
  }

  /** Motion in the picture, on its own scale: its largest value here is the top. */
  motion(context, rows, width, floor) {
    if (!this.stats) return;
    const most = Math.max(0.05, ...rows.map((row) => row.motion));
    context.strokeStyle = colour("--motion");
    context.globalAlpha = 0.85;
    context.lineWidth = 1.3;
    context.beginPath();
    rows.forEach((row, i) => {
      const [x, y] = [this.x(row.pts_s, width), floor - (row.motion / most) * (floor - TOP_PX - 6)];
      if (i) context.lineTo(x, y);
      else context.moveTo(x, y);
    });
    context.stroke();
    context.globalAlpha = 1;
  }

  /** What was said: a pin, so that it differs from a decision also without colour. */
  mark(context, saying, width, floor) {
    const x = this.x(saying.pts_s, width);
    context.fillStyle = colour(saying.kind === "failed" ? "--error" : `--${saying.kind}`);
    context.fillRect(x - 1.25, TOP_PX + 4, 2.5, floor - TOP_PX - 4);
    context.beginPath();
    context.arc(x, TOP_PX + PIN_PX, PIN_PX, 0, 7);
    context.fill();
  }

  /** Where the picture is now; it lags behind the decisions by the delay. */
  playhead(context, width, floor) {
    const shown = this.shown();
    if (!shown || shown.run !== this.session.run || shown.pts_s < this.end - this.span) return;
    const x = Math.round(this.x(shown.pts_s, width)) + 0.5;
    context.strokeStyle = colour("--quiet");
    context.lineWidth = 1;
    context.setLineDash([2, 3]);
    context.beginPath();
    context.moveTo(x, TOP_PX);
    context.lineTo(x, floor);
    context.stroke();
    context.setLineDash([]);
  }

  nearest(x) {
    const { width } = this.canvas.getBoundingClientRect();
    const pts = this.end - ((width - EDGE_PX - x) / (width - EDGE_PX)) * this.span;
    const near = (rows, within) =>
      rows.reduce((best, row) => {
        const gap = Math.abs(row.pts_s - pts);
        return gap <= within && (!best || gap < Math.abs(best.pts_s - pts)) ? row : best;
      }, null);
    const saying = near(this.sayings(), (8 / width) * this.span);
    const decision = near(this.session.decisions, this.span / 20);
    if (!saying && !decision) return null;
    return this.momentOf(saying ? null : decision, saying);
  }

  momentOf(decision, saying) {
    const pts = (saying ?? decision).pts_s;
    const found = decision ?? this.session.decisions.find((row) => Math.abs(row.pts_s - pts) < 0.01);
    const words = saying ?? this.sayings().find((row) => Math.abs(row.pts_s - pts) < 0.01);
    return { run: this.session.run, pts_s: pts, decision: found, saying: words };
  }

  choose(moment) {
    this.chosen = moment;
    this.tip.textContent = moment ? describe(moment, this.stats) : HELP;
    this.draw();
  }

  /** The moment beside the chosen one, of those that somebody may want to look at; null at either end. */
  beside(moment, step) {
    const rows = this.session.decisions;
    const at = rows.findIndex((row) => row.pts_s >= moment.pts_s - 0.001);
    const row = rows[(at < 0 ? rows.length : at) + step];
    return row ? this.momentOf(row, null) : null;
  }

  key(event) {
    const rows = this.session.decisions;
    const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity }[event.key];
    if (step && rows.length) {
      const at = this.chosen ? rows.findIndex((row) => row.pts_s >= this.chosen.pts_s) : rows.length;
      const next = Math.min(rows.length - 1, Math.max(0, (at < 0 ? rows.length : at) + step));
      this.choose(this.momentOf(rows[next], null));
    } else if (event.key === "Enter" || event.key === " ") this.open();
    else return;
    event.preventDefault();
  }

  open() {
    if (this.chosen) this.onMoment(this.chosen);
  }

  close() {
    this.observer.disconnect();
  }
}

/**
 * One line about a moment; with stats also how much moved, and who decided.
 * @param {{pts_s: number, decision?: any, saying?: any}} moment
 */
export function describe({ pts_s: pts, decision, saying }, stats = false) {
  const parts = [clock(pts)];
  if (decision) {
    const names = { next: "silence", feedback: "praise", correct: "correction" };
    parts.push(`${names[decision.action]}, confidence ${Math.round(100 * decision.confidence)} %`);
    const { reason, strategy } = decision;
    if (stats)
      parts.push(`motion ${decision.motion.toFixed(2)}`, reason === strategy ? strategy : `${strategy}: ${reason}`);
  }
  if (saying?.text) parts.push(`“${saying.text}”`);
  return parts.join(" · ");
}

export function legend() {
  const item = (kind, text, more = "") => h("span", { class: more }, h("i", { class: `swatch ${kind}` }), text);
  return h(
    "div",
    { class: "legend" },
    item("correction", "correction"),
    item("praise", "praise"),
    item("answer", "answer"),
    item("silence", "silence"),
    item("failed", "error", "stat"),
    item("motion", "motion", "stat"),
    item("playhead", "the picture now"),
  );
}
