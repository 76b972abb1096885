"""How good rankings are against judgements: nDCG, recall and MRR, each a mean over queries."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

NDCG_DEPTH = 10
RECALL_DEPTH = 100


@dataclass(frozen=True, slots=True)
class Quality:
    """Means over the queries of a collection."""

    ndcg: float
    recall: float
    mrr: float
    documents: float
    """Different ones among the first ten."""


def assess(
    rankings: Mapping[str, Sequence[str]], relevant: Mapping[str, Collection[str]]
) -> Quality:
    """Compare rankings with the relevant documents of every judged query.

    A judged query without a ranking counts as one that found nothing.
    """
    count = max(len(relevant), 1)
    ranked = [(rankings.get(query, ()), wanted) for query, wanted in relevant.items()]
    return Quality(
        ndcg=sum(ndcg(*pair, NDCG_DEPTH) for pair in ranked) / count,
        recall=sum(recall(*pair, RECALL_DEPTH) for pair in ranked) / count,
        mrr=sum(reciprocal_rank(*pair) for pair in ranked) / count,
        documents=sum(len(set(ranking[:NDCG_DEPTH])) for ranking, _ in ranked) / count,
    )


def ndcg(ranking: Sequence[str], relevant: Collection[str], depth: int) -> float:
    """Normalised discounted cumulative gain with gains of 0 and 1.

    Source: Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques", 2002;
    the discount is log2(1 + rank), as in trec_eval.
    """
    gained = sum(
        1.0 / math.log2(1 + rank)
        for rank, document in enumerate(ranking[:depth], start=1)
        if document in relevant
    )
    best = sum(1.0 / math.log2(1 + rank) for rank in range(1, min(len(relevant), depth) + 1))
    return gained / best if best else 0.0


def recall(ranking: Sequence[str], relevant: Collection[str], depth: int) -> float:
    """The part of the relevant documents that stands among the first `depth`."""
    if not relevant:
        return 0.0
    return len(set(ranking[:depth]) & set(relevant)) / len(relevant)


def reciprocal_rank(ranking: Sequence[str], relevant: Collection[str]) -> float:
    """One over the rank of the first relevant document; 0 when there is none."""
    for rank, document in enumerate(ranking, start=1):
        if document in relevant:
            return 1.0 / rank
    return 0.0
