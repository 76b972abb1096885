"""How Terraform and an offline provider are found, and what is made of what it says."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts import terraform_tooling
from scripts.terraform_tooling import (
    MIRROR_VARIABLE,
    TerraformError,
    find_mirror,
    main,
    mirror_candidates,
    run_terraform,
    serves_provider,
    target_platform,
    terraform_command,
    terraform_environment,
    warning_lines,
)

Program = Callable[[str, str], Path]


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Puts shell scripts on a PATH that holds nothing else, in a home without a configuration."""
    folder = tmp_path / "bin"
    folder.mkdir()
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("HOME", str(home))
    for name in ("TF_CLI_CONFIG_FILE", "XDG_DATA_HOME", MIRROR_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_DATA_DIRS", str(tmp_path / "share"))

    def add(name: str, body: str = "exit 0") -> Path:
        path = folder / name
        path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
        path.chmod(0o755)
        return path

    return add


def make_mirror(folder: Path, version: str = "5.100.0", target: str | None = None) -> Path:
    provider = folder / "registry.terraform.io" / "hashicorp" / "aws"
    (provider / version / (target or target_platform())).mkdir(parents=True)
    return folder


def test_terraform_is_preferred_to_tofu(programs: Program) -> None:
    programs("tofu", "exit 0")
    assert terraform_command().endswith("/tofu")
    programs("terraform", "exit 0")
    assert terraform_command().endswith("/terraform")


def test_without_either_the_error_says_what_to_install(programs: Program) -> None:
    with pytest.raises(TerraformError, match=r"neither terraform nor tofu.*install"):
        terraform_command()


@pytest.mark.parametrize("version", ["5.100.0", "5.101.2", "5.999.0"])
def test_a_mirror_with_a_usable_version_serves(tmp_path: Path, version: str) -> None:
    assert serves_provider(make_mirror(tmp_path, version))


@pytest.mark.parametrize(
    "version", ["5.99.1", "4.0.0", "6.0.0", "7.0.0", "5.100.0-beta1", "latest"]
)
def test_a_mirror_without_a_usable_version_does_not(tmp_path: Path, version: str) -> None:
    assert not serves_provider(make_mirror(tmp_path, version))


def test_a_mirror_for_another_machine_does_not_serve(tmp_path: Path) -> None:
    assert not serves_provider(make_mirror(tmp_path, target="plan9_mips"))


def test_a_packed_mirror_serves(tmp_path: Path) -> None:
    folder = tmp_path / "registry.terraform.io" / "hashicorp" / "aws"
    folder.mkdir(parents=True)
    archive = folder / f"terraform-provider-aws_5.100.0_{target_platform()}.zip"
    assert not serves_provider(tmp_path)
    archive.touch()
    assert serves_provider(tmp_path)


def test_the_first_usable_mirror_is_taken(tmp_path: Path) -> None:
    old = make_mirror(tmp_path / "old", "4.0.0")
    good = make_mirror(tmp_path / "good")
    other = make_mirror(tmp_path / "other")
    assert find_mirror([tmp_path / "absent", old, good, other]) == good
    assert find_mirror([old]) is None


def test_terraform_s_own_places_come_first(tmp_path: Path) -> None:
    environment = {"XDG_DATA_HOME": str(tmp_path / "data"), "XDG_DATA_DIRS": "/a:/b"}
    assert mirror_candidates(environment, tmp_path)[:4] == [
        tmp_path / ".terraform.d" / "plugins",
        tmp_path / "data" / "terraform" / "plugins",
        Path("/a/terraform/plugins"),
        Path("/b/terraform/plugins"),
    ]


def test_a_mirror_in_an_implied_place_is_configured(programs: Program, tmp_path: Path) -> None:
    programs("terraform", "exit 0")
    mirror = make_mirror(tmp_path / "share" / "terraform" / "plugins")
    variables = terraform_environment(tmp_path / "root")
    text = Path(variables["TF_CLI_CONFIG_FILE"]).read_text(encoding="utf-8")
    assert f'path    = "{mirror}"' in text
    assert text.count('"registry.terraform.io/hashicorp/aws"') == 2
    assert "TF_PLUGIN_CACHE_DIR" not in variables


def test_the_named_mirror_wins(
    programs: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs("terraform", "exit 0")
    make_mirror(tmp_path / "share" / "terraform" / "plugins")
    named = make_mirror(tmp_path / "named ${HOME} mirror")
    monkeypatch.setenv(MIRROR_VARIABLE, str(named))
    variables = terraform_environment(tmp_path / "root")
    text = Path(variables["TF_CLI_CONFIG_FILE"]).read_text(encoding="utf-8")
    assert "named $${HOME} mirror" in text


def test_a_named_folder_that_is_no_mirror_is_an_error(
    programs: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs("terraform", "exit 0")
    monkeypatch.setenv(MIRROR_VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(
        TerraformError, match=rf"{MIRROR_VARIABLE} is .*nowhere.*must be the folder"
    ):
        terraform_environment(tmp_path / "root")


def test_a_user_s_own_installation_block_stays_in_force(
    programs: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs("terraform", "exit 0")
    make_mirror(tmp_path / "share" / "terraform" / "plugins")
    own = tmp_path / "own.tfrc"
    own.write_text("provider_installation {}\n", encoding="utf-8")
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", str(own))
    assert "TF_CLI_CONFIG_FILE" not in terraform_environment(tmp_path / "root")


@pytest.mark.parametrize("text", [None, 'plugin_cache_dir = "/cache"\n'])
def test_other_configuration_does_not_hide_a_mirror(
    programs: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None
) -> None:
    programs("terraform", "exit 0")
    make_mirror(tmp_path / "share" / "terraform" / "plugins")
    own = tmp_path / "own.tfrc"
    if text is not None:
        own.write_text(text, encoding="utf-8")
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", str(own))
    assert terraform_environment(tmp_path / "root")["TF_CLI_CONFIG_FILE"] != str(own)


def test_tofu_finds_the_same_provider_under_its_own_registry(
    programs: Program, tmp_path: Path
) -> None:
    programs("tofu", "exit 0")
    mirror = make_mirror(tmp_path / "share" / "terraform" / "plugins")
    for _ in range(2):  # the second time everything is there already
        variables = terraform_environment(tmp_path / "root")
    text = Path(variables["TF_CLI_CONFIG_FILE"]).read_text(encoding="utf-8")
    view = tmp_path / "root" / ".local" / "terraform" / "tofu-mirror"
    assert f'path    = "{view}"' in text
    assert '"registry.opentofu.org/hashicorp/aws"' in text
    linked = view / "registry.opentofu.org" / "hashicorp" / "aws"
    assert linked.resolve() == (mirror / "registry.terraform.io" / "hashicorp" / "aws").resolve()


def test_a_failure_names_the_command_and_its_status(programs: Program, tmp_path: Path) -> None:
    programs("terraform", 'echo "$GREETING $1"; exit 3')
    with pytest.raises(TerraformError, match=r"`terraform plan` failed in .* with status 3"):
        run_terraform(["plan"], tmp_path, {"GREETING": "hello"}, capture=True)


def test_what_is_printed_can_be_captured(programs: Program, tmp_path: Path) -> None:
    programs("terraform", 'echo "$GREETING $1"')
    assert run_terraform(["show"], tmp_path, {"GREETING": "hello"}, capture=True) == "hello show\n"


def test_warnings_say_where_they_are() -> None:
    report = {
        "diagnostics": [
            {"summary": "Deprecated", "range": {"filename": "main.tf", "start": {"line": 7}}},
            {"summary": "Odd", "range": None},
        ]
    }
    assert warning_lines(report) == ["main.tf:7 Deprecated", "?:? Odd"]


def test_a_deprecation_fails_the_check(
    programs: Program, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    report = json.dumps({"diagnostics": [{"summary": "Argument is deprecated"}]})
    programs("terraform", f"[ \"$1\" = validate ] && echo '{report}'; exit 0")
    assert main(["validate"]) == 1
    assert "Argument is deprecated" in capsys.readouterr().err


def test_a_missing_tool_is_one_sentence(
    programs: Program, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check"]) == 1
    assert capsys.readouterr().err.startswith("error: neither terraform nor tofu is on the PATH")


def test_the_real_program_reads_what_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MIRROR_VARIABLE, str(make_mirror(tmp_path / "a mirror with ${signs}")))
    variables = terraform_environment(tmp_path)
    finished = subprocess.run(
        [terraform_command(), "version"],
        cwd=tmp_path,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0
    assert "Warning" not in finished.stdout + finished.stderr


@pytest.mark.parametrize(("version", "named"), [("1.8.5", "1.8"), ("2.0.0", "2.0")])
def test_another_version_is_one_sentence(
    programs: Program, tmp_path: Path, version: str, named: str
) -> None:
    programs("terraform", f'echo \'{{"terraform_version": "{version}"}}\'')
    with pytest.raises(TerraformError, match=rf"is version {named}, and 1.9 to before 2 is needed"):
        terraform_environment(tmp_path)


def test_an_older_tofu_does_not_know_what_the_configuration_says(
    programs: Program, tmp_path: Path
) -> None:
    programs("tofu", 'echo \'{"terraform_version": "1.9.4"}\'')
    with pytest.raises(TerraformError, match=r"is version 1.9, and 1.10 to before 2 is needed"):
        terraform_environment(tmp_path)
    programs("tofu", 'echo \'{"terraform_version": "1.10.0"}\'')
    assert terraform_environment(tmp_path)


@pytest.mark.parametrize("version", ["1.9.0", "1.11.4"])
def test_a_usable_version_is_no_error(programs: Program, tmp_path: Path, version: str) -> None:
    programs("terraform", f'echo \'{{"terraform_version": "{version}"}}\'')
    assert terraform_environment(tmp_path)["TF_INPUT"] == "0"


def test_an_init_without_a_mirror_says_how_to_name_one(
    programs: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terraform_tooling, "mirror_candidates", lambda *_: [])
    programs("terraform", '[ "$1" = init ] && exit 1; exit 0')
    without = terraform_environment(tmp_path)
    with pytest.raises(
        TerraformError, match=rf"without the internet, name one with {MIRROR_VARIABLE}"
    ):
        run_terraform(["init"], tmp_path, without)
    with pytest.raises(TerraformError) as caught:
        run_terraform(["init"], tmp_path, {**without, "TF_CLI_CONFIG_FILE": "mirror.tfrc"})
    assert MIRROR_VARIABLE not in str(caught.value)
