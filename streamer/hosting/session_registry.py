"""All sessions of one server: places, sessions that wait to be resumed, and who is followed."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from streamer.audio.clock import SAMPLE_RATE
from streamer.hosting.follow_ids import new_follow_id
from streamer.hosting.handed_over import hand_over
from streamer.hosting.journal import Journal
from streamer.hosting.left_sessions import LeftSessions
from streamer.hosting.options import ServerOptions
from streamer.hosting.resumable_session import ResumableSession
from streamer.hosting.session_settings import session_options, tells_emotion
from streamer.hosting.session_store import SessionStore
from streamer.hosting.stored_session import StoredSession
from streamer.protocol.errors import ProtocolError, session_expired
from streamer.protocol.messages import Encoding, ErrorCode, ResumeMessage, StartMessage
from streamer.protocol.replica_names import name_of, placed, replica_of
from streamer.recognition.contract import (
    BEGINNING,
    Decoder,
    RecognizerFactory,
    SessionOptions,
    StartPoint,
)
from streamer.recognition.languages import AUTO, ENGLISH, language_code
from streamer.runtime.metrics import ServerMetrics
from streamer.session.limits import SessionLimits
from streamer.session.runner import SessionRunner

logger = logging.getLogger(__name__)


class SessionRegistry:
    """Opens sessions, and finds them again for those who come back or follow.

    A session whose connection broke is parked: it keeps its place until it is resumed, its time
    is over, or too many others are parked. A session that has ended has no place any more, but
    what it said last can be fetched for as long.
    """

    def __init__(
        self,
        engine: RecognizerFactory,
        runner: SessionRunner,
        options: ServerOptions,
        metrics: ServerMetrics,
        store: SessionStore | None = None,
    ) -> None:
        """`store`: where sessions outlive the server; the caller closes it."""
        self._store = store
        self._engine = engine
        self._runner = runner
        self._options = options
        self._metrics = metrics
        self._open: dict[str, ResumableSession] = {}
        self._by_follow_id: dict[str, ResumableSession] = {}
        self._parked: dict[str, asyncio.TimerHandle] = {}
        self._ended: dict[str, tuple[ResumableSession, asyncio.TimerHandle]] = {}
        self._closing = False
        self._left = LeftSessions(options.resume_s, store)

    @property
    def models(self) -> dict[str, str]:
        return self._engine.models

    def decoder(self, start: StartMessage) -> Decoder:
        """Only of English the LLM knows what is likely."""
        if self.language(start) not in (ENGLISH, AUTO):
            return "draft"
        return start.decoder or self._engine.default_decoder

    def language(self, start: StartMessage) -> str:
        """Its code, or `auto`."""
        if start.language is None:
            return self._engine.default_language
        return language_code(start.language) or start.language

    def open(self, start: StartMessage, client: str = "") -> ResumableSession:
        """`client`: address of who speaks.

        Raises:
            ProtocolError: no room, or the settings are not to be had here.
        """
        container = start.encoding is Encoding.CONTAINER
        starts = (BEGINNING,) * start.channels
        run = self._runner.open(
            self._session_options(start),
            SAMPLE_RATE if container else start.sample_rate,
            limits=self._limits(start),
            session_id=placed(self._options.replica, secrets.token_hex(8)),
            starts=starts,
            container=container,
        )
        follow_id = new_follow_id(start.share_secret, self._options.replica)
        journal = self._journal(run.id, starts=starts)
        hosted = ResumableSession(follow_id, start, run, self._on_end, client, journal=journal)
        if self._store is not None:
            self._store.begin(hosted.id, hosted.resume_token, follow_id, start)
        self._add(hosted)
        return hosted

    async def find(self, message: ResumeMessage, client: str = "") -> ResumableSession:
        """The session to be resumed.

        Raises:
            ProtocolError: `session_expired`. It does not tell whether there ever was such a
                session, or whether the token is wrong. Or no room for one that another server
                left behind, or that one has it still.
        """
        hosted = self._held(message.session_id)
        if hosted is None:
            stored = await self._left.find(message)
            hosted = self._held(message.session_id)  # another connection may have been faster
            if hosted is None:
                return await self._restored(stored, message, client)
        if not hosted.resumable:
            raise session_expired()
        if not secrets.compare_digest(message.resume_token.encode(), hosted.resume_token.encode()):
            raise session_expired()
        return hosted

    def resumed(self, hosted: ResumableSession) -> None:
        """A connection holds the session again."""
        self._unpark(hosted)
        self._metrics.sessions_resumed.inc()
        logger.info("session %s: resumed", hosted.id)

    def left(self, hosted: ResumableSession, *, for_good: bool) -> None:
        """The connection of a session is gone: park it, or end it if nobody will come back."""
        if hosted.running is None:
            return
        if for_good or self._closing or self._options.max_parked == 0:
            hosted.abandon("left")
            return
        loop = asyncio.get_running_loop()
        timer = loop.call_later(self._options.resume_s, self._expire, hosted.id)
        self._parked[hosted.id] = timer
        if len(self._parked) > self._options.max_parked:
            self._expire(self._least_to_lose())
        self._metrics.sessions_parked.set(len(self._parked))

    def followed(self, follow_id: str) -> ResumableSession:
        """Raises ProtocolError: `unknown_session`."""
        hosted = self._by_follow_id.get(follow_id)
        if hosted is None:
            raise ProtocolError(
                ErrorCode.UNKNOWN_SESSION,
                "nobody speaks under this follow id now; check it, or try again later",
            )
        return hosted

    @property
    def parked(self) -> list[ResumableSession]:
        """Those with which another server could go on."""
        parked = [self._open[session_id] for session_id in self._parked]
        return [hosted for hosted in parked if hosted.movable]

    def shared_ids(self) -> list[str]:
        """Ids of sessions that are here or were handed over, and those under which they are
        followed, as far as these do not tell that it is here."""
        here = (*self._by_follow_id, *self._open, *self._ended, *self._left.ids)
        return sorted({name for name in here if replica_of(name) != self._options.replica})

    async def hand_over(self, hosted: ResumableSession) -> StoredSession | None:
        """End a session that no connection holds so that another server can go on with it; its
        followers are let go. None: too little of it is left."""
        left = await hand_over(hosted)
        if hosted.id in self._ended:  # who asks here is not to be told that it is over
            self._forget(hosted.id)
        return left

    @property
    def n_adopted(self) -> int:
        """Places for sessions whose clients have not come yet."""
        return self._left.places

    def adopt(self, session: StoredSession, *, renamed: bool = True) -> str:
        """Keep what another server handed over, for its client to resume; gives its id here.

        Args:
            renamed: so that the id tells that it is here; a client that is away knows but the old.

        Raises:
            ProtocolError: no room.
        """
        self._runner.places.check(session.start.channels + self._left.places)
        if renamed:
            session = replace(session, id=placed(self._options.replica, name_of(session.id)))
        self._left.add(session)
        return session.id

    def finish(self, error: ProtocolError) -> None:
        """End all sessions that no connection holds; those that one holds end with it."""
        self._closing = True
        for hosted in list(self._open.values()):
            if not hosted.attached:
                hosted.finish(error)

    async def close(self, grace_s: float) -> None:
        """Wait for the sessions to end; after the grace period, drop them. Forget all but what is
        in the store."""
        self._closing = True
        endings = [asyncio.create_task(hosted.ended()) for hosted in self._open.values()]
        if endings:
            await asyncio.wait(endings, timeout=max(0.0, grace_s))
        for hosted in list(self._open.values()):
            await hosted.abort()
        if endings:
            await asyncio.wait(endings)
        for timer in (*self._parked.values(), *(timer for _, timer in self._ended.values())):
            timer.cancel()
        self._parked.clear()
        self._ended.clear()

    def _held(self, session_id: str) -> ResumableSession | None:
        """A session of this server's, running or ended."""
        ended, _ = self._ended.get(session_id, (None, None))
        return self._open.get(session_id) or ended

    async def _restored(
        self, stored: StoredSession | None, message: ResumeMessage, client: str
    ) -> ResumableSession:
        """Go on with a session that another server wrote down, or handed over. Raises
        ProtocolError."""
        if stored is None:
            raise session_expired()
        try:
            return self._gone_on_with(stored, message.resume_token, client)
        except ProtocolError:
            await self._left.release(stored.id)
            raise

    def _gone_on_with(
        self, stored: StoredSession, resume_token: str, client: str
    ) -> ResumableSession:
        """Raises ProtocolError."""
        if stored.start.encoding is Encoding.CONTAINER:
            raise session_expired()  # its decoder went with that server
        start = stored.start.model_copy(update={"context": stored.context})
        options = self._session_options(start)
        place = self._runner.places.reserve(start.channels)
        if not self._left.claim(stored.id):
            place.release()
            raise session_expired()
        starts = stored.start_points
        try:
            run = self._runner.open(
                options,
                start.sample_rate,
                limits=self._limits(start),
                place=place,
                session_id=stored.id,
                starts=starts,
            )
        except ProtocolError:
            self._left.delete(stored.id)
            raise
        log = stored.log()
        hosted = ResumableSession(
            stored.follow_id,
            stored.start,
            run,
            self._on_end,
            client,
            resume_token=resume_token,
            log=log,
            journal=self._journal(stored.id, log.seq, starts),
        )
        logger.info("session %s: another server had it", hosted.id)
        self._add(hosted)
        return hosted

    def _journal(
        self, session_id: str, seq: int = 0, starts: Sequence[StartPoint] = (BEGINNING,)
    ) -> Journal | None:
        """None where nobody will go on with the session but this server."""
        if self._store is None and self._options.replica is None:
            return None
        return Journal(self._store, session_id, seq, starts)

    def _add(self, hosted: ResumableSession) -> None:
        self._open[hosted.id] = hosted
        replaced = self._by_follow_id.get(hosted.follow_id)
        if replaced is not None:
            replaced.dismiss_followers()
        self._by_follow_id[hosted.follow_id] = hosted

    def _limits(self, start: StartMessage) -> SessionLimits:
        return replace(self._runner.limits, recording=not start.live)

    def _session_options(self, start: StartMessage) -> SessionOptions:
        """Raises ProtocolError."""
        if start.decoder == "fused" and self._engine.default_decoder == "draft":
            raise ProtocolError(
                ErrorCode.BAD_CONFIG,
                "decoder: this server runs without an LLM; ask for 'draft' or leave it out",
            )
        emotion = tells_emotion(self._options.emotion, start)
        return session_options(start, self.decoder(start), self.language(start), emotion=emotion)

    def _on_end(self, hosted: ResumableSession) -> None:
        self._unpark(hosted)
        del self._open[hosted.id]
        if self._by_follow_id.get(hosted.follow_id) is hosted:
            del self._by_follow_id[hosted.follow_id]
        if not hosted.resumable or self._options.max_parked == 0:
            if not self._closing:
                hosted.forget()
            return
        if len(self._ended) >= self._options.max_sessions:
            self._forget(next(iter(self._ended)))
        loop = asyncio.get_running_loop()
        timer = loop.call_later(self._options.resume_s, self._forget, hosted.id)
        self._ended[hosted.id] = hosted, timer

    def _expire(self, session_id: str) -> None:
        """Give a parked session up. Followers get its finals."""
        hosted = self._open[session_id]
        self._unpark(hosted)
        hosted.abandon("expired")
        logger.info("session %s: nobody came back", session_id)

    def _least_to_lose(self) -> str:
        """The parked session to give up: of the client that has most of them, the one with the
        fewest words, the oldest of several."""
        parked = [self._open[session_id] for session_id in self._parked]
        held = Counter(session.client for session in parked)
        most = max(held.values())
        crowd = [session for session in parked if held[session.client] == most]
        return min(crowd, key=lambda session: session.n_words).id

    def _unpark(self, hosted: ResumableSession) -> None:
        timer = self._parked.pop(hosted.id, None)
        if timer is not None:
            timer.cancel()
        self._metrics.sessions_parked.set(len(self._parked))

    def _forget(self, session_id: str) -> None:
        hosted, timer = self._ended.pop(session_id)
        timer.cancel()
        hosted.forget()
