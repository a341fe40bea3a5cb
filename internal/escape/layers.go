package escape

// The layers, by the names of internal/confine.
const (
	sealedCode      = "sealed-code"
	namespaces      = "namespaces"
	emptyRoot       = "empty-root"
	user            = "user"
	noNewPrivileges = "no-new-privileges"
	notDumpable     = "not-dumpable"
	rlimits         = "rlimits"
	capabilities    = "capabilities"
	landlock        = "landlock"
	seccomp         = "seccomp"
)
