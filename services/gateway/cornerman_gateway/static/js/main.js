// The page: which view is shown, the bar above it, and what all views share.

import { AddView } from "./add.js";
import { api } from "./api.js";
import { camera } from "./camera.js";
import { fill, h, icon } from "./dom.js";
import { HealthView } from "./health.js";
import { ROLES, StatusHistory } from "./history.js";
import { SourceView } from "./source.js";
import { failedFirst, stateOf } from "./state_text.js";
import { Voice } from "./voice.js";
import { WallView } from "./wall.js";

const POLL_MS = 2500;
const by = (id) => document.getElementById(id);

/** The page and the parts that all views share. */
export class Page {
  constructor() {
    this.main = by("main");
    this.spoken = by("spoken");
    this.dialog = /** @type {HTMLDialogElement} */ (by("dialog"));
    this.banner = by("banner");
    this.voice = new Voice();
    this.sources = null;
    this.view = null;
    /** @type {HTMLElement | undefined} the link to the health view, made with the tools */
    this.health = undefined;
    this.sourceListeners = new Set();
    this.statusListeners = new Set();
    this.history = new StatusHistory();
    this.linked = true;
    this.tools();
    addEventListener("hashchange", () => this.route());
    document.addEventListener("visibilitychange", () => document.hidden || this.poll());
    camera.addEventListener("change", () => this.tools());
    this.dialog.addEventListener("click", (event) => {
      if (event.target === this.dialog) this.dialog.close();
    });
    setInterval(() => document.hidden || this.poll(), POLL_MS);
    this.poll();
  }

  /** Calls `listener` with the sources now, if known, and whenever they are read again. */
  onSources(listener) {
    this.sourceListeners.add(listener);
    if (this.sources) listener(this.sources);
    return () => this.sourceListeners.delete(listener);
  }

  onStatus(listener) {
    this.statusListeners.add(listener);
    if (this.lastStatus) listener(this.lastStatus);
    return () => this.statusListeners.delete(listener);
  }

  async poll() {
    try {
      const [list, status] = await Promise.all([api("GET", "/api/sources"), api("GET", "/api/status")]);
      this.sources = list.sources;
      this.status(status);
      this.link(true);
      this.tabs();
      if (!this.view) this.route();
      else if (this.viewName === "first" && this.sources.length) this.route();
      else if (this.view.missing && this.sources.some((source) => source.source_id === this.view.sourceId))
        this.route(true);
      for (const listener of this.sourceListeners) listener(this.sources);
    } catch (error) {
      if (error.status === undefined) throw error;
      this.link(false, error.status === 503 ? error.message : "");
      if (!this.view) fill(this.main, h("p", { class: "note" }, "Waiting for the server …"));
    }
  }

  /** A source is no more: nothing should be asked of it from here on. */
  removed(sourceId) {
    this.sources = this.sources.filter((source) => source.source_id !== sourceId);
    this.view.leaving = true;
    location.hash = "#/";
    this.tabs();
  }

  status(status) {
    this.lastStatus = status;
    this.history.take(status, performance.now() / 1000);
    const alive = new Set(status.workers.filter((worker) => worker.state === "running").map((worker) => worker.role));
    const missing = ROLES.filter((role) => !alive.has(role));
    const short = `${ROLES.length - missing.length}/${ROLES.length}`;
    const long =
      {
        0: "Health",
        1: `no ${missing[0]}`,
        [ROLES.length]: "no workers",
      }[missing.length] ?? `${short} kinds of worker`;
    fill(
      this.health,
      h("i", { class: "dot", "data-state": status.health.problems.length ? "failed" : "playing" }),
      h("span", { class: "wide" }, long),
      h("span", { class: "narrow" }, short),
    );
    const problems = status.health.problems;
    this.health.title = problems.length
      ? problems.map((problem) => `${problem.what}: ${problem.reason}`).join("\n")
      : "Every kind of worker runs";
    this.health.classList.toggle("danger", problems.length > 0);
    for (const listener of this.statusListeners) listener(status);
  }

  /** Shows or hides the banner about a lost connection. `reason` is set when the server itself answered. */
  link(open, reason = "") {
    this.linked = open;
    this.banner.hidden = open;
    if (open) return;
    this.banner.textContent = reason
      ? "The server is there, but its Redis does not answer. It goes on by itself when Redis is back …"
      : "The server does not answer; trying again … If you stopped it, start it: cornerman demo, or cornerman up.";
    this.banner.title = reason;
  }

  tell(text) {
    this.open("This did not work", h("p", {}, text));
  }

