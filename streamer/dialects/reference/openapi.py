"""The routes that answer over HTTP, as OpenAPI 3.1. Websockets have no place in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from streamer.dialects.common.answer_headers import MODEL_HEADER, WARNING_HEADER
from streamer.dialects.common.models import offered_models
from streamer.dialects.common.settings import Offer
from streamer.dialects.deepgram.settings import FORMATS
from streamer.dialects.openai.files import RESPONSE_FORMATS
from streamer.dialects.reference.answers import answer_schemas

Spec = dict[str, Any]

_ABOUT: Final = (
    "Transcription of recordings, in the shapes of OpenAI and Deepgram. What is said live comes "
    "over websockets: `/v1/stream` (our own protocol), `/v1/listen` (Deepgram), `/v1/realtime` "
    "(OpenAI). A token, if the server has one, goes as `Authorization: Bearer …`."
)
_TEXT: Final = {"type": "string"}
_FLAG: Final = {"type": "boolean", "default": False}
_TEXTS: Final = {"type": "array", "items": {"type": "string"}}
_HEADERS: Final = {
    MODEL_HEADER: {
        "description": "Which model answered, whatever it was asked for as.",
        "schema": {"type": "string"},
    },
    WARNING_HEADER: {
        "description": "What was asked for in vain, if anything was.",
        "schema": {"type": "string"},
    },
}


def openapi_document(version: str, offer: Offer) -> Spec:
    """
    Args:
        version: the program's.
        offer: what this server has.
    """
    models = offered_models(offer)
    return {
        "openapi": "3.1.0",
        "info": {"title": "streamer", "version": version, "description": _ABOUT},
        "servers": [{"url": "/"}],
        "security": [{"token": []}, {}],
        "paths": {
            "/v1/models": {
                "get": _get("Models that can be asked for", "listModels", "ModelList", "401")
            },
            "/v1/models/{model}": {
                "get": _get("What answers to a model's name", "getModel", "Model", "401", "404")
                | {"parameters": [_parameter("model", _TEXT, "Any name.", where="path")]}
            },
            "/v1/audio/transcriptions": {
                "post": _upload(
                    "Transcribe a recording (OpenAI)", "createTranscription", models, offer
                )
            },
            "/v1/audio/translations": {
                "post": _upload(
                    "Translate a recording into English (OpenAI)",
                    "createTranslation",
                    models,
                    offer,
                )
            },
            "/v1/listen": {"post": _listen(models, offer)},
            "/health": {"get": _health()},
            "/healthz": {"get": _plain("Whether the server is alive", "healthz", "text/plain")},
            "/readyz": {"get": _plain("As /health, in a word", "readyz", "text/plain")},
            "/metrics": {"get": _plain("Figures for Prometheus", "metrics", "text/plain")},
            "/v1/config": {
                "get": _plain("What live clients ask first", "config", "application/json")
            },
            "/v1/qr": {"post": _qr_code()},
            "/v1/voice": {"post": _voice()},
        },
        "components": {
            "schemas": answer_schemas(),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _upload(summary: str, operation: str, models: Sequence[str], offer: Offer) -> Spec:
    form = {
        "file": {"type": "string", "format": "binary", "description": "The recording."},
        "model": _model(models),
        "language": {
            "type": "string",
            "description": _languages(offer),
        },
        "prompt": {"type": "string", "description": "What was said before, or what it is about."},
        "keywords[]": _TEXTS | {"description": "Names and terms to expect."},
        "response_format": {"enum": list(RESPONSE_FORMATS), "default": "json"},
        "timestamp_granularities[]": {
            "type": "array",
            "items": {"enum": ["word", "segment"]},
            "description": "Of verbose_json.",
        },
        "include[]": {
            "type": "array",
            "items": {"enum": ["logprobs"]},
            "description": "Of json: the log probability of each word.",
        },
        "known_speaker_names[]": _TEXTS | {"description": "Of diarized_json: who may speak."},
        "known_speaker_references[]": _TEXTS
        | {"description": "A few seconds of each, as data URLs."},
        "stream": _FLAG | {"description": "Words as they are found, as server-sent events."},
    }
    schema = {"type": "object", "properties": form, "required": ["file"]}
    answers: Spec = {
        "application/json": {
            "schema": {
                "anyOf": [
                    _ref("VerboseTranscription"),
                    _ref("DiarizedTranscription"),
                    _ref("Transcription"),
                ]
            }
        }
    }
    for media_type in ("text/plain", "application/x-subrip", "text/vtt", "text/event-stream"):
        answers[media_type] = {"schema": _TEXT}
    return {
        "summary": summary,
        "operationId": operation,
        "requestBody": {
            "required": True,
            "content": {"multipart/form-data": {"schema": schema}},
        },
        "responses": {
            "200": {"description": "What was said.", "headers": _HEADERS} | {"content": answers}
        }
        | _refusals("Error", "400", "401", "408", "413", "429", "503"),
    }


def _listen(models: Sequence[str], offer: Offer) -> Spec:
    raw = "Of samples without a container"
    parameters = [
        _parameter("model", _model(models), ""),
        _parameter("language", _TEXT, f"{_languages(offer)} `multi`: whichever is spoken."),
        _parameter("detect_language", _FLAG, "Tell which language is spoken."),
        _parameter("keyterm", _TEXTS, "Names and terms to expect."),
        _parameter("diarize", _FLAG, "Who speaks, from 0."),
        _parameter("multichannel", _FLAG, "Each channel by itself; each is a session."),
        _parameter("utterances", _FLAG, "What lies between two pauses."),
        _parameter("utt_split", {"type": "number", "default": 0.8}, "Such a pause, in seconds."),
        _parameter("paragraphs", _FLAG, "Paragraphs and their sentences."),
        _parameter("encoding", {"enum": list(FORMATS)}, f"{raw}."),
        _parameter("sample_rate", {"type": "integer"}, f"{raw}."),
        _parameter("channels", {"type": "integer", "default": 1}, f"{raw}."),
    ]
    audio = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
    return {
        "summary": "Transcribe a recording (Deepgram)",
        "operationId": "listen",
        "parameters": parameters,
        "requestBody": {"required": True, "content": audio},
        "responses": {"200": _answer("What was said.", "DeepgramAnswer") | {"headers": _HEADERS}}
        | _refusals("DeepgramError", "400", "401", "408", "413", "429", "503"),
    }


def _get(summary: str, operation: str, answer: str, *refused: str) -> Spec:
    """`refused`: the statuses of refusals."""
    responses = {"200": _answer(summary, answer)} | _refusals("Error", *refused)
    return {"summary": summary, "operationId": operation, "responses": responses}


def _health() -> Spec:
    what = "Whether the server takes sessions"
    responses = {"200": _answer(what, "Health"), "503": _answer("It shuts down.", "Health")}
    return {"summary": what, "operationId": "health", "security": [], "responses": responses}


def _plain(summary: str, operation: str, media_type: str) -> Spec:
    content = {media_type: {"schema": {"type": "object"} if "json" in media_type else _TEXT}}
    return {
        "summary": summary,
        "operationId": operation,
        "security": [],
        "responses": {"200": {"description": summary, "content": content}},
    }


def _qr_code() -> Spec:
    text, svg = {"text/plain": {"schema": _TEXT}}, {"image/svg+xml": {"schema": _TEXT}}
    refused = {"description": "Refused; the text tells what to do.", "content": text}
    return {
        "summary": "A QR code of a text of up to 500 bytes",
        "operationId": "makeQrCode",
        "requestBody": {"required": True, "content": text},
        "responses": {"200": {"description": "The picture.", "content": svg}}
        | dict.fromkeys(("400", "401", "408", "413", "503"), refused),
    }


def _voice() -> Spec:
    sound = {"schema": {"type": "string", "format": "binary"}}
    schema = {"type": "object", "properties": {"voice": _TEXT}, "required": ["voice"]}
    refused = {
        "description": "Refused; the text tells what to do.",
        "content": {"text/plain": {"schema": _TEXT}},
    }
    return {
        "summary": "What whoever speaks in a recording is known by: for `known_voices`",
        "operationId": "makeVoicePrint",
        "requestBody": {"required": True, "content": {"audio/*": sound}},
        "responses": {
            "200": {
                "description": "The voice print.",
                "content": {"application/json": {"schema": schema}},
            }
        }
        | dict.fromkeys(("400", "401", "408", "413", "503"), refused),
    }


def _refusals(schema: str, *statuses: str) -> Spec:
    return {
        status: _answer("Refused; the message tells what to do.", schema) for status in statuses
    }


def _answer(description: str, schema: str) -> Spec:
    content = {"application/json": {"schema": _ref(schema)}}
    return {"description": description, "content": content}


def _parameter(name: str, schema: Spec, description: str, where: str = "query") -> Spec:
    return {
        "name": name,
        "in": where,
        "required": where == "path",
        "schema": schema,
        "description": description or schema.get("description", ""),
    }


def _model(models: Sequence[str]) -> Spec:
    return {
        "type": "string",
        "default": models[0],
        "examples": list(models),
        "description": f"One of ours ({', '.join(models)}), or any name that another service has; "
        f"the header {MODEL_HEADER} says which answered.",
    }


def _languages(offer: Offer) -> str:
    return f"What is spoken: {', '.join(sorted(offer.languages))}. Left out: {offer.language}."


def _ref(schema: str) -> Spec:
    return {"$ref": f"#/components/schemas/{schema}"}
