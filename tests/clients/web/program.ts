// A page of somebody's, in strict TypeScript. Each expected error is one that the types must find.
import {
  FollowClient,
  StreamClient,
  encodeFrame,
  followAddress,
  parseEvent,
  retryDelayMs,
  streamAddress,
  type Address,
  type ClientState,
  type ServerEvent,
  type StartOptions,
} from "./protocol/client.js";

const options: StartOptions = {
  sampleRate: 48_000,
  hotWords: ["Ada"],
  decoder: "draft",
  emotion: false,
  live: true,
  silenceMs: 600,
  shareSecret: "0123456789abcdef",
};
const client = new StreamClient(streamAddress(window.location), options);

client.addEventListener("event", ({ detail }) => show(detail));
client.addEventListener("state", ({ detail }) => {
  const state: ClientState = detail;
  document.title = state;
});
client.addEventListener("restart", ({ detail }) => console.log(detail.startMs, detail.lostMs));
client.addEventListener("closed", ({ detail }) => {
  if (!detail.saidBye) console.log(detail.code, detail.reason, detail.timedOut, detail.wasReady);
});
client.addEventListener("something else", (event: Event) => console.log(event.type), { once: true });

function show(event: ServerEvent): string {
  switch (event.type) {
    case "words":
      return event.words.map((word) => (word.state === "tentative" ? `(${word.text})` : word.text)).join(" ");
    case "segment":
      // @ts-expect-error: a segment may come without an emotion
      return event.emotion.label;
    case "latency":
      return `${event.lag_ms} ${event.stages_ms["encode"]?.p95}`;
    case "loss":
      return `${event.start_ms}: ${event.lost_samples} (${event.reason})`;
    default:
      // @ts-expect-error: not every event has words
      return event.words;
  }
}

const samples = new Float32Array(4_800);
client.push({ sampleOffset: 0, captureTimeMs: Date.now(), samples });
// @ts-expect-error: samples are floats
client.push({ sampleOffset: 0, captureTimeMs: 0, samples: new Int16Array(1) });
// @ts-expect-error: the state is the client's own
client.state = "closed";
// @ts-expect-error: there is no such decoder
new StreamClient(streamAddress(window.location), { sampleRate: 16_000, decoder: "best" });
// @ts-expect-error: the sample rate must be told
new StreamClient(streamAddress(window.location), {});
client.finalize();
client.stop();

const overlay: Address = followAddress(window.location, "id");
const frame: ArrayBuffer = encodeFrame(0, { sampleOffset: 0, captureTimeMs: 0, samples });
const parsed: ServerEvent | null = parseEvent("{}");
const delayMs: number = retryDelayMs(0);
const elsewhere: Address = streamAddress(new URL("https://captions.example/?token=s3cret"));
const follower = new FollowClient(overlay);
follower.addEventListener("event", ({ detail }) => show(detail));
follower.close();
console.log(elsewhere.url, overlay.url, frame.byteLength, parsed, delayMs);