  route(anew = false) {
    if (!this.sources) return;
    // Whoever opens the page of a single source sees it; the wall is one step away.
    if (!location.hash && this.sources.length === 1)
      history.replaceState(null, "", `#/s/${encodeURIComponent(this.sources[0].source_id)}`);
    const [, kind, rest] = location.hash.match(/^#\/(\w*)\/?(.*)$/) ?? [null, "", ""];
    const name = kind === "s" ? `s/${decodeURIComponent(rest)}` : kind || (this.sources.length ? "wall" : "first");
    if (name === this.viewName && !anew) return;
    this.view?.close();
    this.viewName = name;
    const made = {
      wall: () => new WallView(this),
      first: () => new AddView(this, true),
      add: () => new AddView(this, false, rest),
      health: () => new HealthView(this),
    };
    this.view = name.startsWith("s/") ? new SourceView(this, name.slice(2)) : (made[name] ?? made.wall)();
    const titles = { wall: "Wall", first: "Welcome", add: "Add", health: "Health" };
    document.title = `${titles[name] ?? name.slice(2)} · Cornerman`;
    this.tabs();
    if (this.routed) this.main.focus({ preventScroll: true });
    this.routed = true;
  }

  tabs() {
    const tab = (href, name, ...content) =>
      h("a", { class: "tab", href, "aria-current": this.viewName === name ? "page" : null }, content);
    const sources = failedFirst(this.sources);
    const key = JSON.stringify([this.viewName, sources.map((s) => [s.source_id, stateOf(s)])]);
    if (key === this.tabKey) return;
    this.tabKey = key;
    const list = h(
      "div",
      { class: "tab-list" },
      sources.length ? tab("#/", "wall", icon("wall"), "Wall") : null,
      sources.map((source) =>
        tab(
          `#/s/${encodeURIComponent(source.source_id)}`,
          `s/${source.source_id}`,
          h("i", { class: "dot", "data-state": stateOf(source) }),
          source.source_id,
        ),
      ),
    );
    const add = {
      class: "tab add",
      href: "#/add",
      "aria-current": this.viewName === "add" ? "page" : null,
      "aria-label": "Add source",
    };
    fill(by("tabs"), list, h("a", add, icon("plus"), h("span", { class: "wide" }, "Add source")));
    const here = /** @type {HTMLElement | null} */ (list.querySelector("[aria-current]"));
    if (here) list.scrollLeft = here.offsetLeft - (list.clientWidth - here.offsetWidth) / 2;
    const fade = () => list.classList.toggle("more", list.scrollLeft + list.clientWidth < list.scrollWidth - 4);
    list.addEventListener("scroll", fade);
    fade();
  }

  tools() {
    const { voice } = this;
    const speak = h(
      "button",
      {
        type: "button",
        class: "plain",
        "aria-pressed": String(voice.on),
        "aria-label": voice.on ? "Voice is on" : "Voice is off",
        title: voice.possible ? "Read the words aloud" : "This browser has no speech",
        disabled: !voice.possible,
        onclick: () => {
          voice.toggle();
          this.tools();
        },
      },
      icon(voice.on ? "sound" : "silent"),
      h("span", { class: "wide" }, voice.on ? "Voice is on" : "Voice is off"),
    );
    const theme = h(
      "button",
      {
        type: "button",
        class: "plain",
        "aria-label": "Dark or light",
        title: "Dark or light",
        onclick: () => {
          window.cornermanTheme();
          this.view?.redraw();
        },
      },
      icon("theme"),
    );
    this.health ??= h("a", { class: "tab", href: "#/health" }, "workers");
    const live = camera.stream
      ? h(
          "button",
          {
            type: "button",
            onclick: () => camera.stop(camera.sourceId),
            title: `This camera is being watched as ${camera.sourceId}`,
          },
          icon("camera"),
          "Stop camera",
        )
      : null;
    fill(by("tools"), live, speak, theme, this.health);
  }

  /** Shows a dialog, and returns it. */
  open(title, ...content) {
    const close = h("button", { type: "button", class: "primary", onclick: () => this.dialog.close() }, "Close");
    fill(this.dialog, h("h2", { id: "dialog-title" }, title), content, h("div", { class: "row" }, close));
    this.dialog.onkeydown = null;
    if (!this.dialog.open) this.dialog.showModal();
    close.focus();
    return this.dialog;
  }

  /** Shows a dialog with buttons of its own; `first` has the focus. */
  panel(title, content, buttons, first) {
    fill(this.dialog, h("h2", { id: "dialog-title" }, title), content, h("div", { class: "row" }, buttons));
    this.dialog.onkeydown = null;
    if (!this.dialog.open) this.dialog.showModal();
    first.focus();
  }

  /** Asks before something that cannot be taken back. */
  confirm(title, text, verb, act) {
    this.dialog.onkeydown = null;
    const cancel = h("button", { type: "button", onclick: () => this.dialog.close() }, "Cancel");
    const go = h(
      "button",
      {
        type: "button",
        class: "danger",
        onclick: () => {
          this.dialog.close();
          act();
        },
      },
      verb,
    );
    fill(
      this.dialog,
      h("h2", { id: "dialog-title" }, title),
      h("p", { class: "quiet" }, text),
      h("div", { class: "row" }, cancel, go),
    );
    this.dialog.showModal();
    cancel.focus();
  }
}

new Page();
