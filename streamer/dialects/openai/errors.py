"""Errors as OpenAI's clients know them."""

from __future__ import annotations

from typing import Any, Final

from starlette.responses import JSONResponse, Response

from streamer.dialects.common.settings import HTTP_STATUS, SettingError
from streamer.protocol.errors import ProtocolError
from streamer.protocol.messages import ErrorCode

_OURS: Final = frozenset({ErrorCode.INTERNAL, ErrorCode.SHUTTING_DOWN})


def error_dict(error: ProtocolError) -> dict[str, Any]:
    """The `error` object, in HTTP answers and in events."""
    return {
        "type": "server_error" if error.code in _OURS else "invalid_request_error",
        "code": error.code.value,
        "message": error.message,
        "param": error.setting if isinstance(error, SettingError) else None,
    }


def openai_refusal(error: ProtocolError, status: int | None = None) -> Response:
    """The HTTP answer; `status` in the place of the usual one."""
    return JSONResponse({"error": error_dict(error)}, status or HTTP_STATUS.get(error.code, 500))
