"""Refusals as Deepgram's clients know them."""

from __future__ import annotations

from typing import Final

from starlette.responses import JSONResponse, Response

from streamer.dialects.common.settings import HTTP_STATUS
from streamer.protocol.errors import ProtocolError
from streamer.protocol.messages import ErrorCode

_CODES: Final = {
    ErrorCode.BAD_CONFIG: "INVALID_QUERY_PARAMETER",
    ErrorCode.UNAUTHORIZED: "INVALID_AUTH",
    ErrorCode.TOO_MANY_SESSIONS: "TOO_MANY_REQUESTS",
}


def deepgram_refusal(error: ProtocolError, request_id: str) -> Response:
    """The reason is in a header too, where clients of websockets can see it."""
    body = {
        "err_code": _CODES.get(error.code, error.code.value.upper()),
        "err_msg": error.message,
        "request_id": request_id,
    }
    reason = error.message.encode("ascii", "replace").decode()
    headers = {"dg-error": reason, "dg-request-id": request_id}
    return JSONResponse(body, HTTP_STATUS.get(error.code, 500), headers)
