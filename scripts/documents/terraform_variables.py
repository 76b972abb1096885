"""Writes docs/reference/terraform-variables.md from the variables of terraform/.

python -m scripts.documents.terraform_variables --write
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from scripts.build_support import repository_root
from scripts.documents.pages import table, write_page
from shared.platform.command_line import run_command

PAGE = Path("docs") / "reference" / "terraform-variables.md"
FILES = ("variables.tf", "variables_corpora.tf")
# The keys of the variables that are maps of numbers, with what holds where they are left out.
DEFAULTS_FILE = "defaults.tf"
# `terraform fmt`, which `make terraform-check` runs, guarantees these forms.
_SECTION_OR_VARIABLE = re.compile(
    r'^# (?P<section>[^\n]*?) -{5,}$|^variable "(?P<name>\w+)" \{\n(?P<body>.*?)^\}$', re.M | re.S
)
_ARGUMENT = re.compile(r"^  (\w+) += (.*?)(?=^  \w|^\n|\Z)", re.M | re.S)
_DEFAULTS = re.compile(r"^  setting_defaults = \{\n(.*?)^  \}$", re.M | re.S)
_MAP = re.compile(r"^    (\w+) = \{\n(.*?)^    \}$", re.M | re.S)
_FIELD = re.compile(r"^      (\w+) += (.+)$", re.M)
Fields = tuple[tuple[str, str], ...]
_HEAD = """\
# Terraform variables

`python -m scripts.documents.terraform_variables --write` writes this page from
`terraform/variables.tf` and `terraform/variables_corpora.tf`. Set them in
`terraform/terraform.tfvars`; `terraform.tfvars.example` and `production.tfvars.example` have
examples. Terraform checks the value of each before it plans anything.
[The Terraform module](../../terraform/README.md) describes the deployment,
[settings](settings.md) what the functions get.
"""


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of Terraform; `default` is None where a value is required."""

    section: str
    name: str
    description: str
    type: str
    fields: Fields
    default: str | None


def fields_of(text: str) -> dict[str, Fields]:
    """The keys and defaults of each variable that is a map, from defaults.tf."""
    found = _DEFAULTS.search(text)
    return {} if found is None else {name: _fields(body) for name, body in _MAP.findall(found[1])}


def _fields(body: str) -> Fields:
    return tuple((name, default) for name, default in _FIELD.findall(body))


def variables_of(
    text: str, section: str = "", fields: Mapping[str, Fields] | None = None
) -> Iterator[Variable]:
    """Each variable of a `.tf` file, with the heading that it is under."""
    for found in _SECTION_OR_VARIABLE.finditer(text):
        if found["section"] is not None:
            section = found["section"]
            continue
        arguments = {name: value.strip() for name, value in _ARGUMENT.findall(found["body"])}
        yield Variable(
            section=section,
            name=found["name"],
            description=json.loads(arguments["description"]),
            type=arguments["type"],
            fields=(fields or {}).get(found["name"], ()),
            default=re.sub(r"\s+", " ", arguments["default"]) if "default" in arguments else None,
        )


def all_variables() -> list[Variable]:
    """The variables of the whole deployment, in the order of the files."""
    folder = repository_root() / "terraform"
    fields = fields_of((folder / DEFAULTS_FILE).read_text(encoding="utf-8"))
    texts = [(folder / name).read_text(encoding="utf-8") for name in FILES]
    return [variable for text in texts for variable in variables_of(text, "Corpora", fields)]


def terraform_variables() -> str:
    """The page."""
    variables = all_variables()
    lines = [_HEAD]
    for section in dict.fromkeys(variable.section for variable in variables):
        rows = [_row(variable) for variable in variables if variable.section == section]
        lines += [f"## {section}", "", *table(("variable", "type", "default", "meaning"), rows), ""]
    return "\n".join(lines).rstrip() + "\n"


def _row(variable: Variable) -> tuple[str, str, str, str]:
    default = "(required)" if variable.default is None else f"`{variable.default}`"
    meaning = variable.description
    if variable.fields:
        fields = ", ".join(f"`{name}` {value}" for name, value in variable.fields)
        meaning += f" Fields with their defaults: {fields}."
    return f"`{variable.name}`", f"`{variable.type}`", default, meaning


if __name__ == "__main__":
    sys.exit(run_command(lambda: write_page(PAGE, terraform_variables)))
