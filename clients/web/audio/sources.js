// @ts-check
/** What can be heard: a microphone, a file, or the sound of another tab. */

import { Capture, CaptureError, chunkNode, openContext, openGatheringContext } from "./capture.js";
import { FileCapture } from "./file-capture.js";

/** @typedef {import("./capture.js").CaptureHandlers} CaptureHandlers */
/** @typedef {{deviceId: string, echoCancellation: boolean, noiseSuppression: boolean,
 *   autoGainControl: boolean}} MicrophoneOptions */

/**
 * Opens the microphone. Recording begins the moment the browser grants it.
 *
 * @param {MicrophoneOptions} options
 * @param {CaptureHandlers} handlers
 */
export async function captureMicrophone(options, handlers) {
  if (navigator.mediaDevices === undefined) {
    throw new CaptureError(
      "Browsers give the microphone to secure pages only. Start the server with `streamer serve " +
        "--tls` and open its https:// address, or open this page on the server's own machine as " +
        "http://localhost. Files can be played all the same.",
    );
  }
  const context = await openGatheringContext();
  try {
    return captureTrack(context, await askForMicrophone(options), handlers);
  } catch (error) {
    await context.close();
    throw error;
  }
}

/**
 * @param {MicrophoneOptions} options
 * @returns {Promise<MediaStreamTrack>}
 */
export async function askForMicrophone({ deviceId, echoCancellation, noiseSuppression, autoGainControl }) {
  const device = deviceId ? { deviceId: { exact: deviceId } } : {};
  const processing = { echoCancellation, noiseSuppression, autoGainControl };
  try {
    const stream = await navigator.mediaDevices.getUserMedia({
      audio: { ...processing, ...device, channelCount: { ideal: 1 } },
    });
    return stream.getAudioTracks()[0];
  } catch (error) {
    throw microphoneError(error);
  }
}

/**
 * Plays a file at its own speed, audibly, as if it were spoken into a microphone.
 *
 * @param {File} file
 * @param {CaptureHandlers} handlers
 */
export async function captureFile(file, handlers) {
  const context = await openContext();
  try {
    const buffer = await context.decodeAudioData(await file.arrayBuffer());
    return new FileCapture(context, buffer, handlers);
  } catch {
    await context.close();
    throw new CaptureError(
      `“${file.name}” cannot be read as audio. Choose a WAV, MP3, FLAC, OGG or M4A file.`,
    );
  }
}

/** Whether this browser can hand over the sound of a tab; those of phones cannot. */
export function canCaptureTab() {
  return navigator.mediaDevices?.getDisplayMedia !== undefined;
}

/**
 * Hears another tab, or whatever else the browser lets the person choose that has sound.
 *
 * @param {CaptureHandlers} handlers
 */
export async function captureTab(handlers) {
  // The choice comes first: it must follow the click at once.
  const track = await shareSound();
  try {
    return captureTrack(await openGatheringContext(), track, handlers);
  } catch (error) {
    track.stop();
    throw error;
  }
}

/** @returns {Promise<MediaStreamTrack>} the sound of what the person chooses */
export async function shareSound() {
  const stream = await navigator.mediaDevices
    .getDisplayMedia({
      // Browsers share sound only along with a picture.
      video: { width: 16, height: 16, frameRate: 1 },
      audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
    })
    .catch((error) => {
      throw tabError(error);
    });
  for (const picture of stream.getVideoTracks()) picture.stop();
  const [track] = stream.getAudioTracks();
  if (track === undefined) {
    throw new CaptureError(
      "What was chosen comes without sound. Choose a tab, and let its sound be shared too.",
    );
  }
  return track;
}

/**
 * @param {MediaStreamTrack} track
 * @returns {number} age of its samples when the audio graph gets them, as far as the browser knows
 */
export function latencyMs(track) {
  return 1000 * (/** @type {{latency?: number}} */ (track.getSettings()).latency ?? 0);
}

/** @returns {Promise<{deviceId: string, label: string}[]>} the microphones, named once allowed */
export async function listMicrophones() {
  if (navigator.mediaDevices === undefined) return [];
  const devices = await navigator.mediaDevices.enumerateDevices();
  return devices
    .filter((device) => device.kind === "audioinput" && device.deviceId !== "")
    .map(({ deviceId, label }, index) => ({ deviceId, label: label || `Microphone ${index + 1}` }));
}

/**
 * @param {AudioContext} context
 * @param {MediaStreamTrack} track
 * @param {CaptureHandlers} handlers
 */
function captureTrack(context, track, handlers) {
  track.onended = handlers.onEnded;
  track.onmute = () => handlers.onMuted(true);
  track.onunmute = () => handlers.onMuted(false);
  if (track.muted) handlers.onMuted(true);
  const node = chunkNode(context, 1);
  context.createMediaStreamSource(new MediaStream([track])).connect(node);
  node.connect(context.destination);
  return new Capture(context, node, latencyMs(track), handlers, () => track.stop());
}

/** @param {unknown} error from getUserMedia */
function microphoneError(error) {
  const name = error instanceof DOMException ? error.name : "";
  const advice = {
    NotAllowedError:
      "The microphone was refused. Allow it in the address bar's site settings, then press Start.",
    NotFoundError: "No microphone was found. Connect one and press Start, or play a file.",
    NotReadableError:
      "The microphone is there but does not answer. Close other programs that use it, then " +
      "press Start.",
    OverconstrainedError:
      "The chosen microphone is gone. Choose another one in the settings, then press Start.",
  }[name];
  return new CaptureError(advice ?? `The microphone could not be opened (${error}).`);
}

/** @param {unknown} error from getDisplayMedia */
function tabError(error) {
  const name = error instanceof DOMException ? error.name : "";
  return new CaptureError(
    name === "NotAllowedError"
      ? "No tab was shared. Press the button again and choose one."
      : `The tab could not be heard (${error}).`,
  );
}
