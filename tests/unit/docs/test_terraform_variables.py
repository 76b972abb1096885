"""The page of Terraform variables has each of them, and is what the script makes."""

import re
from pathlib import Path

from scripts.documents.terraform_variables import (
    FILES,
    PAGE,
    all_variables,
    fields_of,
    terraform_variables,
    variables_of,
)

ROOT = Path(__file__).resolve().parents[3]

TWO = """\
# Names ----------

variable "first" {
  description = "Says \\"a\\" | b."
  type        = list(string)
}

# A comment, no heading.
variable "second" {
  description = "Of several fields."
  type        = map(number)
  default = {
    small = 9
  }
  nullable = false

  validation {
    condition     = var.second.small > 0
    error_message = "It must be more."
  }
}
"""

DEFAULTS = """\
locals {
  setting_defaults = {
    second = {
      small = 8
      unset = null
    }
  }
}
"""


def test_the_page_is_what_the_script_writes() -> None:
    written = (ROOT / PAGE).read_text(encoding="utf-8")
    assert written == terraform_variables(), (
        "write it again: python -m scripts.documents.terraform_variables --write"
    )


def test_no_variable_is_missing() -> None:
    texts = {p.name: p.read_text(encoding="utf-8") for p in (ROOT / "terraform").glob("*.tf")}
    declared = {
        name: re.findall(r'^\s*variable\s+"(\w+)"', text, re.M) for name, text in texts.items()
    }
    assert {name for name, found in declared.items() if found} == set(FILES)
    found = [variable.name for variable in all_variables()]
    assert found == [name for file in FILES for name in declared[file]]
    page = (ROOT / PAGE).read_text(encoding="utf-8")
    assert [name for name in found if f"\n| `{name}` |" not in page] == []


def test_each_variable_says_what_it_is() -> None:
    assert [v.name for v in all_variables() if not (v.section and v.description and v.type)] == []


def test_the_parts_of_a_variable_are_read() -> None:
    first, second = variables_of(TWO, fields=fields_of(DEFAULTS))
    assert (first.section, first.name, first.default) == ("Names", "first", None)
    assert (first.description, first.type) == ('Says "a" | b.', "list(string)")
    assert (second.section, second.type, second.default) == (
        "Names",
        "map(number)",
        "{ small = 9 }",
    )
    assert second.fields == (("small", "8"), ("unset", "null"))
