"""Data files against a model's inputs, labels, splits, and the coding of inputs."""

import hashlib
import io
import random
import zipfile
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flow.errors import UsageError
from flow.frontend.files.data import decode, encode, read_data, split
from flow.ir.layers import Input
from flow.ir.rounding import ROUNDINGS, round_fraction
from flow.ir.tensor import fractions, tensor_type

FOUR = {"x": (4,)}


def save(path: Path, **arrays) -> Path:
    np.savez(path, **arrays)
    return path


def text(path: Path, content: str) -> Path:
    path.write_text(content, encoding="utf-8")
    return path


def refusal(path: Path, inputs=FOUR, **options) -> str:
    with pytest.raises(UsageError) as caught:
        read_data(path, inputs, **options)
    return caught.value.show()


def npy(header: str, data: bytes = b"") -> bytes:
    padded = header.encode().ljust(118) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded + data


def test_an_npy_file_is_the_one_input(tmp_path):
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    np.save(tmp_path / "x.npy", x)
    samples = read_data(tmp_path / "x.npy", FOUR)
    assert samples.inputs["x"].dtype == np.float64
    assert samples.inputs["x"].tolist() == x.tolist()
    assert samples.labels is None
    assert samples.columns == ()
    assert samples.sha256 == hashlib.sha256((tmp_path / "x.npy").read_bytes()).hexdigest()


def test_a_column_major_array_keeps_its_meaning(tmp_path):
    x = np.asfortranarray(np.arange(12.0).reshape(3, 4))
    np.save(tmp_path / "x.npy", x)
    assert read_data(tmp_path / "x.npy", FOUR).inputs["x"].tolist() == x.tolist()


def test_an_archive_has_inputs_in_order_and_labels(tmp_path):
    path = save(tmp_path / "d.npz", x0=np.ones((2, 3)), x1=np.zeros((2, 1)), y=np.array([1, 0]))
    samples = read_data(path, {"left": (3,), "right": (1,)}, need_labels=True, outputs=2)
    assert {k: v.tolist() for k, v in samples.inputs.items()} == {
        "left": [[1.0, 1.0, 1.0]] * 2,
        "right": [[0.0], [0.0]],
    }
    assert samples.labels.tolist() == [1, 0]
    assert samples.classes == (0, 1)


def test_images_are_flattened_and_flat_rows_become_images(tmp_path):
    x = np.arange(18.0).reshape(2, 3, 3)
    np.save(tmp_path / "x.npy", x)
    assert (
        read_data(tmp_path / "x.npy", {"x": (9,)}).inputs["x"].tolist() == x.reshape(2, 9).tolist()
    )
    assert read_data(tmp_path / "x.npy", {"x": (1, 3, 3)}).inputs["x"].shape == (2, 1, 3, 3)
    np.save(tmp_path / "flat.npy", x.reshape(2, 9))
    assert read_data(tmp_path / "flat.npy", {"x": (3, 3)}).inputs["x"].tolist() == x.tolist()


def test_axes_in_another_order_are_not_reshaped(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((2, 3, 5, 5)))
    assert refusal(tmp_path / "x.npy", {"x": (5, 5, 3)}) == (
        "error: a sample has the shape [3, 5, 5], but the input 'x' of the model takes [5, 5, 3]\n"
        "  at x.npy\n"
        "  hint: transpose the array: the order of its axes differs"
    )


def test_a_table_has_its_label_last(tmp_path):
    path = text(tmp_path / "d.csv", "a,b,c,d,kind\n1,2,3,4,cat\n5,6,7,8.5,dog\n1,1,1,1,cat\n")
    samples = read_data(path, FOUR, need_labels=True)
    assert samples.inputs["x"].tolist() == [[1, 2, 3, 4], [5, 6, 7, 8.5], [1, 1, 1, 1]]
    assert samples.labels.tolist() == [0, 1, 0]
    assert samples.classes == ("cat", "dog")
    assert samples.columns == ("a", "b", "c", "d", "kind")


def test_a_table_without_a_label_column_has_no_labels(tmp_path):
    path = text(tmp_path / "d.csv", "\ufeffa,b,c,d\r\n1,2,3,4\r\n")
    assert read_data(path, FOUR).labels is None
    assert read_data(path, FOUR).columns == ("a", "b", "c", "d")
    assert refusal(path, need_labels=True) == (
        "error: the data have no labels\n"
        "  at d.csv\n"
        "  hint: give a .csv file with the label in its last column, or an .npz file with 'y'"
    )


