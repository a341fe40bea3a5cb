// Takes memory until there is no more.
() => {
  const hoard = [];
  for (;;) hoard.push(new Array(10_000).fill(hoard.length));
};
