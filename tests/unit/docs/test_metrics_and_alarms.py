"""The page of metrics and alarms has each one of the code and of Terraform, and no other."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs/reference/metrics-and-alarms.md").read_text(encoding="utf-8")
ALARMS = (ROOT / "terraform/modules/observability/main.tf").read_text(encoding="utf-8")
QUEUE_STAGES = "the queue stages"


def rows_under(heading: str) -> list[list[str]]:
    """The rows of the first table under a heading, without its head."""
    section = PAGE.partition(f"\n{heading}\n")[2]
    table = re.search(r"(?:^\|.*\n)+", section, re.M)
    assert table is not None
    lines = table.group().splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def emitted() -> Iterator[tuple[str, str, str]]:
    """Each metric of the code: its name, its unit, and who emits it."""
    for path in sorted([*ROOT.glob("services/**/*.py"), *ROOT.glob("shared/**/*.py")]):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "metrics.add_metric":
                name, unit = call.args[:2]
                folder, service, *_ = path.relative_to(ROOT).parts
                emitter = service if folder == "services" else QUEUE_STAGES
                for constant in strings_of(name):
                    yield constant, ast.unparse(unit).removeprefix("MetricUnit."), emitter


def strings_of(name: ast.expr) -> list[str]:
    """The names that an expression can be: one, or one of two."""
    chosen = [name.body, name.orelse] if isinstance(name, ast.IfExp) else [name]
    assert all(isinstance(each, ast.Constant) for each in chosen), ast.unparse(name)
    return [str(ast.literal_eval(each)) for each in chosen]


def test_each_metric_is_on_the_page_with_its_unit_and_who_emits_it() -> None:
    documented = {
        (name.strip("`"), unit, emitter)
        for name, unit, emitters, _ in rows_under("## Metrics")
        for emitter in emitters.split(", ")
    }
    assert documented == set(emitted())


def test_no_other_code_emits_metrics() -> None:
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "shared").rglob("*.py")]
    texts += [path.read_text(encoding="utf-8") for path in (ROOT / "services").rglob("*.py")]
    calls = sum(len(re.findall(r"\.add_metric\(|single_metric\(", text)) for text in texts)
    names = [name for name, _, _ in emitted()]
    assert calls == len(names) - 1  # one call has one of two names


def alarms_of_terraform() -> Iterator[tuple[str, str, str, str]]:
    """Each kind of alarm: its name, its metric, its threshold as the page says it, its periods."""
    pattern = r'"(\$\{[a-z_.]+\}-[a-z0-9-]+)" => \{|"(\$\{var\.name_prefix\}-[a-z0-9-]+)" = \{'
    starts = list(re.finditer(pattern, ALARMS))
    for start in starts:
        body = ALARMS[start.end() : ALARMS.index("\n    }", start.end())]
        found = dict(re.findall(r"^\s+(\w+)\s+= (.+)$", body, re.M))
        name = re.sub(r"\$\{(?:var\.)?(\w+)\}", r"<\1>", start[1] or start[2])
        metric = f"`{ast.literal_eval(found['metric'])}`"
        if found["percentile"] != "null":
            metric += f", {ast.literal_eval(found['percentile'])}"
        yield f"`{name}`", metric, threshold_text(found["threshold"]), found["periods"]


def threshold_text(expression: str) -> str:
    variables = (ROOT / "terraform/variables.tf").read_text(encoding="utf-8")
    main = (ROOT / "terraform/main.tf").read_text(encoding="utf-8")
    if expression == "var.oldest_message_seconds":
        assert "oldest_message_seconds = var.oldest_message_alarm_seconds" in main
        block = variables.partition('variable "oldest_message_alarm_seconds"')[2]
        [seconds] = re.findall(r"default\s+= (\d+)", block.partition("\n}\n")[0])
        return f"{seconds} s (`oldest_message_alarm_seconds`)"
    if expression == "floor(timeout_seconds * 1000 * var.duration_share)":
        [share] = re.findall(r"duration_share\s+= ([\d.]+)", main)
        return f"{float(share):.0%}".replace("%", " % of the function's timeout")
    return expression


def test_each_alarm_is_on_the_page_with_its_threshold() -> None:
    documented = {
        (name, metric, threshold, periods)
        for name, _, metric, threshold, periods in rows_under("## Alarms")
    }
    assert documented == set(alarms_of_terraform())
    assert len(documented) == len(re.findall(r"^\s+metric\s+= ", ALARMS, re.M))


def test_the_page_says_what_to_do_about_each_alarm() -> None:
    advised = [name for name, *_ in rows_under("### What to do when one rings")]
    assert advised == [name for name, *_ in rows_under("## Alarms")]


def test_terraform_has_no_alarm_elsewhere() -> None:
    files = (ROOT / "terraform").rglob("*.tf")
    alarms = [p for p in files if '"aws_cloudwatch_metric_alarm"' in p.read_text(encoding="utf-8")]
    assert alarms == [ROOT / "terraform/modules/observability/main.tf"]


def test_the_dashboard_shows_metrics_that_the_code_emits() -> None:
    dashboard = (ROOT / "terraform/modules/dashboard/main.tf").read_text(encoding="utf-8")
    shown = re.findall(r'\{ metric = "(\w+)", service = "(\w+)" \}', dashboard)
    assert len(shown) >= 8
    assert set(shown) <= {(name, emitter) for name, _, emitter in emitted()}


def test_saved_queries_look_for_messages_that_the_code_logs() -> None:
    dashboard = (ROOT / "terraform/modules/dashboard/main.tf").read_text(encoding="utf-8")
    logged = {
        ast.literal_eval(call.args[0])
        for folder in ("services", "shared")
        for path in (ROOT / folder).rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call)
        and ast.unparse(call.func) == "logger.info"
        and isinstance(call.args[0], ast.Constant)
    }
    wanted = set(re.findall(r"message = '([^']+)'", dashboard))
    assert wanted and wanted <= logged
