"""The random stamp of a project is taken out, however it is written."""

from flow.tools.hls4ml import _clean


def test_a_stamp_that_yaml_quotes_is_the_same_as_any_other(tmp_path):
    texts = []
    for stamp, line in (("1234e567", "'1234e567'"), ("ab12cd34", "ab12cd34")):
        path = tmp_path / "config.yml"
        path.write_text(f"Stamp: {line}\nset(LIB_STAMP {stamp})\nplace {tmp_path}\n")
        texts.append(_clean(path, str(tmp_path), stamp))
    assert texts == [b"Stamp: flow\nset(LIB_STAMP flow)\nplace .\n"] * 2
