"""Addresses over HTTP: files, radios, HLS. Certificates are checked, as Python does."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Final

from streamer.audio.media.worker.messages import DecodingError

_SILENT_S: Final = 20.0
_LIST_BYTES: Final = 65_536
_LISTS: Final = ("mpegurl", "scpls")
_SCHEMES: Final = ("http", "https")


class Fetcher:
    """Opens one address, and those that playlists on the way name."""

    def __init__(self, on_progress: Callable[[], None]) -> None:
        """`on_progress`: called when something has come."""
        self._on_progress = on_progress
        self._opener = urllib.request.OpenerDirector()
        for handler in (
            urllib.request.ProxyHandler,
            urllib.request.HTTPHandler,
            urllib.request.HTTPSHandler,
            urllib.request.HTTPRedirectHandler,
            urllib.request.HTTPErrorProcessor,
            urllib.request.HTTPDefaultErrorHandler,
        ):
            self._opener.add_handler(handler())

    def found(self, url: str) -> tuple[str, bool]:
        """Where the sound is, and whether there is HLS: radios often give a list with one address
        in it.

        Raises:
            DecodingError: it cannot be reached.
        """
        response = self._response(url)
        with response:
            if not any(kind in response.headers.get_content_type() for kind in _LISTS):
                return url, False
            text = response.read(_LIST_BYTES).decode("utf-8", "replace")
        if "#EXT-X-" in text:
            return url, True
        return _listed(text) or url, False

    def open(self, url: str, flags: int, options: dict[str, str]) -> _Body:
        """As FFmpeg asks for it. Raises DecodingError."""
        return _Body(self._response(url), self._on_progress)

    def _response(self, url: str) -> http.client.HTTPResponse:
        if urllib.parse.urlsplit(url).scheme not in _SCHEMES:
            raise DecodingError("names an address that is not of http or https")
        request = urllib.request.Request(url, headers={"User-Agent": "streamer"})
        try:
            response = self._opener.open(request, timeout=_SILENT_S)
        except urllib.error.HTTPError as error:
            raise DecodingError(f"the server answers {error.code} {error.reason}") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            raise DecodingError(f"cannot be reached ({_told(reason)})") from error
        assert isinstance(response, http.client.HTTPResponse)
        return response


class _Body:
    """What comes, as soon as it comes."""

    def __init__(self, response: http.client.HTTPResponse, on_progress: Callable[[], None]) -> None:
        self._response = response
        self._on_progress = on_progress

    def read(self, size: int) -> bytes:
        """Raises DecodingError: it broke off, or nothing came for long."""
        try:
            data = self._response.read1(size)
        except TimeoutError as error:
            raise DecodingError(f"nothing came for {_SILENT_S:g} s") from error
        except (OSError, http.client.HTTPException) as error:
            raise DecodingError(f"the connection broke ({_told(error)})") from error
        self._on_progress()
        return data

    def close(self) -> None:
        self._response.close()


def _listed(text: str) -> str | None:
    """The first address in a list of the forms m3u or pls."""
    for line in text.splitlines():
        value = line.partition("=")[2] if line.lower().startswith("file") else line
        if value.strip().startswith(("http://", "https://")):
            return value.strip()
    return None


def _told(error: object) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()) or type(error).__name__