def test_a_table_feeds_two_inputs_in_order(tmp_path):
    path = text(tmp_path / "d.csv", "a,b,c,y\n1,2,3,0\n4,5,6,1\n")
    samples = read_data(path, {"p": (1,), "q": (2, 1)})
    assert samples.inputs["p"].tolist() == [[1], [4]]
    assert samples.inputs["q"].tolist() == [[[2], [3]], [[5], [6]]]
    assert samples.labels.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b,c,d,y\n1,2,3,4,0\n1,2,,4,0\n", "the cell in line 3, column 'c' is empty"),
        (
            "a,b,c,d,y\n1,nan,3,4,0\n",
            "the cell in line 2, column 'b' holds 'nan', which is not a finite number",
        ),
        (
            "a,b,c,d,y\n1,2,3,1_0,0\n",
            "the cell in line 2, column 'd' holds '1_0', which is not a finite number",
        ),
        (
            "a,b,c,d,y\n1,=cmd(),3,1,0\n",
            "the cell in line 2, column 'b' holds '=cmd()', which is not a finite number",
        ),
        ("a,b,c,d,y\n1,2,3\n", "line 2 has 3 cells, but the header has 5"),
        ("a,b,c,d,y\n1,2,3,4,\n", "the label of row 1 is missing"),
        ("a,b,c,d,y\n", "the table has a header and no rows"),
        (
            "1,2,3,4,5\n1,2,3,4,0\n",
            "the first line of the table is no header: it holds numbers only",
        ),
        (
            "a,b\n1,2\n",
            "the table has 2 columns, but the model takes 4 features (5 columns with a label)",
        ),
        ('a,b,c,d\n"1,2,3,4\n', "the table is malformed at line 2: unexpected end of data"),
        (" \n", "the data file is empty"),
        ("a\0b", "the file is neither a table of text, nor .npy or .npz"),
    ],
)
def test_a_bad_table_is_refused_with_its_place(tmp_path, content, message):
    shown = refusal(text(tmp_path / "d.csv", content))
    assert shown.splitlines()[:2] == [f"error: {message}", "  at d.csv"]


def test_semicolons_are_named(tmp_path):
    assert refusal(text(tmp_path / "d.csv", "a;b;c;d\n1;2;3;4\n")).splitlines()[2] == (
        "  hint: separate the columns by commas, not by ';'"
    )


def test_a_table_in_another_encoding_is_refused(tmp_path):
    (tmp_path / "d.csv").write_bytes("größe,b,c,d\n".encode("latin-1"))
    assert refusal(tmp_path / "d.csv") == (
        "error: the table is not UTF-8 text: byte 2 is 0xf6\n"
        "  at d.csv\n"
        "  hint: save it as CSV in UTF-8"
    )


def test_a_folder_an_absent_and_an_empty_file_are_refused(tmp_path):
    assert refusal(tmp_path).startswith("error: a folder is no data file\n")
    assert refusal(tmp_path / "no.npy").startswith("error: no such file\n")
    (tmp_path / "empty.npy").write_bytes(b"")
    assert refusal(tmp_path / "empty.npy") == "error: the data file is empty\n  at empty.npy"


def test_a_wrong_width_names_both_numbers(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((5, 3)))
    assert refusal(tmp_path / "x.npy") == (
        "error: a sample has 3 values, but the input 'x' of the model takes 4\n  at x.npy"
    )
    np.save(tmp_path / "x.npy", np.zeros(4))
    assert refusal(tmp_path / "x.npy").splitlines()[2] == (
        "  hint: one sample is an array of one row: x.reshape(1, -1)"
    )


