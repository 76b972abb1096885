"""Signatures of requests."""

import pytest

from examples.marvel.credentials import KeyPair, check_credentials, request_hash
from examples.marvel.refusals import RequestRefusedError

GOOD = {"ts": "1", "apikey": "1234", "hash": "ffd275c5130566a2916217b101f26150"}


def refusal_of(parameters: dict[str, str]) -> tuple[int, object, object]:
    with pytest.raises(RequestRefusedError) as caught:
        check_credentials(parameters, KeyPair())
    return caught.value.status, caught.value.body["code"], caught.value.body["message"]


def test_the_documented_vector() -> None:
    assert request_hash("1", KeyPair("1234", "abcd")) == "ffd275c5130566a2916217b101f26150"
    check_credentials(GOOD, KeyPair("1234", "abcd"))


def test_hex_case_does_not_matter() -> None:
    check_credentials({**GOOD, "hash": GOOD["hash"].upper()}, KeyPair())


@pytest.mark.parametrize(
    ("missing", "what"), [("apikey", "user key"), ("hash", "hash"), ("ts", "timestamp")]
)
def test_a_missing_part_is_named(missing: str, what: str) -> None:
    parameters = {name: value for name, value in GOOD.items() if name != missing}
    message = f"You must provide a {what}."
    assert refusal_of(parameters) == (409, "MissingParameter", message)


@pytest.mark.parametrize("key", ["", "4321", "12345"])
def test_an_unknown_key_is_refused(key: str) -> None:
    message = "The passed API key is invalid."
    assert refusal_of({**GOOD, "apikey": key}) == (401, "InvalidCredentials", message)


@pytest.mark.parametrize(
    "change", [{"ts": "2"}, {"ts": ""}, {"hash": ""}, {"hash": "é"}, {"hash": "f" * 32}]
)
def test_a_hash_that_does_not_fit_is_refused(change: dict[str, str]) -> None:
    message = "That hash, timestamp and key combination is invalid."
    assert refusal_of({**GOOD, **change}) == (401, "InvalidCredentials", message)


def test_the_private_key_is_not_printed() -> None:
    assert "abcd" not in repr(KeyPair("1234", "abcd"))
