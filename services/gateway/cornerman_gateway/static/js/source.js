// One source: its picture, its words, its timeline, its figures, its settings, and a box for questions.

import { api, ApiError, sourcePath } from "./api.js";
import { camera } from "./camera.js";
import { fill, h, icon } from "./dom.js";
import { Feed } from "./feed.js";
import { clock, ms, number } from "./format.js";
import { Moments } from "./moment.js";
import { Numbers } from "./numbers.js";
import { Picture } from "./picture.js";
import { isWordless, Session } from "./session.js";
import { Settings } from "./settings.js";
import { Sync } from "./sync.js";
import { Timeline } from "./timeline.js";
import { Words } from "./words.js";

const STATE_TEXT = {
  waiting: ["Waiting to be opened", "A capture process takes it in a moment. If this stays, start one: cornerman up."],
  opening: ["Opening the source …", ""],
  stalled: ["The picture has stopped", "It goes on by itself when frames come again."],
  reconnecting: [
    "The source is gone; connecting again …",
    "It goes on by itself when the source is back. Is the camera on, and is its address right?",
  ],
  paused: ["Paused", "Nothing is watched and nothing is said until it is resumed."],
  ended: ["The video has ended", "What was said stays here."],
  failed: ["This source cannot be watched", "Remove it, and add it again when that is mended."],
};

const UNHEARD_S = 5; // after its deadline the end of a question may come this late

export class SourceView {
  /** @param {import("./main.js").Page} page */
  constructor(page, sourceId) {
    this.page = page;
    this.sourceId = sourceId;
    this.session = new Session();
    this.source = null;
    this.changed_at = 0;
    this.leaving = false;
    this.build();
    this.load();
  }

