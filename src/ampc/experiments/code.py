"""The code that a result depends on: a module and all that it imports from this package, found by reading it.

Imports are followed name by name through the ``__init__`` files that only pass names on, so that a result of
the rigid arm does not depend on the flexible arm's solver because both can be imported from one room.
Comments, formatting and docstrings do not count: they change no result.
"""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import ampc
from ampc.errors import SettingsError

PACKAGE = Path(ampc.__file__).parent

DATA = {
    "ampc.chain.library": ("chain/src", "solvers/src"),
    "ampc.policies.native": ("policies/src",),
    "ampc.policies.policy_loop": ("policies/loop",),
    "ampc.export.c_code": ("export/c",),
    "ampc.robots.loading.model_file": ("robots/assets/rigid_arm.xml",),
    "ampc.robots.flexible_arm.model": ("robots/assets/flexible_scene.xml",),
}
"""Files and folders besides Python that a module reads or was compiled from."""


@cache
def code_fingerprint(module: str) -> str:
    """Hash of everything in this package that a module's results can depend on."""
    digest = hashlib.sha256()
    for path in sorted(sources_of(module)):
        digest.update(path.name.encode() + _meaning(path))
    return digest.hexdigest()


@cache
def sources_of(module: str) -> frozenset[Path]:
    """Files of this package that a module depends on, its own among them."""
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += _imports(_file(name))
    data = [PACKAGE / path for name in seen for path in DATA.get(name, ())]
    files = [file for path in data for file in (path.rglob("*.[ch]") if path.is_dir() else [path])]
    return frozenset([*(_file(name) for name in seen), *files])


def _file(module: str) -> Path:
    if module.split(".")[0] != "ampc":  # a cell of the user's own
        spec = find_spec(module)
        if spec is None or spec.origin is None:
            raise SettingsError(f"cells must be defined in a module that can be imported; {module!r} cannot")
        return Path(spec.origin)
    path = PACKAGE.parent.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def _imports(path: Path) -> frozenset[str]:
    """Modules of this package that a file imports anywhere, except for type checkers alone."""
    return frozenset(
        _origin(node.module, alias.name)
        for node in _run_time_nodes(_tree(path))
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "ampc" and node.module
        for alias in node.names
    )


def _run_time_nodes(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and getattr(child.test, "id", "") == "TYPE_CHECKING"):
            yield from _run_time_nodes(child)


def _origin(module: str, name: str) -> str:
    """The module that a name imported from another comes from."""
    if _file(f"{module}.{name}").exists():
        return f"{module}.{name}"
    if _file(module).name == "__init__.py":
        for node in _tree(_file(module)).body:
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("ampc."):
                for alias in node.names:
                    if name == (alias.asname or alias.name):
                        return _origin(node.module, alias.name)
    return module


@cache
def _meaning(path: Path) -> bytes:
    """A Python file without what does not matter to what it does; any other file as it is."""
    if path.suffix != ".py":
        return path.read_bytes()
    return ast.dump(_WithoutDocstrings().visit(ast.parse(path.read_text()))).encode()


class _WithoutDocstrings(ast.NodeTransformer):
    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_text else node
