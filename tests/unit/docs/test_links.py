"""The documents link to what is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
_LINK = re.compile(r"\]\((?!https?://|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)")
_CODE = re.compile(r"^```.*?^```$", re.M | re.S)


def text_of(document: Path) -> str:
    return document.read_text(encoding="utf-8")


def anchors_of(document: Path) -> set[str]:
    """Return the anchors of a document's headings, made as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", _CODE.sub("", text_of(document)), re.M)
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in kept}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_each_block_of_code_is_closed(document: Path) -> None:
    assert len(re.findall(r"^ *```", text_of(document), re.M)) % 2 == 0


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_each_link_leads_somewhere(document: Path) -> None:
    wrong = []
    for path, anchor in _LINK.findall(_CODE.sub("", text_of(document))):
        target = (document.parent / path).resolve() if path else document
        if not target.exists() or (anchor and anchor not in anchors_of(target)):
            wrong.append(f"{path}#{anchor}")
    assert not wrong


def test_the_license_is_the_one_that_the_package_names() -> None:
    license_text = text_of(ROOT / "LICENSE")
    assert "Apache License\n                           Version 2.0, January 2004" in license_text
    assert 'license = "Apache-2.0"' in text_of(ROOT / "pyproject.toml")


def test_the_hosted_workflow_runs_what_ci_runs() -> None:
    workflow = text_of(ROOT / ".github" / "workflows" / "ci.yml")
    assert "- run: .ci/run\n" in workflow
    assert "timeout-minutes: 90" in workflow
