"""What HTTP answers look like. Vendors' shapes are told as far as they are filled here."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict
from pydantic.json_schema import models_json_schema


class Health(BaseModel):
    status: Literal["ok", "shutting down"]


class Emotion(BaseModel):
    """Of the voice; ours, in the answers of all vendors."""

    label: str
    probs: dict[str, float]


class Model(BaseModel):
    """`answered_by` and what follows is ours."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    answered_by: str
    language: list[str]
    task: str


class ModelList(BaseModel):
    object: Literal["list"]
    data: list[Model]


class ErrorDetail(BaseModel):
    type: str
    code: str
    message: str
    param: str | None


class Error(BaseModel):
    error: ErrorDetail


class Usage(BaseModel):
    type: Literal["duration"]
    seconds: float


class WordLogprob(BaseModel):
    """Of a word: what is decided together has no tokens in common."""

    token: str
    bytes: list[int]
    logprob: float


class Transcription(BaseModel):
    text: str
    usage: Usage
    logprobs: list[WordLogprob] = []


class TranscriptionSegment(BaseModel):
    id: int
    text: str
    start: float
    end: float
    avg_logprob: float
    emotion: Emotion | None = None


class TranscriptionWord(BaseModel):
    word: str
    start: float
    end: float
    confidence: float


class VerboseTranscription(BaseModel):
    task: Literal["transcribe", "translate"]
    language: str
    duration: float
    text: str
    usage: Usage
    segments: list[TranscriptionSegment] = []
    words: list[TranscriptionWord] = []


class DiarizedSegment(BaseModel):
    type: Literal["transcript.text.segment"]
    id: str
    start: float
    end: float
    text: str
    speaker: str


class DiarizedTranscription(BaseModel):
    task: Literal["transcribe"]
    duration: float
    text: str
    segments: list[DiarizedSegment]
    usage: Usage


class DeepgramError(BaseModel):
    err_code: str
    err_msg: str
    request_id: str


class DeepgramWord(BaseModel):
    word: str
    punctuated_word: str
    start: float
    end: float
    confidence: float
    speaker: int | None = None


class DeepgramAlternative(BaseModel):
    transcript: str
    confidence: float
    words: list[DeepgramWord]
    paragraphs: dict[str, Any] = {}
    languages: list[str] = []


class DeepgramChannel(BaseModel):
    alternatives: list[DeepgramAlternative]
    detected_language: str = ""
    language_confidence: float = 0.0


class DeepgramUtterance(BaseModel):
    id: str
    channel: int
    transcript: str
    start: float
    end: float
    confidence: float
    words: list[DeepgramWord]
    speaker: int | None = None
    emotion: Emotion | None = None


class DeepgramResults(BaseModel):
    channels: list[DeepgramChannel]
    utterances: list[DeepgramUtterance] = []


class DeepgramMetadata(BaseModel):
    model_config = ConfigDict(protected_namespaces=())

    request_id: str
    sha256: str
    created: str
    duration: float
    channels: int
    models: list[str]
    model_info: dict[str, Any]
    warnings: list[str]


class DeepgramAnswer(BaseModel):
    metadata: DeepgramMetadata
    results: DeepgramResults


_TOLD: Final[tuple[type[BaseModel], ...]] = (
    Health,
    ModelList,
    Error,
    Transcription,
    VerboseTranscription,
    DiarizedTranscription,
    DeepgramError,
    DeepgramAnswer,
)


def answer_schemas() -> dict[str, Any]:
    """By name, as OpenAPI has them under `components`."""
    # As for validation: what has a default may be missing.
    _, told = models_json_schema(
        [(model, "validation") for model in _TOLD], ref_template="#/components/schemas/{model}"
    )
    found: dict[str, Any] = told["$defs"]
    return found
