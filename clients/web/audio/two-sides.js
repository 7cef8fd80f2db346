// @ts-check
/** Two sides of a conversation at once, by one clock: the microphone, and the sound of another tab. */

import { Capture, CaptureError, chunkNode, openGatheringContext } from "./capture.js";
import { askForMicrophone, latencyMs, shareSound } from "./sources.js";

/** @typedef {import("./capture.js").CaptureHandlers} CaptureHandlers */
/** @typedef {import("./sources.js").MicrophoneOptions} MicrophoneOptions */

/** `onSideEnded`: of the two channels this one is silent from now on; the other goes on.
 *
 *  @typedef {CaptureHandlers & {onSideEnded: (channel: number) => void}} SidesHandlers */

/**
 * Channel 0 is the microphone, 1 what is shared.
 *
 * @param {MicrophoneOptions} options
 * @param {SidesHandlers} handlers
 */
export async function captureSides(options, handlers) {
  // The choice comes first: it must follow the click at once.
  const shared = await shareSound();
  /** @type {MediaStreamTrack[]} */
  const tracks = [shared];
  try {
    const microphone = await askForMicrophone(options);
    tracks.unshift(microphone);
    // Whoever ended the sharing meanwhile has said enough.
    if (shared.readyState === "ended") throw new CaptureError("The shared sound has ended before it began.");
    return join(await openGatheringContext(), tracks, handlers);
  } catch (error) {
    for (const track of tracks) track.stop();
    throw error;
  }
}

/**
 * @param {AudioContext} context
 * @param {MediaStreamTrack[]} tracks
 * @param {SidesHandlers} handlers
 */
function join(context, tracks, handlers) {
  const node = chunkNode(context, tracks.length);
  const running = new Set(tracks);
  tracks.forEach((track, channel) => {
    track.onended = () => {
      running.delete(track);
      if (running.size === 0) handlers.onEnded();
      else handlers.onSideEnded(channel);
    };
    context.createMediaStreamSource(new MediaStream([track])).connect(node, 0, channel);
  });
  const [microphone] = tracks;
  microphone.onmute = () => handlers.onMuted(true);
  microphone.onunmute = () => handlers.onMuted(false);
  if (microphone.muted) handlers.onMuted(true);
  node.connect(context.destination);
  return new Capture(context, node, latencyMs(microphone), handlers, () => tracks.forEach((track) => track.stop()));
}
