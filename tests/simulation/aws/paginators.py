"""Paginators that fetch each page by a plain call, so that a proxy around a client sees each."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

# By operation: the parameter that asks for the next page, and the part of an answer that names it.
_TOKENS = {
    "query": ("ExclusiveStartKey", "LastEvaluatedKey"),
    "list_objects_v2": ("ContinuationToken", "NextContinuationToken"),
    "get_parameters_by_path": ("NextToken", "NextToken"),
}


@dataclass(frozen=True, slots=True)
class Paginator:
    """Yields the pages of an operation.

    `call` fetches one page. `token_parameter` is its parameter for the next page, and `token_name`
    where the page before it names that.
    """

    call: Callable[..., Mapping[str, Any]]
    token_parameter: str
    token_name: str

    def paginate(self, **request: Any) -> Iterator[Mapping[str, Any]]:
        """Yield the pages; each is fetched when the caller asks for it, and not before."""
        if "PaginationConfig" in request:
            raise NotImplementedError("paginate with PaginationConfig")
        following: dict[str, Any] = {}
        while True:
            page = self.call(**request, **following)
            yield page
            if not page.get(self.token_name):
                return
            following = {self.token_parameter: page[self.token_name]}


def make_paginator(operation: str, client: object) -> Paginator:
    """Return the paginator of an operation that calls the method of that name of `client`.

    Raises:
        NotImplementedError: the pages of this operation are not simulated.
    """
    if operation not in _TOKENS:
        raise NotImplementedError(f"get_paginator({operation!r})")
    return Paginator(getattr(client, operation), *_TOKENS[operation])
