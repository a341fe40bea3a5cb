// Log lines taken apart, and a text rewritten.
(function () {
  var line = /^(\d{1,3}(?:\.\d{1,3}){3}) - (\S+) \[([^\]]+)\] "(GET|POST|PUT) ([^ "]+)" (\d{3}) (\d+)$/;
  var bytes = 0, users = {}, text = [];
  for (var i = 0; i < 500; i++) {
    var m = line.exec("10.0." + i % 256 + "." + i % 199 + " - user" + i % 13 + " [23/Nov/2026:06:00:" + (10 + i % 50) + "] \"GET /items/" + i + "?q=a+b\" 200 " + i * 17);
    bytes += Number(m[7]);
    users[m[2]] = true;
    text.push(m[5].replace(/[?&]([a-z]+)=([^&]*)/g, function (_, key, value) { return "|" + key + ":" + value.replace(/\+/g, " "); }));
  }
  return bytes + ":" + Object.keys(users).length + ":" + text.join("\n").length;
})
