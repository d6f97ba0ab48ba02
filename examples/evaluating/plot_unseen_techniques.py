"""
Techniques that nobody has seen
===============================

Tomorrow's deepfakes are made by a technique that is in no training set today. A classifier learns
the techniques that it is shown; a one-class detector is fitted on genuine pairs and is shown none.
:class:`~sklearn_diffake.model_selection.LeaveOneTechniqueOut` tests both on techniques left out of
training, and :class:`~sklearn_diffake.metrics.TechniqueHeatmapDisplay` shows what each is worth.
"""

# %%
# Seven techniques
# ----------------
# Each manipulates rendered people in its own way, from a whole inner face to the skin alone.
# Everything below works on embeddings, so each picture is aligned and embedded once, here.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_diffake import make_difffake_pipeline
from sklearn_diffake.datasets import make_face_pairs
from sklearn_diffake.metrics import TechniqueHeatmapDisplay
from sklearn_diffake.model_selection import IdentityGroupKFold, LeaveOneTechniqueOut
from sklearn_diffake.novelty import GaussianMixtureDetector

faces = make_face_pairs(
    189,
    fake_share=2 / 3,
    n_identities=32,
    n_videos=2,
    n_frames=2,
    recompressed_share=0,
    size=112,
    random_state=0,
)
y, technique, person = faces.target, faces.frame["technique"].to_numpy(), faces.groups
extractor = make_difffake_pipeline(
    "difffake-lite0-identity", operator="subtract", on_missing="crop"
)[:-1]
extractor.set_params(align__min_face_size=0.4)  # no face is smaller here
X = extractor.fit_transform(faces.data)

# %%
# Left out, and not left out
# --------------------------
# Three columns: the one-class detector, the classifier tested on the technique that it never saw,
# and the same classifier when it has seen that technique. In all of them, the people tested on are
# not those learned from; each figure is the mean over three parts of the people.

detector = GaussianMixtureDetector(1, shrinkage="auto", random_state=0)
classifier = make_pipeline(
    StandardScaler(), LogisticRegression(C=0.01, class_weight="balanced", max_iter=1000)
)


def scores_of(model, train, test):
    """Score rows: higher means more genuine."""
    fitted = model.fit(X[train] ** 2 if model is classifier else X[train], y[train])
    return fitted.decision_function(X[test] ** 2 if model is classifier else X[test])


groups = np.column_stack([technique, person])
unseen = LeaveOneTechniqueOut(n_folds=3, rotate=True, shuffle=True, random_state=0)
names = list(dict.fromkeys(unseen.held_out(X, y, groups)))
columns = ["one class,\nunseen", "classifier,\nunseen", "classifier,\nseen"]
aucs = {(name, column): [] for name in names for column in columns}
for name, (train, test) in zip(
    unseen.held_out(X, y, groups), unseen.split(X, y, groups), strict=True
):
    for column, model in zip(columns, (detector, classifier), strict=False):
        aucs[name, column].append(roc_auc_score(y[test], scores_of(model, train, test)))

seen_splitter = IdentityGroupKFold(3, shuffle=True, random_state=0)
for train, test in seen_splitter.split(X, y, person):
    scores = scores_of(classifier, train, test)
    for name in names:
        rows = (technique[test] == name) | (y[test] == 1)
        aucs[name, columns[2]].append(roc_auc_score(y[test][rows], scores[rows]))

values = np.array([[np.mean(aucs[name, column]) for column in columns] for name in names])
order = np.argsort(-values[:, 0])
names, values = [*np.array(names)[order], "all"], np.vstack([values[order], values.mean(axis=0)])

# %%
# What each is worth
# ------------------

figure, axes = plt.subplots(figsize=(7.5, 5.5), layout="constrained")
display = TechniqueHeatmapDisplay(
    values, techniques=names, detectors=columns, metric_name="AUC, mean of three parts"
)
display.plot(axes, values_format=".2f", vmin=0.4, vmax=1)
for text in display.text_.flat:
    text.set_fontsize(12)
axes.tick_params(axis="x", labelrotation=0)
for label in axes.get_xticklabels():
    label.set_ha("center")
axes.set(xlabel="", title="Which manipulations are noticed")
plt.show()

# %%
# How sure is a cell? It compares 18 deepfakes with 63 genuine pairs: its standard error is
# about 0.07 near 0.8, by Hanley and McNeil's formula.

auc, n_fakes, n_genuine = 0.8, 18, 63
first, second = auc / (2 - auc), 2 * auc**2 / (1 + auc)
error = np.sqrt(
    (auc * (1 - auc) + (n_fakes - 1) * (first - auc**2) + (n_genuine - 1) * (second - auc**2))
    / (n_fakes * n_genuine)
)
print(f"standard error {error:.3f}")

# %%
# So no column is better than another by more than chance allows, and the detector that was shown no
# deepfake loses nothing to the classifier, seen or unseen. What decides is the row: the embedding
# tells who somebody is, so it notices another person's face, as in a swap or a splice, and hardly
# notices skin that was smoothed.
