"""Where what a target's runs find is kept, outside of git."""

import shutil
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# The option of `tests.fuzz.one_target` that leaves out what earlier runs have kept.
WITHOUT_KEPT = "--without-kept"


@dataclass(frozen=True, slots=True)
class Folders:
    """The folders of one target."""

    target: str

    @property
    def root(self) -> Path:
        """All of them."""
        return ROOT / ".local" / "fuzz" / self.target

    @property
    def corpus(self) -> Path:
        """Inputs that reached something new; the next run begins with them."""
        return self.root / "corpus"

    @property
    def fresh(self) -> Path:
        """What a run without the kept inputs adds to the seeds; empty at its beginning."""
        return self.root / "fresh"

    @property
    def seeds(self) -> Path:
        """The inputs of this checkout that every run begins with, made again each time."""
        return self.root / "seeds"

    @property
    def failures(self) -> Path:
        """Inputs that failed."""
        return self.root / "failures"

    @property
    def log(self) -> Path:
        """What the last run said."""
        return self.root / "log.txt"

    def make(self) -> None:
        """Make them."""
        for folder in (self.seeds, self.fresh):
            shutil.rmtree(folder, ignore_errors=True)
        for folder in (self.corpus, self.seeds, self.fresh, self.failures):
            folder.mkdir(parents=True, exist_ok=True)
