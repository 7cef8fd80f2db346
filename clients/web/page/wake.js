// @ts-check
/** Keeps the screen on while captions are read, where the browser allows it. */

export class ScreenWake {
  #wanted = false;
  /** @type {WakeLockSentinel | null} */
  #lock = null;

  constructor() {
    // Hidden pages lose their lock.
    document.addEventListener("visibilitychange", () => void this.#update());
  }

  /** @param {boolean} wanted */
  keep(wanted) {
    if (this.#wanted === wanted) return;
    this.#wanted = wanted;
    void this.#update();
  }

  async #update() {
    if (!this.#wanted) {
      void this.#lock?.release();
      this.#lock = null;
    } else if (document.visibilityState === "visible" && "wakeLock" in navigator) {
      // A low battery is reason enough to refuse.
      this.#lock = await navigator.wakeLock.request("screen").catch(() => null);
      if (!this.#wanted) void this.#update();
    }
  }
}
