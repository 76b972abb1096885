"""What a layer leaves out: nothing that a function imports, and as little as possible besides."""

from fnmatch import fnmatchcase
from pathlib import PurePosixPath

# Clients that the functions or a library of theirs make: xray by the tracer, as it is imported.
# A new one in shared/platform/aws.py is added here; a test runs the finished bundles.
AWS_SERVICES = frozenset(
    {
        "cloudwatch",
        "dynamodb",
        "lambda",
        "logs",
        "s3",
        "secretsmanager",
        "sqs",
        "ssm",
        "sts",
        "xray",
    }
)
SERVICE_DATA_PACKAGES = frozenset({"boto3", "botocore"})
DROPPED_FOLDERS = frozenset({"__pycache__", "tests", "bin"})
DROPPED_NAMES = ("*.pyc", "*.pyi", "*.pxd", "*.pxi", "*.pyx", "*.a", "examples-1.json*")
KEPT_METADATA = ("METADATA", "entry_points.txt", "LICENSE*", "LICENCE*", "COPYING*", "NOTICE*")
# Parts of packages that only tools and their own tests import. Of babel, which courlan imports to
# tell languages in addresses apart, nothing asks for a locale.
DROPPED_PARTS = (
    "babel/locale-data/",
    "boto3/examples/",
    "lxml/includes/",
    "lxml/isoschematron/",
    "numpy/_core/include/",
    "numpy/f2py/",
    "onnxruntime/backend/",
    "onnxruntime/datasets/",
    "onnxruntime/quantization/",
    "onnxruntime/tools/",
    "onnxruntime/transformers/",
)


def is_kept(path: PurePosixPath) -> bool:
    """Whether a file of an installed package goes into its layer.

    Args:
        path: relative to the folder the package is installed in.
    """
    parts = path.parts
    if not DROPPED_FOLDERS.isdisjoint(parts[:-1]):
        return False
    if parts[0].endswith(".dist-info"):
        return any(fnmatchcase(path.name.upper(), pattern.upper()) for pattern in KEPT_METADATA)
    if any(fnmatchcase(path.name, pattern) for pattern in DROPPED_NAMES):
        return False
    if str(path).startswith(DROPPED_PARTS):
        return False
    return not _is_unused_service(parts)


def _is_unused_service(parts: tuple[str, ...]) -> bool:
    """`botocore/data/<service>/…` of a service that is not used; files beside them are common."""
    return (
        len(parts) > 3
        and parts[0] in SERVICE_DATA_PACKAGES
        and parts[1] == "data"
        and parts[2] not in AWS_SERVICES
    )
