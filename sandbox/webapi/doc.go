// Package webapi does the heavy lifting of the Web-standard APIs: parsing URLs,
// text encodings, compression, cryptography, multipart forms. The classes that
// functions see are JavaScript (sandbox/prelude/lazy) and thin; they call what
// is here by name.
//
// It runs in the sandbox process, on arguments that hostile code chose. Its
// functions are pure: no state is kept between calls, nothing is read but the
// arguments and the system's randomness, and no I/O is done. What could take
// long asks whether the invocation's time is over; what could grow is bounded.
package webapi
