"""Runs the code of one step as `__main__`, calls its entry function, and leaves what that returns or raises.

It starts with each step, so it imports next to nothing; and the step may do what it likes to the names of the language,
to modules and to standard output, so what is needed afterwards is kept from the beginning.
"""

import sys
from posix import getpid, rename, unlink

_builtins = sys.modules["builtins"].__dict__
__builtins__ = dict(_builtins)  # What the step deletes from its builtins stays here.
_environ = __import__("os").environ

ENTRIES = ("async_task", "main")
CALLED = "__catena_called__"
ENTRY = sys.argv[0]  # The program that imports this.
ANSWER = "\x1ecatena "  # What begins so in CATENA_OUTPUT is from here.
AWAITS = 0x2000 if sys.version_info >= (3, 8) else 0  # ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
TREE = 0x400  # ast.PyCF_ONLY_AST
COROUTINE, OLD_COROUTINE = 0x80, 0x100  # inspect.CO_COROUTINE, CO_ITERABLE_COROUTINE
DEPTH_MAX = 100
MESSAGE_MAX, TRACEBACK_MAX = 4000, 32000


async def _async_generator():
    yield


Function = type(_async_generator)
Generator = type((lambda: (yield))())
AsyncGenerator = type(_async_generator())


class NotJson(Exception):
    """What the step returned cannot be its result."""


class Step:
    """What is known of the step before its code runs."""

    def __init__(self, source, name, folder, keeps):
        self.name, self.folder, self.keeps = name, folder, keeps == "keep"
        self.pid = getpid()
        self.output = _environ.get("CATENA_OUTPUT")
        self.files = {"parameters": _environ.get("CATENA_PARAMETERS"), "context": _environ.get("CATENA_CONTEXT")}
        self.loaded = {}
        self.loop = None
        with open(source, "rb") as file:
            self.source = file.read()

    def load(self, name):
        """The parameters or the context, read when first asked for. Raises OSError where there is no context."""
        if name not in self.loaded:
            path = self.files[name]
            self.loaded[name] = {} if path is None else _read_json(path)
        return self.loaded[name]


def run(source, name, folder, keeps):
    step = Step(source, name, folder, keeps)
    if sys.stdout is not None:
        # Who follows the log sees each line when it is printed.
        sys.stdout.reconfigure(line_buffering=True)
    sys.argv[:] = [name]
    sys.path[0] = folder
    _show_stored_lines(step)
    try:
        try:
            result = _result(step)
        finally:
            for name_of, value in __builtins__.items():
                # The modules that are imported from here on need them.
                _builtins.setdefault(name_of, value)
        _close(step)
        if getpid() == step.pid and step.keeps and result is not None:
            _leave(step, '{"returned":' + _json_text(result) + "}")
    except SystemExit:
        raise
    except BaseException as error:
        if getpid() != step.pid:
            raise
        _fail(step, error)


def _result(step):
    code, tree = _compile(step)
    main = _module(step, code)
    names = main.__dict__
    awaited = eval(code, names)
    if code.co_flags & COROUTINE:
        _await(step, awaited)
    entry = next((names[name] for name in ENTRIES if callable(names.get(name))), None)
    if entry is None or _was_called(step, names, tree):
        return None
    return _settle(step, entry(**_arguments(step, entry)))


def _module(step, code):
    module = _Main("__main__")
    module.__file__, module.__cached__ = step.name, None
    names = module.__dict__
    names["__builtins__"] = sys.modules["builtins"]
    for name in step.files:
        if name.encode() in step.source and _names(code, name):
            try:
                names[name] = step.load(name)
            except OSError:
                pass  # It is the name of something else: what names the context has it.
    _Main._step = step
    sys.modules["__main__"] = module
    return module


class _Main(type(sys)):
    """The module of the step: what other modules ask it for is read then."""

    _step = None

    def __getattr__(self, name):
        if name in ("parameters", "context"):
            try:
                return self._step.load(name)
            except OSError:
                raise AttributeError("no context was written for this step: give it `context: true`") from None
        raise AttributeError("module '__main__' has no attribute " + repr(name))


