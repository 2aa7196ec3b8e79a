// Runs the code of one step as the main module, calls its entry function, and leaves what that returns or throws:
// `node --experimental-vm-modules catena_step.cjs SOURCE NAME FOLDER keep|drop call|called`.
//
// The step may do what it likes to globals and to standard output, so what is needed afterwards is kept from the
// beginning. The flag is for modules: nothing else runs stored text under the name and folder of the user's file.
"use strict";

const fs = require("node:fs");
const Module = require("node:module");
const path = require("node:path");
const { pathToFileURL } = require("node:url");
const vm = require("node:vm");

const { env } = process;
const exit = process.exit.bind(process);
const { parse, stringify } = JSON;
const { getOwnPropertyDescriptor, keys, prototype } = Object;
const tagOf = (value) => Reflect.apply(prototype.toString, value, []).slice(8, -1);
const isArray = Array.isArray;

const ENTRIES = ["async_task", "main", "default"];
const ANSWER = "\x1ecatena "; // What begins so in CATENA_OUTPUT is from here.
const DEPTH_MAX = 100;
const [MESSAGE_MAX, TRACEBACK_MAX] = [4000, 32000];
const UNSETTLED = 13; // Node's own code for a wait that never ends.

const [, , source, name, folder, keeps, calls] = process.argv;
const isText = name.startsWith("<");
// Text has no file; what it imports is looked for in its folder.
const file = isText ? path.join(folder, name) : name;
const output = env.CATENA_OUTPUT;
const files = { parameters: env.CATENA_PARAMETERS, context: env.CATENA_CONTEXT };
const loaded = {};
const stored = fs.readFileSync(source, "utf8").replace(/^\ufeff/, "");
const plain = stored.replace(/^#!/, "//");
let settled = false;
let drained = false;

class NotJson extends Error {}
class UnsettledPromise extends Error {}

process.argv.splice(1, process.argv.length, name);
for (const global of ["parameters", "context"]) {
  Object.defineProperty(globalThis, global, {
    configurable: true,
    enumerable: false,
    get: () => load(global),
    set(value) {
      Object.defineProperty(globalThis, global, { value, writable: true, configurable: true });
    },
  });
}
process.on("uncaughtExceptionMonitor", (error) => leaveRaised(error));
process.on("beforeExit", () => (drained = true));
process.on("exit", (code) => {
  if (!drained || settled || code !== 0) return;
  const error = new UnsettledPromise("what the step waits for is never settled: nothing is left that runs");
  leaveRaised(error);
  tell(`catena: ${error.message}\n`);
  process.exitCode = UNSETTLED;
});
const emit = process.emitWarning;
process.emitWarning = (warning, ...rest) => {
  // It is about the way in which stored modules are run, which is not the step's.
  if (!String(warning).startsWith("VM Modules")) Reflect.apply(emit, process, [warning, ...rest]);
};

run().then(
  (result) => {
    settled = true;
    if (keeps === "keep" && result !== undefined) leave(`{"returned":${jsonText(result)}}`);
  },
).catch(fail);

/** The parameters or the context, read when first asked for. */
function load(what) {
  if (!(what in loaded)) {
    if (files[what] === undefined) return {};
    if (what === "context" && !fs.existsSync(files[what])) {
      throw new ReferenceError("no context was written for this step: give it `context: true`");
    }
    loaded[what] = parse(fs.readFileSync(files[what], "utf8"));
  }
  return loaded[what];
}

async function run() {
  const found = isModule() ? await runModule() : runCommon();
  const entry = ENTRIES.map((entry) => found[entry]).find((entry) => typeof entry === "function");
  if (entry === undefined || calls === "called") return undefined;
  return settle(entry(...argumentsOf(entry)));
}

// The text as a module of either sort. What it defines and does not export is asked for in a line behind its last.

function entriesLine(start) {
  const asked = ENTRIES.slice(0, 2).map((entry) => `get ${entry}(){try{return ${entry}}catch{return undefined}}`);
  return `\n;${start}{${asked.join(",")}};`;
}

function isModule() {
  const extension = path.extname(name);
  if (extension === ".mjs") return true;
  if (extension === ".cjs") return false;
  const declared = isText ? undefined : declaredType(path.dirname(name));
  if (declared !== undefined) return declared === "module";
  const wrong = parseError(parseCommon);
  if (wrong === undefined) return false;
  // What parses as a module is one; of what does not, the words say which error is of use.
  const asModule = parseError(parseModule);
  return asModule === undefined || /import statement|'export'|import\.meta|await is only valid/.test(wrong.message);
}

function parseCommon() {
  vm.compileFunction(plain, ["exports", "require", "module", "__filename", "__dirname"], { filename: file });
}

function parseModule() {
  new vm.SourceTextModule(plain, { identifier: isText ? name : pathToFileURL(file).href });
}

/** The error of the text alone, where something was added to it. */
function parsedAlone(parsing, error) {
  return (error instanceof SyntaxError && parseError(parsing)) || error;
}

function parseError(parsing) {
  try {
    parsing();
    return undefined;
  } catch (error) {
    return error;
  }
}

/** The `type` of the nearest package.json. */
function declaredType(start) {
  for (let at = start; ; at = path.dirname(at)) {
    try {
      return parse(fs.readFileSync(path.join(at, "package.json"), "utf8")).type ?? "commonjs-or-module";
    } catch (error) {
      if (error.code !== "ENOENT" && error.code !== "ENOTDIR") return undefined;
    }
    if (at === path.dirname(at)) return undefined;
  }
}

function commonModule(id) {
  const module = new Module(id, null);
  module.filename = file;
  module.paths = Module._nodeModulePaths(path.dirname(file));
  return module;
}

function runCommon() {
  const module = commonModule(".");
  process.mainModule = module;
  Module._cache[file] = module;
  let inside = {};
  Object.defineProperty(module, "catenaEntries", { configurable: true, set: (entries) => (inside = entries) });
  try {
    module._compile(plain + entriesLine("module.catenaEntries="), file);
  } catch (error) {
    throw parsedAlone(parseCommon, error);
  }
  module.loaded = true;
  delete module.catenaEntries;
  const exported = module.exports;
  return {
    async_task: exported?.async_task ?? inside.async_task,
    main: exported?.main ?? inside.main,
    default: typeof exported === "function" ? exported : undefined,
  };
}

async function runModule() {
  // From here a specifier is resolved as the user's file would have it.
  const importer = commonModule("catena");
  importer._compile("module.exports = (specifier, options) => import(specifier, options)", file);
  const bring = (specifier, attributes) =>
    attributes !== undefined && keys(attributes).length > 0
      ? importer.exports(specifier, { with: attributes, assert: attributes })
      : importer.exports(specifier);
  const url = isText ? name : pathToFileURL(file).href;
  let module;
  try {
    module = storedModule(url, bring);
  } catch (error) {
    throw parsedAlone(parseModule, error);
  }
  await module.link(async (specifier, _referrer, extra) => {
    const namespace = await bring(specifier, extra.attributes ?? extra.assert);
    const names = keys(namespace);
    return new vm.SyntheticModule(names, function () {
      for (const name of names) this.setExport(name, namespace[name]);
    });
  });
  await module.evaluate();
  const exported = module.namespace;
  const inside = exported.catenaEntries;
  return {
    async_task: exported.async_task ?? inside.async_task,
    main: exported.main ?? inside.main,
    default: exported.default,
  };
}

function storedModule(url, bring) {
  return new vm.SourceTextModule(plain + entriesLine("export const catenaEntries="), {
    identifier: url,
    initializeImportMeta(meta) {
      meta.url = pathToFileURL(file).href;
      meta.filename = file;
      meta.dirname = path.dirname(file);
      meta.resolve = (specifier) =>
        /^(\.{0,2}\/|file:)/.test(specifier)
          ? new URL(specifier, meta.url).href
          : pathToFileURL(Module.createRequire(file).resolve(specifier)).href;
    },
    importModuleDynamically: (specifier, _script, attributes) => bring(specifier, attributes),
  });
}

// Calling the entry function, and running what it gives to its end.

/** By name: `context`, `parameters`, and each single parameter; a pattern takes the parameters apart. */
function argumentsOf(entry) {
  const text = Function.prototype.toString.call(entry);
  const list = /^[^(=]*\(([^]*?)\)\s*(?:=>|\{)|^(?:async\s+)?([\w$]+)\s*=>/.exec(text);
  const names = splitNames(list?.[1] ?? list?.[2] ?? "");
  return names.map((name) => {
    if (name === "context") return load("context");
    if (name === "parameters" || name === "{") return load("parameters");
    return load("parameters")[name];
  });
}

function splitNames(list) {
  const names = [];
  let [depth, current] = [0, ""];
  for (const letter of list.replace(/\/\*[^]*?\*\/|\/\/.*/g, "") + ",") {
    if ("{[(".includes(letter)) depth += 1;
    if (letter === "," && depth === 0) {
      const name = current.trim();
      if (name !== "") names.push(name.startsWith("{") ? "{" : name.replace(/\s*=[^]*/, ""));
      current = "";
    } else {
      current += letter;
    }
    if ("}])".includes(letter)) depth -= 1;
  }
  return names;
}

/** Runs a promise or a generator to its end; any other value is the result. */
async function settle(value) {
  for (;;) {
    if (typeof value?.then === "function") value = await value;
    else if (tagOf(value) === "Generator") value = await drive(value);
    else if (tagOf(value) === "AsyncGenerator") value = await drive(value);
    else return value;
  }
}

/** What it yields is run to its end, and what that gives is sent back. */
async function drive(generator) {
  let next = await generator.next();
  while (!next.done) {
    let sent;
    try {
      sent = await settle(next.value);
    } catch (error) {
      next = await generator.throw(error);
      continue;
    }
    next = await generator.next(sent);
  }
  return next.value;
}

// The result as JSON: what JSON would drop or change in silence is refused.

function jsonText(result) {
  checkJson(result, [], []);
  return stringify(result);
}

function checkJson(value, place, around) {
  const refuse = (what, advice) => {
    const where = place.length > 0 ? `\`result${place.join("")}\` is` : "the result is";
    throw new NotJson(`${where} ${what}, which is no JSON: ${advice}`);
  };
  switch (typeof value) {
    case "number":
      if (!Number.isFinite(value)) refuse(`the number ${value}`, "return null or text instead");
      return;
    case "string":
      if (/\p{Surrogate}/u.test(value)) refuse("a string with half of a surrogate pair", "decode it otherwise");
      return;
    case "bigint":
      return refuse("a BigInt", "return a number or text");
    case "function":
    case "symbol":
      return refuse(`a ${typeof value}`, "return text, numbers, arrays and objects");
    case "object":
      if (value !== null) checkObject(value, place, around, refuse);
  }
}

function checkObject(value, place, around, refuse) {
  if (around.includes(value)) refuse("a value that holds itself", "return one that does not");
  if (around.length >= DEPTH_MAX) refuse(`a value within ${DEPTH_MAX} others`, "return a flatter one");
  const [inner, held] = [(step) => place.concat(step), around.concat([value])];
  if (typeof value.toJSON === "function" && !Buffer.isBuffer(value)) {
    return checkJson(value.toJSON(), place, held);
  }
  if (isArray(value)) {
    value.forEach((item, index) => checkJson(item, inner(`[${index}]`), held));
    return;
  }
  const exotic = ["Map", "Set", "WeakMap", "WeakSet", "Promise", "RegExp", "Error", "ArrayBuffer", "DataView"];
  const tag = tagOf(value);
  if (exotic.includes(tag) || ArrayBuffer.isView(value)) {
    const advice = tag === "Set" ? "return an array" : tag === "Map" ? "return Object.fromEntries(…)" : "return text, numbers, arrays and objects";
    const type = value.constructor?.name || tag;
    refuse(`${/^[AEIOU]/.test(type) ? "an" : "a"} ${type}`, advice);
  }
  for (const key of keys(value)) {
    if (/\p{Surrogate}/u.test(key)) refuse("an object with half of a surrogate pair in a key", "decode it otherwise");
    checkJson(value[key], inner(/^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(key) ? `.${key}` : `[${stringify(key)}]`), held);
  }
}

// What is left behind.

/** Whole or not at all, and in place of whatever the step has put there. */
function leave(text) {
  if (output === undefined) return;
  const partial = `${output}.part`;
  fs.writeFileSync(partial, `${ANSWER}${text}\n`);
  fs.renameSync(partial, output);
}

function fail(error) {
  settled = true;
  if (error instanceof NotJson) {
    leaveRaised(error);
    tell(`catena: ${error.message}\n`);
  } else {
    tell(leaveRaised(error));
  }
  exit(process.exitCode || 1);
}

/** Gives the text for the log. */
function leaveRaised(error) {
  settled = true;
  const isError = error !== null && typeof error === "object" && ("message" in error || "name" in error);
  const isOwn = error instanceof NotJson || error instanceof UnsettledPromise;
  const [trace, line] = isOwn ? ["", undefined] : traceback(error, isError);
  const fields = {
    type: isOwn ? ownType(error) : isError ? typeName(error) : "Error",
    message: cut(isError ? String(error.message) : `thrown: ${shown(error)}`, MESSAGE_MAX),
    lasting: error instanceof SyntaxError && line !== undefined && !/\n\s+at /.test(own(String(error.stack))),
  };
  if (trace !== "") fields.traceback = cut(trace, TRACEBACK_MAX);
  if (line !== undefined) fields.line = line;
  try {
    leave(`{"raised":${stringify(fields).replace(/\\ud[89a-f][0-9a-f]{2}/g, "?")}}`);
  } catch {
    // The exit code and the log say it.
  }
  return trace;
}

function ownType(error) {
  return error instanceof NotJson ? "result_not_json" : "UnsettledPromise";
}

function typeName(error) {
  const name = error.name ?? error.constructor?.name;
  return typeof name === "string" && name !== "" ? name : "Error";
}

function shown(value) {
  try {
    return String(value);
  } catch {
    return typeof value;
  }
}

function cut(text, most) {
  if (text.length <= most) return text;
  return `${text.slice(0, most / 2)}\n  … ${text.length - most} characters left out …\n${text.slice(-most / 2)}`;
}

/** The stack without the frames of this file and of the loader under it. */
function own(stack) {
  const lines = stack.split("\n").filter((line) => !line.includes(__filename));
  return lines.filter((line) => !/^\s+at .*\(?node:(?:internal|vm)/.test(line)).join("\n");
}

/** As Node prints it, with the place and the line of the step's code. */
function traceback(error, isError) {
  let stack = isError && typeof error.stack === "string" ? own(error.stack) : `Uncaught: ${shown(error)}`;
  const name = stack.indexOf(file) >= 0 ? file : pathToFileURL(file).href;
  const place = new RegExp(`${(isText ? path.basename(file) : name).replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}:(\\d+)(?::(\\d+))?`).exec(stack);
  if (isText) stack = stack.replaceAll(path.join(folder, name), path.basename(file)).replaceAll(file, path.basename(file));
  if (place === null) return [`${stack}\n`, undefined];
  const line = Number(place[1]);
  if (/^\S*:\d+\n/.test(stack)) return [`${stack}\n`, line];
  const text = stored.split(/\r\n|[\n\r]/)[line - 1];
  const caret = place[2] === undefined ? "" : `${" ".repeat(Number(place[2]) - 1)}^\n`;
  const shownLine = text === undefined || text.length > 500 ? "" : `${text}\n${caret}\n`;
  return [`${isText ? process.argv[1] : file}:${line}\n${shownLine}${stack}\n`, line];
}

function tell(text) {
  try {
    fs.writeSync(2, text);
  } catch {
    // The step has closed it.
  }
}
