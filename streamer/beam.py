"""Beam search over the draft decoder: a handful of hypotheses for the LLM to choose from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.moonshine import BOS, EOS, Audio, DraftDecoder
from streamer.draft import Token
from streamer.loop_guard import loop_start

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class BeamHypothesis:
    """A finished alternative: its tokens and their summed log-probability, end token included."""

    tokens: tuple[Token, ...]
    logprob: float


@dataclass(frozen=True, slots=True)
class _Living:
    tokens: tuple[Token, ...]
    logprob: float


def _log_softmax(logits: Floats) -> Floats:
    """Over the last axis of `[B, V]`."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    normalized: Floats = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return normalized


def beam_search(
    decoder: DraftDecoder, audio: Audio, prefix: Sequence[int], width: int, max_tokens: int
) -> list[BeamHypothesis]:
    """The `width` most likely continuations of `prefix`, best first by mean log-probability.

    Hypotheses that begin to loop are dropped; those that run out of budget do not finish. The
    list is empty if none finished.
    """
    fed = np.array([[BOS, *prefix]], np.int64)
    out = decoder.run(audio, fed, decoder.empty_cache())
    living = [_Living((), 0.0)]
    finished: list[BeamHypothesis] = []
    for _ in range(max_tokens + 1):
        logprobs = _log_softmax(out.logits[:, -1])
        frames = out.alignment[:, -1].argmax(axis=-1)
        scores = logprobs + np.array([[h.logprob] for h in living], np.float32)
        best = np.argpartition(scores, -2 * width, axis=None)[-2 * width :]
        best = best[np.argsort(-scores.ravel()[best])]
        chosen: list[tuple[int, _Living]] = []
        for flat in best.tolist():
            row, token = divmod(flat, scores.shape[1])
            total = float(scores[row, token])
            if token == EOS:
                finished.append(BeamHypothesis(living[row].tokens, total))
                continue
            grown = Token(token, int(frames[row]), float(logprobs[row, token]))
            tokens = (*living[row].tokens, grown)
            if loop_start([t.id for t in tokens]) is None:
                chosen.append((row, _Living(tokens, total)))
            if len(chosen) == width:
                break
        if len(finished) >= width:
            # Log-probabilities only fall: stop when no living hypothesis can still come in.
            worst = sorted((h.logprob for h in finished), reverse=True)[width - 1]
            chosen = [entry for entry in chosen if entry[1].logprob > worst]
        if not chosen:
            break
        rows = [row for row, _ in chosen]
        living = [hypothesis for _, hypothesis in chosen]
        cache = [np.ascontiguousarray(part[rows]) for part in out.cache]
        newest = np.array([[h.tokens[-1].id] for h in living], np.int64)
        out = decoder.run(audio, newest, cache)
    finished.sort(key=lambda h: -h.logprob / (len(h.tokens) + 1))
    return finished[:width]
