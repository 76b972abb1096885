import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import SourceError
from shared.sources.http_json.links import comparable, next_address, next_link

HOME = "https://api.example/v1/things?kind=a"


@pytest.mark.parametrize(
    ("header", "target"),
    [
        ("", None),
        ('<https://a.example/?p=2>; rel="next"', "https://a.example/?p=2"),
        ("<?p=2>;rel=next", "?p=2"),
        ('<a,b;c>; title="x, <y>; \\"rel=next\\""; rel="prev", <d>; REL="last NEXT"', "d"),
        ('<a>; rel="prev", <b>; rel="nextish"', None),
        ('<a>; rel="next"; anchor="#other"', None),
        ('<a>; rel="prev"; rel="next"', None),
        (', <a>; rel="next" , ', "a"),
        ("<a>; rel", None),
        ('<a> ; rel = "next" ; ', "a"),
        ('<a>; rel="next", <b>; rel="next"', "a"),
        ("<>; rel=next", ""),
    ],
)
def test_the_next_link(header: str, target: str | None) -> None:
    assert next_link(header) == target


@pytest.mark.parametrize("header", ["https://a.example; rel=next", '<a; rel="next"', "<a>b", "x"])
def test_a_header_that_cannot_be_read_is_no_end_of_pages(header: str) -> None:
    with pytest.raises(ValueError, match="malformed"):
        next_link(header)


@given(st.text(alphabet='<>;,="\\ abrelnext\t', max_size=60))
def test_any_header_is_read_or_refused(header: str) -> None:
    try:
        next_link(header)
    except ValueError as error:
        assert "malformed" in str(error)


@given(st.text(max_size=20), st.sampled_from(["next", "prev", "next prev"]))
def test_a_quoted_title_changes_nothing(title: str, relation: str) -> None:
    quoted = title.replace("\\", "\\\\").replace('"', '\\"')
    found = next_link(f'<t>; title="{quoted}"; rel="{relation}"')
    assert found == ("t" if "next" in relation else None)


@pytest.mark.parametrize(
    ("target", "address"),
    [
        ("?page=2", "https://api.example/v1/things?page=2"),
        ("/v1/more#part", "https://api.example/v1/more"),
        ("https://API.example:443/v1/things?page=2", "https://API.example:443/v1/things?page=2"),
        ("?page=2&key=hidden-value", "https://api.example/v1/things?page=2"),
        ("?ke%79=other&page=a%2Bb", "https://api.example/v1/things?page=a%2Bb"),
        ("?again=hidden-value&page=2", "https://api.example/v1/things?page=2"),
    ],
)
def test_next_addresses_are_kept_without_credentials(target: str, address: str) -> None:
    assert next_address(HOME, target, HOME, "key", ("hidden-value",)) == address


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("https://other.example/v1", "elsewhere, at other.example/v1; only pages at api.example"),
        ("//other.example/v1", "elsewhere"),
        ("http://api.example/v1", "elsewhere"),
        ("https://api.example:8443/v1", "elsewhere"),
        ("https://user:word@api.example/v1", "elsewhere"),
        ("ftp://api.example/v1", "elsewhere"),
        ("javascript:alert(1)", "elsewhere"),
        ("http://[", "no web address"),
        ("https://api.example:port/", "no web address"),
        (f"?page={'2' * 4000}", "more than 4000 characters"),
        ("/v1/hidden-value/2", "holds the credential"),
        ("https://hidden-value.example/", "holds the credential"),
    ],
)
def test_next_addresses_that_are_not_followed(target: str, problem: str) -> None:
    with pytest.raises(SourceError, match=problem) as caught:
        next_address(HOME, target, HOME, "key", ("hidden-value",))
    assert "hidden-value" not in str(caught.value)
    assert "word" not in str(caught.value)


def test_a_short_credential_does_not_forbid_addresses_that_hold_it_by_chance() -> None:
    assert next_address(HOME, "/v1/a?page=2", HOME, "key", ("a",)).endswith("/v1/a?page=2")


def test_spellings_of_one_address_compare_equal() -> None:
    one = "https://API.example:443/v1?q=a%20b&r=%C3%A9"
    other = "https://api.example/v1?q=a+b&r=é"
    assert comparable(one) == comparable(other)
    assert comparable(one) != comparable(one + "2")
