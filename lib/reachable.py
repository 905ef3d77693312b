"""Which code of lib can a piece of code reach? For the stamps of chapters and the keys of the cache.

Code is followed without running it. A module is cut into its top-level statements. A name that occurs in reached code
reaches every statement that binds it, in its own module or in the one it is imported from; `module.name` reaches
`name` there; a class counts as a whole. What is not clear counts: a module that is handed around, whole; a statement
that binds no name, or is decorated with code of lib, as soon as anything reached imports its module. Comments,
docstrings and formatting do not count. Not seen: names put together at run time, subclasses that only their base knows.
"""

import ast
import functools
import hashlib
import re
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from lib.errors import BookError
from lib.paths import ROOT

# Not followed. `parameters` holds the rules of every chapter, and a stamp has those of its own; `cache` hands out what
# a function would return.
SEPARATE = ("lib.page.parameters", "lib.cache")
NUMERIC = ("numpy", "torch", "numba", "scipy")  # the packages whose versions numbers depend on
LOADED = time.time()  # whatever uses this module loads the rest of lib at about the same time
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
NAMED = (*FUNCTIONS, ast.ClassDef)


def sha(data: bytes | str) -> str:
    if isinstance(data, str):
        data = data.encode()
    return hashlib.sha256(data.replace(b"\r\n", b"\n")).hexdigest()[:16]


def versions() -> dict[str, str]:
    """Installed versions of the numeric packages, without the build (`2.13.0`, not `2.13.0+cpu`)."""
    found = {}
    for name in NUMERIC:
        try:
            found[name] = version(name).partition("+")[0]
        except PackageNotFoundError:
            found[name] = "missing"
    return found


def code_key(*targets) -> str:
    """One hash of all code of lib that these can reach, the versions of the numeric packages, and the Python.

    targets: functions or classes of lib, or their names: `"lib.studies.task:learn"`, `"lib.studies.task"` for
    a whole module. Looked up once per process. ValueError for anything outside lib, and where a file was edited after
    this process had loaded it, so that nobody can say which code runs here.
    """
    names = [target if isinstance(target, str) else _name_of(target) for target in targets]
    return _code_key(tuple(sorted(set(names))), ROOT)


def _name_of(target) -> str:
    module, name = getattr(target, "__module__", None), getattr(target, "__qualname__", "")
    if not (module and name) or "<locals>" in name:
        raise ValueError(f"{target!r} has no code in lib; give a function or class defined at the top of a module")
    return f"{module}:{name}"


@functools.cache
def _code_key(names: tuple[str, ...], root: Path) -> str:
    reach = Reach(root)
    for name in names:
        module, _, inside = name.partition(":")
        found = reach.module(module)
        first = inside.partition(".")[0]
        if found is None or not (not inside or first in found.where or first in found.imported):
            raise ValueError(f"{name!r} is no code of lib; give it like lib.studies.task:learn")
        reach.follow(module, (first,) if inside else ())
    for file in reach.files():
        if file.stat().st_mtime > LOADED:
            raise ValueError(f"{file} was edited after this process, which uses lib, had started; start another one")
    python = [sys.implementation.cache_tag]
    return sha(repr([names, sorted(reach.hashes().items()), sorted(versions().items()), python]))


# What is written -------------------------------------------------------------------------------------------


def parse(source: str, name: str) -> ast.Module:
    try:
        return ast.parse(source)
    except SyntaxError as error:
        raise BookError(f"{name}: not valid Python: {error.msg}, line {error.lineno}") from None


def text(node: ast.AST) -> str:
    """What a piece of code says, the same for every version of Python and every way to write it down."""
    words = []
    _say(node, words.append)
    return " ".join(words)


def _say(node, word) -> None:
    if isinstance(node, list):
        word("[")
        for each in node:
            if not (isinstance(each, ast.Pass) or is_text(each)):  # a docstring, or a text that does nothing
                _say(each, word)
        word("]")
    elif isinstance(node, ast.AST):
        word(f"({type(node).__name__}")
        for field in node._fields:
            value = getattr(node, field, None)
            if value is not None and value != [] and field not in ("ctx", "kind", "type_comment"):
                word(field)
                _say(value, word)
        word(")")
    else:
        word(repr(node))


