import pytest

from infra.fleet.seeded import Seeded, key_of, mix, numbers


def test_mix_gives_the_published_numbers_of_splitmix64() -> None:
    # The first three numbers of Vigna's splitmix64.c started at 1234567.
    gamma = 0x9E3779B97F4A7C15
    drawn = [mix(1234567 + gamma * step) for step in (1, 2, 3)]
    assert drawn == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_numbers_are_the_same_stream() -> None:
    gamma = 0x9E3779B97F4A7C15
    assert [int(number) for number in numbers(1234567, 3)] == [mix(1234567 + gamma * s) for s in (1, 2, 3)]


def test_streams_of_different_paths_differ() -> None:
    assert len({key_of(1, "meter"), key_of(2, "meter"), key_of(1, "metes"), key_of("meter", 1)}) == 4


def test_a_stream_repeats() -> None:
    first, second = Seeded(1, "a"), Seeded(1, "a")
    assert [first.next() for _ in range(5)] == [second.next() for _ in range(5)]


def test_draws_stay_in_their_range_and_reach_its_ends() -> None:
    draw = Seeded("range")
    assert {draw.between(3, 6) for _ in range(200)} == {3, 4, 5, 6}
    skewed = [draw.skewed(10, 20) for _ in range(1000)]
    assert min(skewed) == 10
    assert max(skewed) <= 20
    assert sum(skewed) < 14_000


def test_weighted_follows_the_weights() -> None:
    draw = Seeded("weights")
    drawn = [draw.weighted((("often", 9), ("seldom", 1), ("never", 0))) for _ in range(1000)]
    assert drawn.count("often") > 800
    assert drawn.count("seldom") > 50
    assert "never" not in drawn


def test_shuffled_keeps_all_items() -> None:
    order = Seeded("shuffle").shuffled(range(50))
    assert order != list(range(50))
    assert sorted(order) == list(range(50))


def test_below_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Seeded("none").below(0)
