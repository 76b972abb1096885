"""The parameters of an SSM client in memory: the shapes of boto3."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.simulation.aws.calls import (
    Answer,
    Clock,
    ServiceAnswers,
    ServiceErrors,
    check_parameters,
)
from tests.simulation.aws.paginators import Paginator, make_paginator

_ERRORS = {
    "ParameterNotFound": "ParameterNotFound",
    "ParameterAlreadyExists": "ParameterAlreadyExists",
    "InvalidResourceId": "InvalidResourceId",
    "ThrottlingException": "ThrottlingException",
}
_PUT = frozenset({"Type", "Overwrite", "Tags", "Description"})
_BY_PATH = frozenset({"Recursive", "WithDecryption", "MaxResults", "NextToken"})
_LARGEST_VALUE_BYTES = 4096
_ARN = "arn:aws:ssm:us-east-1:000000000000:parameter"


@dataclass(frozen=True, slots=True)
class _Parameter:
    name: str
    value: str
    version: int
    modified_at: datetime
    tags: Mapping[str, str]

    def described(self) -> Answer:
        return {
            "Name": self.name,
            "Type": "String",
            "Value": self.value,
            "Version": self.version,
            "LastModifiedDate": self.modified_at,
            "ARN": f"{_ARN}{self.name}",
            "DataType": "text",
        }


class MemorySSM:
    """Keeps parameters of the type String in the standard tier; each call is done at once.

    `clock` tells the time. A page of parameters has `page_size` of them at most.
    """

    def __init__(self, clock: Clock, page_size: int = 10) -> None:
        self._clock = clock
        self._page_size = page_size
        self._parameters: dict[str, _Parameter] = {}
        self.exceptions = ServiceErrors(_ERRORS)
        self._answers = ServiceAnswers("ssm", clock, self.exceptions)

    def get_paginator(self, operation: str) -> Paginator:
        """Return the paginator of an operation."""
        return make_paginator(operation, self)

    def get_parameter(self, **request: Any) -> Answer:
        """Read a parameter."""
        optional = frozenset({"WithDecryption"})
        check_parameters("GetParameter", request, frozenset({"Name"}), optional)
        found = self._parameters.get(request["Name"])
        if found is None:
            self._answers.fail("GetParameter", "ParameterNotFound", "")
        return self._answers.answer({"Parameter": found.described()})

    def put_parameter(self, **request: Any) -> Answer:
        """Make a parameter, or with `Overwrite` give it another value."""
        operation = "PutParameter"
        check_parameters(operation, request, frozenset({"Name", "Value"}), _PUT)
        if request.get("Type", "String") != "String":
            raise NotImplementedError(f"{operation} with Type {request['Type']}")
        self._check_put(request)
        name, value = request["Name"], request["Value"]
        present = self._parameters.get(name)
        if present is not None and not request.get("Overwrite", False):
            message = "The parameter already exists. To overwrite this value, set the overwrite"
            self._answers.fail(operation, "ParameterAlreadyExists", message)
        tags = {tag["Key"]: tag["Value"] for tag in request.get("Tags", [])}
        if present is not None:
            tags = dict(present.tags)
        version = 1 if present is None else present.version + 1
        self._parameters[name] = _Parameter(name, value, version, self._clock(), tags)
        return self._answers.answer({"Version": version, "Tier": "Standard"})

    def _check_put(self, request: Mapping[str, Any]) -> None:
        name, value = request["Name"], request["Value"]
        problem = ""
        if request.get("Overwrite", False) and request.get("Tags"):
            problem = "tags and overwrite can't be used together"
        elif name not in self._parameters and "Type" not in request:
            problem = "A parameter type is required when you create a parameter."
        elif len(value.encode()) > _LARGEST_VALUE_BYTES:
            problem = (
                "Standard tier parameters support a maximum parameter value of 4096 characters"
            )
        elif not value:
            problem = "Member must have length greater than or equal to 1"
        if problem:
            self._answers.fail("PutParameter", "ValidationException", problem)

    def delete_parameter(self, **request: Any) -> Answer:
        """Delete a parameter."""
        check_parameters("DeleteParameter", request, frozenset({"Name"}), frozenset())
        if self._parameters.pop(request["Name"], None) is None:
            self._answers.fail("DeleteParameter", "ParameterNotFound", "")
        return self._answers.answer({})

    def get_parameters_by_path(self, **request: Any) -> Answer:
        """Read a page of the parameters below a path, as they are at this moment."""
        check_parameters("GetParametersByPath", request, frozenset({"Path"}), _BY_PATH)
        folder = request["Path"].rstrip("/") + "/"
        after = request.get("NextToken", "")
        names = [
            name
            for name in sorted(self._parameters)
            if name.startswith(folder) and name > after and self._is_listed(name, folder, request)
        ]
        listed = names[: min(request.get("MaxResults", 10), self._page_size)]
        page: Answer = {"Parameters": [self._parameters[name].described() for name in listed]}
        if len(listed) < len(names):
            page["NextToken"] = listed[-1]
        return self._answers.answer(page)

    def _is_listed(self, name: str, folder: str, request: Mapping[str, Any]) -> bool:
        return bool(request.get("Recursive", False)) or "/" not in name[len(folder) :]

    def list_tags_for_resource(self, **request: Any) -> Answer:
        """Read the tags of a parameter."""
        required = frozenset({"ResourceType", "ResourceId"})
        check_parameters("ListTagsForResource", request, required, frozenset())
        found = self._parameters.get(request["ResourceId"])
        if request["ResourceType"] != "Parameter" or found is None:
            self._answers.fail("ListTagsForResource", "InvalidResourceId", "Invalid resource")
        tags = [{"Key": key, "Value": value} for key, value in found.tags.items()]
        return self._answers.answer({"TagList": tags})
