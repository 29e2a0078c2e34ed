// Package link opens connections to mail servers that notice their own death: a
// connection on which the server stays silent for too long closes itself, whatever
// deadlines its user sets. It says in words why a server cannot be reached. It
// knows hosts, names and certificates, and neither IMAP nor SMTP.
package link

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"casewire/channels"
)

// How a connection is encrypted.
const (
	Implicit = "implicit" // TLS from the first byte
	StartTLS = "starttls" // TLS after the server's greeting; refused when it is not offered
	None     = "none"     // not at all
)

// Config says where a mail server is.
type Config struct {
	// Host is the name of the server.
	Host string `yaml:"host"`
	// Port is where it listens; 0 is the usual one for the encryption chosen.
	Port int `yaml:"port"`
	// TLS is how the connection is encrypted: implicit, starttls or none. Nothing
	// is sent in the clear unless it says none.
	TLS string `yaml:"tls"`
	// CAFile names a file with certificates (PEM) that are trusted besides those
	// of the system; empty for none.
	CAFile string `yaml:"ca_file"`
}

// Faults returns what is wrong with the configuration; path is its key.
func (c Config) Faults(path string) []*channels.FieldError {
	var out []*channels.FieldError
	add := func(key, mend, format string, args ...any) {
		out = append(out, &channels.FieldError{Path: path + "." + key, Msg: fmt.Sprintf(format, args...), Mend: mend})
	}
	switch {
	case c.Host == "":
		add("host", `write the server's name, "mail.shop.example"`, "is empty")
	case strings.ContainsAny(c.Host, "/@ \t\r\n") || strings.Count(c.Host, ":") == 1:
		add("host", `write the name alone, "mail.shop.example", and the port under port`, "%q is not a host name", c.Host)
	}
	if c.Port < 0 || c.Port > 65535 {
		add("port", "write a number from 1 to 65535, or 0 for the usual port", "%d is out of range", c.Port)
	}
	switch c.TLS {
	case Implicit, StartTLS, None:
	default:
		add("tls", "write implicit, starttls or none", "%q is not a way to encrypt", c.TLS)
	}
	if c.CAFile != "" {
		if _, err := c.roots(); err != nil {
			add("ca_file", "name a file with certificates in PEM", "%v", err)
		}
	}
	return out
}

// Address is the host with the port, or with the usual port for the encryption.
func (c Config) Address(implicit, other int) string {
	port := c.Port
	switch {
	case port != 0:
	case c.TLS == Implicit:
		port = implicit
	default:
		port = other
	}
	return net.JoinHostPort(c.Host, strconv.Itoa(port))
}

// TLSConfig returns the settings with which the server is verified, for Dial and
// for STARTTLS.
func (c Config) TLSConfig() (*tls.Config, error) {
	roots, err := c.roots()
	if err != nil {
		return nil, err
	}
	return &tls.Config{ServerName: c.Host, RootCAs: roots, MinVersion: tls.VersionTLS12}, nil
}

func (c Config) roots() (*x509.CertPool, error) {
	if c.CAFile == "" {
		return nil, nil // the system's
	}
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("read certificates: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read certificates: %s holds none", c.CAFile)
	}
	return pool, nil
}
