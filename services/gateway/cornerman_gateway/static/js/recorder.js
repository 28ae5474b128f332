// Records what a source shows of a person: the picture with the skeleton, a countdown, and how far the recording is.

import { api, sourcePath } from "./api.js";
import { h } from "./dom.js";
import { Picture } from "./picture.js";
import { Skeleton } from "./skeleton.js";
import { STATE_TEXT } from "./state_text.js";
import { presenceOf } from "./teach_text.js";

const DELAY_S = 1.2; // landmarks of a picture come about so long after it, where the machine is not busy
const LONGEST_DELAY_S = 6;
const BEHIND = 6; // looks in a row without landmarks of the picture, and it is shown later
const POLL_MS = 400;
const LATE_S = 3; // without a person for so long, it says so
const COUNTED_S = 5;

export class Cancelled extends Error {}

export class Recorder {
  /**
   * @param {import("./source.js").SourceView} view whose source is recorded
   * @param {boolean} mirrored people know themselves from mirrors
   */
  constructor(view, mirrored) {
    this.view = view;
    this.stopper = new AbortController();
    this.recordingId = "";
    this.canvas = h("canvas", { width: "16", height: "9", "aria-hidden": "true" });
    this.bones = /** @type {HTMLCanvasElement} */ (h("canvas", { class: "bones", "aria-hidden": "true" }));
    this.big = h("p", { class: "teach-big", "aria-hidden": "true", hidden: true });
    this.presence = h("p", { class: "teach-presence", role: "status" });
    this.bar = h("progress", { max: "1", value: 0, "aria-label": "Recording" });
    this.left = h("span", { class: "numeric", "aria-hidden": "true" });
    this.progress = h("div", { class: "teach-progress", hidden: true }, this.bar, this.left);
    /** Tells a screen reader what the large numbers show; made once, since a new live region is not read. */
    this.told = h("p", { class: "hidden", role: "status", "aria-live": "assertive" });
    this.stage = h(
      "div",
      { class: `stage teach-stage${mirrored ? " mirrored" : ""}` },
      this.canvas,
      this.bones,
      this.big,
      this.presence,
    );
    this.element = h("div", { class: "teach-recorder" }, this.stage, this.progress, this.told);
    this.options = {
      delay: String(DELAY_S),
      onFrame: (frame) => this.skeleton.draw(frame, view.movement, view.session.decisions),
    };
    this.picture = new Picture(this.canvas, view.sourceId, this.options);
    this.skeleton = new Skeleton(this.bones, this.canvas, view.sourceId);
    this.behind = [];
    this.ticker = setInterval(() => {
      this.showPresence();
      this.keepStep();
    }, 300);
  }

  showPresence() {
    const { state } = this.view;
    const { ready, text } =
      state === "playing"
        ? presenceOf(this.skeleton.frames.at(-1)?.people ?? null)
        : { ready: false, text: STATE_TEXT[state]?.[0] ?? state };
    const shown = this.warning || text;
    if (this.presence.textContent !== shown) this.presence.textContent = shown;
    this.presence.classList.toggle("ready", ready && !this.warning);
  }

  /** Shows the picture later where landmarks come later, so that the skeleton is on it. */
  keepStep() {
    const { frame } = this.picture;
    const newest = this.skeleton.frames.at(-1);
    const late_s = frame && newest && frame.run === this.skeleton.run ? frame.pts_s - newest.pts_s : 0;
    this.behind = late_s > 0 ? [...this.behind, late_s] : [];
    if (this.behind.length < BEHIND) return;
    const delay_s = Math.min(LONGEST_DELAY_S, Number(this.options.delay) + Math.max(...this.behind) + 0.3);
    this.behind = [];
    if (delay_s === Number(this.options.delay)) return;
    this.options.delay = String(delay_s);
    this.picture.link.reopen();
  }

  /** Waits; ends early, with an error, when the recording is cancelled. */
  wait(milliseconds) {
    const { signal } = this.stopper;
    return new Promise((done, fail) => {
      if (signal.aborted) fail(new Cancelled());
      const timer = setTimeout(done, milliseconds);
      signal.addEventListener(
        "abort",
        () => {
          clearTimeout(timer);
          fail(new Cancelled());
        },
        { once: true },
      );
    });
  }

  /** A line for screen readers, and large over the picture. */
  tell(text, large = text) {
    this.big.hidden = !large;
    this.big.textContent = large;
    this.told.textContent = text;
  }

  /** Counts down, so that there is time to step back. */
  async countdown(seconds) {
    for (let left = seconds; left > 0; left -= 1) {
      this.tell(String(left));
      await this.wait(1000);
    }
  }

  /**
   * Records for so long, or until `finish`; returns the recording as the API shows it.
   *
   * @param {number} seconds
   * @param {() => void} onBegun called after the countdown
   * @throws {Cancelled} after `cancel`
   * @throws {import("./api.js").ApiError} it could not be begun
   */
  async record(seconds, onBegun) {
    this.stopper = new AbortController();
    try {
      await this.countdown(COUNTED_S);
      let recording = await api("POST", sourcePath(this.view.sourceId, "/recordings"), { seconds });
      this.recordingId = recording.recording_id;
      if (this.stopper.signal.aborted) await this.cancel();
      onBegun();
      this.tell("Go", "");
      this.view.page.voice.say({ text: "Go", kind: "correction" });
      this.progress.hidden = false;
      const milestones = [Math.floor(seconds / 2), COUNTED_S];
      while (recording.state !== "done") {
        this.show(recording, seconds);
        if (recording.ends_in_s <= milestones[0]) this.told.textContent = `${milestones.shift()} seconds left`;
        await this.wait(POLL_MS);
        recording = await this.read(recording);
      }
      this.show(recording, seconds);
      this.tell("Done", "");
      this.view.page.voice.say({ text: "Done", kind: "correction" });
      return recording;
    } finally {
      this.warning = "";
      this.big.hidden = true;
      this.progress.hidden = true;
    }
  }

  /** How far it is now; the last that is known while the server does not answer. */
  async read(before) {
    try {
      return await api("GET", `/api/recordings/${this.recordingId}`);
    } catch (error) {
      if (!error.temporary) throw error;
      this.warning = "The server does not answer; trying again …";
      return before;
    }
  }

  show(recording, seconds) {
    const left = Math.min(seconds, recording.ends_in_s);
    this.bar.max = seconds;
    this.bar.value = seconds - left;
    this.left.textContent = `${Math.ceil(left)} s`;
    const unseen = seconds - left > LATE_S && recording.with_person < recording.frames / 2;
    this.warning = unseen ? "I cannot see you. Step into the picture." : "";
  }

  /** Ends the recording now; what was shown until now is used. */
  async finish() {
    if (this.recordingId) await api("POST", `/api/recordings/${this.recordingId}/stop`);
  }

  /** Ends the recording, and forgets it. */
  async cancel() {
    this.stopper.abort();
    const { recordingId } = this;
    this.recordingId = "";
    if (recordingId) await api("DELETE", `/api/recordings/${recordingId}`).catch(() => 0); // it ends by itself
  }

  close() {
    clearInterval(this.ticker);
    this.cancel();
    this.picture.close();
    this.skeleton.close();
  }
}
