"""Writes the AWS API documentation inside botocore as JSON lines, for the `jsonl` source.

A record for each operation and one for each service, from `service-2` models of the installed
botocore: real technical text, over 12,000 records, without the network. Equal versions of botocore
give equal bytes.

Run: python -m scripts.build_botocore_corpus --output build/corpora/botocore
"""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from botocore.loaders import Loader

from shared.platform.command_line import run_command
from shared.storage.jsonl import encode_lines
from shared.text.html import html_to_text

DEFAULT_RECORDS_PER_OBJECT = 250
_OBJECT_NAME = "botocore-{number:05d}.jsonl.gz"
_DOCUMENTATION_URL = "https://docs.aws.amazon.com/goto/WebAPI"

Record = dict[str, str]


def service_records(service: str, model: dict[str, Any]) -> Iterator[Record]:
    """Yield the record of a service, then one for each operation, in order of name.

    Operations without documentation are left out: there is nothing to find in them.
    """
    metadata = model["metadata"]
    title = metadata.get("serviceFullName") or metadata["serviceId"]
    uid = metadata.get("uid") or f"{metadata['endpointPrefix']}-{metadata['apiVersion']}"
    overview = html_to_text(model.get("documentation"))
    if overview:
        yield {
            "id": service,
            "title": title,
            "text": overview,
            "url": f"{_DOCUMENTATION_URL}/{uid}",
            "service": service,
            "operation": "",
        }
    for name, operation in sorted(model.get("operations", {}).items()):
        text = html_to_text(operation.get("documentation"))
        if text:
            yield {
                "id": f"{service}.{name}",
                "title": f"{title}: {name}",
                "text": text,
                "url": f"{_DOCUMENTATION_URL}/{uid}/{name}",
                "service": service,
                "operation": name,
            }


def all_records(loader: Loader) -> Iterator[Record]:
    """Yield the records of every service, in order of name, in its latest version."""
    for service in sorted(loader.list_available_services("service-2")):
        yield from service_records(service, loader.load_service_model(service, "service-2"))


def write_objects(records: Iterable[Record], folder: Path, records_per_object: int) -> int:
    """Write records to numbered objects in the folder, which holds no others afterwards.

    Returns:
        The number of records.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob(_OBJECT_NAME.format(number=0).replace("00000", "*")):
        old.unlink()
    lines = (json.dumps(record, ensure_ascii=False) for record in records)
    total = 0
    number = 0
    while group := list(islice(lines, records_per_object)):
        number += 1
        (folder / _OBJECT_NAME.format(number=number)).write_bytes(encode_lines(group))
        total += len(group)
    return total


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the corpus and print what was written."""
    options = _parse(arguments)
    records = islice(all_records(Loader()), options.limit)
    total = write_objects(records, options.output, options.records_per_object)
    objects = -(-total // options.records_per_object)
    print(f"{total} records in {objects} objects below {options.output}")
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Write botocore's documentation as JSON lines.")
    parser.add_argument("--output", type=Path, required=True, help="folder of the objects")
    parser.add_argument("--limit", type=_count, help="write only the first records")
    parser.add_argument(
        "--records-per-object",
        type=_count,
        default=DEFAULT_RECORDS_PER_OBJECT,
        help=f"records of one object, which is one page of a run ({DEFAULT_RECORDS_PER_OBJECT})",
    )
    return parser.parse_args(arguments)


def _count(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else 0
    if not 1 <= number <= 10_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return number


if __name__ == "__main__":
    sys.exit(run_command(main))
