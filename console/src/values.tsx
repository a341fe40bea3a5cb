import { useState } from 'preact/hooks';
import type { Member, Shown } from './cbor';
import { inline, visible } from './text';

const step = 100;

/** A value as a tree that folds. */
export function Tree({ value, label }: { value: Shown; label: string }) {
  return <div class="tree" role="group" aria-label={label}><Value value={value} depth={0} /></div>;
}

function Key({ of }: { of: string | Shown }) {
  return typeof of === 'string' ? <><span class="key">{inline(of)}</span>: </> : <><Leaf value={of} />{of.children?.length ? <span class="preview"> {preview(of)}</span> : null} ⇒ </>;
}

function Leaf({ value: v }: { value: Shown }) {
  const mark = v.id === undefined ? null : <span class="mark">*{v.id} </span>;
  if (v.kind === 'string') {
    return v.text.length > 500 || v.text.includes('\n')
      ? <span class="v-string">{mark}<LongString text={v.text} /></span>
      : <span class="v-string">{mark}{'"' + inline(v.text) + '"'}</span>;
  }
  return <span class={'v-' + v.kind}>{mark}{inline(v.text)}</span>;
}

function LongString({ text }: { text: string }) {
  const [all, setAll] = useState(text.length <= 2000);
  return <><span class="long">{'"' + visible(all ? text : text.slice(0, 500)) + (all ? '"' : '…')}</span>
    {!all && <button type="button" class="small" onClick={() => setAll(true)}>all {text.length} characters</button>}</>;
}

function preview(v: Shown): string {
  if (!v.children?.length) return '';
  const of = (m: Member) => {
    const text = m.value.kind === 'string' ? JSON.stringify(m.value.text.slice(0, 20)) : m.value.text;
    return (v.kind === 'object' || v.kind === 'map') && m.key !== undefined ? `${typeof m.key === 'string' ? m.key : m.key.text}: ${text}` : text;
  };
  const text = v.children.slice(0, 4).map(of).join(', ') + (v.children.length > 4 ? ', …' : '');
  return inline(text.length > 80 ? text.slice(0, 79) + '…' : text);
}

function Value({ value: v, depth, at }: { value: Shown; depth: number; at?: string | Shown }) {
  const [open, setOpen] = useState(depth < 2 && (v.children?.length ?? 0) <= 50);
  const [most, setMost] = useState(step);
  const key = at === undefined ? null : <Key of={at} />;
  if (!v.children?.length) return <div class="leaf">{key}<Leaf value={v} /></div>;
  return <details open={open} onToggle={(e) => setOpen(e.currentTarget.open)}>
    <summary>{key}<Leaf value={v} />{!open && <span class="preview"> {preview(v)}</span>}</summary>
    {open && <div class="members">
      {v.children.slice(0, most).map((m) => <Value value={m.value} at={m.key} depth={depth + 1} />)}
      {v.children.length > most && <button type="button" class="small" onClick={() => setMost(most + 10 * step)}>{v.children.length - most} more</button>}
    </div>}
  </details>;
}
