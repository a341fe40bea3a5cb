// A sieve: loops, array elements, conditions.
(function () {
  var limit = 40000, composite = [], count = 0, sum = 0;
  for (var i = 0; i <= limit; i++) composite.push(false);
  for (var n = 2; n <= limit; n++) {
    if (composite[n]) continue;
    count++;
    sum = (sum + n * n) % 1000003;
    for (var m = n * n; m <= limit; m += n) composite[m] = true;
  }
  return count + ":" + sum;
})
