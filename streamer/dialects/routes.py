"""The websocket routes of the foreign protocols, and how they turn clients away."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Final

from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from streamer.dialects.common.conversation import converse
from streamer.dialects.common.dialect import Dialect
from streamer.dialects.common.settings import HTTP_STATUS, Offer, decoder_for
from streamer.dialects.deepgram.codec import DeepgramDialect
from streamer.dialects.deepgram.flux_codec import FluxDialect
from streamer.dialects.deepgram.flux_settings import read_flux_settings
from streamer.dialects.deepgram.settings import read_settings
from streamer.dialects.openai.errors import openai_refusal
from streamer.dialects.openai.realtime import RealtimeDialect
from streamer.dialects.openai.realtime_settings import MODELS, RealtimeSettings
from streamer.dialects.openai.uploads import Uploads
from streamer.protocol.errors import ProtocolError
from streamer.protocol.messages import ErrorCode
from streamer.server.stream_server import StarletteSocket, StreamServer

_DEEPGRAM_CODES: Final = {
    ErrorCode.BAD_CONFIG: "INVALID_QUERY_PARAMETER",
    ErrorCode.UNAUTHORIZED: "INVALID_AUTH",
    ErrorCode.TOO_MANY_SESSIONS: "TOO_MANY_REQUESTS",
}


def dialect_routes(server: StreamServer) -> Sequence[BaseRoute]:
    """Deepgram's and OpenAI's."""

    async def listen(websocket: WebSocket) -> None:
        request_id = str(uuid.uuid4())
        try:
            _admit(server, websocket)
            settings = read_settings(websocket.query_params, Offer.of(server.engine))
        except ProtocolError as error:
            server.metrics.rejected.labels(error.code.value).inc()
            await websocket.send_denial_response(_deepgram_refusal(error, request_id))
            return
        dialect = DeepgramDialect(settings, request_id, server.engine.models)
        offered = websocket.scope["subprotocols"]
        await _converse(server, websocket, dialect, offered[0] if offered else None)

    async def flux(websocket: WebSocket) -> None:
        request_id = str(uuid.uuid4())
        try:
            _admit(server, websocket)
            settings = read_flux_settings(websocket.query_params, Offer.of(server.engine))
        except ProtocolError as error:
            server.metrics.rejected.labels(error.code.value).inc()
            await websocket.send_denial_response(_deepgram_refusal(error, request_id))
            return
        offered = websocket.scope["subprotocols"]
        dialect = FluxDialect(settings, request_id)
        await _converse(server, websocket, dialect, offered[0] if offered else None)

    async def realtime(websocket: WebSocket) -> None:
        query = websocket.query_params
        offered = websocket.scope["subprotocols"]
        beta = "openai-beta" in websocket.headers or any("openai-beta" in p for p in offered)
        offer = Offer.of(server.engine)
        try:
            _admit(server, websocket)
            decoder_for("model", model := query.get("model", "streamer"), MODELS, offer)
        except ProtocolError as error:
            server.metrics.rejected.labels(error.code.value).inc()
            await websocket.send_denial_response(openai_refusal(error))
            return
        dialect = RealtimeDialect(
            RealtimeSettings(model=model, language=offer.language), offer, beta=beta
        )
        spoken = "realtime" if "realtime" in offered else None
        await _converse(server, websocket, dialect, spoken)

    uploads = Uploads(server)
    return [
        WebSocketRoute("/v1/listen", listen),
        WebSocketRoute("/v2/listen", flux),
        WebSocketRoute("/v1/realtime", realtime),
        Route("/v1/audio/transcriptions", uploads.transcribe, methods=["POST"]),
        Route("/v1/audio/translations", uploads.translate, methods=["POST"]),
    ]


def _deepgram_refusal(error: ProtocolError, request_id: str) -> Response:
    """Deepgram puts the reason into a header too, where clients of websockets can see it."""
    body = {
        "err_code": _DEEPGRAM_CODES.get(error.code, error.code.value.upper()),
        "err_msg": error.message,
        "request_id": request_id,
    }
    reason = error.message.encode("ascii", "replace").decode()
    headers = {"dg-error": reason, "dg-request-id": request_id}
    return JSONResponse(body, HTTP_STATUS.get(error.code, 500), headers)


def _admit(server: StreamServer, websocket: WebSocket) -> None:
    """Raises ProtocolError."""
    refusal = server.refusal(
        websocket.headers, websocket.query_params, websocket.scope["subprotocols"]
    )
    if refusal is not None:
        raise refusal


async def _converse(
    server: StreamServer, websocket: WebSocket, dialect: Dialect, subprotocol: str | None
) -> None:
    await websocket.accept(subprotocol=subprotocol)
    await converse(server, StarletteSocket(websocket), dialect)
