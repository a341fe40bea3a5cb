// CodeMirror in a shadow root: there it keeps its styles in adopted style
// sheets, so that the page's policy needs no exception for inline ones.

import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap, indentWithTab } from '@codemirror/commands';
import { javascript } from '@codemirror/lang-javascript';
import { json, jsonParseLinter } from '@codemirror/lang-json';
import { bracketMatching, foldGutter, foldKeymap, HighlightStyle, indentOnInput, syntaxHighlighting } from '@codemirror/language';
import { linter, lintGutter, lintKeymap, setDiagnostics, type Diagnostic } from '@codemirror/lint';
import { highlightSelectionMatches, searchKeymap } from '@codemirror/search';
import { Compartment, EditorState, Prec } from '@codemirror/state';
import { drawSelection, EditorView, highlightActiveLine, highlightActiveLineGutter, highlightSpecialChars, keymap, lineNumbers } from '@codemirror/view';
import { tags as t } from '@lezer/highlight';
import { completions, hover } from './complete';

export type Language = 'javascript' | 'typescript' | 'json';
export interface Mark { line: number; column?: number; message: string; severity?: 'error' | 'warning' }

export interface Editor {
  text(): string;
  setText(text: string): void;
  setLanguage(language: Language): void;
  mark(marks: Mark[]): void;
  focus(): void;
  destroy(): void;
}

// Colours are the page's custom properties, which reach into a shadow root.
const highlight = HighlightStyle.define([
  { tag: [t.keyword, t.controlKeyword, t.moduleKeyword, t.definitionKeyword, t.operatorKeyword], color: 'var(--code-keyword)' },
  { tag: [t.string, t.special(t.string)], color: 'var(--code-string)' },
  { tag: [t.number, t.bool, t.null, t.atom], color: 'var(--code-number)' },
  { tag: [t.comment], color: 'var(--code-comment)', fontStyle: 'italic' },
  { tag: [t.function(t.variableName), t.function(t.propertyName)], color: 'var(--code-function)' },
  { tag: [t.typeName, t.className], color: 'var(--code-type)' },
  { tag: [t.propertyName], color: 'var(--code-property)' },
  { tag: [t.regexp, t.escape], color: 'var(--code-regexp)' },
  { tag: [t.invalid], color: 'var(--bad)' },
]);

const theme = EditorView.theme({
  '&': { height: '100%', color: 'var(--text)', backgroundColor: 'var(--surface)', fontSize: '13.5px' },
  '&.cm-focused': { outline: 'none' }, // the pane around it shows the focus: see style.css
  '.cm-scroller': { fontFamily: 'var(--mono)', lineHeight: '1.55' },
  '.cm-content': { caretColor: 'var(--text)', padding: '8px 0' },
  '.cm-cursor': { borderLeftColor: 'var(--text)', borderLeftWidth: '2px' },
  '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground': { background: 'var(--selection)' },
  '.cm-gutters': { backgroundColor: 'var(--surface)', color: 'var(--muted)', border: 'none' },
  '.cm-activeLine, .cm-activeLineGutter': { backgroundColor: 'var(--active-line)' },
  '.cm-tooltip': { backgroundColor: 'var(--raised)', color: 'var(--text)', border: '1px solid var(--line)', borderRadius: '6px' },
  '.cm-tooltip-autocomplete > ul > li[aria-selected]': { backgroundColor: 'var(--accent)', color: 'var(--on-accent)' },
  '.cm-tooltip .cm-completionInfo': { padding: '6px 8px', maxWidth: '26rem' },
  '.cm-completionDetail': { color: 'var(--muted)', fontStyle: 'normal', display: 'inline-block', maxWidth: '28rem', overflow: 'hidden', textOverflow: 'ellipsis', verticalAlign: 'bottom' },
  'li[aria-selected] .cm-completionDetail': { color: 'inherit' },
  '.cm-about': { padding: '6px 10px', maxWidth: '34rem' }, '.cm-about code': { fontFamily: 'var(--mono)', whiteSpace: 'pre-wrap' }, '.cm-about p': { margin: '4px 0 0' },
  '.cm-panels': { backgroundColor: 'var(--raised)', color: 'var(--text)' },
  '.cm-textfield, .cm-button': { backgroundColor: 'var(--surface)', backgroundImage: 'none', color: 'var(--text)', border: '1px solid var(--line)' },
  '.cm-foldPlaceholder': { backgroundColor: 'var(--raised)', color: 'var(--muted)', border: '1px solid var(--line)' },
  '.cm-error-line': { backgroundColor: 'var(--bad-soft)' },
  '.cm-diagnostic-error': { borderLeftColor: 'var(--bad)' },
  // In place of pictures in data: addresses, which the page's policy does not allow.
  '.cm-lintRange-error': { backgroundImage: 'none', textDecoration: 'underline wavy var(--bad)', textUnderlineOffset: '3px' },
  '.cm-lintRange-warning': { backgroundImage: 'none', textDecoration: 'underline wavy var(--warn)', textUnderlineOffset: '3px' },
  '.cm-lint-marker-error': { content: 'normal', background: 'var(--bad)', borderRadius: '50%', width: '.7em', height: '.7em' },
  '.cm-lint-marker-warning': { content: 'normal', background: 'var(--warn)', borderRadius: '50%', width: '.7em', height: '.7em' },
  '.cm-specialChar': { color: 'var(--bad)' },
});

