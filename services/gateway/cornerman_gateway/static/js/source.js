// One source: its picture, its words, its timeline, its figures, its settings, and a box for questions.

import { measuredAt } from "./angle.js";
import { api, ApiError, sourcePath } from "./api.js";
import { AskBox } from "./ask.js";
import { Awake } from "./awake.js";
import { Board } from "./board.js";
import { camera } from "./camera.js";
import { fill, h, icon } from "./dom.js";
import { Feed } from "./feed.js";
import { clock, ms, number } from "./format.js";
import { introOf } from "./intro.js";
import { keep, recall } from "./kept.js";
import { Moments } from "./moment.js";
import { movementAt } from "./movement.js";
import { Numbers } from "./numbers.js";
import { Picture } from "./picture.js";
import { isWordless, Session } from "./session.js";
import { Settings } from "./settings.js";
import { Skeleton } from "./skeleton.js";
import { isFile, remedy, STATE_TEXT } from "./state_text.js";
import { Sync } from "./sync.js";
import { Teach } from "./teach.js";
import { legend, Timeline } from "./timeline.js";
import { Words } from "./words.js";

export class SourceView {
  /** @param {import("./main.js").Page} page */
  constructor(page, sourceId) {
    this.page = page;
    this.sourceId = sourceId;
    this.session = new Session();
    this.source = null;
    this.changed_at = 0;
    this.leaving = false;
    this.stats = recall("stats") === "on";
    this.build();
    this.load();
  }

  build() {
    this.canvas = h("canvas", { width: "16", height: "9", role: "img", "aria-label": `Video of ${this.sourceId}` });
    this.awake = new Awake();
    this.bones = /** @type {HTMLCanvasElement} */ (h("canvas", { class: "bones", "aria-hidden": "true" }));
    this.board = new Board();
    this.badges = h("div", { class: "stage-top" });
    this.note = h("div", { class: "stage-note", hidden: true });
    this.caption = h("div", { class: "caption", "aria-hidden": "true", hidden: true });
    this.stage = h(
      "section",
      { class: "stage", "aria-label": "Picture" },
      this.canvas,
      this.bones,
      this.board.element,
      this.note,
      this.badges,
      this.caption,
      this.controls(),
    );
    const list = h("ol", { class: "words", tabindex: "0", "aria-label": "What was said, newest first" });
    this.words = new Words(list, this.caption, this.page.spoken, (saying) =>
      this.moments.show(this.timeline.momentOf(null, saying)),
    );
    const timelineCanvas = h("canvas", { class: "timeline-canvas", tabindex: "0", role: "img" });
    const tip = h("p", { class: "tip", role: "status" });
    this.timeline = new Timeline(
      timelineCanvas,
      tip,
      this.session,
      (moment) => this.moments.show(moment),
      () => (this.picture?.live ? this.picture.frame : null),
    );
    this.timeline.stats = this.stats;
    this.moments = new Moments(this.sourceId, (...content) => this.page.open(...content), this.timeline);
    const settings = h("div");
    this.ask = new AskBox(this.sourceId, this.session);
    this.settings = new Settings(settings, this.sourceId, this.page, (source) => this.change(source), this.dangerous());
    const figures = h("div", { class: "numbers" });
    this.intro = h("div");
    this.element = h(
      "div",
      { class: `source${this.stats ? " stats" : ""}` },
      h("h1", { class: "hidden" }, this.sourceId),
      this.stage,
      h(
        "div",
        { class: "side" },
        h(
          "section",
          { class: "panel panel-words", "aria-label": "Words" },
          h("div", { class: "panel-head" }, h("h2", {}, "What it says"), this.downloads()),
          list,
        ),
        this.ask.element,
        h(
          "details",
          {
            class: "panel panel-settings",
            open: recall("settings") === "open",
            ontoggle: (event) => keep("settings", event.target.open ? "open" : "closed"),
          },
          h("summary", {}, h("h2", {}, "Settings")),
          settings,
        ),
      ),
      h(
        "div",
        { class: "below" },
        h(
          "section",
          { class: "panel panel-timeline", "aria-label": "Timeline" },
          h("div", { class: "panel-head" }, h("h2", {}, "Timeline"), h("div", { class: "row" }, this.timeline.zoom())),
          timelineCanvas,
          tip,
          legend(),
        ),
        h(
          "section",
          { class: "panel panel-figures", "aria-label": "Figures", tabindex: "0" },
          h("h2", {}, "Stats"),
          figures,
        ),
      ),
    );
    fill(this.page.main, this.intro, this.element);
    this.picture = new Picture(this.canvas, this.sourceId, {
      onFrame: (frame) => {
        this.sync.tick();
        this.showBadges();
        this.skeleton?.draw(frame, this.movement, this.session.decisions);
      },
    });
    this.sync = new Sync(this.picture);
    window.cornerman = { sync: this.sync, picture: this.picture, session: this.session };
    this.listen();
    this.numbers = new Numbers(figures, this.sourceId, this.session, (source, status, asked) => {
      if (asked > this.changed_at) this.setSource(source);
      this.page.status(status);
    });
    this.ticker = setInterval(() => {
      this.sync.tick();
      this.showBadges();
      this.showState();
      this.showMovement();
      this.timeline.draw();
    }, 250);
  }

