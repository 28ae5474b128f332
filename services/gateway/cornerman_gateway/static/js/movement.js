// What the coach has seen of a movement up to a moment, from the decisions' `about`. Pure: no network, no elements.

const HOLDS = new Set(["plank"]); // counted in seconds
const LONGEST_S = 20; // between two repetitions of a set

export const plain = (name) => name.replaceAll("_", " ");

/**
 * The set that is under way: repetitions with their mistakes and tempo.
 * @param {any[]} decisions of one run, in order
 * @param {number} pts media time of the picture on screen; later decisions are left out
 * @returns {{about: any, repetitions: {good: boolean, mistakes: string[], seconds: number | null}[], hold: boolean,
 *   correction: any} | null} null without anything seen; `correction` is the decision that corrected last
 */
export function movementAt(decisions, pts) {
  let about = null;
  let correction = null;
  let repetitions = [];
  let last = null; // end of the repetition before, media seconds
  for (const decision of decisions) {
    if (decision.pts_s > pts) break;
    const now = decision.about;
    if (!now) continue;
    if (about && (now.exercise !== about.exercise || now.repetitions < about.repetitions)) {
      repetitions = [];
      last = null;
    }
    if (now.repetitions > (about?.exercise === now.exercise ? about.repetitions : 0) && !HOLDS.has(now.exercise)) {
      const mistakes = now.mistakes.map((mistake) => plain(mistake.name));
      const seconds = last !== null && decision.pts_s - last < LONGEST_S ? decision.pts_s - last : null;
      repetitions.push({ good: !mistakes.length, mistakes, seconds });
      last = decision.pts_s;
    }
    if (decision.action === "correct") correction = decision;
    about = now;
  }
  return about ? { about, repetitions, hold: HOLDS.has(about.exercise), correction } : null;
}

const REMEDIES = {
  too_dark: "It is too dark. Turn on a light.",
  too_far: "You are too far away. Come closer.",
  camera_moving: "The camera moves. Put it down.",
};

/** What hinders the coach, in one calm sentence; "" when all is well. The coach's own words keep the same order. */
export function hintOf(about) {
  const has = (limit) => about.limits.includes(limit);
  if (has("too_dark")) return REMEDIES.too_dark;
  if (about.view === "no_person") return "I cannot see anybody.";
  if (about.view === "several") return "I see several people. Come closer, and I watch you.";
  if (has("too_far")) return REMEDIES.too_far;
  if (about.missing.length) return `I cannot see your ${list(about.missing)}.`;
  return has("camera_moving") ? REMEDIES.camera_moving : "";
}

const list = (names) => (names.length > 1 ? `${names.slice(0, -1).join(", ")} and ${names.at(-1)}` : names[0]);
