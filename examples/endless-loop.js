// Never returns: it is stopped at its deadline, catch or no catch.
() => {
  for (;;) {
    try {
      for (;;) {}
    } catch {
      // Not reached: a deadline cannot be caught.
    }
  }
};
