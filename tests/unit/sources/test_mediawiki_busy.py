"""Which answers of a wiki say that it has too much to do."""

import json

import pytest

from shared.sources.mediawiki.api import is_busy
from shared.web.http_get import HttpResponse


def said(code: object) -> HttpResponse:
    return HttpResponse(200, {}, json.dumps({"error": {"code": code}}).encode())


@pytest.mark.parametrize("code", ["maxlag", "ratelimited"])
def test_a_wiki_that_says_so_is_busy(code: str) -> None:
    assert is_busy(said(code))


@pytest.mark.parametrize("code", ["badtoken", None, 7, ["maxlag"], {"maxlag": 1}])
def test_any_other_code_is_no_sign_of_it(code: object) -> None:
    assert not is_busy(said(code))


@pytest.mark.parametrize("body", [b"", b"[]", b"[" * 2000, b'{"error": "maxlag"}', b"\xff"])
def test_an_answer_of_another_shape_is_no_sign_of_it(body: bytes) -> None:
    assert not is_busy(HttpResponse(200, {}, body))
