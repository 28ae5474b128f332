// Lets words appear when their picture does, and measures how well that went.
//
// The server delays the picture by about the time that words take. Early words wait here for their picture; late words
// appear at once. The error is word time - picture time, in media time, when the first word is shown.

import { median, quantile } from "./format.js";

const SLACK_S = 0.02; // half a frame at 25 FPS: the picture due is as good as there
const LONGEST_HOLD_MS = 12000;
const KEPT = 500;

export class Sync {
  /**
   * @param {{frame: any, live: boolean}} picture what is on screen: a `Picture`
   * @param {number} slack half the time between two of its frames, at least: the nearer one counts
   */
  constructor(picture, slack = SLACK_S) {
    this.picture = picture;
    this.slack_s = slack;
    this.held = new Map(); // request id -> { saying, since, show }
    this.samples = [];
  }

  /** Calls `show` when the picture that the saying is about is on screen; at once when there is none to wait for. */
  admit(saying, show) {
    if (this.held.has(saying.request_id)) return;
    this.held.set(saying.request_id, { saying, show, since: performance.now() });
    this.tick(); // also those that came before, so that the order of what was said is kept
  }

  /** Is it still waiting? */
  holds(requestId) {
    return this.held.has(requestId);
  }

  forget(requestId) {
    this.held.delete(requestId);
  }

  due({ saying, since }) {
    const { frame, live } = this.picture;
    if (!live || !frame || saying.kind === "answer" || saying.isError || !saying.times?.captured_at_s) return true;
    if (saying.run !== frame.run || performance.now() - since > LONGEST_HOLD_MS) return true;
    return frame.at_s >= saying.times.captured_at_s - this.slack_s;
  }

  /** Call after every picture, and now and then without one. */
  tick() {
    for (const held of [...this.held.values()]) if (this.due(held)) this.release(held);
  }

  release(held) {
    const { saying, since } = held;
    const { frame, live } = this.picture;
    this.held.delete(saying.request_id);
    const measured = live && frame && frame.run === saying.run && saying.pts_s !== null && saying.live;
    if (measured && saying.kind !== "answer" && !saying.isError) {
      saying.sync_ms = (saying.pts_s - frame.pts_s) * 1000;
      this.samples.push({
        request_id: saying.request_id,
        error_ms: saying.sync_ms,
        held_ms: performance.now() - since,
        delay_ms: frame.delay_s * 1000,
        latency_ms: (saying.times.first_token_at_s - saying.times.captured_at_s) * 1000,
      });
      if (this.samples.length > KEPT) this.samples.shift();
    }
    held.show(saying);
  }

  /** Median and 95th percentile of |error|, over what was measured. */
  get summary() {
    const errors = this.samples.map((sample) => Math.abs(sample.error_ms));
    return {
      n: errors.length,
      median_ms: median(errors),
      p95_ms: quantile(errors, 0.95),
      last_ms: this.samples.at(-1)?.error_ms ?? NaN,
    };
  }
}
