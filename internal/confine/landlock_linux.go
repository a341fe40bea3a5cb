package confine

import (
	"fmt"

	"github.com/landlock-lsm/go-landlock/landlock"
	llsys "github.com/landlock-lsm/go-landlock/landlock/syscall"
)

// landlockVersions are the strictest rule sets of the kernel's versions of
// Landlock, from 1.
var landlockVersions = []landlock.Config{
	landlock.V1, landlock.V2, landlock.V3, landlock.V4, landlock.V5, landlock.V6,
	landlock.V7, landlock.V8, landlock.V9, landlock.V10, landlock.V11,
}

// landlockFor returns the strictest rules that a kernel's version can hold the
// process to, and their version. The library's own way of finding them may end with none.
func landlockFor(version int) (landlock.Config, int) {
	version = min(version, len(landlockVersions))
	return landlockVersions[version-1], version
}

// landlockVersion returns 0 when the kernel does not offer Landlock: it is not
// built in, or not among the security modules that were chosen at boot.
func landlockVersion() int {
	version, err := llsys.LandlockGetABIVersion()
	if err != nil {
		return 0
	}
	return max(version, 0)
}

// keptRights are those that a process keeps to the files in its directory.
const keptRights = llsys.AccessFSReadFile | llsys.AccessFSWriteFile | llsys.AccessFSReadDir |
	llsys.AccessFSMakeReg | llsys.AccessFSRemoveFile | llsys.AccessFSTruncate

// restrictLandlock denies every file, port and scope that the kernel knows to
// deny; a kept directory's files stay.
func (l *locker) restrictLandlock() (string, error) {
	offered := landlockVersion()
	if offered == 0 {
		return "", unavailable("the kernel does not offer it")
	}
	config, version := landlockFor(offered)
	var rules []landlock.Rule
	if l.KeepDir {
		rules = append(rules, landlock.PathAccess(keptRights&config.HandledAccessFS, "."))
	}
	if err := config.Restrict(rules...); err != nil {
		return "", fmt.Errorf("version %d of %d: %w", version, offered, err)
	}
	return fmt.Sprintf("version %d", version), nil
}
