// What happened at one source, from its events. Pure: no network, no elements. Views listen to its changes.

const MOST_DECISIONS = 6000;
const MOST_SAYINGS = 400;

/** `12-3` -> comparable; ids are numbers, not text. */
function later(a, b) {
  const [am, an] = a.split("-").map(Number);
  const [bm, bn] = b.split("-").map(Number);
  return am - bm || an - bn;
}

/** How words look: correction, praise, answer or failed. */
export function kindOf(event) {
  if (event.kind === "question") return "answer";
  return event.action === "correct" ? "correction" : "praise";
}

/** Ends that leave no words; a person who asked is told why instead. */
export const isWordless = (event) =>
  event.silent || (event.kind !== "question" && ["expired", "cancelled"].includes(event.status));

/** What was asked, by whomever: the prompt of an answer is the question itself. */
const questionOf = (event) => (event.kind === "question" ? event.prompt : "");

export class Session extends EventTarget {
  constructor() {
    super();
    this.cursor = "";
    this.run = "";
    this.state = "waiting";
    this.failed = "";
    this.why = "";
    this.detail = "";
    this.decisions = [];
    this.sayings = new Map(); // request id -> saying, in order of arrival
    this.counts = { repeated: 0 };
  }

  /** Takes one event. `live` is false for history, which is shown at once and not spoken. */
  take(event, live) {
    if (event.type === "lagged") {
      this.emit("lagged", event);
      return;
    }
    if (this.cursor && event.id && later(event.id, this.cursor) <= 0) {
      this.counts.repeated += 1;
      return;
    }
    if (event.id) this.cursor = event.id;
    if (event.run && event.run !== this.run) this.newRun(event.run);
    const handler = this[`on_${event.type}`];
    if (handler) handler.call(this, event, live);
  }

  newRun(run) {
    this.run = run;
    this.decisions = [];
    this.emit("run", { run });
  }

  on_decision(event, live) {
    this.decisions.push(event);
    if (this.decisions.length > MOST_DECISIONS) this.decisions.splice(0, 1000);
    this.emit("decision", { event, live });
  }

  on_state(event, live) {
    // It stays so, and why, though its run is then ended too.
    if (event.state === "failed") Object.assign(this, { failed: event.run, why: event.detail });
    this.state = event.state;
    this.detail = event.detail;
    this.emit("state", { event, live });
  }

  on_start(event, live) {
    const before = this.sayings.get(event.request_id);
    if (before && before.attempt >= event.attempt) return;
    this.put(
      {
        ...this.base(event),
        live,
        model: event.model,
        prompt: event.prompt,
        asked: before?.asked || questionOf(event),
      },
      "start",
    );
  }

  on_delta(event, live) {
    const saying = this.sayings.get(event.request_id) ?? this.put({ ...this.base(event), pts_s: null, live }, "start");
    if (saying.done || event.attempt < saying.attempt) return;
    saying.first_at_s ||= event.times.first_token_at_s;
    saying.times = event.times;
    saying.text += event.text;
    this.emit("text", { saying, live });
  }

  on_end(event, live) {
    let saying = this.sayings.get(event.request_id);
    if (!saying) {
      if (isWordless(event)) {
        this.emit("end", { saying: null, event, live });
        return;
      }
      saying = this.put({ ...this.base(event), live, asked: questionOf(event) }, "start");
    }
    // No words of the model: the sentence says which questions it answers.
    const declined = event.status === "declined";
    const failed = event.status !== "done" && !declined && !isWordless(event);
    Object.assign(saying, {
      done: true,
      status: event.status,
      silent: event.silent,
      ttft_ms: event.ttft_ms,
      times: event.times,
      pts_s: event.pts_s,
      age_s: event.picture_age_s ?? 0,
      tokens: event.n_output_tokens,
      model: event.model,
      prompt: event.prompt,
      kind: failed ? "failed" : declined ? "declined" : kindOf(event),
      text: failed
        ? event.cause || "It ended without a reply, and gave no cause."
        : declined
          ? event.cause
          : event.text,
      action: event.action,
      said_by: event.said_by,
    });
    if (isWordless(event)) this.sayings.delete(event.request_id);
    this.emit("end", { saying, event, live });
  }

  on_error(event, live) {
    const last = [...this.sayings.values()].at(-1);
    const text = `${event.stage}: ${event.message}`;
    if (last?.isError && last.text === text) {
      last.times_seen += 1;
      this.emit("text", { saying: last, live });
      return;
    }
    const saying = this.put(
      {
        request_id: `error:${event.id}`,
        isError: true,
        kind: "failed",
        text,
        pts_s: null,
        done: true,
        status: "failed",
        live,
        times: {},
        times_seen: 1,
        run: event.run,
        at_s: event.at_s,
        attempt: 0,
      },
      "start",
    );
    this.emit("end", { saying, event, live });
  }

  /** A question of ours, shown before its answer begins. */
  asked(requestId, text) {
    if (this.sayings.has(requestId)) {
      this.sayings.get(requestId).asked = text;
      return;
    }
    this.put(
      {
        request_id: requestId,
        kind: "answer",
        asked: text,
        text: "",
        run: this.run,
        pts_s: null,
        attempt: 0,
        live: true,
        done: false,
        times: {},
        first_at_s: 0,
      },
      "start",
    );
  }

  /** Ends a question of ours that nobody has taken. */
  unheard(requestId) {
    const saying = this.sayings.get(requestId);
    if (!saying || saying.done || saying.model) return;
    const text = "Nobody has taken the question: is a decider running? See health.";
    Object.assign(saying, { done: true, status: "expired", kind: "failed", text });
    this.emit("end", { saying, event: { request_id: requestId, kind: "question", status: "expired" }, live: true });
  }

  base(event) {
    return {
      request_id: event.request_id,
      run: event.run,
      attempt: event.attempt,
      kind: kindOf(event),
      text: "",
      done: false,
      status: "",
      pts_s: event.pts_s ?? null,
      times: event.times,
      first_at_s: 0,
      action: event.action,
      age_s: event.picture_age_s ?? 0,
    };
  }

  put(saying, kind) {
    const before = this.sayings.get(saying.request_id);
    if (before) Object.assign(before, saying);
    const kept = before ?? saying;
    this.sayings.set(saying.request_id, kept);
    while (this.sayings.size > MOST_SAYINGS) this.drop(this.sayings.keys().next().value);
    this.emit(kind, { saying: kept, live: saying.live });
    return kept;
  }

  drop(requestId) {
    const saying = this.sayings.get(requestId);
    this.sayings.delete(requestId);
    if (saying?.thumb) URL.revokeObjectURL(saying.thumb);
    this.emit("dropped", { requestId });
  }

  emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