  build() {
    this.canvas = h("canvas", { width: "16", height: "9", role: "img", "aria-label": `Video of ${this.sourceId}` });
    this.badges = h("div", { class: "stage-top" });
    this.note = h("div", { class: "stage-note", hidden: true });
    this.caption = h("div", { class: "caption", "aria-hidden": "true", hidden: true });
    this.stage = h(
      "section",
      { class: "stage", "aria-label": "Picture" },
      this.canvas,
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
    this.moments = new Moments(this.sourceId, (...content) => this.page.open(...content), this.timeline);
    const settings = h("div");
    this.settings = new Settings(settings, this.sourceId, this.page, (source) => this.change(source), this.dangerous());
    const figures = h("div", { class: "numbers" });
    this.element = h(
      "div",
      { class: "source" },
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
        h("section", { class: "panel panel-ask", "aria-label": "Question" }, this.askForm()),
        h(
          "section",
          { class: "panel panel-settings", "aria-label": "Settings", tabindex: "0" },
          h("h2", {}, "Watching for"),
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
          h("h2", {}, "Live figures"),
          figures,
        ),
      ),
    );
    fill(this.page.main, this.element);
    this.picture = new Picture(this.canvas, this.sourceId, {
      onFrame: () => {
        this.sync.tick();
        this.showBadges();
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
      this.timeline.draw();
    }, 250);
  }

  async load() {
    try {
      this.setSource(await api("GET", sourcePath(this.sourceId)));
      await this.settings.begin(this.source);
      this.showAbilities(this.settings.models.abilities);
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
    session.addEventListener("run", () => this.showState());
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
      state === "failed" && detail !== more ? h("p", { class: "small" }, remedy(detail), " ", more) : null,
      needsCamera ? button("Use this camera", "camera", () => this.useCamera()) : null,
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
    const { n, last_ms: last, median_ms: middle } = this.sync.summary;
    const fps = this.numbers?.fps;
    const state = h(
      "span",
      { class: "badge", "data-state": this.state },
      h("i"),
      this.state,
      Number.isFinite(fps) && fps > 0 ? ` · ${number(fps, 0)} FPS` : "",
    );
    const model = [...this.session.sayings.values()].findLast?.((s) => s.model)?.model;
    fill(
      this.badges,
      state,
      h("span", { class: "badge extra", title: "mode · model" }, this.source.mode, model ? ` · ${model}` : ""),
      frame && live
        ? h(
            "span",
            { class: "badge", title: "how far the picture lags, so that words arrive with it" },
            `delay ${frame.delay_s.toFixed(2)} s`,
          )
        : null,
      n
        ? h(
            "span",
            { class: "badge sync", title: `word time - picture time; median of ${n}: ${ms(middle)}` },
            `sync ${last > 0 ? "+" : ""}${ms(last)}`,
          )
        : null,
      frame && live
        ? h("span", { class: "badge extra", title: "media time of the picture" }, clock(frame.pts_s))
        : null,
    );
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
    return h("div", { class: "stage-controls" }, this.pauseButton, full);
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
      icon("down"),
      link("/transcript.vtt", ".vtt", "Download what was said as subtitles (.vtt)"),
      link("/transcript.jsonl", ".jsonl", "Download what was said as JSON lines (.jsonl)"),
      link("/report.html", "report", "Download the session report"),
    );
  }

  askForm() {
    const input = h("input", {
      type: "text",
      name: "question",
      maxlength: "2000",
      autocomplete: "off",
      placeholder: "Ask about what is on screen …",
      "aria-label": "Ask about what is on screen",
    });
    const wrong = h("p", { class: "wrong", role: "alert" });
    const form = h(
      "form",
      {
        class: "ask",
        onsubmit: async (event) => {
          event.preventDefault();
          const text = input.value.trim();
          if (!text) return;
          wrong.textContent = "";
          try {
            const asked = await api("POST", sourcePath(this.sourceId, "/questions"), { text });
            this.session.asked(asked.request_id, text);
            // The decider tells that a question has expired; if none runs, nobody does.
            setTimeout(() => this.session.unheard(asked.request_id), (asked.expires_in_s + UNHEARD_S) * 1000);
            input.value = "";
          } catch (error) {
            wrong.textContent = error.message;
          }
        },
      },
      input,
      h("button", { class: "primary", type: "submit" }, "Ask"),
    );
    return [form, wrong];
  }

  /** The box for questions says which ones are answered; without any it is gone. */
  showAbilities({ topics, exercises }) {
    const box = /** @type {HTMLElement} */ (this.element.querySelector(".panel-ask"));
    box.hidden = topics !== null && !topics.length;
    if (topics === null) return;
    const about = { form: "your form", count: "repetitions", exercise: "the exercise" };
    const known = exercises?.map((name) => name.replaceAll("_", " ")).slice(0, 3);
    const input = /** @type {HTMLInputElement} */ (box.querySelector("input"));
    input.placeholder = `Ask about ${topics.map((topic) => about[topic]).join(" or ")}${known ? ` (${known.join(", ")} …)` : ""}`;
  }

  dangerous() {
    return h(
      "p",
      {},
      h(
        "button",
        {
          class: "plain danger",
          type: "button",
          onclick: () =>
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
            ),
        },
        "Remove this source",
      ),
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
    this.picture.close();
    this.numbers.close();
    this.timeline.close();
    this.page.voice.hush();
  }
}

function legend() {
  const item = (kind, text) => h("span", {}, h("i", { class: `swatch ${kind}` }), text);
  return h(
    "div",
    { class: "legend" },
    item("", "silence, by confidence"),
    item("correction", "correction"),
    item("praise", "praise"),
    item("answer", "answer"),
    item("failed", "error"),
    item("motion", "motion"),
    item("playhead", "the picture now"),
  );
}

const isFile = (url) => url.startsWith("/") || /^(file|test):/.test(url);

/** What a person can do about a source that failed, where the server's own words do not say it. */
function remedy(detail) {
  if (/encode the video anew|ffmpeg -i/i.test(detail)) return "";
  if (/decod|codec|invalid data|format|damaged/i.test(detail))
    return "Convert it to H.264, for example: ffmpeg -i it -c:v libx264 -pix_fmt yuv420p out.mp4.";
  if (/401|403|unauthori|forbidden/i.test(detail))
    return "Give user and password in its address: rtsp://user:password@camera/…";
  return "";
}
