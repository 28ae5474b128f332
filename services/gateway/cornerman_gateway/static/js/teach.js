// Teaching an exercise of one's own, step by step in a dialog: name, five good repetitions, mistakes, result.

import { api, ApiError, sourcePath } from "./api.js";
import { camera } from "./camera.js";
import { fill, h, icon } from "./dom.js";
import { Cancelled, Recorder } from "./recorder.js";
import { STATE_TEXT } from "./state_text.js";
import { GET_SKELETONS, refusalOf, seenText, sentence, slug, surenessOf, toldText } from "./teach_text.js";

const REPETITIONS = 5;
const SECONDS = [20, 30, 45, 60];
const MOST_IN_USE = 8;

export class Teach {
  /** @param {import("./source.js").SourceView} view whose source shows the exercise */
  constructor(view) {
    this.view = view;
    this.sourceId = view.sourceId;
    this.seconds = SECONDS[0];
    this.strategy = view.source?.speak.strategy ?? "skeleton";
    this.dialog = /** @type {HTMLDialogElement} */ (
      h("dialog", { class: "dialog teach", "aria-labelledby": "teach-title", onclose: () => this.close() })
    );
    document.body.append(this.dialog);
    this.dialog.showModal();
    this.open();
  }

  /** Shows a step; `first` gets the focus, else its title, so that a screen reader begins there. */
  step(title, content, buttons, { first = null, submit = null } = {}) {
    const head = h("h2", { id: "teach-title", tabindex: "-1" }, title);
    const parts = [head, h("div", { class: "teach-body" }, content), h("div", { class: "row" }, buttons)];
    const sent = (event) => {
      event.preventDefault();
      submit();
    };
    fill(this.dialog, submit ? h("form", { onsubmit: sent }, parts) : parts);
    (first ?? head).focus();
  }

  button(text, act, kind = "") {
    return h("button", { type: act ? "button" : "submit", class: kind, onclick: act }, text);
  }

  cancel(text = "Cancel") {
    return this.button(text, () => this.dialog.close());
  }

  async open() {
    this.step("Teach an exercise", h("p", { role: "status" }, "Looking for what it knows …"), [this.cancel()]);
    try {
      const [known, models] = await Promise.all([api("GET", "/api/exercises"), api("GET", "/api/models")]);
      this.known = known.exercises;
      this.bundled = known.bundled;
      this.models = models;
    } catch (error) {
      this.failed(error, () => this.open());
      return;
    }
    if (this.known.length) this.home();
    else this.name();
  }

  /** An error that has no step of its own; `again` tries what failed. */
  failed(error, again) {
    if (!(error instanceof ApiError)) throw error;
    if (!this.dialog.open) return;
    this.step("This did not work", h("p", { role: "alert" }, error.message), [
      this.cancel("Close"),
      this.button("Try again", again, "primary"),
    ]);
  }

  /** Why nothing can be recorded here now, in words; null = it can. */
  blocked() {
    const { state, movement } = this.view;
    if (state === "ended")
      return ["The video has ended", "Teach at a camera, or from files: cornerman teach NAME good.mp4"];
    if (state !== "playing") return STATE_TEXT[state] ?? [state, ""];
    if (this.models.encoder.backend === "pose" || movement) return null;
    return [
      "The coach that watches here does not see bodies",
      `It looks at whole pictures. An exercise is learned from a skeleton: ${GET_SKELETONS}`,
    ];
  }

  /** Where nothing can be recorded: says why, and returns true; `again` goes on once it can. */
  stopped(again) {
    const reason = this.blocked();
    if (!reason) return false;
    const resume = async () => {
      await this.view.pause();
      again();
    };
    this.step(reason[0], h("p", {}, reason[1]), [
      this.cancel("Close"),
      this.view.state === "paused"
        ? this.button("Resume", resume, "primary")
        : this.button("Try again", again, "primary"),
    ]);
    return true;
  }

