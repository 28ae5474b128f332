// Live figures of one source: rates from its counters, latencies from its events, lag from the consumer groups. Nothing is invented:
// where there is no figure there is a dash.

import { api, sourcePath } from "./api.js";
import { Chart } from "./chart.js";
import { fill, h } from "./dom.js";
import { median, ms, number } from "./format.js";

const STAGES = ["published", "encoded", "decided"];
const RECENT = 20;
const RATE_S = 3; // rates are over the last three seconds: counters come in steps

const HINTS = {
  stages: "from capture to the decision, by stage; medians of the last twenty", words: "from capture to the first word; median",
  ttft: "from the request taken to the first token; median", lag: "entries that wait or are being worked on", drops: "chunks dropped at capture, by reason",
};

const LOST = ["buried", "lost", "expired", "errors"]; // past capture; shown beside the drops when there are any

const TILES = [
  { key: "frames", title: "frames in", unit: "/s", names: ["captured", "sampled"] },
  { key: "chunks", title: "chunks", unit: "/s", names: ["published", "decided"] },
  { key: "drops", title: "dropped", unit: "", names: [] },
  { key: "stages", title: "to decision", unit: "ms", names: STAGES },
  { key: "words", title: "to first word", unit: "ms", names: ["first word"] },
  { key: "ttft", title: "TTFT", unit: "ms", names: ["ttft"] },
  { key: "tokens", title: "tokens", unit: "/s", names: ["tokens/s"] },
  { key: "lag", title: "in work", unit: "", names: ["encoder", "decider", "generator"] },
];

export class Numbers {
  constructor(element, sourceId, session, onSource) {
    Object.assign(this, { sourceId, session, onSource, recent: { published: [], encoded: [], decided: [], words: [], ttft: [], tokens: [] } });
    this.tiles = new Map();
    fill(element, TILES.map((tile) => this.build(tile)));
    session.addEventListener("decision", ({ detail }) => detail.live && this.decided(detail.event));
    session.addEventListener("end", ({ detail }) => detail.live && this.ended(detail.event));
    this.before = [];
    this.timer = setInterval(() => { this.asking = this.poll(); }, 1000);
    this.asking = this.poll();
  }

  build({ key, title, unit, names }) {
    const canvas = h("canvas", { role: "img", "aria-label": `${title}, the last two minutes` });
    const value = h("div", { class: "value" }, "–");
    const keys = h("div", { class: "keys" });
    this.tiles.set(key, { chart: new Chart(canvas, names.length ? names : ["dropped"]), value, keys, unit, names });
    return h("section", { class: "tile", title: HINTS[key] ?? title }, h("h3", {}, title), value, canvas, keys);
  }

  decided({ times }) {
    const marks = [times.captured_at_s, times.published_at_s, times.encoded_at_s, times.decided_at_s];
    STAGES.forEach((stage, i) => marks[i] && marks[i + 1] && this.note(stage, (marks[i + 1] - marks[i]) * 1000));
  }

  ended(event) {
    if (event.type !== "end" || event.status !== "done" || event.silent) return;
    const { captured_at_s: from, first_token_at_s: first, done_at_s: done } = event.times;
    if (from && first) this.note("words", (first - from) * 1000);
    if (event.ttft_ms) this.note("ttft", event.ttft_ms);
    if (first && done > first && event.n_output_tokens > 1) this.note("tokens", event.n_output_tokens / (done - first));
  }

  note(name, value) {
    this.recent[name].push(value);
    if (this.recent[name].length > RECENT) this.recent[name].shift();
  }

  async poll() {
    if (document.hidden) return;
    let source; let status;
    try {
      [source, status] = await Promise.all([api("GET", sourcePath(this.sourceId)), api("GET", "/api/status")]);
    } catch (error) {
      if (!error.temporary) clearInterval(this.timer);
      return;
    }
    this.onSource(source, status);
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
    const reasons = Object.entries(counters).filter(([name, count]) => count && (name.startsWith("dropped:") || LOST.includes(name)));
    const total = reasons.reduce((sum, [name, count]) => sum + (name.startsWith("dropped:") ? count : 0), 0);
    this.set("drops", [total], reasons.map(([name, count]) => `${name.replace("dropped:", "").replaceAll("_", " ")} ${count}`));
    this.set("stages", STAGES.map((stage) => median(this.recent[stage])));
    for (const name of ["words", "ttft", "tokens"]) this.set(name, [median(this.recent[name])]);
    this.set("lag", ["encoder", "decider", "generator"].map((group) => status.lag[group] ?? NaN));
    if (source.run?.run !== this.run) this.before = [];
    this.run = source.run?.run;
    this.before.push({ counters, now });
  }

  set(key, values, words = null) {
    const { chart, value, keys, unit, names } = this.tiles.get(key);
    chart.push(values);
    chart.draw();
    const finite = values.filter(Number.isFinite);
    const shown = key === "stages" || key === "lag" ? finite.reduce((a, b) => a + b, 0) : values[0];
    const text = finite.length && Number.isFinite(shown) ? shown : NaN;
    value.textContent = unit === "ms" ? ms(text) : `${number(text)}${unit && Number.isFinite(text) ? unit : ""}`;
    if (words) fill(keys, words.length ? words.map((word) => h("span", {}, word)) : "none");
    else if (names.length > 1) fill(keys, names.map((name, i) => h("span", {}, h("b", { class: `k${i + 1}` }, name), ` ${number(values[i], unit === "ms" ? 0 : 1)}`)));
  }

  redraw() { for (const { chart } of this.tiles.values()) chart.draw(); }

  /** Asks no more; settles when the last answer is there. */
  close() {
    clearInterval(this.timer);
    return this.asking;
  }
}
