from pathlib import PurePosixPath

import pytest

from scripts.documents.outside_links import without_outside_links

PAGE = PurePosixPath("how-to/runs.md")


@pytest.mark.parametrize(
    "text", ["[a](models.md)", "[a](../why/architecture.md#the-line)", "[a](https://a.example/b)"]
)
def test_a_link_to_a_page_stays(text: str) -> None:
    assert without_outside_links(text, PAGE) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("see [the module](../../terraform/README.md).", "see the module (`terraform/README.md`)."),
        ("[tests/fuzz](../../tests/fuzz)", "`tests/fuzz`"),
        ("[`tests/fuzz`](../../tests/fuzz)", "`tests/fuzz`"),
        ("[it](../../README.md#two-commands)", "it (`README.md`)"),
    ],
)
def test_a_link_out_of_the_documents_becomes_a_path(text: str, shown: str) -> None:
    assert without_outside_links(text, PAGE) == shown
