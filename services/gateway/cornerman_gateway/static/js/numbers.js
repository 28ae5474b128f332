// Live figures of one source: rates from its counters, latencies from its events, lag of the consumer groups.
// All are measured; a missing figure is a dash.

import { api, sourcePath } from "./api.js";
import { Chart } from "./chart.js";
import { fill, h } from "./dom.js";
import { median, ms, number } from "./format.js";
import { STAGES as SPANS, Waterfall } from "./waterfall.js";

const STAGES = SPANS.slice(0, 4).map(([, , name]) => name);
const RECENT = 20;
const RATE_S = 3; // rates are over the last three seconds: counters come in steps

const LOST = ["buried", "lost", "expired", "errors"]; // past capture; shown beside the drops when there are any

/** One colour for each meaning, here and in the waterfall: that of the process whose work it is. */
const INKS = {
  ...Object.fromEntries(SPANS.map(([stage, , name]) => [name, { ink: stage }])),
  frames: { ink: "capture" },
  sampled: { ink: "capture", dashed: true },
  published: { ink: "capture" },
  encoder: { ink: "encoder" },
  decider: { ink: "decider" },
  generator: { ink: "generator" },
  dropped: { ink: "error" },
  ttft: { ink: "generator" },
  "tokens/s": { ink: "speaking" },
};

const TILES = [
  {
    key: "stages",
    title: "latency by stage",
    unit: "ms",
    names: STAGES,
    wide: true,
    hint: "from capture to the first word, by stage: what each added; medians of the last twenty",
  },
  {
    key: "frames",
    title: "frames in",
    unit: "/s",
    names: ["frames", "sampled"],
    hint: "frames decoded, and those sampled for chunks",
  },
  {
    key: "chunks",
    title: "chunks",
    unit: "/s",
    names: ["published", "decided"],
    hint: "chunks put on the bus, and decisions made",
  },
  {
    key: "drops",
    title: "dropped",
    unit: "",
    axis: "/s",
    names: ["dropped"],
    hint: "chunks dropped at capture, and what was lost later, by reason; the line is what was lost a second",
  },
  {
    key: "lag",
    title: "in work",
    unit: "",
    names: ["encoder", "decider", "generator"],
    hint: "entries that wait or are being worked on, all sources",
  },
  {
    key: "ttft",
    title: "TTFT",
    unit: "ms",
    names: ["ttft"],
    hint: "from the request taken to the first token; median of the last twenty",
  },
  {
    key: "tokens",
    title: "tokens",
    unit: "/s",
    names: ["tokens/s"],
    hint: "while it speaks; median of the last twenty",
  },
];

export class Numbers {
  constructor(element, sourceId, session, onSource) {
    const recent = Object.fromEntries([...STAGES, "total", "ttft", "tokens"].map((name) => [name, []]));
    this.sourceId = sourceId;
    this.session = session;
    this.onSource = onSource;
    this.recent = recent;
    this.reasons = [];
    this.tiles = new Map();
    fill(
      element,
      new Waterfall(session).element,
      TILES.map((tile) => this.build(tile)),
    );
    session.addEventListener("decision", ({ detail }) => detail.live && this.decided(detail.event));
    session.addEventListener("end", ({ detail }) => detail.live && this.ended(detail.event));
    this.before = [];
    this.timer = setInterval(() => {
      if (!this.busy) this.asking = this.poll();
    }, 1000); // a slow server is not asked twice at once
    this.asking = this.poll();
  }

  build({ key, title, unit, axis = unit, names, hint, wide = false }) {
    const canvas = /** @type {HTMLCanvasElement} */ (
      h("canvas", { role: "img", "aria-label": `${title}, the last two minutes` })
    );
    const value = h("div", { class: "value" }, "–");
    const keys = h("div", { class: "keys" });
    const chart = new Chart(canvas, { lines: names.map((name) => INKS[name]), unit: axis });
    this.tiles.set(key, { chart, value, keys, unit, names });
    return h(
      "section",
      { class: `tile${wide ? " wide" : ""}`, "data-tile": key, title: hint },
      h("header", {}, h("h3", {}, title), value),
      canvas,
      keys,
    );
  }

  decided({ times }) {
    const marks = [times.captured_at_s, times.published_at_s, times.encoded_at_s, times.decided_at_s];
    for (let i = 0; i < 3; i += 1) if (marks[i] && marks[i + 1]) this.note(STAGES[i], (marks[i + 1] - marks[i]) * 1000);
  }

