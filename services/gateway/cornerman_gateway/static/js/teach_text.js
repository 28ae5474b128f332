// The words of the teach dialog: names, sureness, what is seen, and what a refusal means. Pure: no network, no elements.

import { number } from "./format.js";

const SEEN = 0.5;
/** Parts of the body, and landmarks that show them; one side is enough. */
const PARTS = { head: [0], hands: [15, 16], hips: [23, 24], knees: [25, 26], feet: [27, 28] };
/** How a server gets the coach that sees bodies; works with every command that starts one. */
export const GET_SKELETONS =
  "run cornerman models get pose, then start Cornerman again with --set encoder.backend=pose.";
const EVEN = 0.7;
const UNEVEN = 0.5;
const CLEAR = 2;
const HARDLY = 1.3;

/** The name of an exercise's file, from its title: "Calf raise" -> "calf_raise". */
export function slug(title) {
  const plain = title
    .normalize("NFKD")
    .replace(/\p{M}/gu, "")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "_")
    .replace(/^_+/, "")
    .slice(0, 40)
    .replace(/_+$/, "");
  return (
    plain || `exercise_${[...title].reduce((sum, sign) => (sum * 31 + sign.codePointAt(0)) >>> 0, 7).toString(36)}`
  );
}

/** "5 repetitions of 1.9 to 2.4 s" */
export function seenText({ repetitions, shortest_s: shortest, longest_s: longest }) {
  const [from, to] = [number(shortest), number(longest)];
  return `${repetitions} repetitions of ${from === to ? from : `${from} to ${to}`} s`;
}

/** How sure the coach is of what it was shown, and what would make it surer; `level` is good, fair or poor. */
export function surenessOf({ alike, apart = null }) {
  const seen =
    alike >= EVEN
      ? { level: "good", text: "They were alike, so it is sure of the movement." }
      : alike >= UNEVEN
        ? { level: "fair", text: "They were a little uneven. It will do; more even ones make it surer." }
        : { level: "poor", text: "They were uneven, so it may miss some. Record five that are alike." };
  if (apart === null) return seen;
  if (apart >= CLEAR) return { ...seen, text: `It differs clearly from a good one. ${seen.text}` };
  if (apart >= HARDLY)
    return { level: "fair", text: "It is close to a good one, so some will be left alone. Do it more clearly." };
  return { level: "poor", text: "It hardly differs from a good one. Do it larger, or leave it out." };
}

/** " Of 10 repetitions shown it tells 9 right by the others.", out of what the server saw; "" = nothing was tried. */
export function toldText(seen) {
  const told = /of \d+ repetitions shown it tells .*/.exec(seen)?.[0];
  return told ? ` ${sentence(told)}` : "";
}

/** A sentence out of words without its capital and its full stop. */
export const sentence = (words) => `${words[0].toUpperCase()}${words.slice(1)}.`;

/**
 * What is seen of the person, in one calm sentence.
 * @param {number[][][] | null} people of the newest frame: 33 times x, y, visibility; null = nothing was looked at yet
 */
export function presenceOf(people) {
  if (!people) return { ready: false, text: "Waiting for the coach to look …" };
  if (!people.length) return { ready: false, text: "I cannot see anybody. Step into the picture." };
  if (people.length > 1) return { ready: false, text: `I see ${people.length} people. One alone is best.` };
  const missing = Object.keys(PARTS).filter((part) => PARTS[part].every((i) => people[0][i][2] < SEEN));
  if (!missing.length) return { ready: true, text: "I see you from head to feet." };
  const names = missing.length > 1 ? `${missing.slice(0, -1).join(", ")} and ${missing.at(-1)}` : missing[0];
  return { ready: false, text: `I cannot see your ${names}. Step back, or turn the camera.` };
}

/**
 * Why a recording taught nothing, and the remedy; `found` repetitions could be used instead (0 = none), `again` says
 * that the same recording can be sent again.
 * @param {import("./api.js").ApiError} error
 */
export function refusalOf(error, wanted) {
  const detail = [error.detail, ...error.errors.map((item) => item.message)].join(" ");
  const found = Number(/shows (\d+) repetitions/.exec(detail)?.[1] ?? -1);
  const told = (say, remedy, more = {}) => ({ say, remedy, found: 0, again: false, ...more });
  if (error.temporary) return told(error.message, "The recording is kept. Try again in a moment.", { again: true });
  if (found > 1)
    return told(
      `I saw ${found} repetitions, not ${wanted}.`,
      found < wanted
        ? "Did you do so many? Then take them. Otherwise record again: larger, each one from start to end, and give " +
            "yourself more time."
        : "Did you do so many? Then take them. Otherwise record again, and stand still before and after.",
      { found },
    );
  if (found >= 0)
    return told(
      found ? "I saw one repetition only." : "I saw no repetitions.",
      "Do them larger and one after another, with the whole body in the picture. Seen obliquely they show best.",
    );
  if (/no person is seen|shows a person in/.test(detail))
    return told(
      "I saw nobody for long enough.",
      "Step back until your whole body is in the picture, alone and well lit.",
    );
  if (/no landmarks came/.test(detail))
    return told(
      "Nothing came from this source while you moved.",
      `Does its picture move? If it does, the coach that watches it does not see bodies: ${GET_SKELETONS}`,
    );
  if (/began anew/.test(detail)) return told("The source began again while you moved.", "Record again.");
  if (error.status === 404) return told("This recording is gone.", "One is kept for ten minutes. Record again.");
  return told(error.errors.map((item) => item.message).join(" ") || error.message, "");
}
