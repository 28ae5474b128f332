// The box for questions. It says which questions are answered, and is gone where none are.

import { api, sourcePath } from "./api.js";
import { fill, h } from "./dom.js";

const UNHEARD_S = 5; // after its deadline the end of a question may come this late
const ABOUT = { form: "your form", count: "repetitions", exercise: "the exercise" };

export class AskBox {
  /** @param {import("./session.js").Session} session shows the question and its answer */
  constructor(sourceId, session) {
    this.sourceId = sourceId;
    this.session = session;
    this.unanswered = false;
    this.failed = false;
    this.input = /** @type {HTMLInputElement} */ (
      h("input", {
        type: "text",
        name: "question",
        maxlength: "2000",
        autocomplete: "off",
        placeholder: "Ask about what is on screen …",
        "aria-label": "Ask about what is on screen",
      })
    );
    this.wrong = h("p", { class: "wrong", role: "alert" });
    this.element = h("section", { class: "panel panel-ask", "aria-label": "Question" });
    fill(
      this.element,
      h(
        "form",
        { class: "ask", onsubmit: (event) => this.send(event) },
        this.input,
        h("button", { class: "primary", type: "submit" }, "Ask"),
      ),
      this.wrong,
    );
  }

  async send(event) {
    event.preventDefault();
    const text = this.input.value.trim();
    if (!text) return;
    this.wrong.textContent = "";
    try {
      const asked = await api("POST", sourcePath(this.sourceId, "/questions"), { text });
      this.session.asked(asked.request_id, text);
      // The decider tells that a question has expired; if none runs, nobody does.
      setTimeout(() => this.session.unheard(asked.request_id), (asked.expires_in_s + UNHEARD_S) * 1000);
      this.input.value = "";
    } catch (error) {
      this.wrong.textContent = error.message;
    }
  }

  /** @param {{topics: string[] | null, exercises: string[] | null}} abilities null = any */
  show({ topics, exercises }) {
    this.unanswered = topics !== null && !topics.length;
    this.hide();
    if (topics === null) return;
    const known = exercises?.map((name) => name.replaceAll("_", " ")).slice(0, 3);
    const examples = known ? ` (${known.join(", ")} …)` : "";
    this.input.placeholder = `Ask about ${topics.map((topic) => ABOUT[topic]).join(" or ")}${examples}`;
  }

  /** A source that failed answers nothing. */
  hide(failed = this.failed) {
    this.failed = failed;
    this.element.hidden = failed || this.unanswered;
  }
}
