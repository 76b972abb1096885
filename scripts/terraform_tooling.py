"""Finds Terraform or OpenTofu and an offline mirror of the AWS provider, and runs them.

`python -m scripts.terraform_tooling format` rewrites the configuration; `check` runs `fmt`,
`validate`, `test` and `checkov` (each also a separate command) without an account or a network,
provided the AWS provider lies in a mirror or in the plugin cache and `.venv-checkov` is made.
"""

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.environments import ENVIRONMENTS, EnvironmentMakingError, interpreter, make
from scripts.locks import one_at_a_time
from shared.platform.command_line import complain, run_command

MIRROR_VARIABLE = "ULTRON_TERRAFORM_MIRROR"
TERRAFORM_HOST = "registry.terraform.io"
TOFU_HOST = "registry.opentofu.org"
PROVIDER = Path("hashicorp") / "aws"
# As in terraform/terraform.tf: at least the first, less than the second.
PROVIDER_VERSIONS = ((5, 100), (6, 0))
TERRAFORM_VERSIONS = ((1, 9), (2, 0))
# The first that leaves what a `removed` block names where it is, if the block says so.
LOWEST_TOFU = (1, 10)

_COMMANDS = ("terraform", "tofu")
# Most resources wait for AWS rather than work: Terraform's ten at a time would queue behind them.
_PARALLELISM = "-parallelism=30"
# The provider decodes a schema of many megabytes at each of its starts, and Terraform starts it
# several times a command: collecting garbage at 5 times the live heap instead of at 2 saves a third
# of the CPU time, for a few hundred megabytes.
_GARBAGE_COLLECTION_PERCENT = "400"
_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


class TerraformError(Exception):
    """Terraform cannot be run, or failed; the message is one sentence that says what to do."""


def repository_root() -> Path:
    """The folder that holds `terraform/`."""
    return Path(__file__).resolve().parent.parent


def terraform_command() -> str:
    """Path of `terraform`, or of `tofu` where there is no terraform.

    Raises:
        TerraformError: neither is on the PATH.
    """
    for command in _COMMANDS:
        path = shutil.which(command)
        if path is not None:
            return path
    raise TerraformError(
        "neither terraform nor tofu is on the PATH; install Terraform 1.9, OpenTofu 1.10 or later"
    )


def require_usable_version(command: str) -> None:
    """Stop where the program is too old or too new; one that does not say is left to judge itself.

    Raises:
        TerraformError: its version is none that the configuration was made for.
    """
    asked = subprocess.run([command, "version", "-json"], capture_output=True, check=False)
    found = re.search(rb'"terraform_version": *"(\d+)\.(\d+)', asked.stdout)
    if found is None:
        return
    lowest, beyond = TERRAFORM_VERSIONS
    if Path(command).stem == "tofu":
        lowest = LOWEST_TOFU
    if not lowest <= (int(found[1]), int(found[2])) < beyond:
        raise TerraformError(
            f"{command} is version {int(found[1])}.{int(found[2])}, and {lowest[0]}.{lowest[1]} to "
            "before 2 is needed; "
            "put such a Terraform, or OpenTofu, first on the PATH"
        )


def mirror_hint(environment: Mapping[str, str]) -> str:
    """What to do when `init` failed for want of the provider; empty where a mirror was given."""
    if "TF_CLI_CONFIG_FILE" in environment:
        return ""
    return (
        "; no mirror of the AWS provider was found on this machine: without the internet, name "
        f"one with {MIRROR_VARIABLE}, the folder above {TERRAFORM_HOST}"
    )


def terraform_environment(root: Path) -> dict[str, str]:
    """Variables that let Terraform run without questions, and without a network if it can.

    Writes the command-line configuration below `root/.local/terraform` where a mirror of the AWS
    provider is found. A configuration of the user's own that says where providers come from is
    left in force, unless ULTRON_TERRAFORM_MIRROR names a mirror.

    Raises:
        TerraformError: there is no Terraform, or one of another version, or
            ULTRON_TERRAFORM_MIRROR names a folder that is no mirror of a usable AWS provider.
    """
    folder = root / ".local" / "terraform"
    cache = folder / "plugins"
    cache.mkdir(parents=True, exist_ok=True)
    variables = {
        "TF_DATA_DIR": str(folder / "data"),
        "TF_PLUGIN_CACHE_DIR": str(cache),
        # The lock file knows the checksums of archives; unpacked, only one platform's.
        "TF_PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE": "true",
        "TF_IN_AUTOMATION": "1",
        "TF_INPUT": "0",
        "CHECKPOINT_DISABLE": "1",
        "TF_CLI_ARGS_apply": _PARALLELISM,
        "TF_CLI_ARGS_destroy": _PARALLELISM,
        "GOGC": os.environ.get("GOGC", _GARBAGE_COLLECTION_PERCENT),
    }
    command = terraform_command()
    require_usable_version(command)
    is_tofu = Path(command).stem == "tofu"
    mirror = _chosen_mirror(os.environ, Path.home())
    if mirror is None:
        return variables
    host = TOFU_HOST if is_tofu else TERRAFORM_HOST
    if is_tofu:
        mirror = _tofu_view(mirror, folder / "tofu-mirror")
    configuration = folder / "mirror.tfrc"
    _write_if_changed(configuration, _mirror_configuration(mirror, host))
    # Terraform links to what lies in a mirror; going through the cache would copy it.
    del (
        variables["TF_PLUGIN_CACHE_DIR"],
        variables["TF_PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE"],
    )
    return variables | {"TF_CLI_CONFIG_FILE": str(configuration)}


