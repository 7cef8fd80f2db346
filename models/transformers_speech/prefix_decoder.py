"""Speech models of the transformers library behind what a streaming decoder asks of a model.

For people with a GPU: each step encodes the whole window and goes through the decoder once with all
that was committed and drafted before; only behind the first token that no longer holds it decodes
token by token. Nothing is remembered from step to step but those tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch

from streamer.audio.arrays import Floats
from streamer.models.errors import ModelCorruptError
from streamer.models.moonshine.tokenizer import FRAME_SAMPLES, Tokenizer
from streamer.models.transformers_speech.contract import (
    Continuation,
    Decoding,
    FoundToken,
    Loaded,
    Prompt,
    SpeechKind,
    WindowAudio,
)
from streamer.models.transformers_speech.tokenizer import spoken_tokenizer, textless


@dataclass(frozen=True, slots=True)
class _Row:
    """A hypothesis: what it says, and the row of the last pass it came from."""

    row: int
    ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    frames: tuple[int, ...]
    """Empty if the model's attention does not tell."""

    @property
    def logprob(self) -> float:
        return sum(self.logprobs)


class TransformersSpeech:
    """A `streamer.models.transformers_speech.contract.SpeechModel` that goes on from a prefix."""

    def __init__(self, name: str, loaded: Loaded, kind: SpeechKind) -> None:
        self.name = name
        self.tokenizer: Tokenizer = spoken_tokenizer(loaded.tokenizer)
        self._kind = kind
        ends = loaded.model.generation_config.eos_token_id
        if ends is None:
            ends = loaded.tokenizer.eos_token_id
        if ends is None:
            raise ModelCorruptError(f"{name} does not tell which token ends a sentence")
        self._ends = frozenset([ends] if isinstance(ends, int) else ends)
        suppressed = getattr(loaded.model.generation_config, "suppress_tokens", None) or []
        n_tokens = loaded.model.get_output_embeddings().weight.shape[0]
        closed = textless(self.tokenizer, n_tokens)
        closed[[token for token in suppressed if token >= 0]] = True
        closed[list(self._ends)] = False
        self._closed = torch.tensor(closed, device=loaded.device)

    @torch.inference_mode()
    def encode(self, sound: Floats, n_samples: int) -> WindowAudio:
        return self._kind.encode(sound, n_samples)

    @torch.inference_mode()
    def draft(
        self,
        audio: WindowAudio,
        prompt: Prompt,
        given: Sequence[int],
        guess: Sequence[int],
        max_tokens: int,
    ) -> Continuation:
        decoding = self._kind.begin(audio, prompt)
        guess = guess[:max_tokens]
        fed = [*given, *guess]
        found = _Row(0, (), (), ())
        while True:
            n_fed = len(guess)
            scores, frames = self._feed(decoding, [fed], n_fed + 1, audio)
            for at in range(n_fed + 1):
                token = int(scores[0, at].argmax())
                if token in self._ends or len(found.ids) == max_tokens:
                    ended = token in self._ends
                    last = float(scores[0, at, token]) if ended else 0.0
                    tokens = self._timed(found, audio, given)
                    return Continuation(tokens, ended, found.logprob + last)
                frame = frames[0][at] if frames else None
                found = _grown(found, 0, token, float(scores[0, at, token]), frame)
                if at == n_fed or guess[at] != token:
                    break
            decoding.drop(n_fed - at)
            guess, fed = (), [token]

    @torch.inference_mode()
    def beam_search(
        self,
        audio: WindowAudio,
        prompt: Prompt,
        given: Sequence[int],
        width: int,
        max_tokens: int,
    ) -> list[Continuation]:
        """By beam search."""
        decoding = self._kind.begin(audio, prompt)
        living = [_Row(0, (), (), ())]
        finished: list[Continuation] = []
        fed: list[list[int]] = [list(given)]
        for _ in range(max_tokens + 1):
            scores, frames = self._feed(decoding, fed, 1, audio)
            values, tokens = scores[:, 0].topk(2 * width)
            grown = [
                _grown(found, row, token, value, frames[row][0] if frames else None)
                for row, found in enumerate(living)
                for token, value in zip(tokens[row].tolist(), values[row].tolist(), strict=True)
            ]
            grown.sort(key=lambda found: -found.logprob)
            grown = grown[: 2 * width]
            finished += [
                Continuation(self._timed(_without_end(found), audio, given), True, found.logprob)
                for found in grown
                if found.ids[-1] in self._ends
            ]
            living = [found for found in grown if found.ids[-1] not in self._ends][:width]
            if len(finished) >= width:
                # Log-probabilities only fall: stop when nothing living can still come in.
                worst = sorted((f.logprob for f in finished), reverse=True)[width - 1]
                living = [found for found in living if found.logprob > worst]
            if not living:
                break
            decoding.select([found.row for found in living])
            fed = [[found.ids[-1]] for found in living]
        finished.sort(key=lambda f: -f.logprob / (len(f.tokens) + 1))
        return finished[:width]

    @torch.inference_mode()
    def score(
        self,
        audio: WindowAudio,
        prompt: Prompt,
        given: Sequence[int],
        proposals: Sequence[Sequence[int]],
    ) -> list[Continuation]:
        """In one pass behind the `given` tokens."""
        if not proposals:
            return []
        decoding = self._kind.begin(audio, prompt)
        first, first_frames = self._feed(decoding, [list(given)], 1, audio)
        decoding.select([0] * len(proposals))
        width = max(len(proposal) for proposal in proposals)
        # What is shorter is padded behind its end, where no scored token sees it.
        padded = [[*proposal, *[0] * (width - len(proposal))] for proposal in proposals]
        later, later_frames = self._feed(decoding, padded, width, audio)
        scored = []
        for row, proposal in enumerate(proposals):
            scores = torch.cat([first[0], later[row]])[: len(proposal) + 1]
            frames = (*first_frames[0], *later_frames[row])[: len(proposal)] if first_frames else ()
            logprobs = [float(scores[at, token]) for at, token in enumerate(proposal)]
            found = _Row(row, tuple(proposal), tuple(logprobs), frames)
            end = float(scores[-1, list(self._ends)].logsumexp(dim=0))
            tokens = self._timed(found, audio, given)
            scored.append(Continuation(tokens, True, found.logprob + end))
        return scored

    def _feed(
        self, decoding: Decoding, rows: list[list[int]], n_scored: int, audio: WindowAudio
    ) -> tuple[torch.Tensor, list[list[int]]]:
        """Log-probabilities `[B, L, V]` and the frames attended to, `[B][L]`, empty if the kind's
        attention tells nothing."""
        out = decoding.feed(rows, n_scored)
        scores = out.logits.masked_fill(self._closed, -torch.inf).log_softmax(dim=-1)
        if out.attention is None:
            return scores, []
        n_states = max(1, int(audio.n_samples / audio.state_samples))
        attended = out.attention[..., :n_states].argmax(dim=-1).tolist()
        frames = [
            [int(at * audio.state_samples) // FRAME_SAMPLES for at in row] for row in attended
        ]
        return scores, frames

    def _timed(
        self, found: _Row, audio: WindowAudio, given: Sequence[int]
    ) -> tuple[FoundToken, ...]:
        frames = found.frames or self._spread(found.ids, audio, given)
        return tuple(map(FoundToken, found.ids, found.logprobs, frames))

    def _spread(
        self, ids: Sequence[int], audio: WindowAudio, given: Sequence[int]
    ) -> tuple[int, ...]:
        """Without attention to go by: the tokens evenly over the sound, by their letters."""
        n_letters = [len(self.tokenizer.decode([token])) + 1 for token in (*given, *ids)]
        starts = list(accumulate(n_letters, initial=0))
        frame_letters = FRAME_SAMPLES * starts[-1] / audio.n_samples
        return tuple(int(at / frame_letters) for at in starts[len(given) : -1])


def _grown(found: _Row, row: int, token: int, logprob: float, frame: int | None) -> _Row:
    frames = found.frames if frame is None else (*found.frames, frame)
    return _Row(row, (*found.ids, token), (*found.logprobs, logprob), frames)


def _without_end(found: _Row) -> _Row:
    return _Row(found.row, found.ids[:-1], found.logprobs[:-1], found.frames[:-1])