def test_a_nan_is_named_by_row_and_index(tmp_path):
    x = np.zeros((5, 4))
    x[3, 2] = np.nan
    np.save(tmp_path / "x.npy", x)
    assert refusal(tmp_path / "x.npy").splitlines()[0] == (
        "error: the value for the input 'x' at row 3, index [2] is nan"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000, 1000000), }"),
            "the header declares 8000000000000000 bytes, but the file holds 0",
        ),
        (
            npy("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, 4), }", b"0" * 32),
            "the header declares an impossible shape",
        ),
        (
            npy("{'descr': '|O', 'fortran_order': False, 'shape': (1, 4), }", b"0" * 32),
            "arrays of the type object are not read",
        ),
        (
            npy("{'descr': '<c16', 'fortran_order': False, 'shape': (1, 4), }", b"0" * 64),
            "arrays of the type complex128 are not read",
        ),
        (npy("__import__('os').system('touch canary')"), "this is not a numpy file"),
        (b"\x93NUMPY\x01", "this is not a numpy file"),
        (b"\x93NUMPY\x09\x00" + bytes(100), "this is not a numpy file"),
    ],
)
def test_a_hostile_numpy_file_is_refused_before_memory_is_taken(
    tmp_path, monkeypatch, content, message
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.npy").write_bytes(content)
    assert refusal(tmp_path / "x.npy").splitlines()[0] == f"error: {message}"
    assert [p.name for p in tmp_path.iterdir()] == ["x.npy"]


@pytest.mark.parametrize("kind", ["x.npy", "d.npz", "d.csv"])
def test_a_damaged_file_ends_in_samples_or_a_message(tmp_path, kind):
    path = tmp_path / kind
    x = np.arange(12.0).reshape(3, 4)
    if kind == "x.npy":
        np.save(path, x)
    elif kind == "d.npz":
        np.savez_compressed(path, x=x, y=np.arange(3))
    else:
        text(path, "a,b,c,d,y\n1,2,3,4,'q'\n5,6,7,8,r\n")
    whole, rng = path.read_bytes(), random.Random(2)
    for _ in range(400):
        broken = bytearray(whole)
        for _ in range(rng.randint(1, 3)):
            broken[rng.randrange(len(broken))] = rng.choice(b"'\"(){}[],:\n019<|OVc#-\xff\x00")
        path.write_bytes(broken[: rng.choice([len(broken), rng.randrange(len(broken))])])
        try:
            samples = read_data(path, FOUR)
        except UsageError:
            continue
        assert np.isfinite(samples.inputs["x"]).all()


def test_a_pickled_array_is_refused(tmp_path):
    np.save(tmp_path / "x.npy", np.array([[{}, 1, 2, 3]], dtype=object), allow_pickle=True)
    assert refusal(tmp_path / "x.npy").splitlines()[0] == (
        "error: arrays of the type object are not read"
    )


def test_a_zip_bomb_is_refused(tmp_path):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", b"\0" * 30_000_000)
    (tmp_path / "d.npz").write_bytes(packed.getvalue())
    assert "unpack to 30000000" in refusal(tmp_path / "d.npz").splitlines()[0]


def test_an_archive_without_the_inputs_says_what_it_holds(tmp_path):
    path = save(tmp_path / "d.npz", x_train=np.zeros((2, 4)), y=np.zeros(2))
    assert refusal(path) == (
        "error: the archive needs 'x' for the model's inputs, and holds x_train, y\n"
        "  at d.npz\n"
        "  hint: save it with numpy.savez(path, x=..., y=...), or x0=..., x1=... for two inputs"
    )


@pytest.mark.parametrize(
    ("labels", "options", "indices", "classes"),
    [
        (["b", "a", "b"], {}, [1, 0, 1], ("a", "b")),
        ([3, 5, 3], {}, [0, 1, 0], (3, 5)),
        ([2, 0, 2], {"outputs": 3}, [2, 0, 2], (0, 1, 2)),
        ([7, 3, 5], {"outputs": 3}, [2, 0, 1], (3, 5, 7)),
        ([1, 0, 1], {"outputs": 1}, [1, 0, 1], (0, 1)),
        (["5", "3", "3"], {"classes": (3, 4, 5)}, [2, 0, 0], (3, 4, 5)),
        ([3.0, 5.0, 4.0], {"classes": ("3", "4", "5")}, [0, 2, 1], ("3", "4", "5")),
        ([[0, 1], [1, 0], [0, 1]], {"outputs": 2}, [1, 0, 1], (0, 1)),
        ([[0], [2], [1]], {"outputs": 3}, [0, 2, 1], (0, 1, 2)),
        ([True, False, True], {}, [1, 0, 1], ("False", "True")),
    ],
)
def test_labels_become_class_indices(tmp_path, labels, options, indices, classes):
    path = save(tmp_path / "d.npz", x=np.zeros((3, 4)), y=np.array(labels))
    samples = read_data(path, FOUR, need_labels=True, **options)
    assert samples.labels.tolist() == indices
    assert samples.classes == classes


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        (
            [0, 1, 2],
            {"classes": (0, 1)},
            "the label 2 of row 3 is none of the model's classes 0, 1",
        ),
        ([4, 5, 6], {"outputs": 2}, "the labels are 3 classes, but the model has 2"),
        ([0, 1], {}, "there are 3 samples and 2 labels"),
        ([0, 1, np.nan], {}, "the label of row 3 is missing"),
        (
            [[0.5, 1], [1, 0], [0, 1]],
            {"outputs": 2},
            "the labels have 2 columns that are not one-hot for 2 classes",
        ),
    ],
)
def test_labels_that_do_not_fit_are_refused(tmp_path, labels, options, message):
    path = save(tmp_path / "d.npz", x=np.zeros((3, 4)), y=np.array(labels))
    assert refusal(path, need_labels=True, **options).splitlines()[0] == f"error: {message}"


def test_targets_of_a_regression_are_no_labels(tmp_path):
    path = save(tmp_path / "d.npz", x=np.zeros((2, 4)), y=np.array([0.5, 1.25]))
    assert read_data(path, FOUR).labels is None