def is_text(node) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def module_file(name: str, root: Path = ROOT) -> Path | None:
    base = root.joinpath(*name.split("."))
    for file in (base.with_suffix(".py"), base / "__init__.py"):
        if file.is_file():
            return file
    return None


def targets(node: ast.Import | ast.ImportFrom, package: str = "") -> list[tuple[str, str, str]]:
    """(name here, module, name there or "" for the module itself) of everything this statement imports."""
    if isinstance(node, ast.Import):
        return [(a.asname, a.name, "") if a.asname else (a.name.partition(".")[0],) * 2 + ("",) for a in node.names]
    base = node.module or ""
    if node.level:
        above = package.split(".")[: len(package.split(".")) - node.level + 1]
        base = ".".join(above + ([node.module] if node.module else []))
    return [(a.asname or a.name, base, a.name) for a in node.names]


def imports(tree: ast.AST, package: str = "") -> set[str]:
    """Dotted names under lib that the code imports; may hold names inside a module as well."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            for _, base, name in targets(node, package):
                found |= {base, f"{base}.{name}"}
    return {name for name in found if _in_lib(name)}


def _in_lib(name: str) -> bool:
    return name == "lib" or name.startswith("lib.")


# What is used ----------------------------------------------------------------------------------------------


class Uses(ast.NodeVisitor):
    """What a statement mentions.

    chains: {("f",), ("module", "f"), ...}, names with the attributes behind them, without what is local to a function;
    imported: name -> {(module, name there)} of the imports inside; entered: modules these import; strings: all texts;
    data: names in `data_file("...")`.
    """

    def __init__(self, node: ast.AST, package: str):
        self.package, self.local = package, frozenset()
        self.chains, self.strings, self.data, self.entered = set(), set(), set(), set()
        self.imported: dict[str, set] = {}
        self.visit(node)

    def visit_Name(self, node):
        if isinstance(node.ctx, ast.Load) and node.id not in self.local:
            self.chains.add((node.id,))

    def visit_Attribute(self, node):
        attributes = []
        while isinstance(node, ast.Attribute):
            attributes.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            self.visit(node)
        elif node.id not in self.local:
            self.chains.add((node.id, *reversed(attributes)))

    def visit_Constant(self, node):
        if isinstance(node.value, str):
            self.strings.add(node.value)

    def visit_Expr(self, node):
        if not is_text(node):
            self.generic_visit(node)

    def visit_Call(self, node):
        name = getattr(node.func, "id", None) or getattr(node.func, "attr", None)
        if name == "data_file" and node.args and isinstance(node.args[0], ast.Constant):
            self.data.add(str(node.args[0].value))
        self.generic_visit(node)

    def visit_Import(self, node):
        self.entered |= imports(node, self.package)
        for name, *there in targets(node, self.package):
            self.imported.setdefault(name, set()).add(tuple(there))

    visit_ImportFrom = visit_Import

    def visit_FunctionDef(self, node):
        a = node.args
        every = [*a.posonlyargs, *a.args, *a.kwonlyargs, *filter(None, (a.vararg, a.kwarg))]
        body = node.body if isinstance(node.body, list) else [node.body]
        outside = [*getattr(node, "decorator_list", []), *a.defaults, *a.kw_defaults]
        outside += [*(arg.annotation for arg in every), getattr(node, "returns", None)]
        for each in filter(None, outside):
            self.visit(each)
        here = [each for part in body for each in ast.walk(part) if isinstance(each, (ast.Import, ast.ImportFrom))]
        imported = {name for each in here for name, *_ in targets(each)}  # these are followed
        before, self.local = self.local, (self.local | _bound(body) | {arg.arg for arg in every}) - imported
        for each in body:
            self.visit(each)
        self.local = before

    visit_AsyncFunctionDef = visit_Lambda = visit_FunctionDef

    def visit_Global(self, node):  # seen here, for they look local
        self.chains |= {(name,) for name in node.names}


def _bound(body: list) -> set[str]:
    """Names that a function with this body binds; they are local to it, or declared global (`visit_Global`).

    What a comprehension binds is left out: outside of it the name means another thing.
    """
    bound, waiting = set(), list(body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Name):
            if not isinstance(node.ctx, ast.Load):
                bound.add(node.id)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            bound.add(node.name)
        elif isinstance(node, NAMED):
            bound.add(node.name)
        if not isinstance(node, (*NAMED, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            waiting += ast.iter_child_nodes(node)
    return bound


# Modules and what is reached of them -----------------------------------------------------------------------


class Module:
    """A parsed module, cut into its top-level statements.

    where: name -> numbers of the statements that bind it; always: numbers of those that count whenever the module is
    imported; imported: name -> {(module, name there)}; entered: the modules it imports; stars: those of `import *`.
    """

    def __init__(self, tree: ast.Module, package: str = ""):
        self.package = package
        self.parts = [node for node in tree.body if not is_text(node)]
        self.where: dict[str, list[int]] = {}
        self.imported: dict[str, set] = {}
        self.always, self.main, self.entered = [], [], set()
        self._uses: dict[int, Uses] = {}
        self._texts: dict[int, str] = {}
        for number, node in enumerate(self.parts):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                self._import(node)
                continue
            if isinstance(node, NAMED):
                bound = {node.name}
            else:
                bound = _bound([node])
                if isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'":
                    self.main.append(number)
                elif not _binds_names_only(node):
                    self.always.append(number)
                for inner in ast.walk(node):
                    if isinstance(inner, (ast.Import, ast.ImportFrom)):
                        self._import(inner)
            for name in bound:
                self.where.setdefault(name, []).append(number)
        self.always += [n for n, node in enumerate(self.parts) if isinstance(node, NAMED) and self._registers(node)]
        self.stars = [module for module, name in self.imported.pop("*", ()) if name == "*"]

    def _import(self, node) -> None:
        self.entered |= imports(node, self.package)
        for name, *there in targets(node, self.package):
            self.imported.setdefault(name, set()).add(tuple(there))

    def _registers(self, node) -> bool:
        """Is it decorated with code of lib, which might keep it somewhere?"""
        for decorator in node.decorator_list:
            for name, *_ in Uses(decorator, self.package).chains:
                sources = [there for there in self.imported.get(name, ()) if _in_lib(there[0])]
                if name in self.where or any(not {there[0], ".".join(there)} & set(SEPARATE) for there in sources):
                    return True
        return False

    def uses(self, number: int) -> Uses:
        if number not in self._uses:
            self._uses[number] = Uses(self.parts[number], self.package)
        return self._uses[number]

    def text(self, number: int) -> str:
        if number not in self._texts:
            self._texts[number] = text(self.parts[number])
        return self._texts[number]


def _binds_names_only(node) -> bool:
    if isinstance(node, ast.Assign):
        return not any(isinstance(n, (ast.Attribute, ast.Subscript)) for t in node.targets for n in ast.walk(t))
    return isinstance(node, (ast.AnnAssign, ast.AugAssign)) and isinstance(node.target, ast.Name)


@functools.lru_cache(maxsize=512)
def _parsed(source: str, name: str, package: str) -> Module:
    return Module(parse(source, name), package)


class Reach:
    """What is reached of the lib of this tree; grows with every call of `follow`.

    data: names of the data files that reached code opens.
    """

    def __init__(self, root: Path = ROOT):
        self.root = root
        self.data: set[str] = set()
        self._modules: dict[str, Module | None] = {}
        self._files: dict[str, Path] = {}
        self._parts: dict[str, set[int]] = {}
        self._imports: dict[str, set[str]] = {}
        self._entered: set[str] = set()
        self._whole: set[str] = set()
        self._waiting: list[tuple[str, int]] = []
        self._seen: set[tuple] = set()

    def module(self, name: str) -> Module | None:
        """The module of lib with this name; None if there is none, or it is not followed."""
        if name not in self._modules:
            file = module_file(name, self.root) if _in_lib(name) and name not in SEPARATE else None
            if file is not None:
                self._files[name] = file
                package = name if file.name == "__init__.py" else name.rpartition(".")[0]
                file_name = str(file.relative_to(self.root))
                self._modules[name] = _parsed(file.read_text(encoding="utf-8"), file_name, package)
            else:
                self._modules[name] = None
        return self._modules[name]

    def code(self, tree: ast.Module) -> None:
        """Everything that this code, of no module, can reach."""
        self._modules[""] = Module(tree)
        self.follow("", ())

    def follow(self, module: str, chain: tuple[str, ...]) -> None:
        """What `module.a.b` reaches, chain = ("a", "b"). An empty chain is the module itself: all of it."""
        self._follow(module, chain)
        while self._waiting:
            name, number = self._waiting.pop()
            uses = self._modules[name].uses(number)
            self.data |= uses.data
            for each in uses.entered:
                self._enter(each)
            for chain in uses.chains:
                for there, inside in uses.imported.get(chain[0], ()):
                    self._import(there, inside, chain[1:])
                self._follow(name, chain)
                if chain in (("globals",), ("eval",), ("exec",)):
                    self._follow(name, ())
            for string in uses.strings:
                if re.fullmatch(r"lib(\.\w+)+", string):  # a module started or imported by its name
                    self._follow(string, ())

    def _follow(self, module: str, chain: tuple[str, ...]) -> None:
        if (module, chain) in self._seen:
            return
        self._seen.add((module, chain))
        found = self.module(module)
        if found is None:
            return
        self._enter(module)
        if not chain:
            self._all(module, found)
            return
        first, rest = chain[0], chain[1:]
        there = first in found.where or first in found.imported
        self._add(module, found.where.get(first, ()))
        for base, name in sorted(found.imported.get(first, ())):
            self._imports.setdefault(module, set()).add(f"{first} = {base}:{name}")
            self._import(base, name, rest)
        if module and self.module(f"{module}.{first}"):
            there = True
            self._follow(f"{module}.{first}", rest)
        if not there:
            if first.startswith("__"):  # like module.__dict__ and sys.modules[__name__]
                self._follow(module, ())
            self._add(module, found.where.get("__getattr__", ()))
            for star in found.stars:
                self._follow(star, chain)

    def _import(self, module: str, name: str, rest: tuple[str, ...]) -> None:
        """The use `imported.rest` of what `from module import name`, or `import module` if there is no name, binds."""
        self._follow(module, (name, *rest) if name else rest)

    def _all(self, module: str, found: Module) -> None:
        self._add(module, range(len(found.parts)))
        for here, sources in found.imported.items():
            for base, name in sorted(sources):
                self._imports.setdefault(module, set()).add(f"{here} = {base}:{name}")
                if name and not self.module(f"{base}.{name}"):
                    self._follow(base, (name,))
        for star in found.stars:
            self._follow(star, ())
        if module and self._files[module].name == "__init__.py":
            for file in self._files[module].parent.iterdir():
                if file.stem != "__init__" and (file.suffix == ".py" or (file / "__init__.py").is_file()):
                    self._follow(f"{module}.{file.stem}", ())

    def _enter(self, name: str) -> None:
        """An import runs the module, the packages above it, and what it imports itself."""
        if name in self._entered:
            return
        self._entered.add(name)
        found = self.module(name)
        if "." in name:
            self._enter(name.rpartition(".")[0])
        if found is not None:
            self._add(name, found.always)
            for each in found.entered:
                self._enter(each)

    def _add(self, module: str, numbers) -> None:
        parts = self._parts.setdefault(module, set())
        for number in numbers:
            node = self._modules[module].parts[number]
            if number not in parts and not isinstance(node, (ast.Import, ast.ImportFrom)):  # those, name by name
                parts.add(number)
                self._waiting.append((module, number))

    def hashes(self) -> dict[str, str]:
        """File of each module of which anything is reached -> hash of that."""
        found = {}
        for name, file in self._files.items():
            said = [self._modules[name].text(number) for number in sorted(self._parts.get(name, ()))]
            said += sorted(self._imports.get(name, ()))
            if said:
                found[file.relative_to(self.root).as_posix()] = sha("\n".join(said))
        return dict(sorted(found.items()))

    def files(self) -> list[Path]:
        """All files that were looked into."""
        return list(self._files.values())
