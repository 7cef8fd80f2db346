"""OpenAI's `/v1/models`: programs ask for it before anything else."""

from __future__ import annotations

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from streamer.dialects.common.models import decoder_for, name_of, offered_models
from streamer.dialects.common.settings import Offer, SettingError
from streamer.dialects.openai.errors import openai_refusal
from streamer.server.stream_server import StreamServer

_CREATED_S: Final = 1_795_824_000
"""The day of this version; clients want one."""


class ModelList:
    """The routes, and what they need of the server."""

    def __init__(self, server: StreamServer) -> None:
        self._server = server

    async def all(self, request: Request) -> Response:
        """The names that are ours."""
        refusal = self._server.access_refusal(request.headers, request.query_params, ())
        if refusal is not None:
            return openai_refusal(refusal)
        offer = Offer.of(self._server.engine, self._server.options)
        models = [_model(name, offer) for name in offered_models(offer)]
        return JSONResponse({"object": "list", "data": models})

    async def one(self, request: Request) -> Response:
        """Any name that would be served, with what answers to it."""
        refusal = self._server.access_refusal(request.headers, request.query_params, ())
        if refusal is not None:
            return openai_refusal(refusal)
        try:
            model = _model(
                request.path_params["name"], Offer.of(self._server.engine, self._server.options)
            )
        except SettingError as error:
            return openai_refusal(error, 404)
        return JSONResponse(model)


def _model(name: str, offer: Offer) -> dict[str, Any]:
    """Raises SettingError."""
    return {
        "id": name,
        "object": "model",
        "created": _CREATED_S,
        "owned_by": "streamer",
        # Ours, the second as other local servers have it.
        "answered_by": name_of(decoder_for("model", name, offer)),
        "language": sorted(offer.languages),
        "task": "automatic-speech-recognition",
    }
