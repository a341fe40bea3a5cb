import { number } from './text';

export interface Series { name: string; values: number[]; class: string }

/** A small line chart of the last samples, with its newest value in words. */
export function Chart({ title, series, format = number, samples }: { title: string; series: Series[]; format?: (n: number) => string; samples: number }) {
  const width = 300, height = 84, most = Math.max(...series.flatMap((s) => s.values), 0) || 1;
  const top = niceAbove(most);
  const x = (i: number, n: number) => width - (n - 1 - i) * width / Math.max(samples - 1, 1);
  const y = (v: number) => height - 2 - v / top * (height - 8);
  const last = series.map((s) => `${s.name} ${s.values.length ? format(s.values[s.values.length - 1]) : 'unknown'}`).join(', ');
  return <figure class="chart">
    <figcaption><span>{title}</span><span class="quiet">{format(top)}</span></figcaption>
    <svg viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" role="img" aria-label={`${title}: ${last}`}>
      <line x1="0" x2={width} y1={y(top / 2)} y2={y(top / 2)} class="grid" /><line x1="0" x2={width} y1={y(0)} y2={y(0)} class="grid" />
      {series.map((s) => <polyline class={'plot ' + s.class} points={s.values.map((v, i) => `${x(i, s.values.length).toFixed(1)},${y(v).toFixed(1)}`).join(' ')} />)}
    </svg>
    <div class="legend">{series.map((s) => <span><i class={'plot-key ' + s.class} aria-hidden="true" />{s.name} <b>{s.values.length ? format(s.values[s.values.length - 1]) : '–'}</b></span>)}</div>
  </figure>;
}

function niceAbove(n: number): number {
  const power = 10 ** Math.floor(Math.log10(n));
  for (const f of [1, 2, 5, 10]) if (n <= f * power * 1.0001) return f * power;
  return 10 * power;
}
