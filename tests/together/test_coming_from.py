"""What docs/coming-from.md says of other frameworks, compared with those that are installed."""

from __future__ import annotations

import ast
import inspect
import json
import os
import re
import subprocess
import sys
import textwrap
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import unifw as uf

DOCS = Path(__file__).parents[2] / "docs"
COLUMNS = {
    "Keras": "keras",
    "PyTorch": "torch",
    "PaddlePaddle": "paddle",
    "MindSpore": "mindspore",
    "MegEngine": "megengine",
}
# Untrained biases are zeros, with which a wrong order would go unseen: what stands for training. It
# draws around zero, so that outputs stay small and 1e-5 lies well above their rounding.
TRAINED = {
    "Keras": """
        for net in (theirs, lstm, gru):
            net.set_weights([w + 0.1 * np.random.rand(*w.shape) - 0.05 for w in net.get_weights()])
    """,
    "PyTorch": """
        for net in (theirs, lstm, gru):
            for name, tensor in net.state_dict().items():
                if tensor.is_floating_point():
                    tensor += 0.1 * torch.rand(*tensor.shape) - 0.05
    """,
    "PaddlePaddle": """
        for net in (theirs, lstm, gru):
            for tensor in net.state_dict().values():
                rough = tensor.numpy() + 0.1 * np.random.rand(*tensor.shape) - 0.05
                tensor.set_value(rough.astype("float32"))
    """,
    "MindSpore": """
        for net in (theirs, lstm, gru):
            for part in net.get_parameters():
                rough = part.asnumpy() + 0.1 * np.random.rand(*part.shape) - 0.05
                part.set_data(ms.Tensor(rough.astype("float32")))
    """,
    "MegEngine": """
        for net in (theirs, lstm):
            state = net.state_dict()
            for name, array in state.items():
                state[name] = (array + 0.1 * np.random.rand(*array.shape) - 0.05).astype("float32")
            net.load_state_dict(state)
    """,
}
# Tells for each name the defaults, and which arguments have none. It runs where the framework is
# imported: Paddle and MindSpore cannot be in one process.
ASK = '''
import importlib, inspect, json, sys

def find(path):
    thing, where = importlib.import_module(sys.argv[1]), sys.argv[1]
    for name in path.split("."):
        where += "." + name
        if not hasattr(thing, name):
            importlib.import_module(where)
        thing = getattr(thing, name)
    return thing

def says_nothing(signature):
    """Whether a decorator hides the arguments: those of MindSpore do."""
    rest = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return all(p.kind in rest or p.name == "self" for p in signature.parameters.values())

def signature(thing):
    found = inspect.signature(thing)
    kinds = thing.__mro__ if inspect.isclass(thing) else ()
    for kind in kinds if says_nothing(found) else ():
        call = vars(kind).get("__init__")
        while inspect.isfunction(call):
            if not says_nothing(inspect.signature(call)):
                return inspect.signature(call)
            cells = [cell.cell_contents for cell in call.__closure__ or ()]
            call = next(filter(inspect.isfunction, cells), None)
    return found

told = {}
for path, called in json.loads(sys.stdin.read()):
    thing = find(path)
    if called:
        arguments = signature(thing).parameters.values()
        told[path] = {p.name: repr(p.default) for p in arguments if p.default is not p.empty}
        told[path] |= {p.name: "required" for p in arguments if p.default is p.empty}
print("TOLD", json.dumps(told))
'''


def page(language: str = "") -> str:
    return (DOCS / language / "coming-from.md").read_text(encoding="utf-8")


def columns(language: str = "") -> dict[str, list[str]]:
    """Return what the tables show in code, by the heading of the column."""
    shown: dict[str, list[str]] = {}
    for table in re.findall(r"(?:^\|.*\n)+", page(language), re.MULTILINE):
        head, _, *rows = ([cell.strip() for cell in row.split(" | ")] for row in table.splitlines())
        for row in rows:
            assert len(row) == len(head), row
            for name, cell in zip(head, row, strict=True):
                shown.setdefault(name.strip("| "), []).extend(re.findall("`([^`]+)`", cell))
    return shown


def stated(codes: list[str]) -> list[tuple[str, dict[str, str]]]:
    """Return the dotted names, with what is said of their arguments."""
    found = []
    for code in codes:
        if re.fullmatch(r"\w+(\.\w+)+", code):
            found.append((code, {}))
        elif re.match(r"[\w.]+\(", code):
            call: Any = ast.parse(code, mode="eval").body
            said = {argument.id: "required" for argument in call.args}
            said |= {word.arg: repr(ast.literal_eval(word.value)) for word in call.keywords}
            found.append((ast.unparse(call.func), said))
    return found


def told_by(framework: str, codes: list[str]) -> Any:
    asked = sorted({(path, bool(said)) for path, said in stated(codes)})
    answer = run(ASK, framework, given=json.dumps(asked))
    return json.loads(answer.partition("TOLD ")[2])


def run(code: str, *arguments: str, given: str = "") -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        input=given,
        capture_output=True,
        encoding="utf-8",
        check=False,
        # Keras speaks for itself, whatever it computes with.
        env={**os.environ, "KERAS_BACKEND": "torch"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


# Two environments share the work: one has our backends, the other the yardsticks.
HERE = {title for title, package in COLUMNS.items() if find_spec(package) is not None}
YARDSTICKS = {"Keras", "PyTorch"}


@pytest.fixture(params=sorted(HERE))
def title(request: Any) -> str:
    chosen: str = request.param
    return chosen


def test_a_whole_share_is_here() -> None:
    assert HERE >= YARDSTICKS or set(COLUMNS) - YARDSTICKS <= HERE


def test_their_defaults_are_those_of_the_page(title: str) -> None:
    codes = columns()[title]
    told = told_by(COLUMNS[title], codes)
    said = [claim for claim in stated(codes) if claim[1]]
    assert len(said) > 20
    wrong = {
        f"{path}({name})": (value, told[path].get(name, "no such argument"))
        for path, arguments in said
        for name, value in arguments.items()
        if told[path].get(name) != value
    }
    assert wrong == {}


def test_our_defaults_are_those_of_the_page() -> None:
    faces = (uf.layers, uf.losses, uf.optimizers, uf.schedules)
    known = {name: kind for face in faces for name, kind in face.CATALOGUE.items()}
    for path, said in stated(columns()["unifw"]):
        head, *rest = path.split(".")
        thing = known[head] if head in known else getattr(uf, head)
        for name in rest:
            thing = getattr(thing, name)
        arguments = inspect.signature(thing).parameters if said else {}
        for name, value in said.items():
            default = arguments[name].default
            assert value == ("required" if default is inspect.Parameter.empty else repr(default))


def snippet(title: str, language: str = "") -> str:
    part = page(language).partition(f"### {title}\n")[2]
    return re.search(r"```python\n(.*?)```", part, re.DOTALL)[1]  # type: ignore[index]


def test_weights_come_over(title: str) -> None:
    code = snippet(title)
    assert code.count("# train them here\n") == 1
    run(code.replace("# train them here\n", textwrap.dedent(TRAINED[title])))


def test_both_languages_show_the_same_code() -> None:
    english, chinese = columns(), columns("zh")
    for title in ["unifw", *COLUMNS]:
        assert english[title] == chinese[title]
    for title in COLUMNS:
        bare = [re.sub(" *#.*", "", snippet(title, language)) for language in ("", "zh")]
        assert bare[0] == bare[1]
