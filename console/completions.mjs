// What the editor completes, read with the TypeScript compiler from
// types/index.d.ts and from TypeScript's own declarations of the Web's APIs, of
// which what a sandbox really has is kept: sandbox/testdata/surface.txt.
//
// The answer is {globals, types}: a member is [signature, documentation, type
// of its value or of what it returns]; a type's name with ~ before it is a
// promise of it, with [] behind it an array of it.
import { readFileSync, writeFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { API, SymbolFlags } from 'typescript/unstable/sync';
import { SyntaxKind } from 'typescript/unstable/ast';

const here = import.meta.dirname;
export const sources = [path.join(here, '../types/index.d.ts'), path.join(here, '../sandbox/testdata/surface.txt')];

export function completions() {
  const folder = mkdtempSync(path.join(tmpdir(), 'bulkhead-types-'));
  const config = path.join(folder, 'tsconfig.json');
  writeFileSync(config, JSON.stringify({ compilerOptions: { lib: ['ESNext', 'WebWorker', 'WebWorker.Iterable', 'WebWorker.AsyncIterable'], types: [], strict: true, noEmit: true }, files: [sources[0]] }));
  const api = new API();
  try {
    const project = api.updateSnapshot({ openProjects: [config] }).getProject(config);
    return read(project, sources[0], surface(readFileSync(sources[1], 'utf8')));
  } finally {
    api.close();
    rmSync(folder, { recursive: true });
  }
}

/** The globals by name: their own members, and those of their prototypes. */
function surface(text) {
  const all = new Map();
  for (const line of text.trim().split('\n')) {
    const [, name, rest] = /^([^:]+): \w+ ?(.*)$/.exec(line);
    const names = rest.split(' ').filter((n) => /^\.?[\w$]+$/.test(n));
    if (/^[\w$]+$/.test(name)) all.set(name, { own: new Set(names.filter((n) => n[0] !== '.')), inherited: new Set(names.filter((n) => n[0] === '.').map((n) => n.slice(1))) });
  }
  return all;
}

function read(project, file, has) {
  const { checker } = project;
  const root = project.program.getSourceFile(file);
  const declared = root.statements.flatMap((s) => s.kind === SyntaxKind.VariableStatement ? s.declarationList.declarations.map((d) => d.name.text)
    : s.kind === SyntaxKind.FunctionDeclaration || s.kind === SyntaxKind.ClassDeclaration ? [s.name.text] : []);
  const types = {}, ids = new Map();

  const doc = (symbol) => {
    // Of the standard's long texts the first sentence is kept.
    const text = checker.getDocumentationCommentOfSymbol(symbol).replace(/\[MDN Reference\]\([^)]*\)/g, '').replace(/\*\*|`/g, '').replace(/\s+/g, ' ').trim();
    const own = symbol.declarations.some((d) => d.path.endsWith('/types/index.d.ts'));
    const deprecated = checker.getJsDocTagsOfSymbol(symbol).some((t) => t.name === 'deprecated') ? 'Deprecated. ' : '';
    return deprecated + (own ? text : /^.*?[.](?= |$)/.exec(text)?.[0] ?? text);
  };
  const nodeOf = (symbol) => (symbol.valueDeclaration ?? symbol.declarations[0])?.resolve(project);
  const signature = (symbol) => {
    const node = nodeOf(symbol);
    if (!node) return '';
    const text = node.getText().replace(/\/\*[\s\S]*?\*\//g, '').replace(/\s+/g, ' ').replace(/^(declare |export |async |readonly |function |var |const |class |abstract )+/, '').replace(/;$/, '').trim();
    const signs = text.startsWith(symbol.name) ? text.slice(symbol.name.length) : '';
    return signs.length > 240 ? signs.slice(0, 239) + '…' : signs;
  };
  const fromWeb = (symbol) => symbol.declarations.some((d) => /lib\.webworker[.\w]*d\.ts$/.test(d.path));

  /** The name under which a type's members are found; "" for one that has none worth showing. */
  const nameOf = (type, only) => {
    type = checker.getNonNullableType(type) ?? type;
    if (type.isUnionType()) {
      const some = type.getTypes().map((t) => nameOf(t)).filter(Boolean);
      return new Set(some).size === 1 ? some[0] : some.includes('String') && some.every((n) => n === 'String') ? 'String' : '';
    }
    const shown = checker.typeToString(checker.getBaseTypeOfLiteralType(type) ?? type);
    const plain = { string: 'String', number: 'Number', boolean: 'Boolean', bigint: 'BigInt' }[shown];
    if (plain) return globalType(plain);
    if (!type.isObjectType()) return '';
    const symbol = type.getSymbol(), name = symbol?.name ?? '';
    const of = () => { const [t] = checker.getTypeArguments(type); return t ? nameOf(t) : ''; };
    if (name === 'Promise' && !only) return '~' + of();
    if ((name === 'Array' || name === 'ReadonlyArray') && !only) return of() + '[]';
    if (!only && checker.getSignaturesOfType(type, 0).length) return '';
    const key = /^[A-Za-z]\w*$/.test(name) && !only && !['__type', '__object'].includes(name) ? name : '#' + type.id;
    if (!only && key === name && !has.has(name) && !symbol.declarations.some((d) => d.path.endsWith('/types/index.d.ts')) && !/^(Console|RegExpMatchArray|ReadableStreamReadResult)/.test(name)) return '';
    return put(key, type, only ?? (has.has(name) ? inherited(type) : undefined));
  };
  const inherited = (type) => {
    const names = new Set();
    for (let t of [type, ...bases(type)]) for (const n of has.get(t.getSymbol()?.name)?.inherited ?? []) names.add(n);
    return names;
  };
  const bases = (type) => type.isClassOrInterface?.() ? checker.getBaseTypes(type).flatMap((b) => [b, ...bases(b)]) : [];
  const globalType = (name) => {
    const symbol = checker.resolveName(name, SymbolFlags.Interface, root);
    if (symbol && !types[name]) put(name, checker.getDeclaredTypeOfSymbol(symbol), inherited(checker.getDeclaredTypeOfSymbol(symbol)));
    return name;
  };
  const put = (key, type, only) => {
    if (ids.has(key)) return ids.get(key);
    const id = key[0] === '#' ? '#' + ids.size.toString(36) : key;
    ids.set(key, id);
    const members = types[id] = {};
    for (const p of checker.getPropertiesOfType(type)) {
      if (!/^[\w$]+$/.test(p.name) || p.name.startsWith('__') || ['constructor', 'prototype'].includes(p.name)) continue;
      if (only && fromWeb(p) && !only.has(p.name)) continue;
      members[p.name] = member(p);
    }
    return id;
  };
  const member = (symbol) => {
    const type = checker.getTypeOfSymbol(symbol);
    const call = type && checker.getSignaturesOfType(checker.getNonNullableType(type) ?? type, 0)[0];
    const result = call ? checker.getReturnTypeOfSignature(call) : type;
    return [signature(symbol), doc(symbol), result ? nameOf(result) : ''];
  };

  const globals = {};
  for (const name of new Set([...declared, ...has.keys()])) {
    const symbol = checker.resolveName(name, SymbolFlags.Value, root);
    if (!symbol) { globals[name] = ['', '', '']; continue; } // not in TypeScript's own library
    const type = checker.getTypeOfSymbol(symbol), own = has.get(name)?.own;
    const constructs = checker.getSignaturesOfType(type, 1)[0], calls = checker.getSignaturesOfType(type, 0)[0];
    if (name === 'globalThis' || name === 'self') globals[name] = ['', 'The global object.', ''];
    else if (constructs) {
      const made = nameOf(checker.getReturnTypeOfSignature(constructs)).replace(/^~.*/, 'Promise').replace(/^.*\[\]$/, 'Array');
      globalType(name);
      globals[name] = ['', doc(symbol), put('#of ' + name, type, own), types[made] ? made : name];
    } else if (calls && !own?.size) globals[name] = member(symbol);
    else globals[name] = [signature(symbol), doc(symbol), own?.size ? put('#of ' + name, type, own) : nameOf(type)];
  }
  for (const name of ['Array', 'Promise', 'Function']) globalType(name);
  // What parameters are of, which no global leads to.
  for (const symbol of checker.resolveName('Bulkhead', SymbolFlags.Namespace, root).getExports().values()) {
    if (symbol.flags & SymbolFlags.Interface) put(symbol.name, checker.getDeclaredTypeOfSymbol(symbol));
  }
  for (const [id, members] of Object.entries(types)) if (!Object.keys(members).length) delete types[id];
  return { globals, types };
}

if (process.argv[1] === import.meta.filename) {
  const text = JSON.stringify(completions());
  writeFileSync(process.argv[2] ?? '/dev/stdout', text);
}