def init_lock(root: Path) -> Path:
    """The lock of `terraform init`, whose plugin cache bears one at a time in a checkout."""
    return root / ".local" / "terraform" / "init.lock"


def run_terraform(
    arguments: Sequence[str], cwd: Path, env: Mapping[str, str], *, capture: bool = False
) -> str:
    """Run Terraform in `cwd` with `env` over the present environment; what it printed.

    Without `capture` the output goes to the terminal and the answer is empty.

    Raises:
        TerraformError: it ended with a status other than 0.
    """
    command = terraform_command()
    finished = subprocess.run(
        [command, *arguments],
        cwd=cwd,
        env={**os.environ, **env},
        stdout=subprocess.PIPE if capture else None,
        text=True,
        check=False,
    )
    if finished.returncode != 0:
        if capture:
            sys.stdout.write(finished.stdout)
        raise TerraformError(
            f"`{Path(command).name} {arguments[0]}` failed in {cwd} "
            f"with status {finished.returncode}; its own message stands above"
            + (mirror_hint(env) if arguments[0] == "init" else "")
        )
    return finished.stdout or ""


def find_mirror(candidates: Iterable[Path]) -> Path | None:
    """The first folder that holds a usable AWS provider for this machine."""
    return next((folder for folder in candidates if serves_provider(folder)), None)


def serves_provider(mirror: Path) -> bool:
    """Whether a filesystem mirror holds the AWS provider, in a usable version, for this machine.

    Both of Terraform's layouts count: unpacked (`<version>/<platform>/`) and packed
    (`terraform-provider-aws_<version>_<platform>.zip`).
    """
    folder = mirror / TERRAFORM_HOST / PROVIDER
    target = target_platform()
    unpacked = [path.parent.name for path in folder.glob(f"*/{target}") if path.is_dir()]
    packed = [
        path.name.removeprefix("terraform-provider-aws_").removesuffix(f"_{target}.zip")
        for path in folder.glob(f"terraform-provider-aws_*_{target}.zip")
    ]
    return any(_is_usable(version) for version in (*unpacked, *packed))


def target_platform() -> str:
    """This machine as Terraform names it: `linux_amd64`."""
    machine = platform.machine().lower()
    return f"{platform.system().lower()}_{_MACHINES.get(machine, machine)}"


def mirror_candidates(environment: Mapping[str, str], home: Path) -> list[Path]:
    """Where a mirror may lie: Terraform's own implied places, then the folders of /opt."""
    shared = environment.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    own = Path(environment.get("XDG_DATA_HOME") or home / ".local" / "share")
    folders = [
        home / ".terraform.d" / "plugins",
        own / "terraform" / "plugins",
        *(Path(folder) / "terraform" / "plugins" for folder in shared.split(":") if folder),
        Path("/usr/local/share/terraform/plugins"),
        Path("/usr/share/terraform/plugins"),
        *sorted(Path("/opt").glob("*/")),
    ]
    return list(dict.fromkeys(folders))


def _chosen_mirror(environment: Mapping[str, str], home: Path) -> Path | None:
    named = environment.get(MIRROR_VARIABLE)
    if named:
        mirror = Path(named).expanduser().absolute()
        if not serves_provider(mirror):
            raise TerraformError(
                f"{MIRROR_VARIABLE} is {named}, which holds no AWS provider from 5.100 to before 6 "
                f"for {target_platform()}; it must be the folder above {TERRAFORM_HOST}"
            )
        return mirror
    if _has_installation_of_its_own(environment, home):
        return None
    return find_mirror(mirror_candidates(environment, home))


def _has_installation_of_its_own(environment: Mapping[str, str], home: Path) -> bool:
    """Whether the user's own configuration says where providers come from."""
    named = environment.get("TF_CLI_CONFIG_FILE")
    files = [Path(named)] if named else [home / ".terraformrc", home / ".tofurc"]
    return any(
        path.is_file() and "provider_installation" in path.read_text(encoding="utf-8")
        for path in files
    )


