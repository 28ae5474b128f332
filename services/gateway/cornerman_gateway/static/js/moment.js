// The picture that a decision or a saying was about, in a dialog; arrows go to the decisions beside it.

import { ApiError, sourcePath } from "./api.js";
import { fill, h, icon } from "./dom.js";
import { clock } from "./format.js";
import { describe } from "./timeline.js";

const NOTES = {
  still: "A small still: no viewer was connected at this moment, so no larger picture was made.",
  gone:
    "This picture is gone. A moment without words is kept for ten minutes, and only while a viewer is connected; " +
    "one with words for an hour, the last forty.",
  shown: "The picture that was on this page when the words appeared; the server has let its own go.",
};

export class Moments {
  /** @param {(title: string, ...content) => HTMLElement} open shows a dialog and returns it */
  constructor(sourceId, open, timeline) {
    this.sourceId = sourceId;
    this.open = open;
    this.timeline = timeline;
    this.asked = 0;
  }

  /** @param {{run: string, pts_s: number, decision?: any, saying?: any}} moment */
  async show(moment) {
    const asked = (this.asked += 1);
    const { saying, decision } = moment;
    const image = h("img", { alt: `Picture at ${clock(moment.pts_s)}`, hidden: true });
    const note = h("p", { class: "quiet small", role: "status" }, "Fetching the picture …");
    const frame = h("div", { class: "moment" }, image, note);
    const step = (by, name, label) => {
      const next = moment.run === this.timeline.session.run ? this.timeline.beside(moment, by) : null;
      return h(
        "button",
        { type: "button", disabled: !next, "aria-label": label, "data-step": by, onclick: () => this.show(next) },
        icon(name),
      );
    };
    const dialog = this.open(
      `At ${clock(moment.pts_s)}`,
      frame,
      saying?.text ? h("p", { class: `said ${saying.kind}` }, saying.text) : null,
      decision ? h("p", { class: "quiet small" }, describe({ ...moment, saying: null }, this.timeline.stats)) : null,
      h(
        "div",
        { class: "row beside" },
        step(-1, "left", "The decision before"),
        step(1, "right", "The decision after"),
      ),
    );
    dialog.onkeydown = (event) => {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (by) /** @type {HTMLElement | null} */ (dialog.querySelector(`[data-step="${by}"]`))?.click();
    };
    if (decision && moment.run === this.timeline.session.run) this.timeline.choose(moment);
    const found = await this.find(moment);
    if (asked !== this.asked) return; // another moment is shown by now
    note.textContent = found.note;
    note.hidden = !found.note;
    if (!found.url) {
      fill(frame, h("p", { class: "gone" }, found.note));
      return;
    }
    if (found.url !== saying?.thumb)
      image.addEventListener("load", () => URL.revokeObjectURL(found.url), { once: true });
    image.src = found.url;
    image.hidden = false;
  }

  /**
   * The picture's address, and a note about it.
   * @param {{run: string, pts_s: number, saying?: any}} moment
   */
  async find({ run, pts_s: pts, saying }) {
    try {
      const response = await fetch(
        sourcePath(this.sourceId, `/frame.jpg?if_gone=204&pts_s=${pts}&run=${encodeURIComponent(run)}`),
      );
      if (response.status === 200)
        return { url: URL.createObjectURL(await response.blob()), note: NOTES[response.headers.get("X-Kept")] ?? "" };
      if (saying?.thumb) return { url: saying.thumb, note: NOTES.shown };
      if (response.status === 204) return { url: "", note: NOTES.gone };
      const body = await response.json().catch(() => ({}));
      return {
        url: "",
        note: new ApiError(response.status, body.title ?? "This picture cannot be had", body.detail).message,
      };
    } catch {
      return saying?.thumb
        ? { url: saying.thumb, note: NOTES.shown }
        : { url: "", note: "The server does not answer; try again when it is back." };
    }
  }
}
