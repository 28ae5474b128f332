// Keeps the screen on while somebody watches: a phone on the floor must not go dark in the middle of a set.

export class Awake {
  constructor() {
    this.wanted = false;
    this.lock = null;
    this.seen = () => this.hold();
    document.addEventListener("visibilitychange", this.seen); // the browser lets go when the page is hidden
  }

  /** @param {boolean} wanted call as often as you like */
  want(wanted) {
    if (wanted === this.wanted) return;
    this.wanted = wanted;
    this.hold();
  }

  async hold() {
    if (!this.wanted) {
      this.lock?.release();
      this.lock = null;
    } else if (!document.hidden && (!this.lock || this.lock.released)) {
      this.lock = await navigator.wakeLock?.request("screen").catch(() => null); // refused on a low battery
      if (!this.wanted) this.hold();
    }
  }

  close() {
    document.removeEventListener("visibilitychange", this.seen);
    this.want(false);
  }
}
