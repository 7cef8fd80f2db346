// @ts-check
/** Decoded sound as one channel. */

/**
 * @param {AudioBuffer} buffer
 * @param {Float32Array} mixed where it goes; the buffer's own first channel, which is lost then,
 *   spares the memory of a long file
 * @returns {Float32Array} the mean of its channels
 */
export function mono(buffer, mixed = new Float32Array(buffer.length)) {
  const channels = Array.from({ length: buffer.numberOfChannels }, (_, i) => buffer.getChannelData(i));
  for (let i = 0; i < mixed.length; i += 1) {
    let sum = 0;
    for (const channel of channels) sum += channel[i];
    mixed[i] = sum / channels.length;
  }
  return mixed;
}