  /** What the coach sees of the person, up to the picture that is on screen. */
  showMovement() {
    const { frame, live } = this.picture;
    const { decisions, run } = this.session;
    const pts = frame && live ? frame.pts_s : Infinity;
    const known = frame && frame.run !== run ? [] : decisions;
    this.movement = movementAt(known, pts);
    // People know themselves from mirrors; a phone must not go dark while it is one.
    const mirrored = camera.pushes(this.sourceId);
    this.stage.classList.toggle("mirrored", mirrored);
    this.awake.want(live);
    this.board.show(this.state === "failed" ? null : this.movement, measuredAt(known, pts), mirrored);
    this.bonesButton.hidden = !this.movement;
    const wanted = Boolean(this.movement) && recall("skeleton") !== "off";
    if (wanted && !this.skeleton) {
      this.skeleton = new Skeleton(this.bones, this.canvas, this.sourceId);
      window.cornerman = { ...window.cornerman, skeleton: this.skeleton };
    } else if (!wanted && this.skeleton) {
      this.skeleton.close();
      this.skeleton = null;
    }
  }

  async load() {
    try {
      this.setSource(await api("GET", sourcePath(this.sourceId)));
      fill(this.intro, introOf(this.source));
      await this.settings.begin(this.source);
      this.ask.show(this.settings.models.abilities);
    } catch (error) {
      if (error.status === 404) {
        this.gone();
        return;
      }
      if (!(error instanceof ApiError)) throw error;
      this.retry = setTimeout(() => this.load(), 1500);
      return;
    }
    this.unlisten = this.page.onSources((sources) => {
      // Removed elsewhere. The list may be older than the source, so twice in a row.
      this.unlisted = sources.some((source) => source.source_id === this.sourceId) ? 0 : (this.unlisted ?? 0) + 1;
      if (this.unlisted > 1 && !this.leaving) this.gone();
    });
    this.feed = new Feed(this.sourceId, this.session, (open, reason) => this.page.link(open, reason));
  }

  gone() {
    this.close();
    this.missing = true; // the page opens it anew should it come
    fill(
      this.page.main,
      h(
        "div",
        { class: "page" },
        h("h1", {}, `There is no source “${this.sourceId}”`),
        h("p", { class: "lead" }, "It was removed, or never was. Should it come back, it opens by itself."),
        h("p", {}, h("a", { href: "#/" }, "Back to the wall")),
      ),
    );
  }

  listen() {
    const { session, sync, words, page } = this;
    session.addEventListener("start", (/** @type {CustomEvent} */ { detail: { saying, live } }) => {
      if (saying.asked || saying.isError || !live) words.show(saying);
    });
    session.addEventListener("text", (/** @type {CustomEvent} */ { detail: { saying, live } }) =>
      this.shown(saying, live),
    );
    session.addEventListener("end", (/** @type {CustomEvent} */ { detail: { saying, live, event } }) => {
      if (!saying || isWordless(event)) {
        sync.forget(event.request_id);
        words.remove(event.request_id);
        return;
      }
      this.shown(saying, live);
    });
    session.addEventListener("dropped", (/** @type {CustomEvent} */ { detail }) => words.remove(detail.requestId));
    session.addEventListener("state", () => this.showState());
    session.addEventListener("run", () => {
      words.clear(); // what was said about the run before is over
      this.showState();
    });
    page.voice.hush();
  }

  /** New text of a saying: now, or when its picture is there. */
  shown(saying, live) {
    if (!live) {
      this.words.show(saying);
      return;
    }
    if (saying.visible) {
      this.say(saying);
      return;
    }
    this.sync.admit(saying, async () => {
      saying.visible = true;
      this.say(saying);
      if (saying.pts_s !== null && saying.kind !== "answer") saying.thumb = await this.picture.thumb();
    });
  }

