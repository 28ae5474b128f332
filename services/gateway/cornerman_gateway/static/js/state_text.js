// What a state of a source means, and what a person can do about it.

export const STATE_TEXT = {
  waiting: ["Waiting to be opened", "A capture process takes it in a moment. If this stays, start one: cornerman up."],
  opening: ["Opening the source …", ""],
  stalled: ["The picture has stopped", "It goes on by itself when frames come again."],
  reconnecting: [
    "The source is gone; connecting again …",
    "It goes on by itself when the source is back. Is the camera on, and is its address right?",
  ],
  paused: ["Paused", "Nothing is watched and nothing is said until it is resumed."],
  ended: ["The video has ended", "What was said stays here."],
  failed: ["This source cannot be watched", "Remove it, and add it again when that is mended."],
};

export const isFile = (url) => url.startsWith("/") || /^(file|test):/.test(url);

/** What a person can do about a source that failed, where the server's own words do not say it. */
export function remedy(detail) {
  if (/encode the video anew|ffmpeg -i/i.test(detail)) return "";
  if (/decod|codec|invalid data|format|damaged/i.test(detail))
    return "Convert it to H.264, for example: ffmpeg -i it -c:v libx264 -pix_fmt yuv420p out.mp4.";
  if (/401|403|unauthori|forbidden/i.test(detail))
    return "Give user and password in its address: rtsp://user:password@camera/…";
  return "";
}

/** Failed sources first; otherwise the order stays. */
export const failedFirst = (sources) =>
  [...sources].sort((a, b) => Number(stateOf(b) === "failed") - Number(stateOf(a) === "failed"));

export const stateOf = (source) => (source.paused ? "paused" : (source.run?.state ?? "waiting"));