  home() {
    const used = this.view.source.speak.exercises;
    this.step(
      "Your exercises",
      h(
        "ul",
        { class: "teach-list" },
        this.known.map((one) => this.row(one, used.includes(one.name))),
      ),
      [this.cancel("Close"), this.button("Teach another", () => this.name(), "primary")],
    );
  }

  row(one, used) {
    const named = (verb) => ({ "aria-label": `${verb}: ${one.title}` });
    const act = (text, work) => h("button", { type: "button", ...named(text), onclick: work }, text);
    return h(
      "li",
      {},
      h("h3", {}, one.title),
      one.good
        ? h("p", { class: "quiet small" }, `Learned from ${seenText(one.good)}`)
        : h("p", { class: "wrong" }, one.refused),
      one.mistakes.length
        ? h(
            "ul",
            { class: "teach-mistakes", "aria-label": "Mistakes it tells" },
            one.mistakes.map((mistake) => h("li", {}, `“${mistake.say}”`)),
          )
        : null,
      one.good ? this.useBox(one, used) : null,
      h(
        "div",
        { class: "row" },
        one.good ? act("Add a mistake", () => this.mistake(one)) : null,
        act("Delete", () => this.removal(one)),
      ),
    );
  }

  /** The choice whether this source looks for an exercise; it is made at once. */
  useBox(one, used) {
    const wrong = h("span", { class: "wrong", role: "alert" });
    const box = /** @type {HTMLInputElement} */ (h("input", { type: "checkbox", checked: used }));
    box.addEventListener("change", async () => {
      wrong.textContent = "";
      try {
        await this.use(one.name, box.checked);
      } catch (error) {
        box.checked = !box.checked;
        wrong.textContent = error.message;
      }
    });
    return h("label", { class: "check", title: one.title }, box, `Look for it at “${this.sourceId}”`, wrong);
  }

  /** Has the source look for an exercise, or no longer; without any it looks for the bundled ones again. */
  async use(name, wanted) {
    const others = this.view.source.speak.exercises.filter((other) => other !== name);
    const exercises = wanted ? [...others, name].slice(-MOST_IN_USE) : others;
    const strategy = exercises.length ? "skeleton" : this.strategy;
    this.view.change(await api("PATCH", sourcePath(this.sourceId), { speak: { strategy, exercises } }));
  }

  removal(one) {
    const others = (this.view.page.sources ?? []).filter(
      (source) => source.source_id !== this.sourceId && source.speak.exercises.includes(one.name),
    );
    const names = others.map((source) => `“${source.source_id}”`).join(", ");
    const remove = async () => {
      try {
        if (this.view.source.speak.exercises.includes(one.name)) await this.use(one.name, false);
        await api("DELETE", `/api/exercises/${one.name}`);
        await this.open();
      } catch (error) {
        this.failed(error, () => this.removal(one));
      }
    };
    const keep = this.button("Keep it", () => this.home());
    this.step(
      `Delete “${one.title}”?`,
      [
        h("p", {}, "What was learned is forgotten. It would have to be shown again."),
        names ? h("p", {}, `It is looked for at ${names}, too; nothing is coached there until that is changed.`) : null,
      ],
      [keep, this.button("Delete", remove, "danger")],
      { first: keep },
    );
  }

