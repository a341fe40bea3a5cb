// Objects by two keys, with a comparison in JavaScript.
(function () {
  var rows = [], seed = 12345;
  for (var i = 0; i < 3000; i++) {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    rows.push({ id: i, group: seed % 100, weight: seed % 977 });
  }
  rows.sort(function (a, b) { return a.group - b.group || b.weight - a.weight || a.id - b.id; });
  var hash = 0;
  for (var n = 0; n < rows.length; n++) hash = (hash * 33 + rows[n].id) % 1000003;
  return String(hash);
})