  say(saying) {
    this.words.show(saying);
    this.words.overlay(saying);
    if (!saying.done || saying.finished) return;
    saying.finished = true;
    this.words.announce(saying);
    this.page.voice.say(saying);
  }

  /** What we have changed stands: an answer to what was asked before may be older. */
  change(source) {
    this.changed_at = performance.now();
    this.setSource(source);
  }

  setSource(source) {
    this.source = source;
    this.settings.show(source);
    const verb = source.paused ? "Resume" : "Pause";
    this.pauseButton.replaceChildren(icon(source.paused ? "play" : "pause"), h("span", { class: "text" }, verb));
    this.pauseButton.setAttribute("aria-label", verb);
    this.pauseButton.title = source.paused ? "Watch it again" : "Stop watching it for now, for everybody";
    this.showState();
  }

  get state() {
    if (this.source?.paused) return "paused";
    const state = this.source?.run ? this.source.run.state : this.session.state;
    return state === "ended" &&
      this.session.failed &&
      this.session.failed === (this.source.run?.run ?? this.session.run)
      ? "failed"
      : state;
  }

  showState() {
    if (!this.source) return;
    const { state } = this;
    const pushed = this.source.url.startsWith("push://");
    const needsCamera = pushed && !camera.pushes(this.sourceId) && state !== "paused" && !this.picture.live;
    const [title, more] = STATE_TEXT[state] ?? ["", ""];
    const unseen = state === "playing" && !this.source.watch.display;
    const detail = unseen
      ? "It is watched all the same. Pictures for people are off (watch.display)."
      : this.source.run?.detail || (state === "failed" ? this.session.why : "") || more;
    const hidden = !needsCamera && !unseen && state === "playing";
    const loops =
      state === "ended" && this.source.watch.loop === false && !this.source.watch.lossless && isFile(this.source.url);
    const key = `${state}|${needsCamera}|${loops}|${detail}|${hidden}`;
    if (this.stateKey === key) return;
    this.stateKey = key;
    this.note.hidden = hidden;
    const failed = state === "failed";
    this.pauseButton.hidden = failed;
    this.teachButton.hidden = failed;
    this.ask.hide(failed);
    if (failed || state === "paused") this.words.clear();
    const button = (text, name, act) =>
      h("button", { class: "primary", type: "button", onclick: act }, icon(name), text);
    fill(
      this.note,
      h(
        "p",
        { class: "big" },
        needsCamera ? "This source waits for a browser's camera" : unseen ? "No picture" : title,
      ),
      h("p", {}, needsCamera ? "Give it this one, or open this page on your phone." : detail),
      failed && detail !== more ? h("p", {}, remedy(detail), " ", more) : null,
      failed ? h("button", { type: "button", onclick: () => this.remove() }, "Remove it") : null,
      needsCamera ? button("Use this camera", "camera", () => this.useCamera()) : null,
      state === "ended" && this.movement
        ? h(
            "a",
            { class: "button primary", href: sourcePath(this.sourceId, "/summary.html"), target: "_blank" },
            "See the summary",
          )
        : null,
      state === "paused" ? button("Resume", "play", () => this.pause()) : null,
      loops
        ? button("Play it over and over", "play", () =>
            this.attempt(async () =>
              this.change(await api("PATCH", sourcePath(this.sourceId), { watch: { loop: true } })),
            ),
          )
        : null,
    );
    this.showBadges();
  }

  async useCamera() {
    try {
      await camera.start(this.sourceId);
    } catch (error) {
      this.stateKey = "";
      fill(
        this.note,
        h("p", { class: "big" }, "The camera cannot be used"),
        h("p", {}, error.message),
        h(
          "button",
          {
            class: "primary",
            type: "button",
            onclick: () => {
              this.stateKey = "";
              this.useCamera();
            },
          },
          icon("camera"),
          "Try again",
        ),
      );
    }
  }

  showBadges() {
    const now = performance.now();
    if (now - (this.badged ?? 0) < 200 || !this.source) return;
    this.badged = now;
    const { frame, live } = this.picture;
    const fps = this.numbers?.fps;
    const state = h(
      "span",
      { class: "badge", "data-state": this.state },
      h("i"),
      this.state,
      this.stats && fps > 0 ? ` · ${number(fps, 0)} FPS` : "",
    );
    fill(this.badges, state, this.stats ? this.statBadges(frame && live ? frame : null) : null);
  }

