"""How long a target is fuzzed, and with which inputs."""

from tests.fuzz.run import Length


def test_executions_try_the_same_inputs_each_time() -> None:
    arguments = Length(10, 2000).arguments()
    assert "-runs=2000" in arguments
    assert any(argument.startswith("-seed=") for argument in arguments)
    assert "--without-kept" in arguments
    assert not any("time" in argument for argument in arguments)


def test_seconds_go_on_from_what_was_kept() -> None:
    assert Length(10, None).arguments() == ["-max_total_time=10"]


def test_a_process_may_take_longer_than_its_seconds() -> None:
    assert Length(600, None).timeout_seconds() > 600
