// @ts-check
/** IndexedDB in promises. */

/**
 * @template T
 * @param {IDBRequest<T>} request
 * @returns {Promise<T>}
 */
export function answered(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/**
 * @param {IDBTransaction} transaction
 * @returns {Promise<void>} rejected with its error if nothing of it was written
 */
export function completed(transaction) {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
  });
}

/**
 * @param {unknown} error
 * @returns {boolean} whether the device, or what the browser grants of it, is full
 */
export function isFull(error) {
  return error instanceof DOMException && error.name === "QuotaExceededError";
}
