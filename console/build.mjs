// Bundles src/ into dist/: assets named by their hash, and the page, each
// stored as NAME.br and NAME.gz only, which is what console.go embeds.
import { build } from 'esbuild';
import { readFileSync, readdirSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { createHash } from 'node:crypto';
import path from 'node:path';
import { completions, sources } from './completions.mjs';

const here = import.meta.dirname;
const dist = path.join(here, 'dist');
const assets = path.join(dist, 'assets');

// The examples are files of the project, which its tests run.
const examples = ['process-webhook', 'user-lookup', 'outsider', 'endless-loop', 'memory-hog'].map((name) => [name, path.join(here, '../examples', name + '.js')]);
examples.push(...['visits', 'orders', 'report'].map((name) => [name, path.join(here, '../examples/platform', name + '.js')]));

const result = await build({
  entryPoints: { app: path.join(here, 'src/main.tsx'), style: path.join(here, 'src/style.css') },
  bundle: true, splitting: true, format: 'esm', target: 'es2022', minify: true, metafile: true, write: false,
  outdir: assets, entryNames: '[name]-[hash]', chunkNames: '[name]-[hash]', assetNames: '[name]-[hash]',
  legalComments: 'none', jsx: 'automatic', jsxImportSource: 'preact',
  define: { 'process.env.NODE_ENV': '"production"' },
  plugins: [{
    name: 'made',
    setup(b) {
      b.onResolve({ filter: /^examples:$/ }, () => ({ path: 'examples', namespace: 'examples' }));
      b.onLoad({ filter: /.*/, namespace: 'examples' }, () => {
        const found = examples.map(([name, file]) => [name, readFileSync(file, 'utf8')]);
        return { contents: JSON.stringify(Object.fromEntries(found)), loader: 'json', watchFiles: examples.map(([, f]) => f) };
      });
      // A chunk of its own, which the editor loads when somebody types.
      b.onResolve({ filter: /^completions:$/ }, () => ({ path: 'completions', namespace: 'completions' }));
      b.onLoad({ filter: /.*/, namespace: 'completions' }, () => ({ contents: JSON.stringify(completions()), loader: 'json', watchFiles: sources }));
    },
  }],
});

rmSync(assets, { recursive: true, force: true });
mkdirSync(assets, { recursive: true });
const store = (name, content) => {
  const br = brotliCompressSync(content, { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: content.length } });
  writeFileSync(path.join(dist, name + '.br'), br);
  writeFileSync(path.join(dist, name + '.gz'), gzipSync(content, { level: 9 }));
  return br.length;
};
const sizes = result.outputFiles.map((f) => [path.basename(f.path), store('assets/' + path.basename(f.path), f.contents)]);
const icon = readFileSync(path.join(here, 'src/icon.svg'));
const iconName = `icon-${createHash('sha256').update(icon).digest('hex').slice(0, 8).toUpperCase()}.svg`;
sizes.push([iconName, store('assets/' + iconName, icon)]);
const named = (start, end) => sizes.map(([n]) => n).find((n) => n.startsWith(start) && n.endsWith(end));
// What the page needs first is asked for at once, not after the script has come.
const first = Object.entries(result.metafile.outputs).find(([n]) => n.endsWith(named('app-', '.js')))[1];
const preload = first.imports.filter((i) => i.kind === 'import-statement').map((i) => path.basename(i.path));
const page = readFileSync(path.join(here, 'src/index.html'), 'utf8')
  .replace('{{style}}', 'assets/' + named('style-', '.css'))
  .replace('{{icon}}', 'assets/' + iconName)
  .replace('{{script}}', 'assets/' + named('app-', '.js'))
  .replace('{{preload}}', preload.map((n) => `<link rel="modulepreload" href="/console/assets/${n}">`).join('\n'));
sizes.push(['index.html', store('index.html', page)]);
const all = sizes.reduce((sum, [, n]) => sum + n, 0);
for (const [name, n] of sizes.sort((a, b) => b[1] - a[1])) console.log(`${String(n).padStart(8)}  ${name}`);
console.log(`${String(all).padStart(8)}  bytes in all, compressed; ${readdirSync(assets).length / 2} assets`);
