"""What happens to the simulated cluster, and by what rule it is scaled."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from benchmarks.autoscaling import SYNC_S, Autoscaler, ScaleBounds, by_average, by_utilization
from benchmarks.scaling_cluster import SimulatedCluster

SCRAPE_S = 15.0
RATE_S = 60.0
QUIET_S = 30.0
"""A change is overcome when nothing was dropped for so long."""


@dataclass(frozen=True, slots=True)
class ScaleRule:
    """How the number of pods follows the load. A target of 0 leaves that metric out.

    Attributes:
        name: in the table.
        bounds: of the autoscaler.
        lag: entries waiting or in work for each pod (`cornerman_lag_entries`, read at each scrape).
        busy: share of each pod's time spent encoding (`rate(cornerman_encode_seconds_sum[1m])`).
        cpu: share of the requested processor time, over the last scrape interval.
    """

    name: str
    bounds: ScaleBounds
    lag: float = 0.0
    busy: float = 0.0
    cpu: float = 0.0


@dataclass(frozen=True, slots=True)
class LoadScenario:
    """A course of events.

    Attributes:
        name: in the table.
        seconds: length.
        sources: (time, sources from then on), in order; the first at 0.
        changes: times from which recovery is counted.
        slow: factors of the pods' service times by node, in turn.
        rolls: (time, surge, unavailable) of rolling updates.
    """

    name: str
    seconds: float
    sources: tuple[tuple[float, int], ...]
    changes: tuple[float, ...]
    slow: tuple[float, ...] = (1.0,)
    rolls: tuple[tuple[float, float, float], ...] = ()


SCENARIOS = (
    LoadScenario("1 to 100 and back", 1800, ((0, 1), (120, 100), (1020, 1)), (120.0,)),
    LoadScenario("burst of 60 s", 900, ((0, 10), (120, 100), (180, 10)), (120.0,)),
    LoadScenario("steady 40", 1800, ((0, 40),), (0.0,)),
    LoadScenario("one node in four slow", 1200, ((0, 40),), (0.0,), (1.0, 1.0, 1.0, 2.5)),
    LoadScenario("update, 25 % surge", 900, ((0, 40),), (450.0,), rolls=((450, 0.25, 0.25),)),
    LoadScenario("update, no surge", 900, ((0, 40),), (450.0,), rolls=((450, 0.0, 0.25),)),
)


@dataclass(frozen=True, slots=True)
class ScalingOutcome:
    """What came of one scenario under one rule.

    Attributes:
        needed: pods whose time the highest load takes whole.
        peak: pods wanted at most.
        overshoot: peak divided by needed, less one.
        changes: times that the number of wanted pods changed after the first five minutes of a load.
        recovered_s: from the last change of load until nothing was dropped for 30 s; infinity if never.
        age_p95_s: from due to encoded.
        pod_seconds: cost.
    """

    scenario: str
    rule: str
    due: int
    dropped: int
    needed: int
    peak: int
    overshoot: float
    changes: int
    recovered_s: float
    age_p95_s: float
    pod_seconds: float


def recovery_s(change_s: float, drops_s: Sequence[float], end_s: float) -> float:
    """Time from a change until nothing was dropped for `QUIET_S`; infinity if that did not come before `end_s`."""
    last = change_s
    for drop_s in (each for each in drops_s if each >= change_s):
        if drop_s - last > QUIET_S:
            break
        last = drop_s
    return last - change_s if end_s - last >= QUIET_S else math.inf


def percentile(values: Sequence[float], share: float) -> float:
    """Smallest value that this share of all does not exceed; 0.0 of nothing."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)] if values else 0.0


def simulate(
    scenario: LoadScenario,
    rule: ScaleRule,
    service_s: list[float],
    make: Callable[[list[float], tuple[float, ...]], SimulatedCluster],
) -> ScalingOutcome:
    """Plays a scenario.

    Args:
        scenario: what happens.
        rule: scales the pods.
        service_s: processor time of single chunks.
        make: a cluster from service times and factors of its nodes.
    """
    cluster = make(service_s, scenario.slow)
    mean_s = sum(service_s) / len(service_s) * sum(scenario.slow) / len(scenario.slow)
    cluster.start_ready(max(rule.bounds.least, math.ceil(scenario.sources[0][1] * 2 * mean_s / 0.7)))
    scaler = Autoscaler(rule.bounds)
    lags: deque[int] = deque(maxlen=int(RATE_S / SCRAPE_S))
    used: deque[float] = deque([0.0], maxlen=int(RATE_S / SCRAPE_S) + 1)
    before: dict[int, float] = {}
    shares: list[float] = []
    peak, changes = cluster.wanted, 0

    def scrape() -> None:
        lags.append(cluster.waiting + cluster.in_work)
        used.append(cluster.used_s)
        now = {id(pod): pod.used_s(cluster.now_s) for pod in cluster.pods if pod.ready}
        shares[:] = [(seconds - before.get(pod, 0.0)) / SCRAPE_S for pod, seconds in now.items()]
        before.clear()
        before.update(now)
        cluster.at(cluster.now_s + SCRAPE_S, scrape)

    def sync() -> None:
        nonlocal peak, changes
        wishes = []
        if rule.lag:
            wishes.append(by_average(lags[-1], rule.lag, cluster.wanted))
        if rule.busy:
            wishes.append(by_average((used[-1] - used[0]) / (SCRAPE_S * (len(used) - 1)), rule.busy, cluster.wanted))
        if rule.cpu:
            wishes.append(by_utilization(shares, rule.cpu, cluster.wanted))
        wanted = scaler.step(cluster.now_s, cluster.wanted, wishes)
        last_change_s = max(at_s for at_s, _ in scenario.sources if at_s <= cluster.now_s)
        changes += wanted != cluster.wanted and cluster.now_s - last_change_s > 300
        peak = max(peak, wanted)
        if wanted != cluster.wanted:
            cluster.want(wanted)
        cluster.at(cluster.now_s + SYNC_S, sync)

    for at_s, sources in scenario.sources:
        cluster.at(at_s, partial(cluster.play, sources))
    for at_s, surge, unavailable in scenario.rolls:
        cluster.at(at_s, partial(cluster.roll, surge, unavailable))
    cluster.at(SCRAPE_S, scrape)
    # Scrapes and syncs are not in step; half an interval is the mean delay.
    cluster.at(SCRAPE_S + SYNC_S / 2, sync)
    cluster.run_until(scenario.seconds)
    needed = max(1, math.ceil(max(sources for _, sources in scenario.sources) * 2 * mean_s))
    return ScalingOutcome(
        scenario.name,
        rule.name,
        cluster.due,
        cluster.dropped,
        needed,
        peak,
        round(peak / needed - 1, 2),
        changes,
        round(recovery_s(scenario.changes[-1], cluster.drops_s, scenario.seconds), 1),
        round(percentile(cluster.ages_s, 0.95), 2),
        round(cluster.pod_seconds),
    )
