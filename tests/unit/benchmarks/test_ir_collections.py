from pathlib import Path

import pytest

from benchmarks.ir_collections import (
    Document,
    Query,
    find_collections,
    read_cisi,
    read_collection,
    read_cranfield,
    read_npl,
)
from shared.errors import NotFoundError

CRANFIELD_DOCUMENTS = """.I 1
.T
lift of a
wing .
.A
somebody
.B
j. 1958
.W
lift of a
wing .
  it was measured .
.I 2
.T
.A
.B
.W
.I 3
.T
shock waves
.W
first part
.W
second part .I think
"""
CRANFIELD_QUERIES = """.I 001
.W
what lifts
a wing .
.I 004
.W
what shocks .
.I 008
.W
never judged .
"""
CISI_DOCUMENTS = """.I 1
.T
Dewey
.A
Comaromi, J.P.
.W
   The present study.
.X
1\t5\t1
92\t1\t1
.I 2
.T\x20
Libraries
.A\x20
Slater, M.
.W
This report.
.X
2\t5\t2
"""
CISI_QUERIES = """.I 1
.W
What of Dewey?
.I 2
.W
Not judged.
.I 58
.T
Networking
.A
Avram, H.D.
.W
    Control is reviewed.
.B
(JASIS)

"""
NPL_DOCUMENTS = """1
compact memories  a digital data storage
system is described  references
   /
2
an analogue computer for solving systems of equations
mathematical derivation of the
operating principle  and stability
   /
3
measurements of the composition of the atmosphere
by the third satellite  discussion of
results  done
   /
4
the d region
   /
"""
NPL_QUERIES = """1
MEASUREMENT OF MEMORIES
/
2
COMPUTERS
/
"""
NPL_JUDGEMENTS = """1
    1     3
  999
   /
2
    2
   /
"""


@pytest.fixture
def cranfield(tmp_path: Path) -> Path:
    (tmp_path / "cran.all.1400").write_text(CRANFIELD_DOCUMENTS)
    (tmp_path / "cran.qry").write_text(CRANFIELD_QUERIES)
    (tmp_path / "cranqrel").write_text("1 1 2 \n1 3  -1\n2 3 4\n2 77 1")
    return tmp_path


def test_cranfield_documents(cranfield: Path) -> None:
    assert read_cranfield(cranfield).documents == [
        Document("1", "lift of a wing .", "lift of a wing . it was measured ."),
        Document("2", "", ""),
        Document("3", "shock waves", "first part second part .I think"),
    ]


def test_cranfield_judgements_go_by_position_and_all_count(cranfield: Path) -> None:
    collection = read_cranfield(cranfield)
    assert collection.queries == [Query("1", "what lifts a wing ."), Query("2", "what shocks .")]
    # The code -1 counts; document 77 does not exist.
    assert collection.relevant == {"1": frozenset({"1", "3"}), "2": frozenset({"3"})}


def test_cisi(tmp_path: Path) -> None:
    (tmp_path / "CISI.ALL").write_text(CISI_DOCUMENTS)
    (tmp_path / "CISI.QRY").write_text(CISI_QUERIES)
    (tmp_path / "CISI.REL").write_text("     1     2\t0\t0.000000\n    58     1\t0\t0.000000\n")
    collection = read_cisi(tmp_path)
    assert collection.documents == [
        Document("1", "Dewey", "The present study."),
        Document("2", "Libraries", "This report."),
    ]
    assert collection.queries == [
        Query("1", "What of Dewey?"),
        Query("58", "Networking Control is reviewed."),
    ]
    assert collection.relevant == {"1": frozenset({"2"}), "58": frozenset({"1"})}


def test_npl(tmp_path: Path) -> None:
    (tmp_path / "doc-text").write_text(NPL_DOCUMENTS)
    (tmp_path / "query-text").write_text(NPL_QUERIES)
    (tmp_path / "rlv-ass").write_text(NPL_JUDGEMENTS)
    collection = read_npl(tmp_path)
    assert collection.documents == [
        Document("1", "compact memories", "a digital data storage system is described. references"),
        Document(
            "2",
            "an analogue computer for solving systems of equations",
            "mathematical derivation of the operating principle. and stability",
        ),
        Document(
            "3",
            "measurements of the composition of the atmosphere by the third satellite",
            "discussion of results. done",
        ),
        Document("4", "the d region", ""),
    ]
    assert collection.queries == [Query("1", "MEASUREMENT OF MEMORIES"), Query("2", "COMPUTERS")]
    assert collection.relevant == {"1": frozenset({"1", "3"}), "2": frozenset({"2"})}


def test_whole_text_is_title_and_text() -> None:
    assert Document("1", "T", "text").whole_text == "T\ntext"
    assert Document("1", "T", "").whole_text == "T"


def test_absent_data_is_said_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="there are no test collections in") as raised:
        find_collections(tmp_path)
    assert str(tmp_path) in str(raised.value)
    assert "--data" in str(raised.value)


def test_a_folder_with_all_three_is_found(tmp_path: Path) -> None:
    for name in ("cranfield", "cisi", "npl"):
        (tmp_path / name).mkdir()
    assert find_collections(tmp_path) == tmp_path


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"CISI\.ALL is missing"):
        read_collection("cisi", tmp_path)
