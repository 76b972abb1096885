"""The rules of EventBridge that start a corpus's runs and its upkeep, as Terraform makes them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.cli.deployment.published import ScheduleAddresses
from services.cli.errors import UnavailableError
from shared.corpora.documents import COMMAND
from shared.errors import InvalidInputError
from shared.models.corpus import Corpus
from shared.models.run import RunMode

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_events.type_defs import (
        PutTargetsResponseTypeDef,
        RemoveTargetsResponseTypeDef,
        TargetTypeDef,
    )

LONGEST_RULE_NAME = 64
KINDS = ("ingest", "full", "upkeep")
"""What rules there may be of a corpus: the middle of their names."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that ought to be there, with its one target."""

    name: str
    description: str
    expression: str
    is_enabled: bool
    target: "TargetTypeDef"


def rule_name(prefix: str, kind: str, corpus: str) -> str:
    """Return the name of a rule of a corpus; `kind` is one of `KINDS`."""
    return f"{prefix}-{kind}-{corpus}"


def run_event_template(corpus: str, mode: RunMode) -> str:
    """Return what makes a run's event of the rule's id and time, as Terraform writes it.

    They make the run's id: an event delivered twice starts one run.
    """
    return f'{{"corpus": "{corpus}", "mode": "{mode}", "request_id": <request_id>, "time": <time>}}'


def expressions_of(corpus: Corpus, addresses: ScheduleAddresses) -> dict[str, str]:
    """Return when each kind of rule of a corpus fires; kinds that never do are left out."""
    own = corpus.schedule
    found = {
        "ingest": own.incremental if own else addresses.default_incremental,
        "full": own.full if own else None,
        "upkeep": addresses.maintenance,
    }
    return {kind: expression for kind, expression in found.items() if expression is not None}


def rules_of(corpus: Corpus, addresses: ScheduleAddresses) -> dict[str, Rule]:
    """Return the rules that a corpus ought to have, by kind.

    Where the deployment's schedule is off, those for runs are there and do nothing, as those that
    Terraform makes.

    Raises:
        InvalidInputError: the corpus's name is too long for one of them.
    """
    longest = max(len(rule_name(addresses.rule_prefix, kind, corpus.name)) for kind in KINDS)
    if longest > LONGEST_RULE_NAME:
        raise InvalidInputError(
            f"the name {corpus.name} is {longest - LONGEST_RULE_NAME} characters too long for the "
            "rules of EventBridge that are named after it; choose a shorter one"
        )
    return {
        kind: Rule(
            name=rule_name(addresses.rule_prefix, kind, corpus.name),
            description=_description(kind, corpus.name),
            expression=expression,
            is_enabled=kind == "upkeep" or addresses.default_incremental is not None,
            target=_target(kind, corpus.name, addresses),
        )
        for kind, expression in expressions_of(corpus, addresses).items()
    }


def _description(kind: str, corpus: str) -> str:
    return {
        "ingest": f"Ingests what is new in the corpus {corpus}.",
        "full": f"Ingests all of the corpus {corpus}.",
        "upkeep": f"Looks after the index of the corpus {corpus}.",
    }[kind]


def _target(kind: str, corpus: str, addresses: ScheduleAddresses) -> "TargetTypeDef":
    target: TargetTypeDef = {
        "Id": "ingest",
        "Arn": addresses.ingest_function_arn,
        "RetryPolicy": {"MaximumEventAgeInSeconds": 3600, "MaximumRetryAttempts": 5},
        "DeadLetterConfig": {"Arn": addresses.dead_letter_arn},
    }
    if kind == "upkeep":
        target |= {
            "Id": "maintenance",
            "Arn": addresses.compact_queue_arn,
            "Input": json.dumps({"kind": "maintain", "corpus": corpus}),
        }
    else:
        target["InputTransformer"] = {
            "InputPathsMap": {"request_id": "$.id", "time": "$.time"},
            "InputTemplate": run_event_template(
                corpus, "full" if kind == "full" else "incremental"
            ),
        }
    return target


class Schedules:
    """Makes and removes the rules of corpora that the command looks after."""

    def __init__(self, client: "EventBridgeClient", addresses: ScheduleAddresses) -> None:
        self._client = client
        self.addresses = addresses

    def put_rules(self, rules: Mapping[str, Rule]) -> None:
        """Write rules without targets: they do nothing yet, but a wrong expression is found.

        Raises:
            InvalidInputError: EventBridge does not take an expression; names it.
        """
        for rule in rules.values():
            try:
                self._client.put_rule(
                    Name=rule.name,
                    Description=rule.description,
                    ScheduleExpression=rule.expression,
                    State="ENABLED" if rule.is_enabled else "DISABLED",
                    Tags=[{"Key": "ManagedBy", "Value": COMMAND}],
                )
            except self._client.exceptions.ClientError as error:
                if error.response.get("Error", {}).get("Code") != "ValidationException":
                    raise
                raise InvalidInputError(
                    f"EventBridge does not take the schedule {rule.expression} of {rule.name}; "
                    "write it as `cron(0 6 * * ? *)`, where one of the two days is `?`, or as "
                    "`rate(6 hours)`"
                ) from None

    def connect(self, corpus: str, rules: Mapping[str, Rule]) -> None:
        """Give the rules their targets, and delete those of other kinds.

        Raises:
            UnavailableError: EventBridge did not take a target; doing it again is right.
        """
        for rule in rules.values():
            answer = self._client.put_targets(Rule=rule.name, Targets=[rule.target])
            if answer.get("FailedEntryCount"):
                raise UnavailableError(
                    f"EventBridge did not take the target of {rule.name} "
                    f"({_first_reason(answer)}); run the command again"
                )
        for kind in KINDS:
            if kind not in rules:
                self._delete(rule_name(self.addresses.rule_prefix, kind, corpus))

    def remove(self, corpus: str) -> None:
        """Delete all rules of a corpus."""
        for kind in KINDS:
            self._delete(rule_name(self.addresses.rule_prefix, kind, corpus))

    def states(self, corpus: str) -> list[dict[str, str]]:
        """Return the rules that are there: `name`, `expression` and `state` of each."""
        found = []
        for kind in KINDS:
            name = rule_name(self.addresses.rule_prefix, kind, corpus)
            try:
                rule = self._client.describe_rule(Name=name)
            except self._client.exceptions.ResourceNotFoundException:
                continue
            expression = rule.get("ScheduleExpression", "")
            found.append({"name": name, "expression": expression, "state": rule.get("State", "")})
        return found

    def _delete(self, name: str) -> None:
        try:
            targets = self._client.list_targets_by_rule(Rule=name)["Targets"]
            if targets:
                ids = [target["Id"] for target in targets]
                answer = self._client.remove_targets(Rule=name, Ids=ids)
                if answer.get("FailedEntryCount"):
                    raise UnavailableError(
                        f"EventBridge did not remove the target of {name} ({_first_reason(answer)})"
                        "; run the command again"
                    )
            self._client.delete_rule(Name=name)
        except self._client.exceptions.ResourceNotFoundException:
            return


def _first_reason(answer: "PutTargetsResponseTypeDef | RemoveTargetsResponseTypeDef") -> str:
    """Why EventBridge left out the first of the targets that it left out."""
    reasons = [entry.get("ErrorMessage") for entry in answer["FailedEntries"]]
    return next(filter(None, reasons), "no reason given")