  ended(event) {
    if (event.type !== "end" || event.status !== "done" || event.silent) return;
    const { captured_at_s: from, decided_at_s: decided, first_token_at_s: first } = event.times;
    if (event.kind === "feedback" && decided && first) this.note("first word", (first - decided) * 1000);
    if (event.kind === "feedback" && from && first) this.note("total", (first - from) * 1000);
    if (event.ttft_ms) this.note("ttft", event.ttft_ms);
    if (event.tokens_per_s) this.note("tokens", event.tokens_per_s);
  }

  note(name, value) {
    this.recent[name].push(value);
    if (this.recent[name].length > RECENT) this.recent[name].shift();
  }

  async poll() {
    if (document.hidden) return;
    this.busy = true;
    const asked = performance.now();
    let source;
    let status;
    try {
      [source, status] = await Promise.all([api("GET", sourcePath(this.sourceId)), api("GET", "/api/status")]);
    } catch (error) {
      if (!error.temporary) clearInterval(this.timer);
      return;
    } finally {
      this.busy = false;
    }
    this.onSource(source, status, asked);
    const now = performance.now() / 1000;
    const counters = source.counters;
    while (this.before.length > 1 && this.before[1].now <= now - RATE_S) this.before.shift();
    const rate = (name) => {
      const [then] = this.before;
      const change = then ? (counters[name] ?? 0) - (then.counters[name] ?? 0) : NaN;
      return change >= 0 ? change / (now - then.now) : NaN; // a new run begins its counters anew
    };
    this.fps = rate("captured");
    this.set("frames", [this.fps, rate("sampled")]);
    this.set("chunks", [rate("published"), rate("decided")]);
    this.drops(counters, rate);
    this.set(
      "lag",
      ["encoder", "decider", "generator"].map((group) => status.lag[group] ?? NaN),
    );
    this.set(
      "stages",
      STAGES.map((stage) => median(this.recent[stage])),
      this.total(),
    );
    for (const name of ["ttft", "tokens"]) this.set(name, [median(this.recent[name])]);
    if (source.run?.run !== this.run) this.before = [];
    this.run = source.run?.run;
    this.before.push({ counters, now });
  }

  /** Until the first words there is only the way to the decision to tell. */
  total() {
    const words = median(this.recent.total);
    if (Number.isFinite(words)) return words;
    return STAGES.slice(0, 3).reduce((sum, stage) => sum + median(this.recent[stage]), 0);
  }

  /** The figure is all that was lost, whatever the reason; each reason is told with its count. */
  drops(counters, rate) {
    const found = Object.keys(counters).filter(
      (name) => counters[name] && (name.startsWith("dropped:") || LOST.includes(name)),
    );
    for (const name of found) if (!this.reasons.includes(name)) this.reasons.push(name);
    const count = (name) => counters[name] ?? 0;
    const total = this.reasons.reduce((sum, name) => sum + count(name), 0);
    const names = this.reasons.map((name) => name.replace("dropped:", "").replaceAll("_", " "));
    const words = names.map((name, i) => h("span", {}, `${name} ${number(count(this.reasons[i]))}`));
    const lost = this.reasons.reduce((sum, name) => sum + rate(name), 0);
    this.set("drops", [lost], total, words.length ? words : ["none"]);
  }

  /** `shown` is the large figure; left out, it is the first value, or the sum of what waits. */
  set(name, values, shown = name === "lag" ? values.reduce((a, b) => a + b, 0) : values[0], words = null) {
    const { chart, value, keys, unit, names } = this.tiles.get(name);
    chart.push(values);
    chart.draw();
    value.textContent =
      unit === "ms"
        ? ms(shown)
        : `${number(shown, shown >= 10 ? 0 : 1)}${unit && Number.isFinite(shown) ? ` ${unit}` : ""}`;
    if (words) fill(keys, words);
    else if (names.length > 1)
      fill(
        keys,
        names.map((text, i) => key(text, number(values[i], unit === "ms" ? 0 : 1))),
      );
    else fill(keys, Number.isFinite(shown) ? `median of ${this.recent[name].length}` : "after the first words");
  }

  redraw() {
    for (const { chart } of this.tiles.values()) chart.draw();
  }

  /** Asks no more; settles when the last answer is there. */
  close() {
    clearInterval(this.timer);
    return this.asking;
  }
}

const key = (name, value) => {
  const { ink, dashed } = INKS[name];
  return h("span", {}, h("i", { class: `swatch ink-${ink}${dashed ? " dashed" : ""}` }), `${name} ${value}`);
};
