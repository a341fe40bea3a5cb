// What an API does all day: parse, change, stringify.
(function () {
  var rows = [];
  for (var i = 0; i < 300; i++) {
    rows.push({ id: i, name: "customer " + i, active: i % 3 === 0, tags: ["a" + i % 7, "b" + i % 5], address: { city: "Z\u00fcrich", zip: String(8000 + i) }, balance: i * 1.25 });
  }
  var text = JSON.stringify(rows), total = 0;
  for (var round = 0; round < 5; round++) {
    var parsed = JSON.parse(text);
    parsed.forEach(function (row) { total += row.balance; row.balance += 1; });
    text = JSON.stringify(parsed);
  }
  return text.length + ":" + total;
})
