"""The settings for an account of ten environments, and the arithmetic of the page about it."""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "how-to" / "small-accounts.md"
TERRAFORM = ROOT / "terraform"
RECEIVES = 5 + 1
FOUR_DAYS_SECONDS = 4 * 24 * 3600


class Row(NamedTuple):
    batches: int
    timeout_seconds: int
    hidden_seconds: int
    given_up_seconds: int
    becoming_free: int


def rows() -> dict[str, Row]:
    """The table of the page, by queue."""
    found = re.findall(r"^\| `(\w+-jobs)` \| (.*) \|$", PAGE.read_text(encoding="utf-8"), re.M)
    return {
        queue: Row(*(int(cell.replace(",", "")) for cell in cells.split(" | ")))
        for queue, cells in found
    }


def test_the_table_has_the_timeouts_of_terraform() -> None:
    text = (TERRAFORM / "defaults.tf").read_text(encoding="utf-8")
    blocks = re.findall(r"^    \w+ = \{\n(.*?)^    \}$", text, re.M | re.S)
    settings = [dict(re.findall(r'^      (\w+) += "?([\w-]+)', block, re.M)) for block in blocks]
    timeouts = {
        found["consumes"]: (
            int(found["timeout_seconds"]),
            int(found.get("maximum_batching_window_seconds", 0)),
        )
        for found in settings
        if "consumes" in found
    }
    assert {
        queue: (row.timeout_seconds, row.hidden_seconds - 6 * row.timeout_seconds)
        for queue, row in rows().items()
    } == timeouts


def test_a_message_that_only_waits_is_practically_never_given_up() -> None:
    table = rows()
    assert sum(row.batches for row in table.values()) == 10 + 2
    for queue, row in table.items():
        assert row.given_up_seconds == RECEIVES * row.hidden_seconds < FOUR_DAYS_SECONDS
        others = [other for name, other in table.items() if name != queue]
        assert sum(other.batches for other in others) == 10
        assert row.becoming_free == sum(
            other.batches * (row.given_up_seconds // other.timeout_seconds) for other in others
        )
    fewest = min(row.becoming_free for row in table.values())
    assert 2.9e-10 < 0.9**fewest < 3.1e-10
    assert 0.12 < 0.99**fewest < 0.13
    assert f"0.9<sup>{fewest}</sup>, about 3 in 10,000,000,000" in PAGE.read_text(encoding="utf-8")


def test_the_example_is_what_terraform_s_test_plans() -> None:
    example = (TERRAFORM / "small-account.tfvars.example").read_text(encoding="utf-8")
    wanted = " ".join(re.sub(r"^#.*$", "", example, flags=re.M).split())
    planned = (TERRAFORM / "tests" / "small_account.tftest.hcl").read_text(encoding="utf-8")
    assert wanted in " ".join(planned.split())