  name() {
    if (this.stopped(() => this.name())) return;
    const title = h("input", { type: "text", maxlength: "80", autocomplete: "off", placeholder: "Calf raise" });
    const praise = h("input", { type: "text", maxlength: "200", autocomplete: "off", placeholder: "Well done!" });
    const wrong = h("p", { class: "wrong", role: "alert" });
    const replace = /** @type {HTMLInputElement} */ (h("input", { type: "checkbox" }));
    const again = h(
      "label",
      { class: "check", hidden: true },
      replace,
      "Learn it anew; its repetitions and mistakes are forgotten",
    );
    const next = () => {
      const text = title.value.trim();
      const key = slug(text);
      const there = this.known.find((one) => one.name === key);
      again.hidden = !there;
      wrong.textContent = !text
        ? "Give it a name first."
        : this.bundled.includes(key)
          ? `The coach knows “${text}” already. Give yours another name, such as “My ${text.toLowerCase()}”.`
          : there && !replace.checked
            ? `You have taught “${there.title}” already. Give another name, or learn it anew.`
            : "";
      title.setAttribute("aria-invalid", String(Boolean(wrong.textContent)));
      if (wrong.textContent) title.focus();
      else this.capture({ name: key, title: text, praise: praise.value.trim(), replace: Boolean(there) });
    };
    this.step(
      "Teach an exercise",
      [
        h(
          "p",
          {},
          "Show it five good repetitions, and it counts them from then on. After that you can show it mistakes. ",
          "It takes two minutes. No picture is kept, only where your joints were.",
        ),
        h("label", { class: "field" }, h("span", {}, "Name of the exercise"), title),
        h("label", { class: "field" }, h("span", {}, "What to say after three good ones, if anything"), praise),
        wrong,
        again,
      ],
      [
        this.known.length ? this.button("Back", () => this.home()) : this.cancel(),
        this.button("Next", null, "primary"),
      ],
      { first: title, submit: next },
    );
  }

  /** Asks what to say about a mistake. */
  mistake(one) {
    if (this.stopped(() => this.mistake(one))) return;
    const say = h("input", { type: "text", maxlength: "200", autocomplete: "off", placeholder: "Heels up!" });
    const model = /** @type {HTMLInputElement} */ (h("input", { type: "checkbox" }));
    const wrong = h("p", { class: "wrong", role: "alert" });
    const next = () => {
      wrong.textContent = say.value.trim() ? "" : "Write what the coach should say.";
      if (wrong.textContent) say.focus();
      else
        this.capture({
          name: one.name,
          title: one.title,
          say: say.value.trim(),
          words: model.checked ? "model" : "owner",
        });
    };
    this.step(
      `A mistake of “${one.title}”`,
      [
        h("p", {}, "Then do five repetitions with this mistake, on purpose and clearly, at the same place."),
        h("label", { class: "field" }, h("span", {}, "What the coach should say about it"), say),
        this.models.abilities.follows_prompts
          ? h("label", { class: "check" }, model, "Let the model find the words itself")
          : h("p", { class: "quiet small" }, "It says this in your words."),
        wrong,
      ],
      [this.button("Back", () => this.learned(one)), this.button("Next", null, "primary")],
      { first: say, submit: next },
    );
  }

  /**
   * Records repetitions.
   * @param {{name: string, title: string, replace?: boolean, say?: string, praise?: string, words?: string}} wanted with `say`: of a mistake
   */
  capture(wanted) {
    if (this.stopped(() => this.capture(wanted))) return;
    this.recorder ??= new Recorder(this.view, camera.pushes(this.sourceId));
    const { recorder } = this;
    const long = h(
      "select",
      {
        onchange: (event) => {
          this.seconds = Number(event.target.value);
        },
      },
      SECONDS.map((seconds) => h("option", { value: seconds, selected: seconds === this.seconds }, `${seconds} s`)),
    );
    const start = this.button([icon("play"), "Start"], () => run(), "primary");
    const done = this.button("I am done", () => recorder.finish().catch(() => 0), "primary");
    const cancel = this.cancel();
    const stop = this.button("Start over", async () => {
      await recorder.cancel();
      this.capture(wanted);
    });
    const time = h("label", { class: "teach-time" }, h("span", {}, "Time for them"), long);
    const waits = (running) => {
      for (const element of [start, cancel, time]) element.hidden = running;
      stop.hidden = !running;
      done.hidden = true;
    };
    const begun = () => {
      done.hidden = false;
      done.focus();
    };
    const run = async () => {
      waits(true);
      stop.focus();
      try {
        await recorder.record(this.seconds, begun);
        await this.learn(wanted, REPETITIONS);
      } catch (error) {
        if (error instanceof Cancelled) return;
        this.failed(error, () => this.capture(wanted));
      }
    };
    waits(false);
    this.step(
      `“${wanted.title}”: five ${wanted.say ? "repetitions with the mistake" : "good repetitions"}`,
      [
        h(
          "p",
          { id: "teach-how" },
          "Stand so that it sees you from head to feet. After the countdown stand for a second, do five repetitions",
          wanted.say ? " with the mistake" : "",
          ", and stand again. It ends by itself.",
        ),
        recorder.element,
      ],
      [time, cancel, start, stop, done],
      { first: start },
    );
    start.setAttribute("aria-describedby", "teach-how");
  }

