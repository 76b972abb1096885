"""Zips: equal contents are equal bytes, whatever the files on disk look like."""

import base64
import hashlib
import os
import zipfile
from pathlib import Path
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from scripts.bundling.archives import describe_archive, read_tree, zip_bytes

FILES = st.dictionaries(
    st.from_regex(r"[a-z]{1,8}(/[a-z]{1,8}){0,2}\.py", fullmatch=True), st.binary(max_size=200)
)


@given(FILES, st.randoms())
def test_order_of_insertion_does_not_matter(files: dict[str, bytes], random: Random) -> None:
    shuffled = list(files.items())
    random.shuffle(shuffled)
    assert zip_bytes(dict(shuffled)) == zip_bytes(files)


def test_times_and_permissions_do_not_matter(tmp_path: Path) -> None:
    made = []
    for name, mode, time in (("a", 0o644, 1_000_000_000), ("b", 0o700, 1_700_000_000)):
        folder = tmp_path / name / "deep"
        folder.mkdir(parents=True)
        (folder / "x.py").write_text("print()")
        (folder / "x.py").chmod(mode)
        os.utime(folder / "x.py", (time, time))
        made.append(zip_bytes(read_tree(tmp_path / name, "root/")))
    assert made[0] == made[1]


def test_files_can_be_read_by_everybody(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(zip_bytes({"b.py": b"2", "a/c.py": b"1"}))
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["a/c.py", "b.py"]
        assert {entry.external_attr >> 16 & 0o777 for entry in archive.infolist()} == {0o644}


def test_description_counts_and_hashes(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    data = zip_bytes({"a.py": b"x" * 10_000, "b.py": b"y"})
    path.write_bytes(data)
    archive = describe_archive(path)
    assert archive.unzipped_bytes == 10_001
    assert archive.zipped_bytes == len(data) < 1000
    assert base64.b64decode(archive.sha256_base64) == hashlib.sha256(data).digest()
