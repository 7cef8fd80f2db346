"""Where requests go, by what replicas have told."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("ray.serve", reason="Ray is not installed (extra `cluster`)")

from streamer.cluster.router import SessionRouter


@pytest.fixture
def router() -> SessionRouter:
    router = object.__new__(SessionRouter)  # Serve's part of it wants a cluster
    router._sent_s = {}
    return router


def replica(name: str, **told: Any) -> Any:
    stats = {"at_s": time.time(), **told} if told else {}
    return SimpleNamespace(replica_id=SimpleNamespace(unique_id=name), routing_stats=stats)


def asked(method: str, *arguments: Any) -> Any:
    return SimpleNamespace(
        metadata=SimpleNamespace(call_method=method),
        args=arguments,
        routing_context=SimpleNamespace(should_backoff=False),
    )


async def chosen(router: SessionRouter, request: Any, *replicas: Any) -> str:
    ranks = await router.choose_replicas(list(replicas), request)
    best = ranks[0][0].replica_id
    router.on_request_routed(request, best, None)
    return str(best.unique_id)


def adoption(away_from: str) -> Any:
    """A session is handed over, which takes a place."""
    return asked("adopt", None, [away_from], True)


async def test_what_is_sent_counts_before_it_is_told(router: SessionRouter) -> None:
    replicas = replica("a", room=4), replica("b", room=3)
    sent = [await chosen(router, adoption("x"), *replicas) for _ in range(6)]
    assert (sent.count("a"), sent.count("b")) in ((3, 3), (4, 2))


async def test_what_was_told_since_does_not_count_twice(router: SessionRouter) -> None:
    assert await chosen(router, adoption("x"), replica("a", room=4), replica("b", room=4)) == "a"
    later_s = time.time() + 5.0
    told = replica("a", room=3, at_s=later_s), replica("b", room=3, at_s=later_s)
    assert await chosen(router, adoption("x"), *told) == "a"


async def test_a_clock_that_is_wrong_blocks_nobody_for_ever(router: SessionRouter) -> None:
    router._sent_s = {"a": [time.time() - 60.0] * 5}
    behind = replica("a", room=4, at_s=0.0)
    assert await chosen(router, adoption("x"), behind, replica("b", room=2)) == "a"


async def test_who_has_told_nothing_yet_does_not_get_all(router: SessionRouter) -> None:
    replicas = replica("old", room=4), replica("new")
    sent = [await chosen(router, adoption("x"), *replicas) for _ in range(4)]
    assert sorted(sent) == ["new", "new", "old", "old"]


async def test_a_named_replica_gets_what_is_its_own(router: SessionRouter) -> None:
    replicas = replica("a", room=0, ids=["gone.1"]), replica("b", room=9)
    assert await chosen(router, asked("about", "a"), *replicas) == "a"
    assert await chosen(router, asked("about", "gone"), *replicas) == "b"


async def test_who_leaves_gets_nobody_new(router: SessionRouter) -> None:
    leaving, staying = replica("a", room=9, moving=True), replica("b", room=1)
    assert await chosen(router, adoption("x"), leaving, staying) == "b"
    assert await chosen(router, adoption("b"), leaving, staying) == "a"
