"""What goes into a layer and what stays out."""

from pathlib import PurePosixPath

import pytest

from scripts.bundling.pruning import is_kept


@pytest.mark.parametrize(
    "path",
    [
        "numpy/__init__.py",
        "numpy/testing/__init__.py",
        "numpy.libs/libgfortran-1.so",
        "botocore/data/endpoints.json",
        "botocore/data/partitions.json",
        "botocore/data/_retry.json",
        "botocore/data/sdk-default-configuration.json",
        "botocore/data/s3/2006-03-01/service-2.json.gz",
        "boto3/data/dynamodb/2012-08-10/resources-1.json",
        "boto3-1.0.dist-info/METADATA",
        "langsmith-1.0.dist-info/entry_points.txt",
        "numpy-2.0.dist-info/licenses/LICENSE.txt",
        "hnswlib.cpython-312-aarch64-linux-gnu.so",
        "babel/global.dat",
        "justext/stoplists/English.txt",
        "lxml/etree.cpython-312-aarch64-linux-gnu.so",
        "lxml/html/defs.py",
    ],
)
def test_kept(path: str) -> None:
    assert is_kept(PurePosixPath(path))


@pytest.mark.parametrize(
    "path",
    [
        "numpy/_core/tests/test_umath.py",
        "numpy/__pycache__/__init__.cpython-312.pyc",
        "numpy/__init__.pyi",
        "bin/f2py",
        "botocore/data/ec2/2016-11-15/service-2.json.gz",
        "botocore/data/s3/2006-03-01/examples-1.json.gz",
        "boto3/data/ec2/2016-11-15/resources-1.json",
        "boto3/examples/s3.rst",
        "boto3-1.0.dist-info/RECORD",
        "boto3-1.0.dist-info/WHEEL",
        "onnxruntime/transformers/optimizer.py",
        "babel/locale-data/de.dat",
        "lxml/etree.pyx",
        "lxml/includes/libxml/tree.h",
        "lxml/isoschematron/resources/rng/iso-schematron.rng",
    ],
)
def test_left_out(path: str) -> None:
    assert not is_kept(PurePosixPath(path))
