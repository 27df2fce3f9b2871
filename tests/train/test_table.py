"""Labelled tables: what is read, and what is refused with its place."""

import numpy as np
import pytest

from flow.errors import UsageError
from flow.train.table import bundled, index_classes, load_table, read_table

NUMBER, BEFORE = "which is not a finite number", "before the label"
SMALL = "a,b,label\n1,2.5,10\n3,,9\n-4,0,10\n"


def write(folder, text):
    path = folder / "small.csv"
    path.write_text(text)
    return path


def told(path, **options):
    with pytest.raises(UsageError) as error:
        read_table(path, **options)
    return error.value.message, error.value.where, error.value.hint


def test_labels_count_up_in_the_order_of_their_numbers(tmp_path):
    table = read_table(write(tmp_path, "a,label\n1,10\n2,9\n3,10\n"))
    assert (table.name, table.columns, table.classes) == ("small", ("a",), ("9", "10"))
    assert table.x.tolist() == [[1.0], [2.0], [3.0]]
    assert table.y.tolist() == [1, 0, 1]
    assert table.dropped == 0


def test_texts_come_after_numbers():
    assert index_classes(["b", "2", "a", "10"], "t")[1] == ("2", "10", "a", "b")


def test_a_missing_cell_is_refused_with_its_line_and_column(tmp_path):
    assert told(write(tmp_path, SMALL)) == (
        "the cell in line 3, column 'b' is empty",
        "small.csv",
        "leave the column out with drop = ['b'], or such rows with missing = 'drop'",
    )


def test_rows_with_missing_cells_or_columns_can_be_left_out(tmp_path):
    columns = read_table(write(tmp_path, SMALL), drop=["b"])
    assert columns.x.tolist() == [[1.0], [3.0], [-4.0]]
    more = write(tmp_path, SMALL + "5,6,9\n")
    kept = read_table(more, missing="drop")
    assert (kept.x.tolist(), kept.y.tolist()) == ([[1, 2.5], [-4, 0], [5, 6]], [1, 1, 0])
    assert kept.dropped == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,label\n1,x\nnan,y\n", "the cell in line 3, column 'a' holds 'nan', " + NUMBER),
        ("a,label\n1,x\n1_0,y\n", "the cell in line 3, column 'a' holds '1_0', " + NUMBER),
        ("a,label\n1,x\n2,\n", "the cell in line 3, column 'label' is empty"),
        ("a,label\n1,x\n2,y,z\n", "line 3 has 3 cells, but the header has 2"),
        ("a,label\n1,x\n2,x\n", "all rows have the label 'x'"),
        ("a;label\n1;x\n", "the table needs a header, rows, and at least one column " + BEFORE),
        ('a,label\n"1,x\n', "the table is malformed: unexpected end of data"),
    ],
)  # fmt: skip
def test_what_is_no_table_is_refused(tmp_path, text, message):
    assert told(write(tmp_path, text))[:2] == (message, "small.csv")


def test_a_column_that_is_not_there_cannot_be_dropped(tmp_path):
    assert told(write(tmp_path, SMALL), drop=["c"]) == (
        "there is no column 'c' to drop", "small", "the columns are a, b",
    )  # fmt: skip


def test_a_missing_file_is_told(tmp_path):
    assert told(tmp_path / "no.csv") == (
        "the data cannot be read: No such file or directory",
        str(tmp_path / "no.csv"),
        "check the path",
    )


def test_scikit_learn_ships_four_sets(tmp_path):
    iris = load_table("sklearn:iris", tmp_path)
    assert (iris.x.shape, iris.classes) == ((150, 4), ("setosa", "versicolor", "virginica"))
    assert np.bincount(iris.y).tolist() == [50, 50, 50]
    with pytest.raises(UsageError) as error:
        bundled("boston")
    assert error.value.show() == (
        "error: scikit-learn ships no data set 'boston'\n"
        "  hint: choose one of breast_cancer, digits, iris, wine"
    )
