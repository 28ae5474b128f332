// Every source at a glance: a slow picture each, its state, and the last thing said. One connection carries all events.

import { api, socketUrl, sourcePath } from "./api.js";
import { fill, h } from "./dom.js";
import { clock } from "./format.js";
import { Link } from "./link.js";
import { Picture } from "./picture.js";
import { kindOf } from "./session.js";

const FPS = 6;

export class WallView {
  constructor(page) {
    this.page = page;
    this.tiles = new Map();
    this.element = h("div", { class: "wall" });
    fill(page.main, h("h1", { class: "hidden" }, "All sources"), this.element);
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
  }

  show(sources) {
    const there = new Set(sources.map((source) => source.source_id));
    for (const [id, tile] of this.tiles)
      if (!there.has(id)) {
        this.watch(id, false);
        tile.element.remove();
        this.tiles.delete(id);
      }
    for (const source of sources) {
      if (!this.tiles.has(source.source_id)) this.add(source);
      this.state(source.source_id, source.paused ? "paused" : (source.run?.state ?? "waiting"));
    }
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
    this.tiles.set(id, { element, canvas, badge, text, more, line, request: "" });
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
    if (wanted && !tile.picture) tile.picture = new Picture(tile.canvas, id, { fps: FPS });
    else if (!wanted && tile.picture) {
      tile.picture.close();
      tile.picture = null;
    }
  }

  take(event) {
    const tile = this.tiles.get(event.source_id);
    if (!tile) return;
    if (event.type === "state") this.state(event.source_id, event.state);
    else if (event.type === "start" && event.kind === "feedback")
      Object.assign(tile, { request: event.request_id, start: event, said: "" });
    else if (event.type === "delta" && event.request_id === tile.request)
      this.say(event.source_id, tile.start, (tile.said += event.text));
    else if (event.type === "end" && event.status === "failed") this.say(event.source_id, event, event.cause, "failed");
    else if (event.type === "end" && event.status === "done" && !event.silent)
      this.say(event.source_id, event, event.text);
    else if (event.type === "error") this.say(event.source_id, event, `${event.stage}: ${event.message}`, "failed");
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
    this.link.close();
    this.seen.disconnect();
    for (const id of this.tiles.keys()) this.watch(id, false);
  }
}
