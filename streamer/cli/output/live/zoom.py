"""Captions into a Zoom meeting: its host copies an address, and text is posted there.

Zoom's terms: posts are plain text, numbered by `seq` without gaps, one at a time; whatever a post
is answered, it is sent again under its number until it is taken.
"""

from __future__ import annotations

import http.client
import threading
import urllib.error
import urllib.request
from typing import Final
from urllib.parse import urlencode, urlsplit, urlunsplit

from streamer.transcript.ledger import Segment
from streamer.transcript.sides import NOBODY, Names, Naming

_TIMEOUT_S: Final = 5.0
_FIRST_WAIT_S: Final = 0.5
_LONGEST_WAIT_S: Final = 10.0
_END_S: Final = 5.0
_MAX_WAITING_CHARS: Final = 1_000
"""What a meeting has missed for longer is of no use to it."""
_COUNTRIES: Final = {
    "ar": "SA", "ca": "ES", "cs": "CZ", "da": "DK", "el": "GR", "en": "US", "et": "EE", "fa": "IR",
    "he": "IL", "hi": "IN", "ja": "JP", "ko": "KR", "sl": "SI", "sv": "SE", "uk": "UA", "vi": "VN",
    "zh": "CN",
}  # fmt: skip
"""Of languages that are not called as their country is."""


class ZoomCaptions:
    """Posts on a thread of its own; nothing here waits for Zoom but `end`."""

    def __init__(
        self,
        url: str,
        language: str,
        names: Names = NOBODY,
        *,
        first_wait_s: float = _FIRST_WAIT_S,
    ) -> None:
        """
        Args:
            url: as Zoom gives it. Whoever knows it may write, so it is told to nobody.
            language: a code.
            names: of those who speak.
            first_wait_s: after a post that failed; later waits are longer.
        """
        self._parts = urlsplit(url)
        self._language = f"{language}-{_COUNTRIES.get(language, language.upper())}"
        self._first_wait_s = first_wait_s
        self._naming = Naming(names)
        self._waiting = ""
        self._changed = threading.Condition()
        self._ending = False
        self._given_up = threading.Event()
        self.problem: str | None = None
        """What the newest post failed with; None: it was taken, or there was none."""
        self._thread = threading.Thread(target=self._run, name="zoom", daemon=True)
        self._thread.start()

    def take(self, piece: Segment) -> None:
        """The text that follows what was given before. Returns at once."""
        with self._changed:
            line = f"{self._naming.prefix(piece.channel, None)}{piece.text}\n"
            self._waiting = f"{self._waiting}{line}"[-_MAX_WAITING_CHARS:]
            self._changed.notify()

    def end(self) -> None:
        """Waits until all is posted, but not for ever."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        self._thread.join(_END_S)
        self.give_up()

    def give_up(self) -> None:
        """Nothing more is sent again."""
        self._given_up.set()

    def _run(self) -> None:
        seq = self._next_seq()
        while (text := self._next_text()) is not None:
            wait_s = self._first_wait_s
            while not self._post(text, seq):
                if self._given_up.wait(wait_s):
                    return
                wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
            seq += 1

    def _next_text(self) -> str | None:
        """All that waits; None at the end."""
        with self._changed:
            while not self._waiting and not self._ending:
                self._changed.wait()
            text, self._waiting = self._waiting, ""
            return text or None

    def _post(self, text: str, seq: int) -> bool:
        query = urlencode({"seq": seq, "lang": self._language})
        request = urllib.request.Request(
            self._address("", query),
            data=text.encode(),
            headers={"Content-Type": "text/plain; charset=utf-8"},
        )
        return self._ask(request) is not None

    def _next_seq(self) -> int:
        """Behind what an earlier run has sent to the same meeting."""
        answer = self._ask(urllib.request.Request(self._address("/seq", "")))
        self.problem = None
        try:
            return int(answer or "") + 1
        except ValueError:
            return 0

    def _ask(self, request: urllib.request.Request) -> str | None:
        """The body of the answer; None where it is no success, and why in `problem`."""
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:
                body: bytes = response.read(1_000)
        except urllib.error.HTTPError as error:
            error.close()
            self.problem = f"it answers {error.code}"
            return None
        except (OSError, http.client.HTTPException) as error:
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            self.problem = f"it cannot be reached ({reason})"
            return None
        self.problem = None
        return body.decode(errors="replace")

    def _address(self, below: str, more: str) -> str:
        scheme, host, path, query, _ = self._parts
        joined = "&".join(part for part in (query, more) if part)
        return urlunsplit((scheme, host, f"{path.rstrip('/')}{below}", joined, ""))
