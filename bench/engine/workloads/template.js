// A page rendered by a small template compiler, as a web handler does.
(function () {
  function escape(value) { return String(value).replace(/[&<>"]/g, function (c) { return { "&": "&amp;", "<": "&lt;", ">": "&gt;", "\"": "&quot;" }[c]; }); }
  function compile(source) {
    var parts = [], rest = source, m;
    while ((m = /\{\{\s*([\w.]+)\s*\}\}/.exec(rest))) {
      parts.push(rest.slice(0, m.index), m[1].split("."));
      rest = rest.slice(m.index + m[0].length);
    }
    parts.push(rest);
    return function (data) {
      return parts.map(function (part) {
        return typeof part === "string" ? part : escape(part.reduce(function (value, key) { return value == null ? "" : value[key]; }, data));
      }).join("");
    };
  }
  var row = compile("<tr id=\"r{{ id }}\"><td>{{ customer.name }}</td><td>{{ customer.city }}</td><td class=\"n\">{{ total }}</td></tr>\n");
  var html = "";
  for (var i = 0; i < 400; i++) html += row({ id: i, customer: { name: "Tom & <Jerry> " + i, city: "\"Basel\"" }, total: (i * 1.5).toFixed(2) });
  var hash = 0;
  for (var c = 0; c < html.length; c += 7) hash = (hash * 31 + html.charCodeAt(c)) | 0;
  return html.length + ":" + hash;
})