def test_a_split_is_that_of_scikit_learn(tmp_path):
    from sklearn.model_selection import train_test_split

    x, y = np.arange(200.0).reshape(50, 4), np.arange(50) % 3
    samples = read_data(save(tmp_path / "d.npz", x=x, y=y), FOUR)
    train, test = split(samples)
    a, b, c, d = train_test_split(x, y, test_size=0.3, random_state=42, stratify=y)
    assert train.inputs["x"].tolist() == a.tolist()
    assert test.inputs["x"].tolist() == b.tolist()
    assert train.labels.tolist() == c.tolist()
    assert test.labels.tolist() == d.tolist()
    assert (len(train), len(test)) == (35, 15)


def test_a_class_of_one_sample_cannot_be_split(tmp_path):
    path = save(tmp_path / "d.npz", x=np.zeros((5, 4)), y=np.array(["a", "a", "a", "a", "b"]))
    samples = read_data(path, FOUR)
    with pytest.raises(UsageError) as caught:
        split(samples)
    assert caught.value.show() == (
        "error: the class 'b' has one sample only, and cannot be split\n"
        "  hint: give more samples, or split without stratify"
    )
    assert len(split(samples, 0.4, stratify=False)[1]) == 2


def port(lo: int, hi: int, scale: Fraction, offset: Fraction, shape=(1,), **coding) -> Input:
    tensor = tensor_type(shape, lo, hi, scale)
    return Input("x", (), "x", tensor, fractions(offset, shape), **coding)


def test_inputs_are_coded_to_the_nearest_with_ties_to_even_and_saturated():
    x = np.array([[0.0], [0.125], [0.375], [0.376], [-0.125], [99.0], [-99.0]])
    assert encode(port(-4, 3, Fraction(1, 4), Fraction(0)), x).tolist() == [
        [0], [0], [2], [2], [0], [3], [-4]
    ]  # fmt: skip


def test_a_value_that_is_not_finite_is_not_coded():
    with pytest.raises(UsageError, match="a value for the input 'x' is not finite"):
        encode(port(0, 3, Fraction(1), Fraction(0)), np.array([[np.inf]]))


RATIONALS = st.fractions(min_value=Fraction(1, 1 << 70), max_value=1 << 70)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)


@given(FLOATS | st.integers(-4000, 4000).map(lambda n: n / 16), RATIONALS | st.integers(-8, 8).map(
    lambda e: Fraction(2) ** e), RATIONALS | st.just(Fraction(0)), st.integers(0, 80),
    st.sampled_from(ROUNDINGS), st.booleans())  # fmt: skip
def test_the_coding_is_exact_for_every_float(x, scale, offset, bits, rounding, wrap):
    lo, hi = -(1 << bits), (1 << bits) - 1
    whole = round_fraction((Fraction(x) - offset) / scale, rounding)
    want = (whole - lo) % (hi - lo + 1) + lo if wrap else min(max(whole, lo), hi)
    how = {"rounding": rounding, "overflow": "wrap" if wrap else "saturate"}
    assert encode(port(lo, hi, scale, offset, **how), np.array([[x]])).tolist() == [[want]]


@given(st.integers(-(1 << 70), 1 << 70), RATIONALS)
def test_decoding_rounds_once(value, scale):
    tensor = tensor_type((1,), -(1 << 70), 1 << 70, scale)
    got = decode(tensor, np.array([[value]], dtype=object))
    assert got.tolist() == [[float(value * scale)]]
    small = value % 1000
    assert decode(tensor, np.array([[small]])).tolist() == [[float(small * scale)]]


def test_each_element_has_its_own_scale():
    scale = np.array([Fraction(1, 3), Fraction(1, 4)], dtype=object)
    tensor = tensor_type((2,), -100, 100, scale)
    x = Input("x", (), "x", tensor, fractions(Fraction(1, 10), (2,)))
    assert encode(x, np.array([[1.1, 1.1], [0.1, 0.1]])).tolist() == [[3, 4], [0, 0]]
    assert decode(tensor, np.array([[3, 3], [1, 1]])).tolist() == [[1.0, 0.75], [1 / 3, 0.25]]


@pytest.mark.shared
def test_the_printed_data_sets_are_read(shared):
    samples = read_data(shared / "datasets/redwine.csv", {"x": (11,)}, need_labels=True, outputs=6)
    assert samples.inputs["x"].shape == (1599, 11)
    assert samples.classes == (3, 4, 5, 6, 7, 8)
    assert np.bincount(samples.labels).tolist() == [10, 53, 681, 638, 199, 18]
    train, test = split(samples)
    assert (len(train), len(test)) == (1119, 480)


@pytest.mark.shared
def test_a_missing_cell_of_a_real_table_is_named(shared):
    message = refusal(shared / "datasets/arrhythmia.csv", {"x": (279,)}).splitlines()[0]
    assert message.startswith("error: the cell in line 2, column ")
    assert message.endswith(" is empty")
