"""Recognition that sees the whole clip at once: what streaming is measured against."""

from __future__ import annotations

import math

from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE
from streamer.decoding.beam import BeamHypothesis, BeamRequest
from streamer.decoding.draft import DraftRequest, Prefix
from streamer.decoding.options import DecoderOptions
from streamer.decoding.speech import SpeechModels
from streamer.models.fusion.score import Candidate, LlmFusion
from streamer.models.moonshine.contract import Audio, EncodeRequest
from streamer.models.moonshine.encoder import MIN_SAMPLES
from streamer.recognition.engine import Engine

_DECODER = DecoderOptions()


def encode_whole(models: SpeechModels, samples: Floats) -> Audio | None:
    """None if there is too little to encode."""
    if len(samples) < MIN_SAMPLES:
        return None
    n_samples = len(samples)
    request = EncodeRequest(models.open_stream(), 0, samples, n_samples, 0, afresh=True)
    return models.encode(request)


class OfflineRecognizer:
    """The models of an engine, on whole clips: no endpointer, no windows, no padding."""

    def __init__(self, engine: Engine) -> None:
        """Raises ValueError: the engine runs other speech models than the project's own."""
        if not isinstance(engine.speech, SpeechModels):
            raise ValueError(f"whole clips are not heard with {engine.speech.name}")
        self._engine = engine
        self._models = engine.speech

    def greedy(self, samples: Floats) -> str:
        """One greedy pass over one encoding."""
        audio = encode_whole(self._models, samples)
        if audio is None:
            return ""
        draft = self._models.draft(DraftRequest(audio, Prefix(), (), token_budget(samples)))
        return self._models.tokenizer.decode([token.id for token in draft.tokens])

    def beam_search(
        self, samples: Floats, width: int, nats: float = _DECODER.fused.prune_nats
    ) -> dict[str, float]:
        """Distinct texts of a beam search with their log-probabilities (nats), none by `nats` less
        likely than the best."""
        audio = encode_whole(self._models, samples)
        if audio is None:
            return {"": 0.0}
        found: dict[str, float] = {}
        request = BeamRequest(audio, Prefix(), width, nats, token_budget(samples))
        for hypothesis in self._models.beam_search(request):
            text = self._text(hypothesis)
            found[text] = _log_add(found.get(text, -math.inf), hypothesis.logprob)
        return found or {self.greedy(samples): 0.0}

    def candidates(self, samples: Floats) -> list[Candidate]:
        """What the fused decision chooses among: `alternatives` as streaming prunes them."""
        found = self.beam_search(samples, _DECODER.fused.beam_width)
        floor = max(found.values()) - _DECODER.fused.prune_nats
        return [Candidate(text, logprob) for text, logprob in found.items() if logprob >= floor]

    def fused(self, samples: Floats) -> str:
        """One beam search over one encoding; the LLM chooses, as in streaming.

        Raises:
            ValueError: the engine was loaded without its LLM.
        """
        if self._engine.llm is None:
            raise ValueError("the engine was loaded without its LLM")
        likely = self.candidates(samples)
        terms = LlmFusion(self._engine.llm, self._engine.options.weights, "").terms(likely)
        return likely[max(range(len(likely)), key=lambda at: terms[at].total)].text

    def _text(self, hypothesis: BeamHypothesis) -> str:
        return self._models.tokenizer.decode([token.id for token in hypothesis.tokens])


def token_budget(samples: Floats) -> int:
    """Tokens that a recording of this length may give, as in streaming."""
    seconds = len(samples) / SAMPLE_RATE
    return int(seconds * _DECODER.tokens_per_second) + _DECODER.spare_tokens


def _log_add(a: float, b: float) -> float:
    high, low = max(a, b), min(a, b)
    return high + math.log1p(math.exp(low - high))
