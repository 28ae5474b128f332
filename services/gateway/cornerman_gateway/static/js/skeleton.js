// The skeleton over the picture, in step with it. Landmarks come with their media times; between two it is interpolated.

import { socketUrl, sourcePath } from "./api.js";
import { Link } from "./link.js";

const BONES = [
  [11, 13],
  [13, 15],
  [12, 14],
  [14, 16],
  [11, 12],
  [11, 23],
  [12, 24],
  [23, 24],
  [23, 25],
  [25, 27],
  [24, 26],
  [26, 28],
  [27, 31],
  [28, 32],
  [27, 29],
  [28, 30],
];
const JOINTS = {
  shoulder: [11, 12],
  elbow: [13, 14],
  wrist: [15, 16],
  hip: [23, 24],
  knee: [25, 26],
  ankle: [27, 28],
  neck: [11, 12],
  trunk: [11, 12, 23, 24],
  spine: [11, 12, 23, 24],
  "whole body": [11, 12, 23, 24, 25, 26, 27, 28],
};
const SEEN = 0.4; // landmarks less visible are not drawn
const KEPT = 400;
const GAP_S = 0.6; // frames further apart are not joined
const SHOWN_S = 4; // a corrected joint stays marked

/** People between two frames of landmarks; each is joined with the nearest one of the later frame. */
export function between(before, after, pts) {
  const share = (pts - before.pts_s) / (after.pts_s - before.pts_s || 1);
  return before.people.map((person) => {
    const near = after.people.reduce(
      (best, other) => (apart(person, other) < apart(person, best) ? other : best),
      null,
    );
    if (!near || apart(person, near) > 0.25) return person;
    return person.map(([x, y, seen], i) => [
      x + (near[i][0] - x) * share,
      y + (near[i][1] - y) * share,
      Math.min(seen, near[i][2]),
    ]);
  });
}

const middle = (person) => [23, 24, 11, 12].reduce((sum, i) => sum + person[i][0] / 4, 0);
const apart = (person, other) => (other ? Math.abs(middle(person) - middle(other)) : Infinity);

/**
 * The one of a frame's people who is coached: of the row that the chunk's decision names, else where the words say.
 * @param {{people: any[], rows?: number[], seq?: number}} frame
 * @param {any[]} decisions of the frame's run, in order
 * @param {string} [whom] as "the person on the left"; empty = nobody is followed
 * @returns {number} index into `people`; -1 = nobody
 */
export function followedIn(frame, decisions, whom = "") {
  const named = decisions.findLast((decision) => decision.seq <= frame.seq);
  const row = named?.seq === frame.seq ? named.about?.row : undefined;
  if (row !== undefined && frame.rows) return frame.rows.indexOf(row);
  return frame.people.indexOf(followed(frame.people, whom));
}

/** The person that words like "the person on the left" mean; null = nobody is followed. */
export function followed(people, whom) {
  if (!whom || !people.length) return null;
  const ordered = [...people].sort((a, b) => middle(a) - middle(b));
  if (/left/.test(whom)) return ordered[0];
  if (/right/.test(whom)) return ordered.at(-1);
  return ordered[ordered.length >> 1];
}

export class Skeleton {
  /** @param {HTMLCanvasElement} canvas over the picture's */
  constructor(canvas, picture, sourceId) {
    this.canvas = canvas;
    this.picture = picture;
    this.frames = [];
    this.run = "";
    this.drawn = 0;
    this.link = new Link(() => socketUrl(sourcePath(sourceId, "/people.ws")), {
      message: (data) => this.take(JSON.parse(data)),
    });
  }

  take({ run, seq, frames }) {
    if (run !== this.run) this.frames = [];
    this.run = run;
    this.frames.push(...frames.map((frame) => ({ ...frame, seq })));
    if (this.frames.length > KEPT) this.frames.splice(0, this.frames.length - KEPT);
  }

  /** The frame at a media time, its people between those of the frames beside it; null where it was not looked. */
  at(pts) {
    const later = this.frames.findIndex((frame) => frame.pts_s >= pts);
    if (later < 0) return null;
    const [before, after] = [this.frames[later - 1], this.frames[later]];
    if (!before) return after.pts_s - pts < 0.05 ? after : null;
    return after.pts_s - before.pts_s > GAP_S ? null : { ...before, people: between(before, after, pts) };
  }

  /**
   * @param {ReturnType<typeof import("./movement.js").movementAt>} movement names whom, and the joint that was corrected
   * @param {any[]} decisions of the run; each names the row that is followed
   */
  draw(frame, movement, decisions = []) {
    const { width, height } = this.picture;
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
    const context = this.canvas.getContext("2d");
    context.clearRect(0, 0, width, height);
    if (frame.run !== this.run) return;
    const found = this.at(frame.pts_s);
    const people = found?.people ?? [];
    const who = people[found ? followedIn(found, decisions, movement?.about.whom) : -1];
    for (const person of people) this.person(context, person, width, height, person === who);
    const { correction } = movement ?? {};
    if (who && correction?.about.mistakes.length && frame.pts_s - correction.pts_s < SHOWN_S)
      this.mark(context, who, JOINTS[correction.about.mistakes[0].joint] ?? [], width, height);
    this.drawn += Number(people.length > 0);
  }

  person(context, person, width, height, bright) {
    const thick = Math.max(2, Math.min(width, height) / 110);
    context.lineCap = "round";
    for (const [ink, wide] of bright
      ? [
          ["rgb(6 8 11 / 55%)", thick * 2],
          ["#f6f8fa", thick],
        ]
      : [["rgb(160 166 176 / 55%)", thick * 0.8]]) {
      context.strokeStyle = ink;
      context.lineWidth = wide;
      context.beginPath();
      for (const [a, b] of BONES) {
        if (person[a][2] < SEEN || person[b][2] < SEEN) continue;
        context.moveTo(person[a][0] * width, person[a][1] * height);
        context.lineTo(person[b][0] * width, person[b][1] * height);
      }
      context.stroke();
    }
  }

  /** A ring round each joint that a correction is about. */
  mark(context, person, joints, width, height) {
    const radius = Math.min(width, height) / 22;
    context.strokeStyle = "#ffb454";
    context.lineWidth = radius / 4;
    for (const i of joints) {
      if (person[i][2] < SEEN) continue;
      context.beginPath();
      context.arc(person[i][0] * width, person[i][1] * height, radius, 0, 7);
      context.stroke();
    }
  }

  close() {
    this.link.close();
    this.canvas.getContext("2d").clearRect(0, 0, this.canvas.width, this.canvas.height);
  }
}
