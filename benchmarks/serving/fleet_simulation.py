"""A cluster on paper: sessions, replicas, machines and zones, event by event.

Sessions arrive by chance, more of them in the minute after a full ten (as meetings do), and last as
long as stated. Replicas are asked for by the very rule that the cluster uses, at once: the seconds
over which it takes means are left out. Whoever finds no place comes again as our clients do.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from streamer.client.backoff import ReconnectOptions, backoff_delays_s
from streamer.cluster.scaling import Load, wanted_replicas

_ROUND_S: Final = 600.0
"""Between the moments at which many begin."""
_RUSH_S: Final = 60.0
_SIGMA: Final = math.sqrt(2 * math.log(2))
"""Of lengths whose mean is twice the median."""
WARM_S: Final = 600.0
"""Nothing that happens before is told."""


@dataclass(frozen=True)
class Measured:
    """By the other benchmarks, on the machine that they name."""

    places: int
    """Sessions that one replica carries."""
    cpu_s_per_audio_s: float
    """While it carries them."""
    proxy_s_a_message: float
    """That Serve's proxy, one event loop on each machine, is busy."""
    cpus: int = 2
    """Of a replica."""


@dataclass(frozen=True)
class Fleet:
    """What is assumed."""

    sessions: int
    """At once, in the mean."""
    mean_length_s: float = 1_200.0
    """Of a session; lengths are lognormal, the median is half of this."""
    rush: float = 0.3
    """Share of sessions that begin in the minute after a full ten."""
    zones: int = 3
    machine_cpus: int = 16
    replica_ready_s: float = 20.0
    """From when it is wanted, on a machine that runs: a process and its models."""
    machine_ready_s: float = 120.0
    """For another machine before that, where no running one has room."""
    spare_machines: int = 1
    """In each zone, kept running."""
    down_after_s: float = 60.0
    replica_years: float = 0.1
    """Of running, for each crash."""
    zone_lost_at_s: float = 2_400.0
    messages_a_second: float = 15.0
    """Of a session: ten frames up, some five events down."""
    messages_to_begin: float = 8.0
    """Until a session goes on around the proxy."""
    price_cpu_hour: float = 0.04
    minutes: int = 60


class Replica:
    __slots__ = ("alive", "machine", "sessions")

    def __init__(self, machine: int) -> None:
        self.machine = machine
        self.sessions: set[int] = set()
        self.alive = True


def backoff(chance: random.Random) -> Iterator[float]:
    """As clients wait between attempts."""
    return backoff_delays_s(ReconnectOptions(), chance.uniform)


