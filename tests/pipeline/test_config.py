"""The choices of a build: from a file, checked."""

from dataclasses import replace

import pytest

from flow.errors import UsageError
from flow.pipeline.config import BuildConfig, check_config, parse_loss, read_config


def test_paths_in_a_configuration_are_relative_to_its_file(tmp_path):
    path = tmp_path / "flow.toml"
    path.write_text('model = "a.h5"\nloss = "1%"\nweight-bits = 4\n')
    assert read_config(path) == {
        "model": tmp_path / "a.h5",
        "loss": 0.01,
        "weight_bits": 4,
    }


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ('wieght_bits = 4', "there is no option 'wieght_bits'", "did you mean 'weight-bits'?"),
        ('zzz = 4', "there is no option 'zzz'", "see flow build --help"),
        ('loss = "a"', "a loss of 'a' is no share of the samples", "write 0.01 or 1%"),
        ('loss = "100%"', "a loss of '100%' is no share of the samples", "write 0.01 or 1%"),
    ],
)  # fmt: skip
def test_a_wrong_key_is_named(tmp_path, text, message, hint):
    path = tmp_path / "flow.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        read_config(path)
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_what_is_not_toml_is_refused(tmp_path):
    path = tmp_path / "flow.toml"
    path.write_text("model = ")
    with pytest.raises(UsageError, match="the configuration is not TOML: Invalid value"):
        read_config(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="the configuration cannot be read"):
        read_config(path)
    with pytest.raises(UsageError, match="the configuration cannot be read"):
        read_config(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weight_bits": 0}, "--weight-bits 0 is not a whole number from 1 to 24"),
        ({"weight_bits": 2.5}, "--weight-bits 2.5 is not a whole number from 1 to 24"),
        ({"weight_bits": True}, "--weight-bits True is not a whole number from 1 to 24"),
        ({"input_bits": 33}, "--input-bits 33 is not a whole number from 1 to 32"),
        ({"voltage": "high"}, "--voltage high is not a number from 0.01 to 100"),
        ({"head": "tail"}, "--head tail is unknown"),
        ({"range": "min"}, "--range min is unknown"),
        ({"weight_step": "any"}, "--weight-step any is unknown"),
        ({"percentile": 101}, "--percentile 101 is not a number from 50 to 100"),
        ({"per_channel": 1}, "--per-channel 1 is not true or false"),
        (
            {"loss": 0.1, "layer_bits": "a=4"},
            "--loss searches the widths of every layer, and --layer-bits gives them",
        ),
        ({"simulator": "modelsim"}, "--simulator modelsim is unknown"),
        ({"stages": 2, "period": 5.0}, "--stages and --period both pipeline"),
    ],
)
def test_a_value_without_sense_is_refused(changes, message):
    with pytest.raises(UsageError) as caught:
        check_config(replace(BuildConfig(), **changes))
    assert caught.value.message == message


@pytest.mark.parametrize(("text", "value"), [("1%", 0.01), ("0.02", 0.02), ("0", 0.0)])
def test_a_loss_is_a_share(text, value):
    assert parse_loss(text) == value
