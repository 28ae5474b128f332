// Every source at a glance: a slow picture each, its state, and the last thing said. One connection carries all events.

import { api, socketUrl, sourcePath } from "./api.js";
import { fill, h } from "./dom.js";
import { clock } from "./format.js";
import { Link } from "./link.js";
import { Picture } from "./picture.js";
import { kindOf } from "./session.js";
import { failedFirst, stateOf } from "./state_text.js";
import { Sync } from "./sync.js";

const FPS = 6;
const MANY = 6; // above it, sources can be filtered by name

export class WallView {
  constructor(page) {
    this.page = page;
    this.tiles = new Map();
    this.element = h("div", { class: "wall" });
    this.filter = /** @type {HTMLInputElement} */ (
      h("input", {
        type: "search",
        placeholder: "Filter sources",
        "aria-label": "Filter sources",
        oninput: () => this.narrow(),
      })
    );
    this.count = h("p", { class: "quiet", role: "status" });
    this.head = h("div", { class: "wall-head", hidden: true }, this.filter, this.count);
    fill(page.main, h("h1", { class: "hidden" }, "All sources"), this.head, this.element);
    this.seen = new IntersectionObserver((entries) =>
      entries.forEach(({ target, isIntersecting }) =>
        this.watch(/** @type {HTMLElement} */ (target).dataset.source, isIntersecting),
      ),
    );
    this.link = new Link(() => socketUrl("/api/events.ws"), {
      message: (data) => this.take(JSON.parse(data)),
      state: (open, why) => page.link(open, why),
    });
    this.unlisten = page.onSources((sources) => this.show(sources));
    window.cornerman = { tiles: this.tiles };
    this.ticker = setInterval(() => this.tiles.forEach((tile) => tile.sync.tick()), 250);
  }

  show(sources) {
    const there = new Set(sources.map((source) => source.source_id));
    for (const [id, tile] of this.tiles)
      if (!there.has(id)) {
        this.watch(id, false);
        tile.element.remove();
        this.tiles.delete(id);
      }
    const ordered = failedFirst(sources);
    for (const source of ordered) {
      if (!this.tiles.has(source.source_id)) this.add(source);
      this.state(source.source_id, stateOf(source));
      if (stateOf(source) === "failed") this.say(source.source_id, {}, source.run.detail || "It failed.", "failed");
    }
    const order = ordered.map((source) => this.tiles.get(source.source_id).element);
    if (order.some((element, i) => this.element.children[i] !== element)) this.element.append(...order);
    this.failed = sources.filter((source) => stateOf(source) === "failed").length;
    this.head.hidden = sources.length <= MANY;
    this.narrow();
  }

  /** Shows the sources whose name has what was typed. */
  narrow() {
    const wanted = this.head.hidden ? "" : this.filter.value.trim().toLowerCase();
    let shown = 0;
    for (const [id, tile] of this.tiles) {
      tile.element.hidden = !id.toLowerCase().includes(wanted);
      shown += Number(!tile.element.hidden);
    }
    const text = `${shown} of ${this.tiles.size}${this.failed ? ` · ${this.failed} failed` : ""}`;
    if (this.count.textContent !== text) this.count.textContent = text;
  }

  add(source) {
    const id = source.source_id;
    const canvas = h("canvas", { width: "16", height: "9", role: "img", "aria-label": `Video of ${id}` });
    const badge = h("span", { class: "badge" });
    const text = h("b", {}, "…");
    const more = h("small");
    const line = h("div", { class: "line" }, text, more);
    const element = h(
      "a",
      { class: "tile-link", href: `#/s/${encodeURIComponent(id)}`, "data-source": id },
      h("div", { class: "stage" }, canvas, h("div", { class: "stage-top" }, h("span", { class: "badge" }, id), badge)),
      line,
    );
    const sync = new Sync({ frame: null, live: false }, 0.5 / FPS);
    this.tiles.set(id, { element, canvas, badge, text, more, line, sync, saying: null });
    this.element.append(element);
    this.seen.observe(element);
    this.recall(id);
  }

  async recall(id) {
    try {
      const { events } = await api("GET", sourcePath(id, "/history?limit=300"));
      const said = events.findLast((event) => event.type === "end" && event.status === "done" && !event.silent);
      if (said) this.say(id, said, said.text);
      else if (this.tiles.get(id)?.text.textContent === "…") this.tiles.get(id).text.textContent = "Nothing said yet";
    } catch (error) {
      if (!error.temporary) throw error;
    }
  }

  watch(id, wanted) {
    const tile = this.tiles.get(id);
    if (!tile) return;
    if (wanted && !tile.picture) {
      tile.picture = new Picture(tile.canvas, id, { fps: FPS, onFrame: () => tile.sync.tick() });
      tile.sync.picture = tile.picture;
    } else if (!wanted && tile.picture) {
      tile.picture.close();
      tile.picture = null;
      tile.sync.picture = { frame: null, live: false };
    }
  }

  take(event) {
    const tile = this.tiles.get(event.source_id);
    if (!tile) return;
    if (event.type === "state") this.state(event.source_id, event.state);
    else if (event.type === "start" && event.kind === "feedback") tile.saying = spoken(event);
    else if (event.type === "delta" && event.request_id === tile.saying?.request_id) {
      tile.saying.times = event.times;
      this.saying(tile, tile.saying.text + event.text);
    } else if (event.type === "end" && event.status === "failed")
      this.say(event.source_id, event, event.cause, "failed");
    else if (event.type === "end" && event.status === "done" && !event.silent) {
      if (tile.saying?.request_id !== event.request_id) tile.saying = spoken(event);
      tile.saying.times = event.times;
      this.saying(tile, event.text);
    } else if (event.type === "error") this.say(event.source_id, event, `${event.stage}: ${event.message}`, "failed");
  }

  /** Shows new text of a saying, but not before the picture that it is about. */
  saying(tile, text) {
    const { saying } = tile;
    saying.text = text;
    if (saying.visible) this.say(saying.source_id, saying, text, saying.kind);
    else
      tile.sync.admit(saying, () => {
        saying.visible = true;
        this.say(saying.source_id, saying, saying.text, saying.kind);
      });
  }

  say(id, event, text, kind = kindOf(event)) {
    const tile = this.tiles.get(id);
    if (!tile) return;
    tile.line.className = `line ${kind}`;
    tile.text.textContent = text;
    const names = { correction: "correction", praise: "praise", answer: "answer", failed: "error" };
    tile.more.textContent = [names[kind], Number.isFinite(event.pts_s) ? clock(event.pts_s) : ""]
      .filter(Boolean)
      .join(" · ");
  }

  state(id, state) {
    const { badge } = this.tiles.get(id);
    if (badge.dataset.state === state) return;
    badge.dataset.state = state;
    fill(badge, h("i"), state);
  }

  redraw() {}

  close() {
    this.unlisten();
    clearInterval(this.ticker);
    this.link.close();
    this.seen.disconnect();
    for (const id of this.tiles.keys()) this.watch(id, false);
  }
}

/** What is said by the request of this event, as `Sync` takes it. */
const spoken = (event) => ({ ...event, kind: kindOf(event), text: "", live: true });
