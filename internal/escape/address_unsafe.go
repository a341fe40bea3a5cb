package escape

import "unsafe"

// address is where b is, which stays there as long as it is used.
func address(b []byte) uintptr { return uintptr(unsafe.Pointer(&b[0])) }