  /** For those who want to know how it works: who speaks, and how far picture and words are apart. */
  statBadges(frame) {
    const { n, last_ms: last, median_ms: middle } = this.sync.summary;
    const model = [...this.session.sayings.values()].findLast?.((s) => s.model)?.model;
    const badge = (kind, title, ...content) => h("span", { class: `badge ${kind}`, title }, content);
    return [
      badge("extra", "mode · model", this.source.mode, model ? ` · ${model}` : ""),
      frame
        ? badge("", "how far the picture lags, so that words arrive with it", `delay ${frame.delay_s.toFixed(2)} s`)
        : null,
      n
        ? badge(
            "sync",
            `word time - picture time; median of ${n}: ${ms(middle)}`,
            `sync ${last > 0 ? "+" : ""}${ms(last)}`,
          )
        : null,
      frame ? badge("extra", "media time of the picture", clock(frame.pts_s)) : null,
    ];
  }

  controls() {
    this.pauseButton = h("button", { type: "button", onclick: () => this.pause() });
    const full = h(
      "button",
      {
        type: "button",
        "aria-label": "Full screen",
        onclick: () => (document.fullscreenElement ? document.exitFullscreen() : this.stage.requestFullscreen?.()),
      },
      icon("full"),
    );
    const stats = h(
      "button",
      {
        type: "button",
        "aria-pressed": String(this.stats),
        "aria-label": "Stats",
        title: "Latencies, rates and models",
        onclick: () => {
          this.stats = !this.stats;
          keep("stats", this.stats ? "on" : "off");
          stats.setAttribute("aria-pressed", String(this.stats));
          this.element.classList.toggle("stats", this.stats);
          this.timeline.stats = this.stats;
          this.badged = 0;
          this.showBadges();
          this.redraw();
        },
      },
      icon("health"),
    );
    const drawn = () => String(recall("skeleton") !== "off");
    this.bonesButton = h(
      "button",
      {
        type: "button",
        hidden: true,
        "aria-label": "Skeleton",
        "aria-pressed": drawn(),
        title: "Show what the coach sees of the body",
        onclick: () => {
          keep("skeleton", drawn() === "true" ? "off" : "on");
          this.bonesButton.setAttribute("aria-pressed", drawn());
          this.showMovement();
        },
      },
      icon("person"),
    );
    this.teachButton = h(
      "button",
      {
        type: "button",
        "aria-label": "Teach an exercise",
        title: "Show it an exercise of your own",
        onclick: () => {
          this.teach = new Teach(this);
        },
      },
      icon("teach"),
      h("span", { class: "text" }, "Teach"),
    );
    return h("div", { class: "stage-controls" }, this.pauseButton, this.teachButton, this.bonesButton, stats, full);
  }

  async pause() {
    await this.attempt(async () =>
      this.change(await api("POST", sourcePath(this.sourceId, this.source.paused ? "/resume" : "/pause"))),
    );
  }

  async attempt(work) {
    try {
      await work();
    } catch (error) {
      this.page.tell(error.message);
    }
  }

  downloads() {
    const link = (path, text, what) =>
      h(
        "a",
        { class: "button plain", href: sourcePath(this.sourceId, path), download: "", title: what, "aria-label": what },
        text,
      );
    return h(
      "div",
      { class: "row downloads" },
      h("a", { class: "button", href: sourcePath(this.sourceId, "/summary.html"), target: "_blank" }, "Summary"),
      icon("down"),
      link("/transcript.vtt", ".vtt", "Download what was said as subtitles (.vtt)"),
      link("/transcript.jsonl", ".jsonl", "Download what was said as JSON lines (.jsonl)"),
      link("/report.html", "report", "Download the session report"),
    );
  }

  dangerous() {
    return h(
      "p",
      {},
      h("button", { class: "plain danger", type: "button", onclick: () => this.remove() }, "Remove this source"),
    );
  }

  remove() {
    this.page.confirm(
      `Remove “${this.sourceId}”?`,
      "It is no longer watched; its settings are forgotten, and an uploaded file is deleted.",
      "Remove",
      () =>
        this.attempt(async () => {
          camera.stop(this.sourceId);
          await this.numbers.close(); // nothing asks for what is being removed
          try {
            await api("DELETE", sourcePath(this.sourceId));
            this.page.removed(this.sourceId);
          } catch (error) {
            this.page.route(true);
            throw error;
          }
        }),
    );
  }

  redraw() {
    this.timeline.draw();
    this.numbers.redraw();
  }

  close() {
    this.unlisten?.();
    clearInterval(this.ticker);
    clearTimeout(this.retry);
    this.feed?.close();
    this.skeleton?.close();
    this.teach?.close();
    this.awake.close();
    this.picture.close();
    this.numbers.close();
    this.timeline.close();
    this.page.voice.hush();
  }
}