def _names(code, name):
    """Whether the code, or code in it, names `name`."""
    open_codes = [code]
    while open_codes:
        code = open_codes.pop()
        if name in code.co_names:
            return True
        open_codes.extend(const for const in code.co_consts if hasattr(const, "co_names"))
    return False


# Compiling, with a note in the entry functions that they were entered.


def _compile(step):
    source, name = step.source, step.name
    try:
        # A name that stands there once is not called.
        if all(source.count(entry.encode()) < 2 for entry in ENTRIES):
            return compile(source, name, "exec", AWAITS, True), None
        tree = compile(source, name, "exec", AWAITS | TREE, True)
        _note_entries(tree)
        return compile(tree, name, "exec", AWAITS, True), tree
    except (SyntaxError, ValueError) as error:
        wrong = error
    raise _syntax_error(step, wrong)


def _syntax_error(step, error):
    """The error with its place and text, which a tree has not. A null byte is an error of another type at times."""
    try:
        compile(step.source, step.name, "exec", AWAITS, True)
    except (SyntaxError, ValueError) as plain:
        error = plain
    if getattr(error, "lineno", None) is None:
        plain, at = error, step.source.find(b"\0")
        line = step.source.count(b"\n", 0, at) + 1 if at >= 0 else 1
        error = SyntaxError(str(plain), (step.name, line, 1, None))
    error.__traceback__, error.__context__ = None, None
    error._catena_lasting = True
    return error


def _note_entries(tree):
    from _ast import Assign, AsyncFunctionDef, ClassDef, Constant, Expr, FunctionDef, Global, Name, Store

    blocks = [tree]
    while blocks:
        node = blocks.pop()
        if isinstance(node, (FunctionDef, AsyncFunctionDef)):
            if node.name in ENTRIES:
                first = node.body[0]
                says = isinstance(first, Expr) and isinstance(first.value, Constant) and type(first.value.value) is str
                place = {key: getattr(first, key) for key in ("lineno", "col_offset", "end_lineno", "end_col_offset")}
                target = Name(id=CALLED, ctx=Store(), **place)
                value = Constant(value=True, kind=None, **place)
                node.body[int(says) : int(says)] = [
                    Global(names=[CALLED], **place),
                    Assign(targets=[target], value=value, type_comment=None, **place),
                ]
        elif not isinstance(node, ClassDef):
            for field in ("body", "orelse", "finalbody", "handlers", "cases"):
                inner = getattr(node, field, None)
                if type(inner) is list:
                    blocks.extend(inner)


def _was_called(step, names, tree):
    """Whether the top level called an entry function, itself or by another."""
    if names.pop(CALLED, False):
        return True
    name = next(name for name in ENTRIES if callable(names.get(name)))
    function = _unwrapped(names[name])
    if tree is None or (type(function) is Function and function.__code__.co_filename == step.name):
        return False
    # It comes from elsewhere, so nothing was noted in it: who names it calls it.
    return _is_read(tree, name)


def _is_read(tree, name):
    from _ast import AST, Load, Name

    nodes = [tree]
    while nodes:
        node = nodes.pop()
        if isinstance(node, Name) and node.id == name and isinstance(node.ctx, Load):
            return True
        for field in node._fields:
            inner = getattr(node, field, None)
            inner = inner if type(inner) is list else [inner]
            nodes.extend(each for each in inner if isinstance(each, AST))
    return False


# Calling the entry function, and running what it gives to its end.


def _unwrapped(function):
    for _ in range(DEPTH_MAX):
        inner = getattr(function, "__wrapped__", None)
        if inner is None:
            break
        function = inner
    return function