function extensionOf(language: Language) {
  if (language === 'json') {
    const parse = jsonParseLinter();
    return [json(), linter((view) => view.state.doc.toString().trim() ? parse(view) : [], { delay: 200 })];
  }
  return [javascript({ typescript: language === 'typescript' }), autocompletion({ override: [completions] }), hover];
}

/**
 * Types over a selection. The browser's own way of it makes elements with
 * inline styles, which the page's policy refuses.
 */
function replaceSelection(e: InputEvent, view: EditorView): boolean {
  const { from, to, empty } = view.state.selection.main, text = e.data;
  if (e.inputType !== 'insertText' || text === null || empty || view.composing) return false;
  const insert = () => view.state.update(view.state.replaceSelection(text), { userEvent: 'input.type', scrollIntoView: true });
  if (!view.state.facet(EditorView.inputHandler).some((h) => h(view, from, to, text, insert))) view.dispatch(insert());
  e.preventDefault();
  return true;
}

export function makeEditor(host: HTMLElement, o: { text: string; language: Language; label: string; run?: () => void; changed?: (text: string) => void }): Editor {
  const root = host.shadowRoot ?? host.attachShadow({ mode: 'open' });
  const parent = document.createElement('div');
  parent.style.height = '100%';
  root.replaceChildren(parent);
  host.replaceChildren(); // what said that the editor is being loaded
  const language = new Compartment();
  const run = () => { o.run?.(); return true; };
  const view = new EditorView({
    root, parent,
    state: EditorState.create({
      doc: o.text,
      extensions: [
        Prec.highest(keymap.of([{ key: 'Ctrl-Enter', mac: 'Cmd-Enter', run, preventDefault: true }, { key: 'Ctrl-Enter', run, preventDefault: true }])),
        lineNumbers(), foldGutter(), highlightActiveLine(), highlightActiveLineGutter(), highlightSpecialChars(), drawSelection(), history(), indentOnInput(),
        bracketMatching(), closeBrackets(), highlightSelectionMatches(), lintGutter(), syntaxHighlighting(highlight),
        // Tab indents; Escape and then Tab leaves the editor, as CodeMirror's keys for accessibility have it.
        keymap.of([...closeBracketsKeymap, ...completionKeymap, ...defaultKeymap, ...searchKeymap, ...historyKeymap, ...foldKeymap, ...lintKeymap, indentWithTab]),
        EditorView.domEventHandlers({ beforeinput: replaceSelection }),
        language.of(extensionOf(o.language)), theme,
        EditorView.contentAttributes.of({ 'aria-label': o.label, tabindex: '0', spellcheck: 'false', autocapitalize: 'off', autocorrect: 'off' }),
        EditorView.updateListener.of((u) => { if (u.docChanged) o.changed?.(u.state.doc.toString()); }),
      ],
    }),
  });
  return {
    text: () => view.state.doc.toString(),
    setText: (text) => view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text } }),
    setLanguage: (l) => view.dispatch({ effects: language.reconfigure(extensionOf(l)) }),
    mark(marks) {
      const doc = view.state.doc, found: Diagnostic[] = [];
      for (const m of marks) {
        if (m.line < 1 || m.line > doc.lines) continue;
        const line = doc.line(m.line), from = Math.min(line.from + Math.max((m.column ?? 1) - 1, 0), line.to);
        const word = /^[\w$]+/.exec(doc.sliceString(from, line.to))?.[0].length ?? 1;
        found.push({ from, to: Math.min(from + word, line.to), severity: m.severity ?? 'error', message: m.message });
      }
      view.dispatch(setDiagnostics(view.state, found.sort((a, b) => a.from - b.from)));
      if (found.length) view.dispatch({ effects: EditorView.scrollIntoView(found[0].from, { y: 'nearest' }) });
    },
    focus: () => view.focus(),
    destroy: () => view.destroy(),
  };
}
