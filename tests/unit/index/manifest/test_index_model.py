"""Any interleaving of tasks on an index, with failures of any call, against a plain dictionary.

`python -m tests.unit.index.manifest.test_index_model 2000` tries as many interleavings as you like.
"""

import sys
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from tests.unit.index.failing_store import HookedStore, StoreDownError, failing
from tests.unit.index.index_model import ModelledIndex, TaskName, Trouble

picks = st.integers(0, 2**20)
numbers = st.integers(0, 11)
task_names: st.SearchStrategy[TaskName] = st.sampled_from(
    ["ingest", "redeliver", "merge", "collect", "restore"]
)
failures = st.builds(Trouble, numbers, moment=st.sampled_from(["before", "after", "repeated"]))
others = st.builds(Trouble, numbers, task=task_names, pick=picks)
troubles = st.none() | failures | others


class IndexMachine(RuleBasedStateMachine):
    """The index, one reader that follows it all along, and whoever works on it."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.index = ModelledIndex(Path(self.folder.name))
        self.reads = HookedStore(self.index.store)
        self.reader = self.index.searcher(self.reads)
        self.seen = 0

    @rule(pick=picks, trouble=troubles)
    def ingest(self, pick: int, trouble: Trouble | None) -> None:
        self.index.do("ingest", pick, trouble)

    @precondition(lambda self: self.index.parts)
    @rule(pick=picks, trouble=troubles)
    def redeliver(self, pick: int, trouble: Trouble | None) -> None:
        self.index.do("redeliver", pick, trouble)

    @precondition(lambda self: self.index.latest > 0)
    @rule(pick=picks, trouble=troubles)
    def merge(self, pick: int, trouble: Trouble | None) -> None:
        self.index.do("merge", pick, trouble)

    @precondition(lambda self: self.index.latest > 1)
    @rule(pick=picks, other=st.builds(Trouble, numbers, task=st.just("restore"), pick=picks))
    def merge_while_a_version_is_restored(self, pick: int, other: Trouble) -> None:
        self.index.do("merge", pick, other)

    @precondition(lambda self: self.index.latest > 0)
    @rule(pick=picks, trouble=troubles)
    def collect(self, pick: int, trouble: Trouble | None) -> None:
        self.index.do("collect", pick, trouble)

    @precondition(lambda self: self.index.latest > 1)
    @rule(pick=picks, trouble=troubles)
    def restore(self, pick: int, trouble: Trouble | None) -> None:
        self.index.do("restore", pick, trouble)

    @rule(hours=st.sampled_from([1, 30, 24 * 8, 24 * 15, 24 * 22]))
    def wait(self, hours: int) -> None:
        self.index.calendar.advance(hours=hours)

    @precondition(lambda self: self.index.latest > 0)
    @rule(trouble=st.none() | failures)
    def read(self, trouble: Trouble | None) -> None:
        if trouble is None or trouble.moment is None:
            self.reads.before = self.reads.after = HookedStore().before
        else:
            broken = failing(self.index.store, trouble.number, trouble.moment)
            self.reads.before, self.reads.after = broken.before, broken.after
        try:
            version = self.index.read(self.reader)
        except StoreDownError:
            assert trouble is not None
            assert self.seen == 0, "a reader that has a version goes on serving"
            return
        assert self.seen <= version <= self.index.latest, "a reader never goes back"
        assert trouble is not None or version == self.index.latest
        self.seen = version

    @precondition(lambda self: self.index.latest > 0)
    @rule()
    def read_afresh(self) -> None:
        assert self.index.read(self.index.searcher(self.index.store)) == self.index.latest

    def teardown(self) -> None:
        if self.index.latest:
            self.index.check_that_garbage_goes()
            self.read_afresh()
            self.read(None)
        self.folder.cleanup()


def _settings(examples: int, *, derandomize: bool) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=20,
        deadline=None,
        derandomize=derandomize,
        database=None,
    )


def test_an_index_is_what_a_dictionary_says_whatever_happens() -> None:
    run_state_machine_as_test(IndexMachine, settings=_settings(100, derandomize=True))


if __name__ == "__main__":
    run_state_machine_as_test(IndexMachine, settings=_settings(int(sys.argv[1]), derandomize=False))