def _arguments(step, entry):
    """By name: `context`, `parameters`, and each single parameter."""
    function = _unwrapped(entry)
    if type(function) is not Function:
        return {}
    code = function.__code__
    count = code.co_argcount + code.co_kwonlyargcount
    names = code.co_varnames[code.co_posonlyargcount : count]
    optional = set(function.__kwdefaults__ or ())
    optional.update(code.co_varnames[code.co_argcount - len(function.__defaults__ or ()) : code.co_argcount])
    given = {}
    for name in names:
        if name in ("context", "parameters"):
            given[name] = step.load(name)
        elif name in step.load("parameters"):
            given[name] = step.load("parameters")[name]
        elif name not in optional:
            raise TypeError(
                "%s() takes `%s`, which the `parameters` of the step do not have" % (function.__name__, name)
            )
    return given


def _settle(step, value):
    """Runs a generator, a coroutine or what else can be awaited to its end; any other value is the result."""
    while True:
        kind = type(value)
        if kind is Generator and not value.gi_code.co_flags & OLD_COROUTINE:
            value = _drive(step, value)
        elif kind is Generator or hasattr(kind, "__await__"):
            value = _await(step, value)
        elif kind is AsyncGenerator:
            value = _await(step, _drive_async(step, value))
        else:
            return value


def _drive(step, generator):
    """What it yields is run to its end, and what that gives is sent back."""
    go_on, argument = generator.send, None
    while True:
        try:
            yielded = go_on(argument)
        except StopIteration as end:
            return end.value
        try:
            go_on, argument = generator.send, _settle(step, yielded)
        except BaseException as error:
            go_on, argument = generator.throw, error


async def _drive_async(step, generator):
    go_on, argument = generator.asend, None
    while True:
        try:
            yielded = await go_on(argument)
        except StopAsyncIteration:
            return None
        try:
            go_on, argument = generator.asend, yielded
            if hasattr(type(yielded), "__await__"):
                argument = await yielded
        except BaseException as error:
            go_on, argument = generator.athrow, error


def _await(step, awaitable):
    if step.loop is None:
        import asyncio

        step.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(step.loop)
    return step.loop.run_until_complete(awaitable)


def _close(step):
    """Ends what the step left in the loop, as `asyncio.run` does."""
    loop = step.loop
    if loop is None or loop.is_closed() or getpid() != step.pid:
        return
    import asyncio

    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
    if hasattr(loop, "shutdown_default_executor"):
        loop.run_until_complete(loop.shutdown_default_executor())
    asyncio.set_event_loop(None)
    loop.close()


# JSON, without the module `json`: that costs a quarter of an interpreter, and the step may have one of that name.


class _Reading:
    strict, object_hook, object_pairs_hook = True, None, None
    parse_float, parse_int, parse_constant = float, int, float