  /** Sends what was recorded, as so many repetitions. */
  async learn(wanted, repetitions) {
    const { name, title, say = "", praise = "", words = "owner", replace = false } = wanted;
    this.step("Learning …", h("p", { role: "status" }, "It looks for the repetitions."), [this.cancel()]);
    const body = { recording_id: this.recorder.recordingId, title, repetitions, say, praise, words, replace };
    try {
      const { exercise, seen, doubts } = await api("POST", `/api/exercises/${name}/teach`, body);
      this.known = [...this.known.filter((one) => one.name !== name), exercise];
      wanted.replace = true; // whatever fails now, the exercise is there
      await this.use(name, true);
      if (this.dialog.open) this.learned(exercise, wanted, { seen, doubts });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (this.dialog.open) this.refused(wanted, repetitions, error);
    }
  }

  refused(wanted, repetitions, error) {
    const { say, remedy, found, again } = refusalOf(error, repetitions);
    this.step(
      "Not learned yet",
      [h("p", { class: "teach-say", role: "alert" }, say), h("p", {}, remedy)],
      [
        this.cancel(),
        again ? this.button("Try again", () => this.learn(wanted, repetitions)) : null,
        found ? this.button(`Take these ${found}`, () => this.learn(wanted, found)) : null,
        this.button("Record again", () => this.capture(wanted), "primary"),
      ],
    );
  }

  /**
   * Says what was learned. `wanted` is what was recorded just now; null = nothing.
   * @param {any} one the exercise as the API shows it
   * @param {{seen?: string, doubts?: string[]}} told sight of the recording in words, and doubts about it
   */
  learned(one, wanted = null, told = {}) {
    const { seen = "", doubts = [] } = told;
    const shown = wanted?.say ? one.mistakes.at(-1) : one.good;
    const sure = surenessOf(shown);
    const used = this.view.source.speak.exercises.includes(one.name);
    this.step(
      wanted?.say ? "Mistake learned" : `“${one.title}” is learned`,
      [
        h("p", { class: "teach-say" }, `${wanted ? "It saw" : "It was learned from"} ${seenText(shown)}.`),
        h("p", { class: "teach-sure", "data-level": doubts.length ? "poor" : sure.level }, sure.text, toldText(seen)),
        doubts.length
          ? h(
              "ul",
              { "aria-label": "Doubts" },
              doubts.map((doubt) => h("li", {}, sentence(doubt))),
            )
          : null,
        one.mistakes.length
          ? h(
              "p",
              { class: "quiet" },
              `It tells ${one.mistakes.length === 1 ? "this mistake" : "these mistakes"}: `,
              one.mistakes.map((mistake) => `“${mistake.say}”`).join(", "),
            )
          : null,
        this.useBox(one, used),
        h(
          "p",
          { class: "quiet small" },
          "While it looks for exercises of yours, it leaves the ones it came with alone.",
        ),
      ],
      [
        wanted && sure.level === "poor"
          ? this.button("Record again", () => this.capture({ ...wanted, replace: true }))
          : null,
        this.button(one.mistakes.length ? "Teach another mistake" : "Teach a mistake", () => this.mistake(one)),
        this.button("Finish", () => this.dialog.close(), "primary"),
      ],
    );
  }

  close() {
    this.recorder?.close();
    this.recorder = null;
    if (this.dialog.open) this.dialog.close();
    this.dialog.remove();
  }
}
