"""A linear boundary between heads that have much of an attribute and heads that have little.

HFGI3D (Xie et al., CVPR 2023, section 4 there) and InterFaceGAN (Shen et al., CVPR 2020): keep the extremes, learn on
70 of 100, test on the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hfinv.errors import HfinvError

TRAINED = 0.7
"""Share of the extremes that the boundary is learned on."""
PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Of the support vector machine; the smallest that predicts best in five folds. Few heads need a small one."""
FOLDS = 5
FEWEST = 4
"""Heads a side from which on a boundary can be tested at all."""


@dataclass(frozen=True)
class Boundary:
    """What separates the two."""

    unit: np.ndarray
    """[M], the normal, of length 1, towards more."""
    accuracy: float
    """Share of the held-out heads on the right side, in [0, 1]."""
    held_out: int
    """How many those were."""
    penalty: float


def extremes(score: np.ndarray, keep: int) -> tuple[np.ndarray, np.ndarray]:
    """Places of the lowest and highest scores, `keep` each; NaN is neither.

    Raises:
        HfinvError: there are too few, or all scores are alike.
    """
    order = np.argsort(score)
    order = order[np.isfinite(score[order])]
    keep = min(keep, len(order) // 2)
    if keep < FEWEST:
        raise HfinvError(
            f"only {len(order)} of {len(score)} heads have a score", "draw more with `--samples`"
        )
    low, high = order[:keep], order[-keep:]
    if not score[high[0]] > score[low[-1]]:
        raise HfinvError(
            "the heads do not differ in this attribute", "choose another, or more `--samples`"
        )
    return low, high


def separate(low: np.ndarray, high: np.ndarray, seed: int) -> Boundary:
    """Learn a boundary and test it.

    Args:
        low: [N, M], heads with little of the attribute, of unit variance over the prior.
        high: [N', M], heads with much of it.
        seed: of the split.

    Raises:
        HfinvError: scikit-learn is not installed, or there are too few heads.
    """
    try:
        from sklearn.model_selection import GridSearchCV, train_test_split
        from sklearn.svm import LinearSVC
    except ImportError as error:
        raise HfinvError(
            "scikit-learn is not installed", "`pip install 'hfinv[directions]'`"
        ) from error
    if min(len(low), len(high)) < FEWEST:
        raise HfinvError(
            f"a boundary needs at least {FEWEST} heads on either side", "give more photos"
        )
    heads = np.concatenate([low, high])
    more = np.repeat([0, 1], [len(low), len(high)])
    learned, tested, learned_more, tested_more = train_test_split(
        heads, more, train_size=TRAINED, stratify=more, random_state=seed
    )
    folds = min(FOLDS, np.bincount(learned_more).min())
    machine = LinearSVC(class_weight="balanced", random_state=seed, max_iter=20_000)
    if folds > 1:
        search = GridSearchCV(machine, {"C": PENALTIES}, cv=folds)
        machine = search.fit(learned, learned_more).best_estimator_
    else:
        machine = machine.set_params(C=PENALTIES[1]).fit(learned, learned_more)
    normal = machine.coef_[0]
    return Boundary(
        normal / np.linalg.norm(normal),
        float(machine.score(tested, tested_more)),
        len(tested),
        float(machine.C),
    )
