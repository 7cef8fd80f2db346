// @ts-check
/** What of the history the person wants, kept in the browser. */

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
    try {
      const { keep, soundMinutes, clockTimes } = JSON.parse(localStorage.getItem(STORAGE_KEY) ?? "{}");
      this.keep = keep ?? this.keep;
      this.soundMinutes = SOUND_MINUTES.includes(soundMinutes) ? soundMinutes : this.soundMinutes;
      this.clockTimes = clockTimes ?? this.clockTimes;
    } catch {
      // Storage may be forbidden, or hold something else.
    }
  }

  save() {
    const { keep, soundMinutes, clockTimes } = this;
    try {
      localStorage.setItem(STORAGE_KEY, JSON.stringify({ keep, soundMinutes, clockTimes }));
    } catch {
      // Storage may be forbidden: then the choice holds for this visit only.
    }
  }
}
