"""What counts as the same on two architectures."""

import pytest

from scripts.arm64.__main__ import require_equal
from scripts.arm64.comparison import largest_difference, least_cosine, same_ranking
from scripts.arm64.drill import SearchComparison
from scripts.arm64.function_process import FunctionError

RANKING = [("a", 0.9), ("b", 0.5), ("c", 0.49999)]


def test_the_largest_difference_is_found_whatever_its_sign() -> None:
    assert largest_difference([[1.0, 2.0], [3.0, 4.0]], [[1.0, 2.25], [2.5, 4.0]]) == 0.5
    assert largest_difference([], []) == 0.0


def test_other_shapes_are_no_small_difference() -> None:
    with pytest.raises(ValueError, match="shapes"):
        largest_difference([1.0], [1.0, 2.0])


def test_neighbours_that_are_all_but_equal_may_change_places() -> None:
    assert same_ranking(RANKING, [("a", 0.90001), ("c", 0.5), ("b", 0.5)])


@pytest.mark.parametrize(
    "other",
    [
        RANKING[:2],
        [("b", 0.9), ("a", 0.5), ("c", 0.49999)],
        [("a", 0.9), ("b", 0.5), ("d", 0.49999)],
        [("a", 0.9), ("b", 0.5), ("c", 0.4)],
    ],
)
def test_another_ranking_is_another(other: list[tuple[str, float]]) -> None:
    assert not same_ranking(RANKING, other)


def test_the_least_cosine_is_that_of_the_rows_furthest_apart() -> None:
    assert least_cosine([[1, 0], [0, 2]], [[3, 0], [0, 1]]) == 1.0
    assert least_cosine([[1, 0], [0, 2]], [[3, 0], [1, 1]]) == pytest.approx(0.5**0.5)
    with pytest.raises(ValueError, match="shapes"):
        least_cosine([[1.0, 0.0]], [[1.0], [0.0]])


def comparison(
    vectors: float, fixed: float = 0.0, *, cosine: float = 1.0, is_same: bool = True
) -> SearchComparison:
    names = ("arm64 (aarch64)", "this-machine (x86_64)")
    return SearchComparison(names, vectors, cosine, fixed, is_ranking_same=is_same)


def test_integer_kernels_may_round_but_not_rank_differently() -> None:
    require_equal(comparison(2e-3, cosine=0.9998), "int8-dynamic")
    require_equal(comparison(9e-5, 9e-5), "fp32")
    with pytest.raises(FunctionError, match=r"with fp32: vectors differ by 2\.00e-03"):
        require_equal(comparison(2e-3), "fp32")
    with pytest.raises(FunctionError, match="ranking is another"):
        require_equal(comparison(2e-3, is_same=False), "int8-dynamic")
    with pytest.raises(FunctionError, match="scores of fixed vectors differ by 2"):
        require_equal(comparison(0.0, 2e-3), "int8-dynamic")


def test_byte_products_that_are_cut_off_are_found() -> None:
    """What an x86 processor without VNNI gave before its products were made exact."""
    with pytest.raises(FunctionError, match=r"have a cosine of 0\.99919"):
        require_equal(comparison(1.7e-2, cosine=0.99919), "int8-dynamic")
