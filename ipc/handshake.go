package ipc

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strings"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"

	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
)

// Protocol is the number of the protocol between the processes. It changes
// when a frame changes its meaning; a change of the messages themselves is
// noticed without it.
const Protocol = 1

const (
	cookieKey   = "BULKHEAD_SANDBOX"
	cookieValue = "started-by-the-bulkhead-supervisor"
	// versionKey tells the child the supervisor's Version.
	versionKey = "BULKHEAD_SUPERVISOR_VERSION"
)

// The environment that the supervisor gives to a child, beside the handshake's.
const (
	// CacheDirKey names the directory of compiled engine code.
	CacheDirKey = "BULKHEAD_CACHE_DIR"
	// LockdownKey holds the confine.Config of its lock-down.
	LockdownKey = "BULKHEAD_LOCKDOWN"
)

// build is set with -ldflags "-X github.com/bulkhead-run/bulkhead/ipc.build=v1.2.3".
var build string

const modulePath = "github.com/bulkhead-run/bulkhead"

// Build returns the release that this binary was built from, "dev" when it is
// not a release.
func Build() string {
	if build != "" {
		return build
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "dev"
	}
	version := ""
	if info.Main.Path == modulePath {
		version = info.Main.Version
	}
	for _, dep := range info.Deps {
		if dep.Path == modulePath {
			version = dep.Version
		}
	}
	if strings.HasPrefix(version, "v") && strings.Count(version, "-") < 2 && !strings.Contains(version, "+dirty") {
		return version
	}
	return "dev" // no version, or one made up from a commit
}

// Version is what both sides compare before they talk.
type Version struct {
	// Build is the release, or "dev".
	Build string
	// Contract is the protocol's number and a digest of the messages.
	Contract string
}

// ThisVersion returns the version of the running binary.
func ThisVersion() Version { return Version{Build: Build(), Contract: contract} }

var contract = func() string {
	file := protodesc.ToFileDescriptorProto(sandboxpb.File_ipc_sandboxpb_sandbox_proto)
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(file)
	if err != nil {
		return fmt.Sprintf("%d.unknown", Protocol)
	}
	sum := sha256.Sum256(raw)
	return fmt.Sprintf("%d.%s", Protocol, hex.EncodeToString(sum[:4]))
}()

func (v Version) String() string { return v.Build + ", protocol " + v.Contract }

func (v Version) encode() string { return v.Build + " " + v.Contract }

func decodeVersion(s string) Version {
	b, c, _ := strings.Cut(s, " ")
	return Version{Build: b, Contract: c}
}

// matches reports whether two binaries may talk. Two development builds are
// told apart by their contract alone.
func (v Version) matches(w Version) bool {
	return v.Contract == w.Contract && (v.Build == w.Build || v.Build == "dev" || w.Build == "dev")
}

// ErrByHand is returned by Check in a process that no supervisor started.
var ErrByHand = errors.New("not started by a supervisor")

// Check is the child's part of the handshake, made before anything else: was
// this process started by a supervisor, and by one of the same version? A
// mismatch is an error that names both versions and the remedy.
func Check() error {
	if os.Getenv(cookieKey) != cookieValue {
		return ErrByHand
	}
	return checkVersion(ThisVersion(), decodeVersion(os.Getenv(versionKey)))
}

func checkVersion(sandbox, supervisor Version) error {
	if sandbox.matches(supervisor) {
		return nil
	}
	return fmt.Errorf("version mismatch: this sandbox is %v, the supervisor is %v; install both binaries from the same release, or point --sandbox-bin at the right one",
		sandbox, supervisor)
}

func agreement() plugin.HandshakeConfig {
	return plugin.HandshakeConfig{
		ProtocolVersion:  Protocol,
		MagicCookieKey:   cookieKey,
		MagicCookieValue: cookieValue,
	}
}
