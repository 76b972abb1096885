"""Replaces the words of a query that the index does not know by known ones.

For each such word the first of these that there is:

1. its parts before and after digits;
2. the word that it makes with a neighbour, if that is known;
3. two words of three letters or more that it consists of;
4. a known word at one edit that begins with the same letter;
5. two shorter words that it consists of;
6. a known word at one edit that begins with another letter;
7. a known word at two edits that begins with the same letter, and whose stem is long.

A word that the model has whole in its vocabulary is one that people write: a near word stands for
it only if they differ in repeated letters, or in the order of their letters.

Parts are known words, none of them a function word, that stand beside each other in some row. Among
several possibilities the most frequent one is taken. A query whose words are all known does not
change, and neither does one that is the whole title, id or key of an entity. Where more than two
words and most of the query are unknown, it is of another subject or language: every word is near to
some known one, so none is taken for it.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

from shared.index.shard.lexical import TermStatistics
from shared.index.shard.spelling import MAXIMUM_LETTERS, has_digit, has_long_parts
from shared.index.shard.suggestions import NearWord, Suggestions, Unknown
from shared.index.shard.tokenizer import TOKENIZER, is_function_word, is_whole, search_terms

MAXIMUM_CORRECTED = 16
MAXIMUM_JOINED = 2 * MAXIMUM_CORRECTED
# Says whether a word is one that people write, although the index does not know it.
IsWord = Callable[[str], bool]
# So many unknown words may be misspelt in any query, and more in one with as many known ones.
_MISSPELT = 2


@dataclass(frozen=True, slots=True)
class Correction:
    """The words by which a query is searched instead, and what stands for what."""

    text: str
    replaced: Mapping[str, str]

    @property
    def terms(self) -> tuple[str, ...]:
        """What is searched for."""
        return search_terms(self.text)


def unknown_terms(terms: Iterable[str], units_with: Mapping[str, int]) -> set[str]:
    """The terms of a query that no unit holds, but for those that are never replaced.

    A query that is the whole title, id or key of an entity says what it means.
    """
    lacking = {term for term in terms if not units_with.get(term)}
    if not all(term in lacking for term in terms if is_whole(term)):
        return set()
    return {term for term in lacking if not (is_whole(term) or is_function_word(term))}


def no_word(_: str) -> bool:
    """Takes every word that the index does not know for misspelt."""
    return False


def held_back(
    statistics: TermStatistics, given: Collection[str], searched: Collection[str]
) -> TermStatistics:
    """Let no word that stands for another weigh more than every known word of the query.

    What a word seems to mean is less certain than what is written, so a rare word that stands for
    another must not outrank what the query says. Rare words weigh more, so it passes for as
    frequent as the rarest known word; a query without one stays as it is.
    """
    units_with = statistics.units_with
    words = [term for term in searched if not is_whole(term)]
    known = [units_with[term] for term in words if term in given and units_with.get(term)]
    if not known:
        return statistics
    least = min(known)
    instead = {term: max(units_with.get(term, 0), least) for term in words if term not in given}
    return replace(statistics, units_with={**units_with, **instead})


class QueryWords:
    """The words of a query, some of which the index does not know."""

    def __init__(self, text: str, lacking: Collection[str], is_word: IsWord = no_word) -> None:
        """See which words have a term that no unit holds; the first 16 of them are replaced."""
        self._is_word = is_word
        self._words, self._runs = TOKENIZER.written(text)
        content = {one.word: one.stem for one in self._words if not is_function_word(one.stem)}
        unknown = [word for word, stem in content.items() if stem in lacking]
        self._unknown = tuple(unknown[:MAXIMUM_CORRECTED])
        self._may_be_misspelt = len(unknown) <= max(_MISSPELT, len(content) - len(unknown))

    def unknown(self) -> Unknown:
        """What to ask of the shards; nothing if every word is known."""
        words = [one.word for one in self._words]
        joined = (
            left + right
            for left, right in pairwise(words)
            if (left in self._unknown or right in self._unknown)
            and len(left) + len(right) <= MAXIMUM_LETTERS
        )
        return Unknown(self._unknown, tuple(dict.fromkeys(joined))[:MAXIMUM_JOINED])

    def corrected(self, suggestions: Suggestions) -> Correction | None:
        """The query with known words; None if nothing is known that may stand for one."""
        replaced: dict[str, str] = {}
        words: list[str] = []
        is_free = False  # whether the last of `words` is one of the query that nothing replaced
        position = 0
        while position < len(self._words):
            word = self._words[position].word
            position += 1
            following = self._words[position].word if position < len(self._words) else None
            if word not in self._unknown:
                words.append(word)
                is_free = True
                continue
            parts = _best_split(suggestions, word) if has_digit(word) else None
            before = suggestions.joined.get(words[-1] + word, 0) if words and is_free else 0
            after = suggestions.joined.get(word + following, 0) if following else 0
            is_free = False
            if parts is None and following is not None and after > before:
                replaced[f"{word} {following}"] = word + following
                words.append(word + following)
                position += 1
            elif parts is None and before:
                replaced[f"{words[-1]} {word}"] = words[-1] + word
                words[-1] += word
            else:
                instead = parts or self._instead(suggestions, word)
                if instead is not None:
                    replaced[word] = instead
                words.append(instead or word)
                is_free = instead is None
        return Correction(" ".join([*words, *self._runs]), replaced) if replaced else None

    def _instead(self, suggestions: Suggestions, word: str) -> str | None:
        """The best split or the nearest word; see above for the order."""
        near = min(self._near(suggestions, word), key=lambda one: one.rank(word), default=None)
        is_close = near is not None and near.is_close(word)
        split = _best_split(suggestions, word, is_long=True)
        if split is None and not is_close:
            split = _best_split(suggestions, word)
        if split is not None:
            return split
        return None if near is None else near.written

    def _near(self, suggestions: Suggestions, word: str) -> Sequence[NearWord]:
        offered = suggestions.near.get(word, ()) if self._may_be_misspelt else ()
        if offered and self._is_word(word):
            return [one for one in offered if _is_slip(word, one.written)]
        return offered


def _is_slip(word: str, meant: str) -> bool:
    """Whether only a repeated letter or the order of the letters differs."""
    once = [[letter for letter, _ in groupby(one)] for one in (word, meant)]
    return once[0] == once[1] or sorted(word) == sorted(meant)


def _best_split(suggestions: Suggestions, word: str, *, is_long: bool = False) -> str | None:
    """The two words that a word consists of; of several the ones that most rows have."""
    splits = suggestions.splits.get(word, {})
    wanted = [
        (-rows, parts) for parts, rows in splits.items() if not is_long or has_long_parts(parts)
    ]
    return min(wanted)[1] if wanted else None
