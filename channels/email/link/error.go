package link

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// Error is a server that cannot be reached, with words for people. Neither holds
// a secret.
type Error struct {
	Step string // "dns", "connect", "tls", "certificate", "silence"
	Text string // what is wrong
	Mend string // what to do about it
	Err  error
}

func (e *Error) Error() string {
	if e.Err == nil {
		return e.Text
	}
	return e.Text + ": " + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// Explain finds the words for an error of the network. What is an *Error already
// stays as it is.
func Explain(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if e := certificate(err); e != nil {
		return e
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		if dns.IsNotFound {
			return &Error{"dns", "the mail server's name does not exist", "check host for a spelling mistake", err}
		}
		return &Error{"dns", "the mail server's name cannot be looked up", "check the name service of this machine", err}
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return &Error{"connect", "the mail server refuses connections", "check host and port, and whether the server is running", err}
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return &Error{"connect", "there is no way to the mail server", "check the network and the firewall", err}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return &Error{"connect", "the mail server does not answer", "check host and port, the network and the firewall", err}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return &Error{"connect", "the mail server closed the connection", "nothing, if it passes: the connection is made again by itself", err}
	}
	return &Error{"connect", "the mail server cannot be reached", "check host, port and the network", err}
}

// certificate explains a failed handshake, or returns nil.
func certificate(err error) *Error {
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		if e.Reason == x509.Expired && e.Cert != nil {
			text := fmt.Sprintf("the mail server's certificate expired on %s", e.Cert.NotAfter.UTC().Format(time.DateOnly))
			if time.Now().Before(e.Cert.NotBefore) {
				text = fmt.Sprintf("the mail server's certificate is not valid before %s", e.Cert.NotBefore.UTC().Format(time.DateOnly))
			}
			return &Error{"certificate", text, "have the server's certificate renewed, and check the clock of this machine", err}
		}
		return &Error{"certificate", "the mail server's certificate is not valid", "have the server's certificate renewed", err}
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return &Error{"certificate", "nobody we trust vouches for the mail server's certificate", "name the file of its certificate authority in ca_file", err}
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return &Error{"certificate", "the mail server's certificate is for another name", "write the name that the certificate is for in host", err}
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return &Error{"tls", "the mail server does not speak TLS on this port", "use tls: starttls, or the port for implicit TLS", err}
	}
	if _, ok := errors.AsType[tls.AlertError](err); ok {
		return &Error{"tls", "the mail server refuses the encrypted connection", "check which TLS versions the server offers", err}
	}
	return nil
}
