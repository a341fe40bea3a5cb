import path, { join, posix } from 'path';

const paths = ['', '/', 'a', '/a', 'a/', '/a/b/', '../a', 'a/../..', '/..', './a/./b', '//a//b', '.bashrc', 'a.b.c', 'a.', '..', '/a/.b', 'a/b.txt/', '.', '/a.txt'];
const pairs = [['a', 'b'], ['/a/b', '../c'], ['/a', '/b/c'], ['', 'x'], ['a/b', '../../..'], ['/a/b/c', '/a/d']];

export default () => ({
  each: ['normalize', 'dirname', 'basename', 'extname', 'isAbsolute'].map((f) => paths.map((p) => path[f](p))),
  parse: ['/home/u/file.txt', 'a', '/', '/.x', 'a/b.c/', './x.y'].map((p) => path.parse(p)),
  join: pairs.map(([a, b]) => join(a, b)),
  resolve: pairs.map(([a, b]) => path.resolve('/q', a, b)),
  relative: pairs.map(([a, b]) => path.relative('/' + a, '/' + b)),
  format: [{ dir: '/a', base: 'b.c' }, { root: '/', name: 'x', ext: '.y' }, { name: 'n', ext: 'e' }].map((o) => path.format(o)),
  suffix: [path.basename('a/b.html', '.html'), path.basename('.html', '.html')],
  same: [posix.sep, path.delimiter, posix.join === join],
});
