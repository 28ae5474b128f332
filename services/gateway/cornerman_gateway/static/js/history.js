// The last ten minutes of the system's status, as this page has seen them. Pure: no network, no elements.

export const STEP_S = 2.5;
export const LENGTH = 240;
const MIB = 2 ** 20;
export const ROLES = ["capture", "encoder", "decider", "generator", "gateway"];

export class StatusHistory {
  constructor() {
    this.rows = [];
    this.at_s = -Infinity;
  }

  /** Keeps a status, at most one each step. Steps that were missed, as while the page was hidden, stay empty. */
  take(status, now_s) {
    const steps = Math.floor((now_s - this.at_s) / STEP_S + 0.2);
    if (steps < 1) return;
    const missed = Number.isFinite(steps) ? Math.min(steps - 1, LENGTH) : 0;
    this.rows.push(...Array(missed).fill(null), rowOf(status));
    if (this.rows.length > LENGTH) this.rows.splice(0, this.rows.length - LENGTH);
    this.at_s = now_s;
  }

  /** One list for each name, oldest first; NaN where there is none. */
  of(kind, names) {
    return names.map((name) => this.rows.map((row) => row?.[kind][name] ?? NaN));
  }

  get hasGpu() {
    return this.rows.some((row) => row && Object.keys(row.gpu).length > 0);
  }
}

function rowOf({ lag, workers }) {
  const memory = {};
  const gpu = {};
  const add = (sums, role, value) => {
    sums[role] = (sums[role] ?? 0) + value;
  };
  for (const { role, rss_bytes: rss, detail } of workers) {
    add(memory, role, rss / MIB);
    if (detail.gpu_allocated_bytes !== undefined) add(gpu, role, detail.gpu_allocated_bytes / MIB);
  }
  return { lag, memory, gpu };
}