class Simulation:
    """`run` once. Times in seconds from 0."""

    def __init__(self, fleet: Fleet, measured: Measured, seed: int) -> None:
        self._fleet = fleet
        self._measured = measured
        self._random = random.Random(seed)
        self._order = itertools.count()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._now_s = 0.0
        self._by_room: list[dict[Replica, None]] = [{} for _ in range(measured.places + 1)]
        self._n_replicas = 0
        self._starting = 0
        self._used_cpus: dict[int, int] = {}
        self._ends_s: dict[int, float] = {}
        self._ids = itertools.count()
        self._machines = itertools.count()
        self._too_many_since_s: float | None = None
        self._refusals = 0
        self.waits_s: list[float] = []
        """For a place, of those who asked."""
        self.given_up = 0
        self.moved = 0
        self.cut = 0
        self.replica_s = 0.0
        self.machine_s = 0.0
        self.session_s = 0.0
        self.most_replicas = 0
        self.most_machines = 0
        self.admissions: dict[int, int] = {}
        """In each second, proxies together."""
        self.back_after_s: list[float] = []
        """Of those whom the lost zone cut, until they had a place again."""

    def run(self) -> None:
        fleet = self._fleet
        for _ in range(math.ceil(fleet.sessions / self._measured.places / 0.7)):
            self._start_replica(ready_s=0.0)
        for _ in range(self._wanted_spare):
            self._add_machine()
        for _ in range(fleet.sessions):  # those who speak already: long sessions are likelier
            left_s = self._length_s(_SIGMA**2) * self._random.random()
            self._at(0.0, partial(self._begin, left_s))
        self._at(0.0, self._arrive)
        self._at(1.0, self._look)
        self._at(self._crash_in_s(), self._crash)
        self._at(fleet.zone_lost_at_s, self._lose_zone)
        end_s = fleet.minutes * 60.0
        while self._events and self._events[0][0] <= end_s:
            moment_s, _, event = heapq.heappop(self._events)
            self._count(moment_s)
            self._now_s = moment_s
            event()

    # Sessions.

    def _arrive(self) -> None:
        fleet = self._fleet
        rate = fleet.sessions / fleet.mean_length_s
        in_rush = self._now_s % _ROUND_S < _RUSH_S
        share = fleet.rush * _ROUND_S / _RUSH_S + (1 - fleet.rush) if in_rush else 1 - fleet.rush
        self._at(self._now_s + self._random.expovariate(rate * share), self._arrive)
        self._begin(self._length_s())

    def _length_s(self, biased: float = 0.0) -> float:
        mu = math.log(self._fleet.mean_length_s / 2) + biased
        return self._random.lognormvariate(mu, _SIGMA)

    def _begin(self, length_s: float) -> None:
        self._ask(next(self._ids), length_s, self._now_s, backoff(self._random), cut=False)

    def _ask(
        self, session: int, left_s: float, since_s: float, delays: Iterator[float], *, cut: bool
    ) -> None:
        room = next(
            (room for room in range(len(self._by_room) - 1, 0, -1) if self._by_room[room]), 0
        )
        second = int(self._now_s)
        self.admissions[second] = self.admissions.get(second, 0) + 1
        waited_s = self._now_s - since_s
        if room == 0:
            self._refusals += 1
            delay_s = next(delays)
            if waited_s + delay_s > ReconnectOptions().give_up_s:
                self.given_up += self._now_s > WARM_S
                return
            self._at(
                self._now_s + delay_s,
                lambda: self._ask(session, left_s, since_s, delays, cut=cut),
            )
            return
        if self._now_s > WARM_S:
            (self.back_after_s if cut else self.waits_s).append(waited_s)
        replica = next(iter(self._by_room[room]))
        self._fill(replica, session)
        self._ends_s[session] = self._now_s + left_s
        self._at(self._now_s + left_s, lambda: self._end(replica, session))

    def _end(self, replica: Replica, session: int) -> None:
        if session not in replica.sessions:
            return  # it was cut or moved; another event ends it
        self._leave(replica, session)
        del self._ends_s[session]

    # Replicas.

    def _room(self, replica: Replica) -> int:
        return self._measured.places - len(replica.sessions)

    def _fill(self, replica: Replica, session: int) -> None:
        del self._by_room[self._room(replica)][replica]
        replica.sessions.add(session)
        self._by_room[self._room(replica)][replica] = None

    def _leave(self, replica: Replica, session: int) -> None:
        if replica.alive:
            del self._by_room[self._room(replica)][replica]
        replica.sessions.discard(session)
        if replica.alive:
            self._by_room[self._room(replica)][replica] = None

    def _start_replica(self, ready_s: float | None = None) -> None:
        """On the machine with most room; if there is none, on another, later.

        Args:
            ready_s: from now, wherever it is.
        """
        self._starting += 1
        machine = min(self._used_cpus, key=lambda one: self._used_cpus[one], default=None)
        limit = self._fleet.machine_cpus - self._measured.cpus
        takes_s = self._fleet.replica_ready_s
        if machine is None or self._used_cpus[machine] > limit:
            machine = self._add_machine()
            takes_s += self._fleet.machine_ready_s
        self._used_cpus[machine] += self._measured.cpus
        after_s = takes_s if ready_s is None else ready_s
        self._at(self._now_s + after_s, lambda: self._ready(machine))

    def _ready(self, machine: int) -> None:
        self._starting -= 1
        if machine not in self._used_cpus:
            return  # its zone is gone
        replica = Replica(machine)
        self._n_replicas += 1
        self._by_room[self._room(replica)][replica] = None

    def _remove(self, replica: Replica) -> list[int]:
        """Gives the sessions that it had."""
        sessions = list(replica.sessions)
        del self._by_room[self._room(replica)][replica]
        replica.alive = False
        self._n_replicas -= 1
        if replica.machine in self._used_cpus:
            self._used_cpus[replica.machine] -= self._measured.cpus
            if self._used_cpus[replica.machine] == 0 and self._spare() > self._wanted_spare:
                del self._used_cpus[replica.machine]
        replica.sessions.clear()
        return sessions

    def _replicas(self) -> list[Replica]:
        return [replica for room in self._by_room for replica in room]

    # Machines.

    def _add_machine(self) -> int:
        machine = next(self._machines)
        self._used_cpus[machine] = 0
        return machine

    def _spare(self) -> int:
        return sum(used == 0 for used in self._used_cpus.values())

    @property
    def _wanted_spare(self) -> int:
        return self._fleet.zones * self._fleet.spare_machines

    # What happens to them.

    def _look(self) -> None:
        """Once a second, as Serve does."""
        self._at(self._now_s + 1.0, self._look)
        taken = len(self._ends_s)
        cpu = self._measured.cpu_s_per_audio_s * taken / self._measured.cpus
        n = max(1, self._n_replicas)
        refused = self._refusals / n
        self._refusals = 0
        mean = Load(taken / n / self._measured.places, cpu / n, 0.0, refused)
        there_are = self._n_replicas + self._starting
        wanted = wanted_replicas([mean] * n, there_are)
        for _ in range(wanted - there_are):
            self._start_replica()
        if wanted >= there_are:
            self._too_many_since_s = None
        elif self._too_many_since_s is None:
            self._too_many_since_s = self._now_s
        elif self._now_s - self._too_many_since_s >= self._fleet.down_after_s:
            self._too_many_since_s = None
            self._drain(min(there_are - wanted, self._n_replicas - 1))

    def _drain(self, n: int) -> None:
        emptiest = sorted(self._replicas(), key=self._room, reverse=True)[:n]
        leaving = {replica: self._remove(replica) for replica in emptiest}
        for sessions in leaving.values():
            self.moved += len(sessions) * (self._now_s > WARM_S)
            self._send_back(sessions, cut=False)

    def _send_back(self, sessions: list[int], *, cut: bool) -> None:
        for session in sessions:
            left_s = self._ends_s.pop(session) - self._now_s
            delays = backoff(self._random)
            later_s = self._now_s + next(delays)
            ask = partial(self._ask, session, left_s, self._now_s, delays, cut=cut)
            self._at(later_s, ask)

    def _crash_in_s(self) -> float:
        years = self._fleet.replica_years / max(1, self._n_replicas)
        return self._now_s + self._random.expovariate(1 / (years * 365 * 86_400))

    def _crash(self) -> None:
        self._at(self._crash_in_s(), self._crash)
        if self._n_replicas > 1:
            sessions = self._remove(self._random.choice(self._replicas()))
            self.cut += len(sessions)
            self._send_back(sessions, cut=False)

    def _lose_zone(self) -> None:
        lost = {machine for machine in self._used_cpus if machine % self._fleet.zones == 0}
        for machine in lost:
            del self._used_cpus[machine]
        sessions: list[int] = []
        for replica in self._replicas():
            if replica.machine in lost:
                sessions += self._remove(replica)
        self.cut += len(sessions)
        self._send_back(sessions, cut=True)

    def _count(self, moment_s: float) -> None:
        if moment_s <= WARM_S:
            return
        passed_s = moment_s - self._now_s
        self.replica_s += passed_s * self._n_replicas
        self.machine_s += passed_s * len(self._used_cpus)
        self.session_s += passed_s * len(self._ends_s)
        self.most_replicas = max(self.most_replicas, self._n_replicas)
        self.most_machines = max(self.most_machines, len(self._used_cpus))

    def _at(self, moment_s: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (moment_s, next(self._order), event))
