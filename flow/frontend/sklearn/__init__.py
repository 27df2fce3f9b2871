"""The reader of scikit-learn estimators."""
