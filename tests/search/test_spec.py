"""What a specification says wrong is told whole."""

from dataclasses import fields

import pytest

from flow.errors import UsageError
from flow.search.spec import Spec, parse_spec, read_spec

MESSAGES = [
    ("population = 10", "the key 'data' is missing",
     'name a CSV file with the label last, or a set as "sklearn:iris"'),
    ('data = "x.csv"\npopulaton = 10', "there is no key 'populaton'", "did you mean 'population'?"),
    ('data = "x.csv"\nzzz = 10', "there is no key 'zzz'",
     "the keys are " + ", ".join(f.name for f in fields(Spec))),
    ('data = 3', "data = 3 is not a text", None),
    ('data = "x.csv"\npopulation = "many"', "population = 'many' is not a whole number", None),
    ('data = "x.csv"\npopulation = true', "population = true is not a whole number", None),
    ('data = "x.csv"\npopulation = 2', "population = 2 does not lie from 4 to 1e+06", None),
    ('data = "x.csv"\nbound = 2', "bound = 2 does not lie from 0 to 1", None),
    ('data = "x.csv"\nhidden = 3', "hidden = 3 is not a list of whole numbers", None),
    ('data = "x.csv"\nhidden = [3, "4"]', "hidden = [3, '4'] is not a list of whole numbers", None),
    ('data = "x.csv"\nmissing = "keep"', "missing = 'keep' is not 'refuse' or 'drop'", None),
    ('data = "x.csv"\nstart = ["tree"]', "start: there is no 'tree'", "did you mean 'trees'?"),
    ('data = "x.csv"\nstart = ["q"]', "start: there is no 'q'", "any of trees, gradient"),
    ('data = "x.csv"\nfolds = 1', "folds = 1 holds back all samples at once",
     "give 0, or 2 and more"),
    ('data = "x.csv"\nensembles = ["5x32"]', "ensembles: '5x32' names none",
     'write "trees 5x32", "ordered 5x32", "boosted 4x6", "clipped 4x6" or "neurons 3x6"'),
    ('data = "x.csv"\nteacher = "net"', "teacher = 'net' is not 'forest' or 'linear'", None),
    ('data = ', "the specification is not TOML: Invalid value (at end of document)", None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message", "hint"), MESSAGES)
def test_a_wrong_specification_says_what_and_where(text, message, hint):
    with pytest.raises(UsageError) as caught:
        parse_spec(text, "a.toml")
    assert (caught.value.message, caught.value.where, caught.value.hint) == (
        message, "a.toml", hint,
    )  # fmt: skip


def test_a_specification_that_is_not_there_says_where_to_begin(tmp_path):
    with pytest.raises(UsageError) as caught:
        read_spec(tmp_path / "a.toml")
    assert caught.value.show() == (
        "error: the specification cannot be read: No such file or directory\n"
        f"  at {tmp_path / 'a.toml'}\n"
        "  hint: check the path; examples/printed has specifications to begin with"
    )


def test_keys_have_the_types_of_their_fields_and_dashes_are_underscores(tmp_path):
    place = tmp_path / "a.toml"
    place.write_text('data = "x.csv"\nhidden = [3, 2]\nbound = 1\nhidden-bits = 2\n')
    spec = read_spec(place, seed=7)
    assert spec == Spec("x.csv", hidden=(3, 2), bound=1.0, hidden_bits=2, seed=7)
    assert isinstance(spec.bound, float)


def test_ensembles_are_told_by_kind_count_and_size():
    spec = parse_spec('data = "x.csv"\nensembles = ["trees 1x300", "neurons 3x6"]', "a.toml")
    assert spec.recipes == [("trees", 1, 300), ("neurons", 3, 6)]


CROSSED = (
    "arrhythmia", "arrhythmia_printed", "balance_scale", "breast_cancer", "cardio",
    "dermatology", "mammographic", "pendigits", "redwine", "seeds", "vertebral_2c",
    "vertebral_3c", "whitewine",
)  # fmt: skip


def test_every_example_is_a_specification_of_its_own_data(root):
    files = sorted((root / "examples" / "printed").glob("*.toml"))
    names = [path.stem for path in files]
    assert names == sorted([
        "arrhythmia", "arrhythmia_printed", "balance_scale", "breast_cancer", "cardio",
        "dermatology", "digits", "iris", "mammographic", "pendigits", "redwine", "seeds",
        "vertebral_2c", "vertebral_3c", "whitewine", "wine", "wisconsin_diagnostic",
        *(f"{name}_crossed" for name in CROSSED),
    ])  # fmt: skip
    for path in files:
        spec = read_spec(path)
        assert spec.data.startswith("sklearn:") or spec.source.count("DOI") == 1, path.name
