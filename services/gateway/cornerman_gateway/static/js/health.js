// Who works and what waits, now and over the last minutes.

import { Chart } from "./chart.js";
import { fill, h } from "./dom.js";
import { bytes, number, since } from "./format.js";
import { LENGTH, ROLES, STEP_S } from "./history.js";

const mib = (value) => `${number(value, 0)} MiB`;

const CHARTS = [
  { kind: "lag", title: "waiting or in work", names: ROLES.slice(1, 4), text: (value) => number(value, 0) },
  { kind: "memory", title: "memory", names: ROLES, text: mib },
  { kind: "gpu", title: "GPU memory", names: ROLES.slice(1, 4), text: mib },
];

const DETAILS = {
  idle_s: (value) => `last work ${since(value)} ago`,
  clock_skew_s: (value) =>
    Math.abs(value) < 0.05 ? "" : `clock ${number(Math.abs(value))} s ${value > 0 ? "fast" : "slow"}`,
};

/** Numbers of a worker in words; graphics memory has a column. */
const detailOf = (detail) =>
  Object.entries(detail)
    .filter(([name]) => !name.startsWith("gpu_"))
    .map(([name, value]) => DETAILS[name]?.(value) ?? `${number(value, 2)} ${name.replaceAll("_", " ")}`)
    .filter(Boolean)
    .join(", ");

export class HealthView {
  constructor(page) {
    this.page = page;
    this.problems = h("div", { role: "status" });
    this.lags = h("div", { class: "lags" });
    this.rows = h("tbody");
    const columns = ["role", "worker", "state", "in work", "memory", "GPU", "up for", "host", "detail"];
    const head = columns.map((text) => h("th", { scope: "col" }, text));
    this.charts = CHARTS.map((one) => this.chart(one));
    fill(
      page.main,
      h(
        "div",
        { class: "page" },
        h("h1", {}, "Health"),
        this.problems,
        h("h2", {}, "Waiting or in work"),
        this.lags,
        h("h2", {}, "The last ten minutes"),
        h(
          "div",
          { class: "trends" },
          this.charts.map(({ element }) => element),
        ),
        h("h2", {}, "Workers"),
        h(
          "div",
          { class: "table-wrap", tabindex: "0", role: "region", "aria-label": "Workers" },
          h("table", {}, h("thead", {}, h("tr", {}, head)), this.rows),
        ),
        h(
          "p",
          { class: "quiet" },
          "For machines: ",
          h("a", { href: "/metrics" }, "/metrics"),
          ", ",
          h("a", { href: "/readyz" }, "/readyz"),
          ", ",
          h("a", { href: "/docs" }, "/docs"),
          ".",
        ),
      ),
    );
    this.unlisten = page.onStatus((status) => this.show(status));
  }

  chart({ kind, title, names, text }) {
    const canvas = /** @type {HTMLCanvasElement} */ (
      h("canvas", { role: "img", "aria-label": `${title}, the last ten minutes` })
    );
    const lines = names.map((name) => ({ ink: name }));
    const keys = h("div", { class: "keys" });
    const element = h("section", { class: "tile" }, h("header", {}, h("h3", {}, title)), canvas, keys);
    return {
      kind,
      names,
      text,
      keys,
      canvas,
      element,
      chart: new Chart(canvas, { lines, text, length: LENGTH, step_s: STEP_S }),
    };
  }

  trends() {
    const { history } = this.page;
    for (const { kind, names, text, keys, canvas, chart } of this.charts) {
      canvas.hidden = kind === "gpu" && !history.hasGpu;
      chart.series = history.of(kind, names);
      chart.draw();
      const newest = names
        .map((name, i) => [name, chart.series[i].at(-1)])
        .filter(([, value]) => Number.isFinite(value));
      fill(
        keys,
        newest.map(([name, value]) =>
          h("span", {}, h("i", { class: `swatch ink-${name}` }), `${name} ${text(/** @type {number} */ (value))}`),
        ),
        canvas.hidden ? "No process has memory on a GPU." : null,
      );
    }
  }

  show(status) {
    this.trends();
    const tile = (title, value) =>
      h("section", { class: "tile" }, h("h3", {}, title), h("div", { class: "value" }, String(value)));
    fill(
      this.problems,
      h(
        "p",
        { class: status.health.problems.length ? "danger" : "quiet" },
        status.health.problems.length ? "Degraded" : "Healthy",
      ),
      status.health.problems.map((problem) =>
        h("p", { class: "note" }, h("b", {}, problem.what), `: ${problem.reason.replaceAll("`", "")}`),
      ),
    );
    fill(
      this.lags,
      Object.entries(status.lag).map(([group, count]) => tile(group, count)),
      tile("dead letters", status.dead_letters),
      tile("pages open", status.clients),
      tile("viewers", status.viewers),
    );
    fill(
      this.rows,
      status.workers.length
        ? status.workers.map((worker) =>
            h(
              "tr",
              {},
              h("td", {}, worker.role),
              h("td", {}, worker.name),
              h("td", { title: worker.reason }, worker.state),
              h("td", {}, String(worker.busy)),
              h("td", {}, bytes(worker.rss_bytes)),
              h("td", {}, "gpu_allocated_bytes" in worker.detail ? bytes(worker.detail.gpu_allocated_bytes) : "–"),
              h("td", {}, since(status.at_s - worker.started_at_s)),
              h("td", {}, `${worker.host}:${worker.pid}`),
              h("td", { class: "quiet small" }, detailOf(worker.detail)),
            ),
          )
        : h(
            "tr",
            {},
            h(
              "td",
              { colspan: "9", class: "quiet" },
              h("span", { class: "alone" }, "No worker has spoken. Start them: cornerman up."),
            ),
          ),
    );
  }

  redraw() {
    this.trends();
  }

  close() {
    this.unlisten();
  }
}
