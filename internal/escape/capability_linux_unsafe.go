package escape

import (
	"errors"
	"unsafe"

	"golang.org/x/sys/unix"
)

// takeCapability asks the kernel for what root has.
func takeCapability() error {
	header := &unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var has [2]unix.CapUserData
	if err := call(unix.SYS_CAPGET, uintptr(unsafe.Pointer(header)), uintptr(unsafe.Pointer(&has))); err != nil {
		return err
	}
	if has[0].Permitted == 0 {
		return errors.Join(unix.EPERM, errors.New("it has none"))
	}
	has[0].Effective = has[0].Permitted
	return call(unix.SYS_CAPSET, uintptr(unsafe.Pointer(header)), uintptr(unsafe.Pointer(&has)))
}
