"""The routes of the foreign protocols, and how their websockets turn clients away."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence

from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from streamer.dialects.common.answer_headers import answer_headers
from streamer.dialects.common.conversation import converse
from streamer.dialects.common.dialect import Dialect
from streamer.dialects.common.models import BEST, decoder_for
from streamer.dialects.common.settings import Offer
from streamer.dialects.deepgram.codec import DeepgramDialect
from streamer.dialects.deepgram.errors import deepgram_refusal
from streamer.dialects.deepgram.flux_codec import FluxDialect
from streamer.dialects.deepgram.flux_settings import read_flux_settings
from streamer.dialects.deepgram.recordings import Recordings
from streamer.dialects.deepgram.settings import read_settings
from streamer.dialects.openai.errors import openai_refusal
from streamer.dialects.openai.model_list import ModelList
from streamer.dialects.openai.realtime import RealtimeDialect
from streamer.dialects.openai.realtime_settings import BETA_HEADERS, BETA_WARNING, RealtimeSettings
from streamer.dialects.openai.uploads import Uploads
from streamer.protocol.errors import ProtocolError
from streamer.server.starlette_socket import StarletteSocket
from streamer.server.stream_server import StreamServer


def dialect_routes(server: StreamServer) -> Sequence[BaseRoute]:
    """Deepgram's and OpenAI's."""
    offer = Offer.of(server.engine, server.options)

    async def listen(websocket: WebSocket) -> None:
        request_id = str(uuid.uuid4())
        try:
            _admit(server, websocket)
            settings = read_settings(websocket.query_params, offer)
            server.places.check(settings.n_sessions)
        except ProtocolError as error:
            server.metrics.rejected.labels(error.code.value).inc()
            await websocket.send_denial_response(deepgram_refusal(error, request_id))
            return
        dialect = DeepgramDialect(settings, request_id, server.engine.models)
        offered = websocket.scope["subprotocols"]
        wanted = settings.wanted
        headers = answer_headers(wanted.session.decoder, wanted.warnings)
        headers["dg-request-id"] = request_id
        await _converse(server, websocket, dialect, offered[0] if offered else None, headers)

    async def flux(websocket: WebSocket) -> None:
        request_id = str(uuid.uuid4())
        try:
            _admit(server, websocket)
            settings = read_flux_settings(websocket.query_params, offer)
        except ProtocolError as error:
            server.metrics.rejected.labels(error.code.value).inc()
            await websocket.send_denial_response(deepgram_refusal(error, request_id))
            return
        offered = websocket.scope["subprotocols"]
        dialect = FluxDialect(settings, request_id)
        headers = answer_headers(settings.session.decoder, settings.warnings)
        headers["dg-request-id"] = request_id
        await _converse(server, websocket, dialect, offered[0] if offered else None, headers)

    async def realtime(websocket: WebSocket) -> None:
        query = websocket.query_params
        offered = websocket.scope["subprotocols"]
        beta = "openai-beta" in websocket.headers or any("openai-beta" in p for p in offered)
        try:
            _admit(server, websocket)
            decoder = decoder_for("model", model := query.get("model") or BEST, offer)
        except ProtocolError as error:
            server.metrics.rejected.labels(error.code.value).inc()
            await websocket.send_denial_response(openai_refusal(error))
            return
        dialect = RealtimeDialect(
            RealtimeSettings(model=model, language=offer.language), offer, beta=beta
        )
        spoken = "realtime" if "realtime" in offered else None
        headers = answer_headers(decoder, (BETA_WARNING,) if beta else ())
        if beta:
            headers |= BETA_HEADERS
        await _converse(server, websocket, dialect, spoken, headers)

    uploads = Uploads(server)
    recordings = Recordings(server)
    models = ModelList(server)
    return [
        WebSocketRoute("/v1/listen", listen),
        WebSocketRoute("/v2/listen", flux),
        WebSocketRoute("/v1/realtime", realtime),
        Route("/v1/listen", recordings.listen, methods=["POST"]),
        Route("/v1/audio/transcriptions", uploads.transcribe, methods=["POST"]),
        Route("/v1/audio/translations", uploads.translate, methods=["POST"]),
        Route("/v1/models", models.all),
        Route("/v1/models/{name:path}", models.one),
    ]


def _admit(server: StreamServer, websocket: WebSocket) -> None:
    """Raises ProtocolError."""
    refusal = server.refusal(
        websocket.headers, websocket.query_params, websocket.scope["subprotocols"]
    )
    if refusal is not None:
        raise refusal


async def _converse(
    server: StreamServer,
    websocket: WebSocket,
    dialect: Dialect,
    subprotocol: str | None,
    headers: Mapping[str, str],
) -> None:
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    await websocket.accept(subprotocol=subprotocol, headers=encoded)
    await converse(server, StarletteSocket(websocket), dialect)
