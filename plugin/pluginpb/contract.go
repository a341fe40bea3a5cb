package pluginpb

import "github.com/hashicorp/go-plugin"

// What both sides know beside the messages.
const (
	// Protocol changes when a message changes its meaning.
	Protocol = 1
	// Name is the plugin's name in go-plugin's words.
	Name = "platform"
	// MaxMessage is the largest message in bytes.
	MaxMessage = 4<<20 + 64<<10
	// MaxResult is the largest result in bytes.
	MaxResult = 4 << 20
	// MaxAPIs is how many APIs one plugin may offer.
	MaxAPIs = 256
	// MaxLogs is how many lines of log one call may have, MaxLog the bytes of
	// one; the rest is dropped.
	MaxLogs, MaxLog = 1000, 16 << 10
)

// Handshake is how a supervisor and a plugin know each other.
func Handshake() plugin.HandshakeConfig {
	return plugin.HandshakeConfig{
		ProtocolVersion:  Protocol,
		MagicCookieKey:   "BULKHEAD_PLUGIN",
		MagicCookieValue: "started-by-the-bulkhead-supervisor",
	}
}
