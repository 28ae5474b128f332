// The words of a source as a list, newest first, and as a caption over the picture. Streaming text grows in place.

import { fill, h } from "./dom.js";
import { clock, ms } from "./format.js";

const NAMES = { correction: "correction", praise: "praise", answer: "answer", declined: "declined", failed: "error" };
const SHORTEST_MS = 2000; // of a caption; as in the subtitles that can be downloaded
const LONGEST_MS = 8000;
const CHARACTERS_PER_S = 15;
const OLD_S = 5; // an older picture is told

export class Words {
  /** @param {(saying) => void} onMoment asked to show the picture that a saying was about */
  constructor(list, caption, spoken, onMoment) {
    this.list = list;
    this.caption = caption;
    this.spoken = spoken;
    this.onMoment = onMoment;
    this.rows = new Map();
    list.addEventListener("keydown", (event) => this.key(event));
    this.empty = h(
      "li",
      { class: "empty" },
      "Nothing has been said yet. Silence is normal: it speaks only when it helps.",
    );
    fill(list, this.empty);
  }

  /** Shows a saying, or what is new of it. */
  show(saying) {
    this.empty.remove();
    let row = this.rows.get(saying.request_id);
    if (!row) {
      const said = h("p", { class: "text" });
      const foot = h("footer");
      row = {
        said,
        foot,
        item: h(
          "li",
          { class: "word" },
          saying.asked ? h("p", { class: "asked" }, `You asked: ${saying.asked}`) : null,
          said,
          foot,
        ),
      };
      row.item.dataset.request = saying.request_id;
      row.item.dataset.live = String(Boolean(saying.live));
      this.rows.set(saying.request_id, row);
      // A question may be asked before the history has come: what came live stays above it.
      this.list.insertBefore(
        row.item,
        saying.live ? this.list.firstChild : this.list.querySelector("[data-live=false]"),
      );
    }
    row.item.className = `word ${saying.kind}${saying.done ? "" : " speaking"}`;
    row.item.dataset.done = String(Boolean(saying.done));
    const text = saying.text + (saying.times_seen > 1 ? ` (${saying.times_seen} times)` : "");
    if (row.said.textContent !== text) row.said.textContent = text;
    const focused = row.foot.contains(document.activeElement);
    fill(row.foot, this.foot(saying));
    this.rove(focused ? row.foot.querySelector("button") : null);
    if (focused) row.foot.querySelector("button")?.focus();
  }

  /** One tab stop for the whole list: the newest, or the one that was chosen with the arrow keys. */
  rove(chosen = null) {
    const buttons = [...this.list.querySelectorAll("footer button")];
    const here = chosen ?? buttons.find((button) => button === document.activeElement) ?? buttons[0];
    for (const button of buttons) button.tabIndex = button === here ? 0 : -1;
  }

  key(event) {
    const buttons = [...this.list.querySelectorAll("footer button")];
    const at = buttons.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
    const next = /** @type {HTMLElement | undefined} */ (buttons[to]);
    if (at < 0 || !next) return;
    event.preventDefault();
    this.rove(next);
    next.focus();
  }

  foot(saying) {
    const whose = saying.said_by === "owner" ? ", in your words" : "";
    const kind = h("span", { class: "kind" }, `${NAMES[saying.kind] ?? saying.kind}${whose}`);
    const about =
      saying.pts_s === null || saying.pts_s === undefined
        ? null
        : h(
            "button",
            {
              type: "button",
              onclick: () => this.onMoment(saying),
              "aria-label": `Show the picture at ${clock(saying.pts_s)}`,
            },
            clock(saying.pts_s),
          );
    const { captured_at_s: from, first_token_at_s: to } = saying.times ?? {};
    const first = from && to ? `first word after ${ms((to - from) * 1000)}` : "";
    const old = saying.age_s >= OLD_S ? ` · picture ${Math.round(saying.age_s)} s old` : "";
    const when = saying.isError ? new Date(saying.at_s * 1000).toLocaleTimeString() : null;
    return [
      h("span", {}, kind, about || when ? " · " : "", about ?? when ?? "", old),
      h("span", { class: "stat" }, first),
    ];
  }

  /** Puts it over the picture, until something else is said or it can have been read: its moment is over then. */
  overlay(saying) {
    clearTimeout(this.timer);
    if (this.captioned !== saying.request_id) this.captioned_at = performance.now();
    this.captioned = saying.request_id;
    this.caption.hidden = !saying.text;
    this.caption.className = `caption ${saying.kind}`;
    this.caption.textContent = saying.text;
    if (!saying.done) return;
    const reading = Math.min(LONGEST_MS, Math.max(SHORTEST_MS, (saying.text.length / CHARACTERS_PER_S) * 1000));
    const left = Math.max(SHORTEST_MS / 2, reading - (performance.now() - this.captioned_at));
    this.timer = setTimeout(() => {
      this.caption.classList.add("fading");
      this.timer = setTimeout(() => this.clear(), 900);
    }, left);
  }

  /** Takes the caption from the picture. */
  clear() {
    clearTimeout(this.timer);
    this.caption.hidden = true;
  }

  /** For screen readers: whole lines only. */
  announce(saying) {
    this.spoken.textContent = saying.asked ? `Answer: ${saying.text}` : `${NAMES[saying.kind] ?? ""}: ${saying.text}`;
  }

  remove(requestId) {
    this.rows.get(requestId)?.item.remove();
    this.rows.delete(requestId);
    if (this.captioned === requestId) this.clear();
    if (!this.rows.size) fill(this.list, this.empty);
  }
}
