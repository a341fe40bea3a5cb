// Slicing, searching, splitting, joining, changing case.
(function () {
  var words = "the quick brown fox jumps over the lazy dog".split(" "), counts = {}, out = [];
  for (var i = 0; i < 4000; i++) {
    var word = words[i % words.length];
    var key = word.charAt(0).toUpperCase() + word.slice(1) + "-" + i % 50;
    counts[key] = (counts[key] || 0) + 1;
    if (key.indexOf("ox") >= 0) out.push(key.replace("ox", "OX").split("").reverse().join(""));
  }
  var text = out.join(","), hash = 0;
  for (var c = 0; c < text.length; c++) hash = (hash * 31 + text.charCodeAt(c)) | 0;
  return Object.keys(counts).length + ":" + text.length + ":" + hash;
})
