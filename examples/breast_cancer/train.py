"""Trains the network of this example on scikit-learn's own breast cancer data.

    python examples/breast_cancer/train.py

writes, beside this file, the trained pipeline (breast_cancer.skops) and the two data files that
`flow build` reads: train.csv (70 %, for calibration) and test.csv (30 %, never seen in training).
The same seed gives the same files with the same versions of numpy and scikit-learn.
"""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from skops.io import dump

HERE = Path(__file__).parent
SEED = 42
HIDDEN_NEURONS = 3

# The data has 30 columns: mean, standard error and worst value of ten measures of a cell
# nucleus. The ten worst values alone carry the diagnosis; every column less is a printed
# analog-to-digital converter less.
COLUMNS = slice(20, 30)


def write_csv(path: Path, names: list[str], x: np.ndarray, y: np.ndarray) -> None:
    """Header, one sample a line, label last."""
    rows = [",".join([*names, "label"])]
    for sample, label in zip(x, y, strict=True):
        rows.append(",".join([*(repr(float(value)) for value in sample), label]))
    path.write_text("\n".join(rows) + "\n")


def main() -> None:
    """Train, write the three files, print both accuracies."""
    data = load_breast_cancer()
    names = [name.replace(" ", "_") for name in data.feature_names[COLUMNS]]
    labels = data.target_names[data.target]
    split = train_test_split(
        data.data[:, COLUMNS], labels, test_size=0.3, random_state=SEED, stratify=labels
    )
    x_train, x_test, y_train, y_test = split
    model = make_pipeline(
        MinMaxScaler(),
        MLPClassifier((HIDDEN_NEURONS,), solver="lbfgs", alpha=1e-3, max_iter=3000, random_state=0),
    )
    model.fit(x_train, y_train)
    dump(model, HERE / "breast_cancer.skops")
    write_csv(HERE / "train.csv", names, x_train, y_train)
    write_csv(HERE / "test.csv", names, x_test, y_test)
    scores = model.score(x_train, y_train), model.score(x_test, y_test)
    print("accuracy: train {:.4f} test {:.4f}".format(*scores))


if __name__ == "__main__":
    main()
