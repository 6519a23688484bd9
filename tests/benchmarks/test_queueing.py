"""The simulation of queues against the formulas of queueing theory, which hold for its simplest cases."""

import math

import numpy as np
import pytest

from benchmarks.queueing.simulation import Autoscaler, Farm, poisson, simulate, simulate_autoscaling

COUNT = 50_000
SERVICE = 0.001  # seconds


def latencies(
    utilization: float, farm: Farm, *, exponential: bool = False
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    generator = np.random.default_rng(0)
    arrivals = poisson(utilization * len(farm) / SERVICE, COUNT, generator)
    services = generator.exponential(SERVICE, COUNT) if exponential else np.full(COUNT, SERVICE)
    return simulate(arrivals, services, farm)


@pytest.mark.parametrize("utilization", [0.3, 0.6, 0.8])
def test_constant_service_waits_as_pollaczek_and_khinchine_say(utilization: float) -> None:
    waits = latencies(utilization, Farm(1)) - SERVICE

    assert waits.mean() == pytest.approx(utilization * SERVICE / (2 * (1 - utilization)), rel=0.05)


@pytest.mark.parametrize("workers", [1, 4])
def test_exponential_service_has_the_percentiles_of_m_m_1_and_random_balancing_keeps_them(workers: int) -> None:
    found = latencies(0.7, Farm(workers), exponential=True)

    assert np.percentile(found, 50) == pytest.approx(math.log(2) * SERVICE / 0.3, rel=0.05)
    assert np.percentile(found, 99) == pytest.approx(math.log(100) * SERVICE / 0.3, rel=0.1)


def test_the_more_the_balancer_knows_the_shorter_is_the_tail() -> None:
    blind = np.percentile(latencies(0.8, Farm(8, "random")), 99)
    two = np.percentile(latencies(0.8, Farm(8, "two choices")), 99)
    all_known = np.percentile(latencies(0.8, Farm(8, "least connections")), 99)

    assert all_known < two < blind / 2


def test_what_is_accepted_over_capacity_never_waits_longer_than_the_limit() -> None:
    found = latencies(1.5, Farm(1, max_delay=0.05))

    refused = np.isnan(found)
    assert np.nanmax(found) <= 0.05 + SERVICE
    assert refused.mean() == pytest.approx(1 - 1 / 1.5, abs=0.01)


def test_an_autoscaler_sees_no_more_than_full_use_so_it_grows_by_steps() -> None:
    scaler = Autoscaler(target=0.6)

    assert [scaler.wanted(workers, 1.0) for workers in (2, 4, 7, 12)] == [4, 7, 12, 20]
    assert scaler.wanted(10, 0.62) == 10


def test_the_farm_grows_until_nothing_is_refused() -> None:
    generator = np.random.default_rng(0)
    arrivals = poisson(4 / SERVICE, 4 * 30_000, generator)  # 30 s of four workers' work for one worker
    farm = Farm(1, "least connections", max_delay=0.05)

    seconds = simulate_autoscaling(arrivals, np.full(len(arrivals), SERVICE), farm, Autoscaler(interval=5, start=2))

    assert seconds[5].workers == 1
    assert seconds[7].workers == 2
    assert seconds[-1].workers == 7
    assert seconds[3].refused == pytest.approx(0.75, abs=0.05)
    assert seconds[-1].refused == 0
