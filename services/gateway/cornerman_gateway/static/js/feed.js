// Fills a session: history once, then live events for ever, resuming behind the last one seen.

import { api, socketUrl, sourcePath } from "./api.js";
import { Link } from "./link.js";

export class Feed {
  /** @param {(open: boolean, reason: string) => void} onLink told when the connection comes and goes */
  constructor(sourceId, session, onLink) {
    this.sourceId = sourceId;
    this.session = session;
    this.onLink = onLink;
    this.ended = false;
    this.begin();
  }

  async begin() {
    let history;
    while (!this.ended) {
      try {
        history = await api("GET", sourcePath(this.sourceId, "/history"));
        break;
      } catch (error) {
        this.onLink(false, error.message);
        if (!error.temporary) return;
        await new Promise((done) => setTimeout(done, 1000));
      }
    }
    if (this.ended) return;
    for (const event of history.events) this.session.take(event, false);
    this.session.cursor = history.last_id;
    this.session.emit("ready", {});
    this.link = new Link(() => socketUrl(sourcePath(this.sourceId, `/events.ws?since=${this.session.cursor || "0"}`)), {
      message: (data) => this.take(JSON.parse(data)),
      state: this.onLink,
    });
  }

  take(event) {
    if (event.type === "lagged" && event.count) {
      this.session.cursor = event.after; // we were slow: fetch what the server passed over
      this.link.reopen();
      return;
    }
    this.session.take(event, true);
  }

  close() {
    this.ended = true;
    this.link?.close();
  }
}
