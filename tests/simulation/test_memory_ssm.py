"""The SSM client in memory does what AWS documents of parameters."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from shared.corpora.documents import CorpusDocuments
from tests.simulation.aws.ssm import MemorySSM


def put(client: MemorySSM, name: str, value: str = "{}", **request: Any) -> None:
    client.put_parameter(Name=name, Value=value, **{"Type": "String", **request})


def test_parameters_are_made_replaced_and_deleted(ssm: MemorySSM) -> None:
    put(ssm, "/a/b", "one", Tags=[{"Key": "ManagedBy", "Value": "me"}])
    with pytest.raises(ssm.exceptions.ParameterAlreadyExists):
        put(ssm, "/a/b", "two")
    put(ssm, "/a/b", "two", Overwrite=True)
    found = ssm.get_parameter(Name="/a/b", WithDecryption=False)["Parameter"]
    assert (found["Value"], found["Version"], found["Type"]) == ("two", 2, "String")
    tags = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId="/a/b")["TagList"]
    assert tags == [{"Key": "ManagedBy", "Value": "me"}]
    ssm.delete_parameter(Name="/a/b")
    for missing in (ssm.get_parameter, ssm.delete_parameter):
        with pytest.raises(ssm.exceptions.ParameterNotFound):
            missing(Name="/a/b")
    with pytest.raises(ssm.exceptions.InvalidResourceId):
        ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId="/a/b")


@pytest.mark.parametrize(
    "request_",
    [
        {"Overwrite": True, "Tags": [{"Key": "a", "Value": "b"}], "Type": "String", "Value": "x"},
        {"Value": "x"},
        {"Value": "x" * 4097, "Type": "String"},
    ],
)
def test_parameters_that_are_refused(ssm: MemorySSM, request_: dict[str, Any]) -> None:
    with pytest.raises(ClientError) as error:
        ssm.put_parameter(Name="/a", **request_)
    assert error.value.response["Error"]["Code"] == "ValidationException"


def test_parameters_by_path_in_pages(ssm: MemorySSM) -> None:
    for name in ("/a/3", "/a/1", "/a/2", "/a/2/deep", "/ab", "/b/1"):
        put(ssm, name)
    pages = ssm.get_paginator("get_parameters_by_path").paginate(Path="/a")
    found = [[parameter["Name"] for parameter in page["Parameters"]] for page in pages]
    assert found == [["/a/1", "/a/2"], ["/a/3"]]
    page = ssm.get_parameters_by_path(Path="/a/2", Recursive=True)
    assert [parameter["Name"] for parameter in page["Parameters"]] == ["/a/2/deep"]


def test_corpora_are_found_in_it(ssm: MemorySSM) -> None:
    documents = CorpusDocuments(ssm, "/x/corpora")  # type: ignore[arg-type]
    assert documents.find("none") is None
    put(ssm, "/x/corpora/one", "{}", Tags=[{"Key": "ManagedBy", "Value": "ultron"}])
    assert [(stored.name, stored.is_managed_here) for stored in documents.list()] == [("one", True)]
    documents.delete("one")
    assert list(documents.list()) == []