def _read_json(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    try:
        from _json import make_scanner

        return make_scanner(_Reading)(text, 0)[0]
    except (ImportError, AttributeError, TypeError):
        import json

        return json.loads(text)


def _quoter():
    try:
        from _json import encode_basestring
    except ImportError:
        from json.encoder import py_encode_basestring as encode_basestring
    return encode_basestring


def _json_text(value):
    pieces = []
    _encode(value, pieces.append, None, 0, _quoter())
    return "".join(pieces)


def _encode(value, out, path, depth, quote):
    if isinstance(value, str):
        out(_quoted(value, path, quote))
    elif value is None:
        out("null")
    elif value is True or value is False:
        out("true" if value else "false")
    elif isinstance(value, int):
        if not -(1 << 63) <= value < 1 << 64:
            raise _not_json(path, "an int with more than 64 bits", "return it as text")
        out(int.__repr__(value))
    elif isinstance(value, float):
        if value != value or value in (float("inf"), -float("inf")):
            raise _not_json(path, "the float " + float.__repr__(value), "return None or text instead")
        out(float.__repr__(value))
    elif depth >= DEPTH_MAX:
        raise _not_json(path, "a value within %d others, or within itself" % DEPTH_MAX, "return a flatter one")
    elif isinstance(value, (list, tuple)):
        mark = "["
        for index, item in enumerate(value):
            out(mark)
            _encode(item, out, (path, index), depth + 1, quote)
            mark = ","
        out("]" if value else "[]")
    elif isinstance(value, dict):
        _encode_dict(value, out, path, depth, quote)
    else:
        raise _not_json(path, _a_type(value), _advice(value))


def _encode_dict(value, out, path, depth, quote):
    mark, keys = "{", 0
    for key, item in value.items():
        if isinstance(key, int) and key is not True and key is not False:
            keys += 1
            if str(key) in value:
                raise _not_json(path, "a dict with the key %r twice, as text and as a number" % key, "rename one")
            key = str(key)
        elif not isinstance(key, str):
            raise _not_json(path, "a dict with a key that is " + _a_type(key), "use text for keys")
        out(mark)
        out(_quoted(key, path, quote))
        out(":")
        _encode(item, out, (path, key), depth + 1, quote)
        mark = ","
    out("}" if value else "{}")


def _quoted(text, path, quote):
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise _not_json(path, "a str with half of a surrogate pair", "decode it otherwise") from None
    return quote(text)


def _a_type(value):
    kind = type(value)
    name = kind.__qualname__ if kind.__module__ == "builtins" else kind.__module__ + "." + kind.__qualname__
    return ("an " if name[0] in "aeiou" else "a ") + name


def _advice(value):
    if isinstance(value, (set, frozenset)):
        return "return a list"
    if isinstance(value, (bytes, bytearray)):
        return "decode it, or write it to a file in CATENA_DIR and return its path"
    if hasattr(type(value), "isoformat"):
        return "return its isoformat()"
    return "return text, numbers, lists and dicts"


def _not_json(path, what, advice):
    parts = []
    while path is not None:
        path, key = path
        if type(key) is int:
            parts.append("[%d]" % key)
        else:
            parts.append("." + key if key.isidentifier() else "[%s]" % ascii(key))
    place = "".join(reversed(parts))
    where = "`result%s` is" % place if place else "the result is"
    return NotJson("%s %s, which is no JSON: %s" % (where, what, advice))


# What is left behind.


def _leave(step, text):
    """Whole or not at all, and in place of whatever the step has put there."""
    if step.output is None:
        return
    partial = step.output + ".part"
    with open(partial, "wb") as file:
        file.write((ANSWER + text + "\n").encode("utf-8", "replace"))
    try:
        rename(partial, step.output)
    except OSError:
        unlink(partial)
        raise


def _fail(step, error):
    if isinstance(error, NotJson):
        kind, message, text, place = "result_not_json", str(error), "", None
    else:
        kind, message = type(error).__name__, _message(error)
        text, place = _traceback(step, error)
    lasting = getattr(error, "_catena_lasting", False) is True
    fields = {"type": kind, "message": _cut(message, MESSAGE_MAX), "lasting": lasting}
    if text:
        fields["traceback"] = _cut(text, TRACEBACK_MAX)
    if place:
        fields["line"] = place
    try:
        pieces = []
        clean = {key: _printable(value) for key, value in fields.items()}
        _encode(clean, pieces.append, None, 0, _quoter())
        _leave(step, '{"raised":' + "".join(pieces) + "}")
    except OSError:
        pass  # The exit code and the log say it.
    _tell(step, error, text or "catena: " + message + "\n")
    # What is left in the loop is not waited for: the step has failed.
    sys.exit(130 if isinstance(error, KeyboardInterrupt) else 1)


def _printable(value):
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _cut(text, most):
    if len(text) <= most:
        return text
    return text[: most // 2] + "\n  … %d characters left out …\n" % (len(text) - most) + text[-(most // 2) :]


def _message(error):
    try:
        return str(error)
    except BaseException:
        return "<%s that cannot be printed>" % type(error).__name__


def _tell(step, error, text):
    """By the step's own hook, if it has one."""
    hook = sys.excepthook
    if hook is not sys.__excepthook__ and not isinstance(error, NotJson):
        try:
            return hook(type(error), error, _own_frames(error.__traceback__))
        except BaseException:
            pass  # Then as if there were none.
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except BaseException:
        pass  # The step has closed it.


def _is_ours(filename, is_behind_ours=True):
    """Of the driver, or of the loop that it runs."""
    return filename in (__file__, ENTRY) or (is_behind_ours and filename.endswith("/asyncio/base_events.py"))


def _own_frames(trace):
    while trace is not None and _is_ours(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    return trace


def _others(frames, filename_of):
    """The frames that are not ours."""
    kept, is_behind_ours = [], True
    for frame in frames:
        is_behind_ours = _is_ours(filename_of(frame), is_behind_ours)
        if not is_behind_ours:
            kept.append(frame)
    return kept


def _traceback(step, error):
    """As Python prints it, without the frames of the driver; and the last line of the step's file in it."""
    trace, line = error.__traceback__, None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == step.name:
            line = trace.tb_lineno
        trace = trace.tb_next
    if line is None and isinstance(error, SyntaxError) and error.filename == step.name:
        line = error.lineno
    try:
        return _formatted(step, error), line
    except BaseException:
        return _plainly(step, error), line


def _formatted(step, error):
    # Not a module of that name beside the step.
    saved = sys.path[:]
    sys.path[:] = [folder for folder in saved if folder != step.folder]
    try:
        import linecache
        import traceback
    finally:
        sys.path[:] = saved
    linecache.cache[step.name] = (len(step.source), None, _lines(step), step.name)
    told = traceback.TracebackException(type(error), error, error.__traceback__)
    seen, open_errors = set(), [told]
    while open_errors:
        one = open_errors.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        one.stack[:] = _others(one.stack, lambda frame: frame.filename)
        open_errors += [one.__cause__, one.__context__] + list(getattr(one, "exceptions", None) or ())
    text = "".join(told.format())
    head = "Traceback (most recent call last):\n"
    # An error of the text itself has no frames.
    return text[len(head) :] if not told.stack and text.startswith(head) and len(seen) == 1 else text


def _plainly(step, error):
    """Where the modules for it are not to be had."""
    lines = ["Traceback (most recent call last):\n"]
    stored = _lines(step)
    trace, frames = error.__traceback__, []
    while trace is not None:
        frames.append((trace.tb_frame.f_code, trace.tb_lineno))
        trace = trace.tb_next
    for code, number in _others(frames, lambda frame: frame[0].co_filename):
        lines.append('  File "%s", line %d, in %s\n' % (code.co_filename, number, code.co_name))
        if code.co_filename == step.name and 0 < number <= len(stored):
            lines.append("    " + stored[number - 1].strip() + "\n")
    return "".join(lines) + type(error).__name__ + ": " + _message(error) + "\n"


def _lines(step):
    encoding = "utf-8"
    if b"coding" in b"".join(step.source.split(b"\n", 2)[:2]):
        import io
        import tokenize

        try:
            encoding = tokenize.detect_encoding(io.BytesIO(step.source).readline)[0]
        except SyntaxError:
            pass
    text = step.source.decode(encoding, "replace").lstrip("\ufeff")
    return text.replace("\r\n", "\n").replace("\r", "\n").splitlines(True)


class _StoredLines:
    """Tells the module that shows lines of code of the stored ones, whenever somebody imports it."""

    def __init__(self, step):
        self.step = step

    def find_spec(self, name, path=None, target=None):
        if name != "linecache":
            return None
        sys.meta_path.remove(self)
        found = (finder.find_spec(name, path, target) for finder in sys.meta_path)
        spec = next((spec for spec in found if spec is not None), None)
        if spec is not None and hasattr(spec.loader, "exec_module"):
            self.loader, spec.loader = spec.loader, self
        return spec

    def create_module(self, spec):
        return self.loader.create_module(spec)

    def exec_module(self, module):
        module.__loader__ = module.__spec__.loader = self.loader
        self.loader.exec_module(module)
        module.cache[self.step.name] = (len(self.step.source), None, _lines(self.step), self.step.name)


def _show_stored_lines(step):
    linecache = sys.modules.get("linecache")
    if linecache is None:
        sys.meta_path.insert(0, _StoredLines(step))
    else:
        linecache.cache[step.name] = (len(step.source), None, _lines(step), step.name)
