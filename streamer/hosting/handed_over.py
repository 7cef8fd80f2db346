"""What one server hands to another so that a session can go on there."""

from __future__ import annotations

from dataclasses import replace

from streamer.hosting.resumable_session import ResumableSession
from streamer.hosting.store_file import token_hash
from streamer.hosting.stored_session import StoredEnd, StoredSession, ends_of_unclosed
from streamer.transcript.events import SegmentClosed, WordsUpdate
from streamer.transcript.ledger import Word


async def hand_over(hosted: ResumableSession) -> StoredSession | None:
    """End a session that no connection holds, at its last committed word, and let go of what is on
    disk; None if too little of it is left."""
    if hosted.journal is not None:
        hosted.journal.leave()
    await hosted.abort()
    if hosted.journal is not None:
        await hosted.journal.release()
    return handed_over(hosted)


def handed_over(hosted: ResumableSession) -> StoredSession | None:
    """What is left of a session that has ended here; None if that is too little."""
    log, journal = hosted.log, hosted.journal
    if journal is None or journal.position is None:
        return None
    words: dict[int, list[tuple[int, Word]]] = {}
    channels: dict[int, int] = {}
    ends: list[StoredEnd] = []
    for report in log.kept():
        event = report.event
        if isinstance(event, WordsUpdate):
            channels[event.segment_id] = event.channel
            words.setdefault(event.segment_id, []).extend((report.seq, w) for w in event.committed)
        elif isinstance(event, SegmentClosed):
            segment = event.segment
            said = words.pop(segment.id, [])
            next_id = event.next_segment_id
            if next_id is not None:  # what was said behind it is of the next segment
                said, behind = said[: len(segment.words)], said[len(segment.words) :]
                following = [(seq, replace(word, segment_id=next_id)) for seq, word in behind]
                if following:
                    words[next_id] = following
                    channels[next_id] = event.channel
            if [word.id for _, word in said] == [word.id for word in segment.words]:
                words[segment.id] = said
                ends.append(StoredEnd.of(event, report.seq))
    if not words and log.pruned:
        return None
    told = sorted((one for some in words.values() for one in some), key=lambda one: one[1].id)
    ends += ends_of_unclosed((word for _, word in told), channels, ends, log.seq + 1)
    return StoredSession(
        hosted.id,
        token_hash(hosted.resume_token),
        hosted.follow_id,
        hosted.start.model_copy(update={"share_secret": None}),
        journal.positions,
        journal.lost_samples,
        max([log.seq, *(end.seq for end in ends)]),
        tuple(told),
        tuple(sorted(ends, key=lambda end: end.segment_id)),
    )
