package channels

import "log/slog"

// Secret is a password or a token of a channel's configuration. The file names
// where it is, {env: NAME} or {file: PATH}, and never holds it; whoever loads the
// file fills it in. It prints, logs and marshals as ***, and compares by value
// only with Equal and reflect.DeepEqual.
type Secret struct {
	// A pointer, so that printing a struct that embeds or hides the Secret, where
	// fmt cannot call String, shows an address.
	value *string
}

// NewSecret holds a value.
func NewSecret(value string) Secret { return Secret{&value} }

// Value returns what is secret, "" when nothing was configured.
func (s Secret) Value() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsZero says that nothing was configured.
func (s Secret) IsZero() bool { return s.value == nil }

// Equal says whether both hold the same.
func (s Secret) Equal(t Secret) bool { return s.IsZero() == t.IsZero() && s.Value() == t.Value() }

// String returns ***, or nothing for an empty Secret.
func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return "***"
}

// GoString returns what String returns.
func (s Secret) GoString() string { return s.String() }

// MarshalText writes what String returns.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue logs what String returns.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
