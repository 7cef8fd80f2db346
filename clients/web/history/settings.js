// @ts-check
/** What of the history the person wants, kept in the browser. */

import { store, stored } from "../captions/dom.js";

const STORAGE_KEY = "streamer.history";

/** What is kept of the sound, of all sessions together; what is older goes. */
export const SOUND_MINUTES = [0, 20, 60, 240];

/** `keep`: whether sessions are kept on this device. `clockTimes`: whether lines tell the time of day. */
export class HistorySettings {
  keep = true;
  soundMinutes = 20;
  clockTimes = false;

  constructor() {
    this.reload();
  }

  /** Another tab may have changed them. */
  reload() {
    const { keep, soundMinutes, clockTimes } = stored(STORAGE_KEY);
    this.keep = keep ?? this.keep;
    this.soundMinutes = SOUND_MINUTES.includes(soundMinutes) ? soundMinutes : this.soundMinutes;
    this.clockTimes = clockTimes ?? this.clockTimes;
  }

  save() {
    const { keep, soundMinutes, clockTimes } = this;
    store(STORAGE_KEY, { keep, soundMinutes, clockTimes });
  }
}
