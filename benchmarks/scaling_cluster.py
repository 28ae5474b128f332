"""A cluster of encoder pods in virtual time: sources, one queue, pods that start, slow down and are replaced.

Live sources as in capture: a chunk that is due while all the source's credit is in use is dropped and counted. A pod
takes as many waiting chunks as its batch holds and is busy for the sum of their service times. Not modelled: chunks
that a worker has fetched ahead of its batch, lost pods, and the bus, whose latency is 1 % of a service time.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

CHUNK_S = 0.5


@dataclass(slots=True, eq=False)
class SimulatedPod:
    """One encoder.

    Attributes:
        slowness: factor of its service times; 1.0 = as measured.
        ready: takes chunks.
        leaving: takes no new chunks, and ends with its batch.
        version: of the deployment.
        batch: sources of the chunks in work, with the time each was due.
        busy_s: processor time of finished batches.
    """

    slowness: float
    version: int
    ready: bool = False
    leaving: bool = False
    batch: list[tuple[int, float]] = field(default_factory=list)
    begun_s: float = 0.0
    ends_s: float = 0.0
    busy_s: float = 0.0

    def used_s(self, now_s: float) -> float:
        """Processor time up to now."""
        return self.busy_s + (now_s - self.begun_s if self.batch else 0.0)


class SimulatedCluster:
    """Runs events in the order of virtual time.

    Args:
        service_s: processor time of single chunks, replayed in turn.
        batch: chunks that a pod takes together.
        credit: chunks of a source on the bus at most.
        start_s: from the creation of a pod to its first chunk.
        slow: factors of the pods' service times by node, in turn; (1.0,) = all nodes alike.
    """

    def __init__(
        self, service_s: list[float], *, batch: int, credit: int, start_s: float, slow: tuple[float, ...] = (1.0,)
    ) -> None:
        self.now_s = 0.0
        self.pods: list[SimulatedPod] = []
        self.due = self.dropped = self.decided = 0
        self.drops_s: list[float] = []
        self.ages_s: list[float] = []
        self.pod_seconds = 0.0
        self._gone_busy_s = 0.0
        self._service: Iterator[float] = itertools.cycle(service_s)
        self._batch, self._credit, self._start_s = batch, credit, start_s
        self._nodes = itertools.cycle(slow)
        self._queue: deque[tuple[int, float]] = deque()
        self._in_flight: dict[int, int] = {}
        self._playing: set[int] = set()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._wanted = self._version = 0
        self._surge, self._unavailable = 0.25, 0.25

    @property
    def waiting(self) -> int:
        """Chunks that no pod has taken."""
        return len(self._queue)

    @property
    def in_work(self) -> int:
        return sum(len(pod.batch) for pod in self.pods)

    @property
    def wanted(self) -> int:
        return self._wanted

    @property
    def used_s(self) -> float:
        """Processor time of all pods, those that are gone included."""
        return self._gone_busy_s + sum(pod.used_s(self.now_s) for pod in self.pods)

    def at(self, at_s: float, do: Callable[[], None]) -> None:
        """Calls `do` at that time."""
        heapq.heappush(self._events, (at_s, next(self._order), do))

    def run_until(self, end_s: float) -> None:
        """Runs every event up to `end_s`."""
        while self._events and self._events[0][0] <= end_s:
            at_s, _, do = heapq.heappop(self._events)
            self._pass(at_s)
            do()
        self._pass(end_s)

    def play(self, sources: int) -> None:
        """So many sources play from now on, with their chunks spread over the half second."""
        for source in range(sources):
            if source not in self._playing:
                self._playing.add(source)
                # The golden ratio spreads any number of sources evenly.
                self.at(self.now_s + CHUNK_S * (source * 0.618034 % 1.0), partial(self._chunk, source))
        self._playing = {source for source in self._playing if source < sources}

    def want(self, pods: int) -> None:
        """So many pods are wanted from now on."""
        self._wanted = pods
        self._reconcile()

    def roll(self, surge: float = 0.25, unavailable: float = 0.25) -> None:
        """Replaces every pod: a rolling update with these shares, rounded as Kubernetes does (up and down)."""
        self._version += 1
        self._surge, self._unavailable = surge, unavailable
        self._reconcile()

    def start_ready(self, pods: int) -> None:
        """So many pods are there already."""
        self._wanted = pods
        self.pods = [SimulatedPod(next(self._nodes), 0, ready=True) for _ in range(pods)]

    def _pass(self, to_s: float) -> None:
        self.pod_seconds += len(self.pods) * (to_s - self.now_s)
        self.now_s = to_s

    def _chunk(self, source: int) -> None:
        if source not in self._playing:
            return
        self.due += 1
        if self._in_flight.get(source, 0) >= self._credit:
            self.dropped += 1
            self.drops_s.append(self.now_s)
        else:
            self._in_flight[source] = self._in_flight.get(source, 0) + 1
            self._queue.append((source, self.now_s))
            self._dispatch()
        self.at(self.now_s + CHUNK_S, partial(self._chunk, source))

    def _dispatch(self) -> None:
        for pod in self.pods:
            if not self._queue:
                return
            if pod.ready and not pod.leaving and not pod.batch:
                count = min(self._batch, len(self._queue))
                pod.batch = [self._queue.popleft() for _ in range(count)]
                pod.begun_s = self.now_s
                took_s = pod.slowness * sum(next(self._service) for _ in range(count))
                self.at(self.now_s + took_s, partial(self._finish, pod))

    def _finish(self, pod: SimulatedPod) -> None:
        pod.busy_s += self.now_s - pod.begun_s
        for source, due_s in pod.batch:
            self._in_flight[source] -= 1
            self.decided += 1
            self.ages_s.append(self.now_s - due_s)
        pod.batch = []
        if pod.leaving:
            self._remove(pod)
        self._dispatch()

    def _become_ready(self, pod: SimulatedPod) -> None:
        if not pod.leaving:
            pod.ready = True
            self._reconcile()
            self._dispatch()

    def _create(self) -> None:
        pod = SimulatedPod(next(self._nodes), self._version)
        self.pods.append(pod)
        self.at(self.now_s + self._start_s, partial(self._become_ready, pod))

    def _leave(self, pod: SimulatedPod) -> None:
        pod.leaving = True
        if not pod.batch:
            self._remove(pod)

    def _remove(self, pod: SimulatedPod) -> None:
        self.pods.remove(pod)
        self._gone_busy_s += pod.busy_s

    def _reconcile(self) -> None:
        """One step of the deployment's controller; each pod that becomes ready calls for the next."""
        staying = [pod for pod in self.pods if not pod.leaving]
        old = [pod for pod in staying if pod.version < self._version]
        surge = math.ceil(self._surge * self._wanted) if old else 0
        away = math.floor(self._unavailable * self._wanted) or int(not surge)
        least = self._wanted - (away if old else 0)
        # Pods that are not ready go first, then old ones.
        spare = sorted(old or staying, key=lambda pod: pod.ready)
        available = sum(pod.ready for pod in staying)
        for pod in spare:
            too_many = len(staying) > self._wanted or (old and pod.version < self._version)
            if too_many and (not pod.ready or available > least):
                available -= pod.ready
                staying.remove(pod)
                self._leave(pod)
        young = sum(pod.version == self._version for pod in staying)
        for _ in range(min(self._wanted + surge - len(staying), self._wanted - young)):
            self._create()
