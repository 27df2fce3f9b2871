"""Hostile Keras, QKeras, HGQ and scikit-learn files: what published attacks on loaders did."""

from __future__ import annotations

import base64
import copy
import io
import json
import marshal
import pickle
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import h5py
import numpy as np
from frontend import keras_files as k
from hostile import wholes as w
from hostile.arena import Case

NAMES = (
    "a\nassign y = 0;\nendmodule", '$system("touch canary")', "../../canary", "/etc/passwd",
    "`include \"/etc/passwd\"", "{{ 7 * 7 }}", "\x1b[31mred\x07", "x" * 100_000, "", "\0",
    "*/ assign y = 0; /*", "module", "[exec touch canary]", "\u202e\u2028", "CON", "=cmd|'/c'!A1",
)  # fmt: skip
WEIGHTS = {"fc1": {"kernel": k.KERNEL, "bias": k.BIAS}}


class Evil:
    """A pickle that leaves a canary."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, ("open('canary', 'w').write('ran')",))


def configs() -> Iterator[tuple[str, dict[str, Any], tuple[int, ...]]]:
    """Configurations of Keras 2 that a loader must not follow: CVE numbers in their names."""
    code = base64.b64encode(marshal.dumps(compile("open('canary','w')", "x", "exec"))).decode()
    lambdas = k.layer("Lambda", "l", function=[code, None, None], function_type="lambda",
                      module="canary_module", output_shape=None)  # fmt: skip

    def net(*layers: Any) -> dict[str, Any]:
        return k.sequential(*layers, inputs=(2,))

    def changed(**settings: Any) -> dict[str, Any]:
        model = copy.deepcopy(w.KERAS_2)
        model["config"]["layers"][0]["config"].update(settings)
        return model

    evil = {"class_name": "function", "module": "os", "config": "system",
            "registered_name": "system"}  # fmt: skip
    both = (2, 3)
    yield "CVE-2024-3660 lambda bytecode", net(lambdas, k.dense("fc1", 3)), both
    yield "CVE-2025-1550 module of a function", changed(activation=evil), both
    yield "CVE-2025-1550 module of a layer", net({
        "class_name": "canary_module", "module": "canary_module", "config": {"name": "x"},
        "registered_name": None}), both  # fmt: skip
    yield (
        "CVE-2025-8747 gadget of keras itself",
        net(
            {
                "class_name": "get_file",
                "module": "keras.utils",
                "registered_name": None,
                "config": {"name": "x", "origin": "http://127.0.0.1:9/x", "fname": "../canary"},
            }
        ),
        both,
    )
    yield "CVE-2025-9906 unsafe deserialisation", net({
        "class_name": "enable_unsafe_deserialization", "module": "keras.config",
        "config": {"name": "x"}}, k.dense("fc1", 3)), both  # fmt: skip
    yield "CVE-2025-12058 vocabulary from a file", net(
        k.layer("StringLookup", "s", vocabulary="/etc/passwd")), both  # fmt: skip
    yield "CVE-2026-1462 saved model beside", net(
        k.layer("TFSMLayer", "t", filepath="/x", call_endpoint="serve")), both  # fmt: skip
    yield "an unknown activation", changed(activation="os.system"), both
    yield "a call as an activation", changed(activation="__import__('os').system('id')"), both
    for number, name in enumerate(NAMES):
        yield f"CVE-2026-12479 layer name {number}", changed(name=name), (0, 2, 3)
    for units in (-1, 0, 1 << 40, 1.5, "3", None, [3], 10**30, True):
        yield f"units {units}", changed(units=units), both
    yield "CVE-2026-12570 a shape of terabytes", changed(
        batch_input_shape=[None, 1 << 20, 1 << 20]), both  # fmt: skip
    yield "a negative shape", changed(batch_input_shape=[None, -2]), both
    yield "a shape that is text", changed(batch_input_shape="abc"), both
    yield (
        "an infinite epsilon",
        net(k.layer("BatchNormalization", "b", epsilon=float("inf"), axis=[1])),
        both,
    )
    yield "60 000 layers", net(*[
        k.layer("Flatten", str(i)) for i in range(60_000)]), both  # fmt: skip
    yield (
        "a million layers of one name",
        {"class_name": "Sequential", "config": {"name": "n", "layers": [0] * 1_000_000}},
        both,
    )
    deep: Any = {}
    for _ in range(50):
        deep = {"class_name": "Sequential", "config": {"name": "n", "layers": [deep]}}
    yield "fifty nets in each other", deep, both
    loop = k.functional(
        [(k.source("x", 2), ()), (k.dense("a", 2), ("b",)), (k.dense("b", 2), ("a",))], ["b"]
    )
    yield "a cycle of two layers", loop, both
    own = k.functional([(k.source("x", 2), ()), (k.dense("a", 2), ("a",))], ["a"])
    yield "a layer that reads itself", own, both
    gone = k.functional([(k.source("x", 2), ()), (k.dense("a", 2), ("gone",))], ["a"])
    yield "a layer that reads none", gone, both
    twice = k.functional(
        [(k.source("x", 2), ()), (k.dense("a", 2), ("x",)), (k.dense("a", 2), ("a",))], ["a"]
    )
    yield "two layers of one name", twice, both
    ladder = [(k.source("x", 2), ())]
    last = "x"
    for i in range(40):
        ladder.append((k.layer("Concatenate", f"c{i}", axis=-1), (last, last)))
        last = f"c{i}"
    yield "forty doublings of an array", k.functional(ladder, [last]), both
    for value in (None, [], {}, 3, "text", [[[]]]):
        yield f"a model that is {value!r}", {"class_name": "Sequential", "config": value}, both
        yield (
            f"layers that are {value!r}",
            {"class_name": "Functional", "config": {"name": "n", "layers": value}},
            both,
        )


def hdf5_edits() -> Iterator[tuple[str, Callable[[Any], None]]]:
    """Changes to a file of Keras 2 that its reader must see."""
    at = "model_weights/fc1/fc1/kernel:0"

    def put(make: Callable[[Any], None]) -> Callable[[Any], None]:
        def edit(file: Any) -> None:
            del file[at]
            make(file)

        return edit

    def external(file: Any) -> None:
        file.create_dataset(at, (2, 3), "f4", external=[("/etc/passwd", 0, 24)])

    def virtual(file: Any) -> None:
        layout = h5py.VirtualLayout((2, 3), "f4")
        layout[:] = h5py.VirtualSource("/etc/other.h5", "w", (2, 3))
        file.create_virtual_dataset(at, layout)

    def bomb(file: Any) -> None:
        file.create_dataset(at, (4096, 4096), "f4", chunks=(1024, 4096), compression=9)
        file[at][:1024] = np.zeros((1024, 4096), "f4")

    def loop(file: Any) -> None:
        del file["model_weights/fc1/fc1"]
        file["model_weights/fc1/fc1"] = file["model_weights"]

    def filled(value: float) -> Callable[[Any], None]:
        return put(lambda file: file.create_dataset(at, data=np.full((2, 3), value, "f4")))

    yield "CVE-2026-1669 an array in another file", put(external)
    yield "CVE-2026-1669 an array made of others", put(virtual)
    yield (
        "a link to another file",
        put(lambda file: file.__setitem__(at, h5py.ExternalLink("/etc/other.h5", "/w"))),
    )
    yield "a soft link", put(lambda file: file.__setitem__(at, h5py.SoftLink("/fc1")))
    yield (
        "CVE-2026-0897 an array of terabytes",
        put(lambda file: file.create_dataset(at, (1 << 20, 1 << 20), "f4", chunks=(1, 1024))),
    )
    yield "chunks that explode", put(bomb)
    yield "an array without bytes", put(lambda file: file.create_dataset(at, (2, 3), "f4"))
    yield "a group that holds itself", loop
    yield "text in place of numbers", put(lambda file: file.__setitem__(at, ["a", "b"]))
    yield (
        "objects in place of numbers",
        put(lambda file: file.create_dataset(at, (2, 3), h5py.ref_dtype)),
    )
    yield "NaN", filled(float("nan"))
    yield "infinity", filled(float("inf"))
    yield "the largest float", filled(3.4e38)
    yield "the smallest float", filled(1e-45)
    yield "another shape", put(lambda file: file.__setitem__(at, np.ones((3, 2), "f4")))
    yield "nine axes", put(lambda file: file.__setitem__(at, np.ones((1,) * 9, "f4")))
    yield (
        "three thousand members",
        lambda file: [file["model_weights"].create_group(f"g{i}") for i in range(3_000)] and None,
    )
    yield (
        "names that lead out",
        lambda file: file["model_weights"].attrs.__setitem__("layer_names", [b"../../fc1"]),
    )
    yield "a configuration that is a number", lambda file: file.attrs.__setitem__("model_config", 7)
    yield (
        "a configuration that is cut",
        lambda file: file.attrs.__setitem__("model_config", '{"class_name": "Sequential", '),
    )
    yield (
        "a configuration in deep brackets",
        lambda file: file.attrs.__setitem__("model_config", "[" * 30_000),
    )
    yield (
        "a configuration with NaN",
        lambda file: file.attrs.__setitem__("model_config", '{"class_name": NaN}'),
    )


def keras_h5(base: Case) -> Iterator[Case]:
    """Keras 2 in one file."""
    for name, model, codes in configs():
        if len(json.dumps(model)) < 60_000:
            yield replace(base, name=name, codes=codes, files={"m.h5": k.h5(WEIGHTS, model)})
    small = {"smallest float": (0, 2, 3), "largest float": (0, 2, 3)}
    for name, edit in hdf5_edits():
        codes = next((c for told, c in small.items() if told in name), (2, 3))
        if any(word in name for word in ("objects", "itself", "members", "lead out")):
            codes = (0, 2, 3)
        content = k.h5(WEIGHTS, w.KERAS_2, edit=edit)
        yield replace(base, name=name, codes=codes, files={"m.h5": content})


def keras_json(base: Case) -> Iterator[Case]:
    """A configuration as text beside its weights."""
    weights = base.files["w.h5"]

    def case(name: str, text: bytes, codes: tuple[int, ...] = (2, 3)) -> Case:
        return replace(base, name=name, codes=codes, files={"m.json": text, "w.h5": weights})

    for name, model, codes in configs():
        yield case(name, json.dumps(model).encode(), codes)
    yield case("nested lists", b'{"a":' + b"[" * 500_000 + b"]" * 500_000 + b"}")
    yield case("nested objects", b'{"a":' * 100_000 + b"1" + b"}" * 100_000)
    yield case("a key twice", b'{"class_name": "Sequential", "class_name": "Sequential"}')
    yield case("a number of a million digits", b'{"a": ' + b"9" * 1_000_000 + b"}")
    yield case("a number out of range", b'{"a": 1e999}')
    yield case("a text of 17 MiB", b'{"a": "' + b"x" * (17 << 20) + b'"}')
    yield case("half a surrogate", b'{"class_name": "\\ud800"}')
    yield case("no UTF-8", b'{"class_name": "\xff\xfe"}')
    yield case("a byte order mark of UTF-16", '{"a": 1}'.encode("utf-16"))


def archives(
    build: Callable[[dict[str, bytes]], bytes], members: dict[str, bytes]
) -> Iterator[tuple[str, bytes]]:
    """Archives that lead out of themselves, or explode."""
    for number, name in enumerate(("../../canary", "/canary", "a/../../canary", "C:/canary",
                                   "..\\canary", "a\0b")):  # fmt: skip
        yield f"GHSA-hqp4-2352-xf5r member {number}", build({**members, name: b"x"})
    yield "a thousand members", build({**members, **{f"m{i}": b"" for i in range(1100)}})
    packed = {**members, "bomb": b"\0" * (8 << 20)}
    yield "a bomb beside the model", k.archive(packed, zipfile.ZIP_DEFLATED)
    for name in members:
        bomb = {**members, name: members[name] + b" " * (8 << 20)}
        yield f"a bomb as {name}", k.archive(bomb, zipfile.ZIP_DEFLATED)
        yield f"without {name}", build({n: c for n, c in members.items() if n != name})
        yield f"an empty {name}", build({**members, name: b""})
        yield f"garbage as {name}", build({**members, name: b"\x89PNG" * 40})
    link = zipfile.ZipInfo("link")
    link.external_attr = 0o120777 << 16
    buffer = io.BytesIO(build(members))
    with zipfile.ZipFile(buffer, "a") as file:
        file.writestr(link, "/etc/passwd")
    yield "a link", buffer.getvalue()
    whole = build(members)
    at = whole.rindex(b"PK\x01\x02")
    for told, begin, value in (
        ("an encrypted member", 8, b"\x01\x00"), ("an unknown packing", 10, b"\x63\x00"),
        ("a size of 4 GiB", 24, b"\xfe\xff\xff\xff"), ("an offset behind the end", 42, b"\xff" * 4),
        ("64-bit sizes", 20, b"\xff" * 8),
    ):  # fmt: skip
        yield told, whole[: at + begin] + value + whole[at + begin + len(value) :]
    yield "an archive in front of which there is another", whole + whole
    yield "a comment that is an archive", whole[:-2] + len(whole).to_bytes(2, "little") + whole


def keras_zip(base: Case) -> Iterator[Case]:
    """Keras 3 archives."""
    model, weights = w.keras_3(), w.weights_3()
    whole = {"metadata.json": b'{"keras_version": "3.4.1"}',
             "config.json": json.dumps(model).encode(), "model.weights.h5": weights}  # fmt: skip
    loose = ("member", "beside", "metadata", "bomb", "another", "comment", "thousand", "link")
    for name, content in archives(k.archive, whole):
        codes = (0, 2, 3) if any(word in name for word in loose) else (2, 3)
        yield replace(base, name=name, codes=codes, files={"m.keras": content})
    for name, made, codes in configs():
        made.pop("keras_version", None)
        content = k.keras_zip(made, weights)
        yield replace(base, name=name, codes=codes, files={"m.keras": content})


def q_keras(base: Case) -> Iterator[Case]:
    """Quantisers that are texts, which QKeras evaluates as Python."""
    texts: tuple[object, ...] = (
        "__import__('os').system('touch canary')", "exec(\"open('canary','w')\")",
        "quantized_bits(4,0,alpha=__import__('os').getcwd())", "quantized_bits(" * 500,
        "quantized_bits(4,0)" * 1000, "quantized_bits(1e999)", "quantized_bits(-4,0)",
        "quantized_bits(4,10**9)", "quantized_bits(999999999,0)", "quantized_bits(nan,0)",
        "quantized_bits(4,0,alpha='auto').__class__.__mro__", "lambda: 0", "ternary(alpha=[1]*9)",
        "quantized_bits(4,0,\n1)", "quantized_bits(4,0,x=1)", "quantized_bits(4 if 1 else 2,0)",
        "bernoulli()", "quantized_po2(4,1e-300)", "quantized_bits", "", {}, [], 4, True,
        {"class_name": "exec", "config": {"source": "open('canary','w')"}},
        {"class_name": "quantized_bits", "config": {"bits": "4", "integer": [0]}},
        {"class_name": "quantized_bits", "module": "canary_module", "config": {"bits": -1}},
        {"class_name": "quantized_bits", "config": {"bits": 4, "integer": 1 << 60}},
        {"class_name": ["quantized_bits"], "config": None}, "\0", "quantized_bits(4,0)\0",
        "quantized_bits(0,0)", "quantized_bits(4,0,alpha=0)", "quantized_bits(4,0,alpha=-1)",
        "quantized_bits(4,0,alpha=1e-320)", "quantized_bits(4,-400,alpha=1)",
        "quantized_bits(4,400,alpha=1)", "quantized_bits(bits=True,integer=None)",
    )  # fmt: skip
    for number, text in enumerate(texts):
        name = f"quantiser {number}: {str(text)[:40]!r}"
        yield replace(base, name=name, codes=(0, 2, 3), files={"q.h5": w.q_keras(text)})


def hgq(base: Case) -> Iterator[Case]:
    """Settings of HGQ 2 that its classes would take."""
    ((name, content),) = base.files.items()
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        members = {n: file.read(n) for n in file.namelist()}
    model = json.loads(members["config.json"])

    def case(told: str, change: Callable[[Any], Any], codes: tuple[int, ...] = (0, 2, 3)) -> Case:
        made = copy.deepcopy(model)
        change(made["config"]["layers"][-1])
        made = k.archive({**members, "config.json": json.dumps(made).encode()})
        return replace(base, name=told, codes=codes, files={name: made})

    for key in ("iq_conf", "kq_conf", "bq_conf", "activation", "units", "name", "dtype"):
        for number, value in enumerate((None, -1, 1 << 70, "x", [], {}, 1e308, "\n$system", [[]])):
            yield case(f"{key} is {number}", lambda x, k=key, v=value: x["config"].update({k: v}))
    for name_ in ("os.system", "hgq>exec", "QMine", "", 3, None):
        yield case(f"class {name_!r}", lambda x, n=name_: x.update(class_name=n))
        yield case(f"module {name_!r}", lambda x, n=name_: x.update(module=n))
    yield case("a function", lambda x: x["config"].update(activation={
        "class_name": "function", "module": "os", "config": "system"}))  # fmt: skip


def hgq_1(base: Case) -> Iterator[Case]:
    """HGQ 1 has the files of Keras 2."""
    ((name, content),) = base.files.items()
    with h5py.File(io.BytesIO(content)) as file:
        model = json.loads(file.attrs["model_config"])
    for at in range(len(model["config"]["layers"])):
        for key, value in (("name", "../x"), ("units", -1), ("kq_conf", None), ("k", 1 << 70)):
            made = copy.deepcopy(model)
            made["config"]["layers"][at]["config"][key] = value
            buffer = io.BytesIO(content)
            with h5py.File(buffer, "r+") as file:
                file.attrs["model_config"] = json.dumps(made)
            told = f"layer {at}: {key} is {value}"
            yield replace(base, name=told, codes=(0, 2, 3), files={name: buffer.getvalue()})


def skops(base: Case) -> Iterator[Case]:
    """Pickles, and schemas that name what is no estimator."""

    def case(name: str, content: bytes, codes: tuple[int, ...] = (2, 3)) -> Case:
        return replace(base, name=name, codes=codes, files={"m.skops": content})

    for protocol in range(6):
        yield case(f"a pickle of protocol {protocol}", pickle.dumps(Evil(), protocol))
    import bz2
    import gzip
    import lzma
    import zlib

    evil = pickle.dumps(Evil(), 4)
    for told, packed in (("zlib", zlib.compress(evil)), ("gzip", gzip.compress(evil, mtime=0)),
                         ("bz2", bz2.compress(evil)), ("xz", lzma.compress(evil)),
                         ("lzma", lzma.compress(evil, lzma.FORMAT_ALONE))):  # fmt: skip
        yield case(f"CVE-2025-54886 a pickle in {told}", packed)
    torch = k.archive({"archive/data.pkl": evil, "archive/version": b"3"})
    yield case("CVE-2025-32434 a PyTorch archive", torch)
    with zipfile.ZipFile(io.BytesIO(base.files["m.skops"])) as file:
        members = {n: file.read(n) for n in file.namelist()}
    loose = ("member", "beside", "another", "comment", "thousand", "link", "bomb")
    for name, content in archives(k.archive, members):
        yield case(name, content, (0, 2, 3) if any(x in name for x in loose) else (2, 3))
    object_array = io.BytesIO()
    np.save(object_array, np.array([Evil()], dtype=object), allow_pickle=True)
    array = next(n for n in members if n.endswith(".npy"))
    yield case("an array of pickles", k.archive({**members, array: object_array.getvalue()}))
    head = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000, 1000000), }"
    huge = b"\x93NUMPY\x01\x00\x80\x00" + head.ljust(127) + b"\n"
    yield case("an array of terabytes", k.archive({**members, array: huge}))
    call = b"{'descr': __import__('os').system('touch canary'), 'shape': ()}"
    yield case(
        "a header that calls",
        k.archive({**members, array: b"\x93NUMPY\x01\x00\x80\x00" + call.ljust(127) + b"\n"}),
    )
    schema = json.loads(members["schema.json"])
    for module, kind, loader in (
        ("os", "system", "FunctionNode"), ("builtins", "exec", "FunctionNode"),
        ("operator", "methodcaller", "OperatorFuncNode"), ("builtins", "eval", "TypeNode"),
        ("sklearn.linear_model._logistic", "LogisticRegression", "MethodNode"),
        ("antigravity", "Thing", "ObjectNode"), ("canary_module", "Thing", "ObjectNode"),
        ("functools", "partial", "PartialNode"), ("builtins", "dict", "ReduceNode"),
        ("joblib", "load", "FunctionNode"), ("numpy", "load", "FunctionNode"),
        ("numpy", "ufunc", "UfuncNode"), ("random", "Random", "RandomGeneratorNode"),
    ):  # fmt: skip
        made = copy.deepcopy(schema)
        made["content"]["content"]["evil"] = {
            "__module__": module, "__class__": kind, "__loader__": loader,
            "content": "open('canary', 'w')", "__id__": 1,
        }  # fmt: skip
        told = f"CVE-2025-54412, 54413 {module}.{kind} by {loader}"
        yield case(told, k.archive({**members, "schema.json": json.dumps(made).encode()}))
    for number, change in enumerate(("__loader__", "__class__", "__module__", "content")):
        for value in (None, [], {}, 3, "x" * 1000):
            made = copy.deepcopy(schema)
            made[change] = value
            content = k.archive({**members, "schema.json": json.dumps(made).encode()})
            yield case(f"schema {number} is {str(value)[:9]!r}", content)


CASES = {
    "keras h5": keras_h5, "keras json": keras_json, "keras zip": keras_zip, "qkeras": q_keras,
    "hgq 1": hgq_1, "hgq 2": hgq, "skops": skops,
}  # fmt: skip