def _is_usable(version: str) -> bool:
    match = re.fullmatch(r"(\d+)\.(\d+)\.\d+", version)
    if match is None:
        return False
    lowest, beyond = PROVIDER_VERSIONS
    return lowest <= (int(match[1]), int(match[2])) < beyond


def _tofu_view(mirror: Path, folder: Path) -> Path:
    """A mirror in which OpenTofu finds Terraform's provider: the same files under its host's name.

    OpenTofu looks up `hashicorp/aws` at its own registry; the provider is the same program.
    """
    link = folder / TOFU_HOST / PROVIDER
    link.parent.mkdir(parents=True, exist_ok=True)
    if link.is_symlink() or link.exists():
        link.unlink()
    link.symlink_to(mirror / TERRAFORM_HOST / PROVIDER, target_is_directory=True)
    return folder


def _mirror_configuration(mirror: Path, host: str) -> str:
    provider = f"{host}/{PROVIDER.as_posix()}"
    # JSON strings are HCL strings, once the signs of its templates are escaped.
    path = json.dumps(str(mirror)).replace("${", "$${").replace("%{", "%%{")
    return f"""provider_installation {{
  filesystem_mirror {{
    path    = {path}
    include = ["{provider}"]
  }}
  direct {{
    exclude = ["{provider}"]
  }}
}}
"""


def _write_if_changed(path: Path, text: str) -> None:
    """Write a file whole: other processes may be reading the old one."""
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def _format(directory: Path, environment: Mapping[str, str]) -> None:
    run_terraform(["fmt", "-recursive"], directory, environment)


def _check_format(directory: Path, environment: Mapping[str, str]) -> None:
    run_terraform(["fmt", "-check", "-diff", "-recursive"], directory, environment)


def _initialise(directory: Path, environment: Mapping[str, str]) -> None:
    with one_at_a_time(init_lock(repository_root())):
        run_terraform(["init", "-backend=false", "-no-color"], directory, environment, capture=True)


def _validate(directory: Path, environment: Mapping[str, str]) -> None:
    """Validate; warnings count as errors, because deprecations are warnings."""
    _initialise(directory, environment)
    printed = run_terraform(["validate", "-json"], directory, environment, capture=True)
    warnings = warning_lines(json.loads(printed))
    if warnings:
        raise TerraformError(
            "the configuration is valid but draws warnings: " + "; ".join(warnings)
        )


def warning_lines(report: Mapping[str, Any]) -> list[str]:
    """Each diagnostic of `terraform validate -json` as `file:line summary`."""
    lines = []
    for diagnostic in report["diagnostics"]:
        place = diagnostic.get("range") or {}
        line = place.get("start", {}).get("line", "?")
        lines.append(f"{place.get('filename', '?')}:{line} {diagnostic['summary']}")
    return lines


def _test(directory: Path, environment: Mapping[str, str]) -> None:
    _initialise(directory, environment)
    run_terraform(["test", "-no-color"], directory, environment)


def _checkov(directory: Path, _environment: Mapping[str, str]) -> None:
    """Look for what checkov's own policies find; each skip stands beside its resource."""
    root = repository_root()
    try:
        make(ENVIRONMENTS["checkov"], root)
    except EnvironmentMakingError as error:
        raise TerraformError(str(error)) from error
    command = [
        str(interpreter("checkov", root).with_name("checkov")),
        *("--directory", str(directory), "--framework", "terraform"),
        *("--skip-download", "--download-external-modules", "false", "--compact", "--quiet"),
    ]
    # Of the person's own settings few: with a BC_API_KEY it would upload the configuration.
    plain = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    status = subprocess.run(command, env=plain | {"LANG": "C.UTF-8"}, check=False).returncode
    if status != 0:
        raise TerraformError(
            f"checkov ended with status {status} and its findings stand above: mend each, or write"
            " `#checkov:skip=ID:reason` into the resource"
        )


_STEPS = {
    "format": (_format,),
    "fmt": (_check_format,),
    "validate": (_validate,),
    "test": (_test,),
    "checkov": (_checkov,),
    "check": (_check_format, _validate, _test, _checkov),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command on `terraform/`; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.terraform_tooling", description="Check the Terraform configuration."
    )
    parser.add_argument("command", choices=sorted(_STEPS))
    command = parser.parse_args(arguments).command
    root = repository_root()
    try:
        environment = terraform_environment(root)
        # Of its own, so that a check never disturbs a deployment's data.
        data_directory = root / ".local" / "terraform" / "check"
        environment["TF_DATA_DIR"] = str(data_directory)
        with one_at_a_time(data_directory.with_suffix(".lock")):
            for step in _STEPS[command]:
                step(root / "terraform", environment)
    except TerraformError as error:
        complain(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
