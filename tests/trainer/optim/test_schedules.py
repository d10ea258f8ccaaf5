"""How rates rise and fall."""

from __future__ import annotations

import pytest

from tests.trainer.conftest import tiny
from trainer.optim.schedules import learning_rate_share


@pytest.mark.parametrize(
    ("schedule", "shares"),
    [
        ("constant", {0: 0.1, 9: 1.0, 10: 1.0, 300: 1.0}),
        ("cosine", {0: 0.1, 9: 1.0, 10: 1.0, 155: 0.505, 300: 0.01}),
        ("step", {0: 0.1, 9: 1.0, 49: 1.0, 50: 0.5, 100: 0.25, 299: 0.03125, 400: 0.01}),
        ("trapezoid", {0: 0.1, 9: 1.0, 10: 1.0, 199: 1.0, 200: 1.0, 250: 0.5, 290: 0.1, 300: 0.01}),
    ],
)
def test_rates_follow_their_schedule_and_never_fall_below_the_lowest(schedule: str, shares: dict[int, float]) -> None:
    config = tiny(schedule=schedule, warm_up_steps=10, milestones=(50, 100, 150, 200, 250, 300, 350))
    for step, share in shares.items():
        assert learning_rate_share(step, 300, config, lowest=0.01) == pytest.approx(share), step


def test_gamma_is_what_is_left_of_the_rate_at_a_milestone() -> None:
    config = tiny(schedule="step", gamma=0.2, milestones=(50, 100), warm_up_steps=0)
    shares = [learning_rate_share(step, 300, config, lowest=0.01) for step in (49, 50, 100)]
    assert shares == pytest.approx([1.0, 0.2, 0.04])


def test_a_trapezoid_does_not_know_its_end_before_its_last_third() -> None:
    config = tiny(schedule="trapezoid", warm_up_steps=10)
    assert [learning_rate_share(step, 300, config, 0.0) for step in range(200)] == [
        learning_rate_share(step, 900, config, 0.0) for step in range(200)
    ]
