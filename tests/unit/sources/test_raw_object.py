"""What is kept in the metadata of a raw object fits what S3 takes, whatever a source answers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.models.jobs import PageJob
from shared.sources.base import FetchedPage
from shared.sources.raw_object import raw_metadata, read_attribution

S3_TAKES_BYTES = 2 * 1024
TEXTS = st.one_of(st.none(), st.text(), st.integers(0, 3000).map(lambda n: "\U0001f600" * n))


def job(query: dict[str, str]) -> PageJob:
    return PageJob(
        corpus="c" * 63,
        run_id="20261123T060000Z-00000001",
        page_id="p" * 200,
        seq=1,
        endpoint="e" * 100,
        query=query,
    )


@given(st.dictionaries(st.text(), st.text(), max_size=3), TEXTS, TEXTS)
def test_metadata_is_ascii_and_within_two_kilobytes(
    query: dict[str, str], etag: str | None, attribution: str | None
) -> None:
    page = FetchedPage(etag=etag, attribution=attribution)
    metadata = raw_metadata(job(query), "mediawiki", page, "n" * 350)
    assert sum(len(name) + len(value) for name, value in metadata.items()) <= S3_TAKES_BYTES
    assert all(value.isascii() for value in metadata.values())
    kept = read_attribution(metadata)
    assert (kept is None) == (attribution is None)
    assert (attribution or "").startswith(kept or "")


@pytest.mark.parametrize("attribution", ["Data provided by Marvel", "\u00a9 2026 \u00c4"])
def test_an_attribution_of_usual_length_is_kept_whole(attribution: str) -> None:
    metadata = raw_metadata(job({}), "marvel", FetchedPage(attribution=attribution))
    assert read_attribution(metadata) == attribution


def test_an_etag_is_kept_where_metadata_can_hold_it() -> None:
    assert raw_metadata(job({}), "x", FetchedPage(etag='W/"a"'))["etag"] == 'W/"a"'
    for etag in ("e" * 301, '"\u00e9"'):
        assert "etag" not in raw_metadata(job({}), "x", FetchedPage(etag=etag))
