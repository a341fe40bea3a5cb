// Completion and hover texts for what functions find as globals, and for the
// members of what an expression is, as far as its type is plain to see. The
// names, signatures and texts are made from types/index.d.ts by completions.mjs.

import { completeAnyWord, snippetCompletion, type Completion, type CompletionContext, type CompletionResult } from '@codemirror/autocomplete';
import { localCompletionSource, scopeCompletionSource } from '@codemirror/lang-javascript';
import { syntaxTree } from '@codemirror/language';
import type { EditorState } from '@codemirror/state';
import { hoverTooltip } from '@codemirror/view';
import type data from 'completions:';

type SyntaxNode = ReturnType<typeof syntaxTree>['topNode'];
type Known = typeof data;
type Entry = Known['globals'][string];
type Members = Record<string, Entry>;

let loaded: Promise<Known> | undefined;
const known = () => loaded ??= import('completions:').then((m) => m.default);

const own = <T>(of: Record<string, T> | undefined, name: string): T | undefined => of && Object.hasOwn(of, name) ? of[name] : undefined;
const callable = (e: Entry) => /^\??[(<]/.test(e[0]);

/** Finds what an expression is. */
class Reader {
  constructor(private state: EditorState, private known: Known) {}

  text(n: SyntaxNode) { return this.state.sliceDoc(n.from, n.to); }

  members(type: string): Members | undefined {
    if (type.endsWith('[]')) return own(this.known.types, 'Array');
    return own(this.known.types, type[0] === '~' ? 'Promise' : type);
  }

  /** The name of an expression's type; "" when it is not known. */
  typeOf(n: SyntaxNode | null, depth = 0): string {
    if (!n || depth > 20) return '';
    const inner = (x: SyntaxNode | null) => this.typeOf(x, depth + 1);
    switch (n.name) {
      case 'String': case 'TemplateString': return 'String';
      case 'Number': return this.text(n).endsWith('n') ? 'BigInt' : 'Number';
      case 'RegExp': return 'RegExp';
      case 'ArrayExpression': return '[]';
      case 'ParenthesizedExpression': return inner(n.firstChild?.nextSibling ?? null);
      case 'AwaitExpression': case 'UnaryExpression': return n.firstChild && this.text(n.firstChild) === 'await' ? inner(n.lastChild).replace(/^~/, '') : '';
      case 'VariableName': return this.ofVariable(n, depth);
      case 'NewExpression': {
        const made = n.getChild('VariableName');
        return made ? own(this.known.globals, this.text(made))?.[3] ?? '' : '';
      }
      case 'CallExpression': {
        const entry = this.entryOf(n.firstChild, depth + 1);
        return entry && callable(entry) ? entry[2] : '';
      }
      case 'MemberExpression': {
        if (n.lastChild?.name !== 'PropertyName') { // one of a list
          const list = inner(n.firstChild);
          return list.endsWith('[]') ? list.slice(0, -2) : '';
        }
        const entry = this.entryOf(n, depth + 1);
        return !entry ? '' : callable(entry) ? 'Function' : entry[2];
      }
    }
    return '';
  }

  /** What is known of a global, or of a member. */
  entryOf(n: SyntaxNode | null, depth = 0): Entry | undefined {
    if (n?.name === 'VariableName' && !this.definition(n)) return own(this.known.globals, this.text(n));
    if (n?.name === 'MemberExpression' && n.lastChild?.name === 'PropertyName') return own(this.members(this.typeOf(n.firstChild, depth + 1)), this.text(n.lastChild));
    return undefined;
  }

  private ofVariable(n: SyntaxNode, depth: number): string {
    const at = this.definition(n);
    if (!at) {
      const entry = own(this.known.globals, this.text(n));
      return !entry ? '' : callable(entry) ? 'Function' : entry[2];
    }
    let next = at.nextSibling;
    if (next?.name === 'TypeAnnotation') {
      const named = next.getChild('TypeName');
      return named ? this.text(named) : '';
    }
    if (next?.name === 'Equals') return this.typeOf(next.nextSibling, depth + 1);
    if (at.parent?.name !== 'ParamList') return '';
    // A parameter: of fetch(request, env, ctx), or of a callback.
    let place = 0;
    for (let p = at.prevSibling; p; p = p.prevSibling) if (p.name === 'VariableDefinition') place++;
    const func = at.parent.parent!, args = func.parent;
    if (this.text(func.getChild('PropertyDefinition') ?? func.getChild('VariableDefinition') ?? func).trim() === 'fetch') return ['Request', '', 'ExecutionContext'][place] ?? '';
    if (args?.name !== 'ArgList' || place) return '';
    const called = this.entryOf(args.prevSibling, depth + 1);
    return /: \(\w+: (?:Bulkhead\.)?(\w+)/.exec(called?.[0] ?? '')?.[1] ?? '';
  }

  /** Where a variable of the code is defined, around its use. */
  private definition(n: SyntaxNode): SyntaxNode | null {
    const name = this.text(n);
    const is = (d: SyntaxNode | null) => d?.name === 'VariableDefinition' && this.text(d) === name;
    for (let scope: SyntaxNode | null = n.parent; scope; scope = scope.parent) {
      for (let c = scope.firstChild; c; c = c.nextSibling) {
        if (is(c)) return c;
        if (['VariableDeclaration', 'ParamList', 'ForOfSpec', 'ForSpec', 'FunctionDeclaration', 'ClassDeclaration'].includes(c.name)) {
          for (let d = c.firstChild; d; d = d.nextSibling) if (is(d)) return d;
        }
      }
    }
    return null;
  }
}

const option = ([label, entry]: [string, Entry]): Completion => ({
  label, detail: entry[0] || undefined, info: entry[1] || undefined,
  type: entry[3] ? 'class' : callable(entry) ? 'function' : entry[2][0] === '#' ? 'namespace' : 'variable',
});
const forms = [
  snippetCompletion('export default async function (event) {\n\t${}\n}', { label: 'export default', detail: 'a function', type: 'keyword' }),
  snippetCompletion('export default {\n\tasync fetch(request, env, ctx) {\n\t\treturn new Response(${"hello"});\n\t},\n};', { label: 'export default fetch', detail: 'an HTTP function', type: 'keyword' }),
];
const keywords = scopeCompletionSource({});

export async function completions(context: CompletionContext): Promise<CompletionResult | null> {
  const { state, pos } = context;
  const node = syntaxTree(state).resolveInner(pos, -1);
  if (/^(String|TemplateString|LineComment|BlockComment|RegExp)$/.test(node.name)) return null;
  const dotted = context.matchBefore(/\.[\w$]*$/);
  if (dotted) {
    if (/\d$/.test(state.sliceDoc(Math.max(0, dotted.from - 1), dotted.from)) && node.name === 'Number') return null;
    const member = node.name === 'MemberExpression' ? node : node.parent;
    const reader = new Reader(state, await known());
    const members = member?.name === 'MemberExpression' ? reader.members(reader.typeOf(member.firstChild)) : undefined;
    return members ? { from: dotted.from + 1, options: Object.entries(members).map(option), validFor: /^[\w$]*$/ } : completeAnyWord(context);
  }
  const word = context.matchBefore(/[\w$]+$/);
  if (!word && !context.explicit) return null;
  const local = localCompletionSource(context), words = await keywords(context);
  const mine = new Set(local?.options.map((o) => o.label));
  return {
    from: word?.from ?? pos, validFor: /^[\w$]*$/,
    options: [...local?.options ?? [], ...forms, ...words?.options ?? [], ...Object.entries((await known()).globals).filter(([name]) => !mine.has(name)).map(option)],
  };
}

/** What a name is, when the pointer rests on it. */
export const hover = hoverTooltip(async (view, pos, side) => {
  const node = syntaxTree(view.state).resolveInner(pos, side);
  if (node.name !== 'VariableName' && node.name !== 'PropertyName') return null;
  const reader = new Reader(view.state, await known());
  const entry = reader.entryOf(node.name === 'PropertyName' ? node.parent : node);
  if (!entry || !(entry[0] || entry[1])) return null;
  return {
    pos: node.from, end: node.to, above: true,
    create() {
      const dom = document.createElement('div'), code = document.createElement('code'), text = document.createElement('p');
      dom.className = 'cm-about';
      code.textContent = reader.text(node) + entry[0];
      text.textContent = entry[1];
      dom.append(code, ...entry[1] ? [text] : []);
      return { dom };
    },
  };
});
