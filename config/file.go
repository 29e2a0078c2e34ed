// Package config is the fuse box: it reads the process file, reports every fault
// of it at once by file, line and column, and holds the snapshot that the process
// runs on. What supervisors change (queues, rules, statuses, templates) is the
// policy and lives in the room of that name. The package knows neither how a
// channel works nor what anybody does with a limit.
//
// # A new key
//
// A key of the process is a field of Static (a change needs a restart) or of
// Dynamic (a change takes effect on reload) with a yaml tag, a comment that says
// what it does, its default in Defaults and its check in check. A key of a channel
// is a field of that channel's own Config, likewise. Then write example.yaml anew:
//
//	go test ./cmd/casewire -run TestExampleFile -update
package config

import (
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"

	"casewire/casecore/flow"
	"casewire/channels"
)

// File is the process file, casewire.yaml. Relative paths in it are taken from the
// folder that casewire is started in.
type File struct {
	Static  `yaml:",inline"`
	Dynamic `yaml:",inline"`
}

// Static is what only a restart can change.
type Static struct {
	// Listen is the address and port that casewire answers HTTP on. Port 0 takes
	// a free one.
	Listen string `yaml:"listen"`
	// PublicURL is how the outside reaches casewire, for links and webhooks:
	// https://help.example.com. Left out, it is the address listened on, and
	// notices have no links to customers' own pages.
	PublicURL string `yaml:"public_url"`
	// Data is the folder that the embedded store and the attachments live in.
	Data string `yaml:"data"`
	// Store is where cases are kept: "sqlite:" for the embedded store in the data
	// folder, "sqlite:PATH" for a file elsewhere, or "mongodb://…" for a replica set
	// that several nodes may share.
	Store string `yaml:"store"`
	// StorePassword is the password of the user that store names, so that it need
	// not stand there.
	StorePassword channels.Secret `yaml:"store_password"`
	// Attachments is where attachments and raw messages are kept: empty for beside
	// the store (in the data folder, or in the database of mongodb), "dir:PATH" for a
	// folder, which several nodes must share.
	Attachments string `yaml:"attachments"`
	// TrustedProxies are the addresses or networks of reverse proxies whose
	// X-Forwarded-For header is believed.
	TrustedProxies []Network `yaml:"trusted_proxies"`
	// Limits bound what one request or one browser may take up.
	Limits Limits `yaml:"limits"`
	// Grace is how long a stopping process may take to finish what is in hand.
	Grace flow.Duration `yaml:"grace"`
	// LogFormat is how log lines look: "text", "json", or "auto" for text on a
	// terminal and JSON elsewhere.
	LogFormat string `yaml:"log_format"`
}

// Folder is the folder of the attachments, "" when they are kept in the database.
func (s Static) Folder() string {
	if path, ok := strings.CutPrefix(s.Attachments, "dir:"); ok {
		return path
	}
	if strings.HasPrefix(s.Store, "mongodb") {
		return ""
	}
	return filepath.Join(s.Data, "blobs")
}

// Dynamic is what a reload changes in the running process.
type Dynamic struct {
	// LogLevel is what is logged: debug, info, warn or error, each with all that
	// is worse.
	LogLevel Level `yaml:"log_level"`
}

// Limits bound what one request or one browser may take up.
type Limits struct {
	// Request is the largest request body apart from attachments.
	Request Size `yaml:"request"`
	// Attachment is the largest single attachment.
	Attachment Size `yaml:"attachment"`
	// Sockets is how many operators' browsers may be connected at once.
	Sockets int `yaml:"sockets"`
}

// Defaults is the file that an empty file stands for.
func Defaults() File {
	return File{
		Static: Static{
			Listen:    "127.0.0.1:8080",
			Data:      "./casewire-data",
			Store:     "sqlite:",
			Limits:    Limits{Request: 1 << 20, Attachment: 20 << 20, Sockets: 2000},
			Grace:     flow.Duration(30e9),
			LogFormat: "auto",
		},
		Dynamic: Dynamic{LogLevel: Level(slog.LevelInfo)},
	}
}

// Channel is one configured account. ID is as seen everywhere else in casewire,
// "webchat:site"; Name is the part behind the colon, as the file has it.
type Channel struct {
	ID     string
	Name   string
	Kind   channels.Kind
	Config channels.Config
}

// Network is an address or a network, "10.0.0.0/8".
type Network struct{ netip.Prefix }

// UnmarshalText reads "10.0.0.1" or "10.0.0.0/8".
func (n *Network) UnmarshalText(b []byte) error {
	if a, err := netip.ParseAddr(string(b)); err == nil && a.Zone() == "" {
		n.Prefix = netip.PrefixFrom(a, a.BitLen())
		return nil
	}
	p, err := netip.ParsePrefix(string(b))
	if err != nil {
		return fmt.Errorf("%q is neither an address nor a network; write it like 10.0.0.1 or 10.0.0.0/8", b)
	}
	n.Prefix = p.Masked()
	return nil
}

// Level is a log level.
type Level slog.Level

// UnmarshalText reads "debug", "info", "warn" or "error".
func (l *Level) UnmarshalText(b []byte) error {
	for _, v := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		if string(b) == strings.ToLower(v.String()) {
			*l = Level(v)
			return nil
		}
	}
	return fmt.Errorf("%q is not a log level; write debug, info, warn or error", b)
}

// MarshalText writes what UnmarshalText reads.
func (l Level) MarshalText() ([]byte, error) {
	return []byte(strings.ToLower(slog.Level(l).String())), nil
}

// Size is a number of bytes.
type Size int64

// units of sizes, the largest first.
var units = []struct {
	name  string
	bytes Size
}{{"GB", 1 << 30}, {"MB", 1 << 20}, {"KB", 1 << 10}, {"B", 1}}

// UnmarshalText reads "20 MB", "512KB" or "1048576".
func (s *Size) UnmarshalText(b []byte) error {
	number, unit := strings.TrimSpace(string(b)), Size(1)
	for _, u := range units {
		if n, ok := strings.CutSuffix(strings.ToUpper(number), u.name); ok {
			number, unit = strings.TrimSpace(n), u.bytes
			break
		}
	}
	n, err := strconv.ParseUint(number, 10, 32)
	if err != nil {
		return fmt.Errorf("%q is not a size; write it like 512 KB or 20 MB", b)
	}
	*s = Size(n) * unit
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (s Size) MarshalText() ([]byte, error) {
	for _, u := range units {
		if s != 0 && s%u.bytes == 0 {
			return fmt.Appendf(nil, "%d %s", s/u.bytes, u.name), nil
		}
	}
	return fmt.Appendf(nil, "%d B", s), nil
}

// Proxies returns the networks of TrustedProxies.
func (s Static) Proxies() []netip.Prefix {
	out := make([]netip.Prefix, len(s.TrustedProxies))
	for i, n := range s.TrustedProxies {
		out[i] = n.Prefix
	}
	return out
}
